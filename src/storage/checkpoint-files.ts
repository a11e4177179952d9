/**
 * The small files beside the segments, in Kafka's formats, replaced as a whole.
 *
 * Owns their text and the one way they are written (temporary file, sync, rename, sync of the folder); not when. A reader sees the old
 * content or the new one, never a mixture.
 */
import { type Disk, DiskError } from "../env/env.js"
import { type TopicPartition, topicPartitionName, type Uuid } from "../base/ids.js"
import type { EpochEntry } from "./leader-epoch-cache.js"

export const recoveryPointFile = "recovery-point-offset-checkpoint"
export const logStartOffsetFile = "log-start-offset-checkpoint"
export const highWatermarkFile = "replication-offset-checkpoint"
export const leaderEpochFile = "leader-epoch-checkpoint"
export const partitionMetadataFile = "partition.metadata"
export const metaPropertiesFile = "meta.properties"
export const cleanShutdownFile = ".kafka_cleanshutdown"
export const lockFile = ".lock"

/** 100,000 partitions with names of full length. */
export const checkpointFileBytesMax = 64 * 1024 * 1024

export interface OffsetCheckpoint extends TopicPartition {
  readonly offset: number
}

/** When it resolves, the content is on the medium under its name; before that, the old one is. */
export async function replaceFile(disk: Disk, directory: string, name: string, content: Uint8Array): Promise<void> {
  const path = `${directory}/${name}`
  const temporary = `${path}.tmp`
  const file = await disk.open(temporary, { create: true })
  try {
    await file.truncate(0)
    await file.write([content], 0)
    await file.sync()
  } finally {
    await file.close()
  }
  await disk.rename(temporary, path)
  await disk.syncDirectory(directory)
}

/**
 * What `replaceFile` left, for whoever acts on it: an earlier process may have been killed before the name was durable, and what is acted on must still be so after a power cut. Undefined when there is no
 * such file.
 */
export async function readDurableFile(disk: Disk, directory: string, name: string): Promise<Buffer | undefined> {
  const content = await readSmallFile(disk, `${directory}/${name}`)
  if (content !== undefined) await disk.syncDirectory(directory)
  return content
}

/** Undefined when there is no such file. */
export async function readSmallFile(disk: Disk, path: string): Promise<Buffer | undefined> {
  try {
    return await disk.readFile(path, checkpointFileBytesMax)
  } catch (error) {
    if (error instanceof DiskError && error.code === "ENOENT") return undefined
    throw error
  }
}

function encodeLines(lines: readonly string[]): Buffer {
  return Buffer.from(`0\n${lines.length}\n${lines.map((line) => `${line}\n`).join("")}`)
}

/** The entries of a version 0 checkpoint, or undefined when the text is not one: wrong version, count or shape. */
function decodeLines(text: string, fields: number): number[][] | undefined
function decodeLines(text: string, fields: number, name: true): string[][] | undefined
function decodeLines(text: string, fields: number, name?: true): (number | string)[][] | undefined {
  const lines = text.split("\n")
  if (lines[0] !== "0" || !/^\d{1,9}$/.test(lines[1] ?? "") || lines.at(-1) !== "") return undefined
  if (Number(lines[1]) !== lines.length - 3) return undefined
  const rows: (number | string)[][] = []
  for (const line of lines.slice(2, -1)) {
    const parts = line.split(" ")
    if (parts.length !== fields) return undefined
    if (!parts.slice(name ? 1 : 0).every((part) => /^-?\d{1,19}$/.test(part))) return undefined
    rows.push(name ? parts : parts.map(Number))
  }
  return rows
}

export function encodeOffsetCheckpoint(entries: readonly OffsetCheckpoint[]): Buffer {
  return encodeLines(entries.map(({ topic, partition, offset }) => `${topic} ${partition} ${offset}`))
}

/** Offsets by `topic-partition`, or undefined when the file is damaged. */
export function decodeOffsetCheckpoint(bytes: Buffer): Map<string, OffsetCheckpoint> | undefined {
  const rows = decodeLines(bytes.toString("utf8"), 3, true)
  return (
    rows &&
    new Map(
      rows.map(([topic, partition, offset]) => [
        topicPartitionName(topic!, Number(partition)),
        { topic: topic!, partition: Number(partition), offset: Number(offset) },
      ]),
    )
  )
}

export const encodeLeaderEpochs = (entries: readonly EpochEntry[]): Buffer =>
  encodeLines(entries.map(({ epoch, startOffset }) => `${epoch} ${startOffset}`))

export function decodeLeaderEpochs(bytes: Buffer): EpochEntry[] | undefined {
  return decodeLines(bytes.toString("utf8"), 2)?.map(([epoch, startOffset]) => ({
    epoch: epoch!,
    startOffset: startOffset!,
  }))
}

export const encodePartitionMetadata = (topicId: Uuid): Buffer => Buffer.from(`version: 0\ntopic_id: ${topicId}`)

export function decodePartitionMetadata(bytes: Buffer): Uuid | undefined {
  return /^version: 0\ntopic_id: ([A-Za-z0-9_-]{22})\s*$/.exec(bytes.toString("utf8"))?.[1]
}

export interface MetaProperties {
  readonly clusterId: Uuid
  readonly nodeId: number
  readonly directoryId: Uuid
}

export const encodeMetaProperties = ({ clusterId, nodeId, directoryId }: MetaProperties): Buffer =>
  Buffer.from(`cluster.id=${clusterId}\ndirectory.id=${directoryId}\nnode.id=${nodeId}\nversion=1\n`)

/** What Kafka or we wrote; undefined when a field is missing or the version is another. Version 0 (`broker.id`) is not read. */
export function decodeMetaProperties(bytes: Buffer): MetaProperties | undefined {
  const values = new Map<string, string>()
  for (const line of bytes.toString("utf8").split(/\r?\n/)) {
    const match = /^\s*([^#!=:\s][^=:\s]*)\s*[=:]\s*(.*?)\s*$/.exec(line)
    if (match) values.set(match[1]!, match[2]!)
  }
  const clusterId = values.get("cluster.id")
  const nodeId = values.get("node.id")
  const directoryId = values.get("directory.id")
  if (values.get("version") !== "1" || !clusterId || !directoryId || !/^\d+$/.test(nodeId ?? "")) return undefined
  return { clusterId, nodeId: Number(nodeId), directoryId }
}

export const encodeCleanShutdown = (brokerEpoch: number): Buffer =>
  Buffer.from(JSON.stringify({ version: 0, brokerEpoch }))

/** The broker epoch of the process that stopped cleanly; -1 when the file does not say. */
export function decodeCleanShutdown(bytes: Buffer): number {
  const match = /"brokerEpoch"\s*:\s*(-?\d+)/.exec(bytes.toString("utf8"))
  return match ? Number(match[1]) : -1
}
