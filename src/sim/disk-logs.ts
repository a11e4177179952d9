/**
 * The logs on a simulated disk, read from outside: which batches are there, and which of them are on the medium.
 *
 * Owns walking Kafka's folders and files; asks no node. Reads again only what changed. What a node holds in memory alone is not seen.
 */
import { firstEndingAfter } from "./checkers/cluster/committed-records.js"
import {
  batchBaseOffset,
  batchBytes,
  batchChecksum,
  batchHeaderBytes,
  batchLastOffset,
  batchLeaderEpoch,
} from "../protocol/batch-header.js"
import {
  decodeOffsetCheckpoint,
  decodePartitionMetadata,
  logStartOffsetFile,
  partitionMetadataFile,
} from "../storage/checkpoint-files.js"
import type { SimulatedDisk } from "./disk.js"
import { Inode } from "./inode.js"
import { Folder } from "./names.js"

export interface StoredBatch {
  readonly baseOffset: number
  readonly nextOffset: number
  readonly leaderEpoch: number
  readonly checksum: number
  readonly file: Inode
  readonly from: number
  readonly to: number
}

interface ReadFile {
  rewrites: number
  readTo: number
  batches: StoredBatch[]
}

const folderName = /^(.+)-(\d+)$/
const logFile = /^\d{20}\.log$/
export const metadataTopic = "__cluster_metadata"

const bytesOf = (batch: StoredBatch): Buffer => batch.file.view(batch.from, batch.to)

/** One replica's log. */
export class StoredLog {
  constructor(
    readonly topic: string,
    readonly partition: number,
    readonly batches: readonly StoredBatch[],
  ) {}

  get startOffset(): number {
    return this.batches[0]?.baseOffset ?? 0
  }

  get endOffset(): number {
    return this.batches.at(-1)?.nextOffset ?? 0
  }

  /** Index of the first batch that ends after the offset. */
  indexOf(offset: number): number {
    return firstEndingAfter(this.batches, offset)
  }

  at(offset: number): StoredBatch | undefined {
    const batch = this.batches[this.indexOf(offset)]
    return batch !== undefined && batch.baseOffset <= offset ? batch : undefined
  }

  bytes(batch: StoredBatch): Buffer {
    return bytesOf(batch)
  }
}

const files = new WeakMap<Inode, ReadFile>()

function batchesOf(file: Inode): readonly StoredBatch[] {
  let known = files.get(file)
  if (known === undefined || known.rewrites !== file.rewrites)
    files.set(file, (known = { rewrites: file.rewrites, readTo: 0, batches: [] }))
  while (known.readTo + batchHeaderBytes <= file.size) {
    const header = file.view(known.readTo, known.readTo + batchHeaderBytes)
    const length = batchBytes(header)
    if (length < batchHeaderBytes || known.readTo + length > file.size) break
    known.batches.push({
      baseOffset: batchBaseOffset(header),
      nextOffset: batchLastOffset(header) + 1,
      leaderEpoch: batchLeaderEpoch(header),
      checksum: batchChecksum(header),
      file,
      from: known.readTo,
      to: known.readTo + length,
    })
    known.readTo += length
  }
  return known.batches
}

const topicIds = new WeakMap<
  Inode,
  { readonly rewrites: number; readonly size: number; readonly topicId: string | undefined }
>()

function topicIdIn(file: Inode): string | undefined {
  let known = topicIds.get(file)
  if (known === undefined || known.rewrites !== file.rewrites || known.size !== file.size) {
    const { rewrites, size } = file
    topicIds.set(file, (known = { rewrites, size, topicId: decodePartitionMetadata(file.contents()) }))
  }
  return known.topicId
}

export const isDurable = (batch: StoredBatch): boolean => batch.file.isDurable(batch.from, batch.to)

export class DiskLogs {
  constructor(readonly disk: SimulatedDisk) {}

  /**
   * By topic id and partition, as `<id>/<n>`; the metadata log as `__cluster_metadata/0`. Several where a replica was made anew in another directory since its own failed: the node knows
   * which of them counts.
   */
  logs(): Map<string, StoredLog[]> {
    const found = new Map<string, StoredLog[]>()
    for (const directory of this.disk.names.root.cached.values()) {
      if (!(directory instanceof Folder)) continue
      for (const [name, folder] of directory.cached) {
        const match = folderName.exec(name)
        if (match === null || !(folder instanceof Folder)) continue
        const key = this.#keyOf(match[1]!, Number(match[2]), folder)
        if (key !== undefined)
          found.set(key, [...(found.get(key) ?? []), this.#log(match[1]!, Number(match[2]), folder)])
      }
    }
    return found
  }

  /** Those of one partition. */
  copies(key: string, topic: string): StoredLog[] {
    const found: StoredLog[] = []
    const partition = Number(key.slice(key.indexOf("/") + 1))
    for (const directory of this.disk.names.root.cached.values()) {
      const folder = directory instanceof Folder ? directory.cached.get(`${topic}-${partition}`) : undefined
      if (folder instanceof Folder && this.#keyOf(topic, partition, folder) === key)
        found.push(this.#log(topic, partition, folder))
    }
    return found
  }

  /** Undefined: there is none, or it is not to be seen which of several counts. */
  log(key: string, topic: string): StoredLog | undefined {
    const [log, ...others] = this.copies(key, topic)
    return others.length > 0 ? undefined : log
  }

  /** What a start after a power cut would find in a file of the metadata log's folder. Undefined: it is not sure to be there. */
  durableMetadataFile(name: string): Buffer | undefined {
    for (const directory of this.disk.names.root.durable.values()) {
      const folder = directory instanceof Folder ? directory.durable.get(`${metadataTopic}-0`) : undefined
      const file = folder instanceof Folder ? folder.durable.get(name) : undefined
      if (file instanceof Inode) return file.isDurable(0, file.size) ? Buffer.from(file.view(0, file.size)) : undefined
    }
    return undefined
  }

  /** Where a start after a power cut would let the log begin: where its first file does, or where the checkpoint says. */
  durableStartOf(topic: string, partition: number): number {
    let start = 0
    for (const directory of this.disk.names.root.durable.values()) {
      if (!(directory instanceof Folder)) continue
      const folder = directory.durable.get(`${topic}-${partition}`)
      if (!(folder instanceof Folder)) continue
      const names = [...folder.durable.keys()].filter((name) => logFile.test(name)).sort()
      const file = directory.durable.get(logStartOffsetFile)
      const entries = file instanceof Inode ? decodeOffsetCheckpoint(Buffer.from(file.contents())) : undefined
      start = Math.max(start, Number.parseInt(names[0] ?? "0", 10), entries?.get(`${topic}-${partition}`)?.offset ?? 0)
    }
    return start
  }

  #keyOf(topic: string, partition: number, folder: Folder): string | undefined {
    if (topic === metadataTopic) return `${metadataTopic}/0`
    const file = folder.cached.get(partitionMetadataFile)
    const topicId = file instanceof Inode ? topicIdIn(file) : undefined
    return topicId === undefined ? undefined : `${topicId}/${partition}`
  }

  #log(topic: string, partition: number, folder: Folder): StoredLog {
    const segments = segmentsOf(folder)
    if (segments.length === 1) return new StoredLog(topic, partition, batchesOf(segments[0]!))
    return new StoredLog(topic, partition, segments.flatMap(batchesOf))
  }
}

const segmentsIn = new WeakMap<Folder, { readonly changes: number; readonly segments: readonly Inode[] }>()

/** Files of records, the oldest first. */
function segmentsOf(folder: Folder): readonly Inode[] {
  let known = segmentsIn.get(folder)
  if (known === undefined || known.changes !== folder.changes) {
    const named = [...folder.cached].filter(([name, file]) => logFile.test(name) && file instanceof Inode)
    named.sort(([a], [b]) => (a < b ? -1 : 1))
    known = { changes: folder.changes, segments: named.map(([, file]) => file as Inode) }
    segmentsIn.set(folder, known)
  }
  return known.segments
}
