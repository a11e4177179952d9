/**
 * The metadata log on this node: what drives the quorum's rules with a log, a vote file and snapshots.
 *
 * Owns `__cluster_metadata-0` and the files beside it. What a record means is not its business: values go in and come out as bytes. A record is handed to
 * `onCommitted` only when the quorum has it on the medium.
 */
import { invariant } from "../base/assert.js"
import { type BrokerId, type Offset, type Uuid, zeroUuid } from "../base/ids.js"
import { MalformedError } from "../base/reader.js"
import { defaultLogConfig } from "../config/log-config.js"
import { type Env, isFileRegion } from "../env/env.js"
import { batchLeaderEpoch, batchMaxTimestamp, isControlBatch } from "../protocol/batch-header.js"
import { leaderChangeMessage } from "../protocol/messages/control-records.js"
import { batchesIn, buildBatch, controlRecordKey, controlRecordTypes, recordsOf } from "../protocol/record-batch.js"
import {
  encodePartitionMetadata,
  partitionMetadataFile,
  readSmallFile,
  replaceFile,
} from "../storage/checkpoint-files.js"
import type { Log } from "../storage/log.js"
import type { LogDirectory } from "../storage/log-directory.js"
import { openLog } from "../storage/open-log.js"
import { type Effects, noElection, RaftCore } from "./core.js"
import { formatQuorumState, parseQuorumState, type QuorumState, quorumStateFile } from "./quorum-state.js"
import {
  bootstrapFile,
  decodeSnapshot,
  encodeSnapshot,
  parseSnapshotFileName,
  snapshotBytesMax,
  snapshotFileName,
  type SnapshotId,
  writeSnapshot,
} from "./snapshot-file.js"

const metadataTopic = "__cluster_metadata"
/** The metadata log's fixed topic id (Kafka's Uuid.METADATA_TOPIC_ID). */
const metadataTopicId: Uuid = "AAAAAAAAAAAAAAAAAAAAAQ"
const readBytes = 1024 * 1024

export interface CommittedValue {
  readonly value: Buffer
  readonly offset: Offset
  readonly epoch: number
}

/** The metadata log cannot be used, and nothing can start without it; the message says what is wrong. */
export class MetadataLogError extends Error {
  override name = "MetadataLogError"
}

export interface MetadataLogEvents {
  /** Everything below is committed. */
  onCommitted(highWatermark: Offset): void
  /** Appends that were not committed are gone; the log ends at `endOffset`. Appending may be possible again later (a full disk). */
  onAppendsLost(endOffset: Offset): void
  /** Nothing can be appended any more on this node. */
  onFailed(reason: string): void
}

export class MetadataLog {
  #core: RaftCore
  #snapshotBytes = 0
  #lastTimestampMs = 0
  #snapshotting = false
  #events: MetadataLogEvents = { onCommitted() {}, onAppendsLost() {}, onFailed() {} }

  private constructor(
    private readonly env: Env,
    private readonly nodeId: BrokerId,
    private readonly log: Log,
    private readonly quorumState: QuorumState,
  ) {
    this.#core = new RaftCore(nodeId, [nodeId], quorumState.election, log.latestEpoch)
  }

  /**
   * Opens the metadata log in a log directory; makes it in a new one.
   *
   * Errors: MetadataLogError (damage that only a person can judge), DiskError.
   */
  static async open(env: Env, directory: LogDirectory, nodeId: BrokerId): Promise<MetadataLog> {
    const path = `${directory.path}/${metadataTopic}-0`
    await env.disk.makeDirectory(path)
    if ((await env.disk.stat(`${path}/${partitionMetadataFile}`)) === undefined) {
      await replaceFile(env.disk, path, partitionMetadataFile, encodePartitionMetadata(metadataTopicId))
    }
    // Also when it was there: an earlier process may have been killed before its name was durable.
    await env.disk.syncDirectory(directory.path)
    const key = `${metadataTopic}-0`
    const log = await openLog(directory, {
      topic: metadataTopic,
      partition: 0,
      topicId: metadataTopicId,
      path,
      // Retention is by snapshots alone. A metadata batch must fit whole, so segments are large.
      config: { ...defaultLogConfig, retentionMs: -1, cleanupPolicy: { delete: false, compact: false } },
      logStartOffset: directory.logStartOffsets.get(key)?.offset ?? 0,
      recoveryPoint: directory.recoveryPoints.get(key)?.offset ?? 0,
      highWatermark: directory.highWatermarks.get(key)?.offset ?? 0,
    })
    if (log.offlineReason !== undefined) throw new MetadataLogError(log.offlineReason)
    directory.logs.add(log)
    const saved = await readSmallFile(env.disk, `${path}/${quorumStateFile}`)
    const quorumState =
      saved === undefined ? { election: noElection, dataVersion: 0 as const } : parseQuorumState(saved.toString("utf8"))
    if (quorumState === undefined) {
      throw new MetadataLogError(
        `${path}/${quorumStateFile} is damaged: this node's vote is not known. With one node, remove the file.`,
      )
    }
    return new MetadataLog(env, nodeId, log, quorumState)
  }

  get epoch(): number {
    return this.#core.epoch
  }

  get logEndOffset(): Offset {
    return this.log.logEndOffset
  }

  get highWatermark(): Offset {
    return this.#core.highWatermark
  }

  get logStartOffset(): Offset {
    return this.log.logStartOffset
  }

  /** The records that `kafka-storage format` left for a new cluster; undefined where there are none. */
  async bootstrapValues(directory: string): Promise<Buffer[] | undefined> {
    const bytes = await readSmallFile(this.env.disk, `${directory}/${bootstrapFile}`)
    return bytes === undefined ? undefined : decodeSnapshot(bytes).values
  }

  /** The newest snapshot that is whole; what it holds is the result of everything below its end offset. */
  async latestSnapshot(): Promise<{ id: SnapshotId; values: Buffer[] } | undefined> {
    const { disk, log: logger } = this.env
    const ids = (await disk.list(this.log.path))
      .flatMap((name) => parseSnapshotFileName(name) ?? [])
      .sort((a, b) => b.endOffset - a.endOffset || b.epoch - a.epoch)
    for (const id of ids) {
      try {
        const { values } = decodeSnapshot(
          await disk.readFile(`${this.log.path}/${snapshotFileName(id)}`, snapshotBytesMax),
        )
        if (id.endOffset >= this.log.logStartOffset) return { id, values }
      } catch (error) {
        if (!(error instanceof MalformedError)) throw error
        logger.log("error", "a metadata snapshot is damaged and not used", {
          snapshot: snapshotFileName(id),
          reason: error.message,
        })
      }
    }
    if (this.log.logStartOffset > 0) {
      throw new MetadataLogError(
        `the metadata log starts at ${this.log.logStartOffset}, and no snapshot that reaches it can be read`,
      )
    }
    return undefined
  }

  /** All values in the log from `offset` on, in order. Before `start` only, when everything that is there has been recovered from the medium. */
  async *valuesFrom(offset: Offset): AsyncGenerator<CommittedValue> {
    let next = offset
    while (next < this.log.logEndOffset) {
      const read = await this.log.read(next, { maxBytes: readBytes })
      if (!read.ok) throw new MetadataLogError(`the metadata log cannot be read at ${next}: ${read.message}`)
      try {
        for (const payload of read.payloads) {
          let bytes: Buffer
          if (isFileRegion(payload)) {
            bytes = Buffer.allocUnsafe(payload.length)
            await payload.file.read(bytes, 0, payload.length, payload.position)
          } else bytes = payload as Buffer
          this.#snapshotBytes += bytes.length
          for (const { start } of batchesIn(bytes)) {
            this.#lastTimestampMs = Math.max(this.#lastTimestampMs, batchMaxTimestamp(bytes, start))
            if (isControlBatch(bytes, start)) continue
            const epoch = batchLeaderEpoch(bytes, start)
            for (const record of recordsOf(bytes, start)) {
              if (record.value !== null && record.offset >= next)
                yield { value: record.value, offset: record.offset, epoch }
            }
          }
        }
      } finally {
        read.release()
      }
      invariant(read.nextOffset > next, "a read of the metadata log returned nothing below its end")
      next = read.nextOffset
    }
  }

  /** Becomes leader: the vote goes to the medium, then the first record of the epoch is appended. */
  async start(events: MetadataLogEvents): Promise<void> {
    this.#events = events
    this.log.listener = {
      onAdvance: (log) => this.#perform(this.#core.onFlushed(log.flushedOffset)),
      onAppendsLost: (_log, endOffset) => events.onAppendsLost(endOffset),
      onOffline: (_log, reason) => {
        this.#core.resign()
        events.onFailed(reason)
      },
    }
    const { persist, appendLeaderChange } = this.#core.start()
    invariant(persist !== undefined && appendLeaderChange !== undefined, "starting means voting and leading")
    const saved = formatQuorumState({ election: persist, dataVersion: this.quorumState.dataVersion }, [this.nodeId])
    await replaceFile(this.env.disk, this.log.path, quorumStateFile, Buffer.from(saved))
    const voters = appendLeaderChange.voters.map((voterId) => ({ voterId, voterDirectoryId: zeroUuid }))
    const value = leaderChangeMessage.encodeToBuffer(
      { version: 0, leaderId: this.nodeId, voters, grantingVoters: voters },
      0,
    )
    const appended = this.#append(
      [{ key: controlRecordKey(controlRecordTypes.leaderChange), value }],
      true,
      this.env.clock.wallMs(),
    )
    if (appended === undefined)
      throw new MetadataLogError(this.log.offlineReason ?? "the metadata log takes no appends: is its disk full?")
    this.#core.onLeaderChangeAppended(appended.baseOffset)
  }

  /** Appends one atomic batch. Undefined: this node may not append now. */
  append(
    values: readonly Buffer[],
    nowMs: number,
  ): { baseOffset: Offset; nextOffset: Offset; epoch: number } | undefined {
    if (!this.#core.isLeader) return undefined
    return this.#append(
      values.map((value) => ({ value })),
      false,
      nowMs,
    )
  }

  #append(records: readonly { key?: Buffer; value: Buffer }[], isControl: boolean, nowMs: number) {
    const epoch = this.#core.epoch
    const batch = buildBatch({ records, timestamp: nowMs, leaderEpoch: epoch, isControl })
    const result = this.log.append(batch, { origin: "raft", leaderEpoch: epoch, nowMs })
    if (!result.ok) {
      this.env.log.log("warn", "the metadata log refused an append", { reason: result.message })
      return undefined
    }
    this.#snapshotBytes += batch.length
    this.#lastTimestampMs = nowMs
    return { baseOffset: result.baseOffset, nextOffset: result.lastOffset + 1, epoch }
  }

  #perform({ highWatermark }: Effects): void {
    if (highWatermark === undefined) return
    this.log.updateHighWatermark(highWatermark)
    this.#events.onCommitted(highWatermark)
  }

  /** Whether a snapshot is on its way to the medium. */
  get isSnapshotting(): boolean {
    return this.#snapshotting
  }

  /** Bytes in the log since the last snapshot. */
  get bytesSinceSnapshot(): number {
    return this.#snapshotBytes
  }

  /**
   * Writes a snapshot of everything below `endOffset` and lets go of the log and the snapshots before it. One at a time: a call during another does nothing.
   * Rejects with DiskError; the log is as it was then.
   */
  async snapshot(values: Iterable<Buffer>, id: SnapshotId): Promise<void> {
    if (this.#snapshotting || id.endOffset <= this.log.logStartOffset) return
    this.#snapshotting = true
    try {
      this.#snapshotBytes = 0
      await writeSnapshot(this.env.disk, this.log.path, id, encodeSnapshot(values, id, this.#lastTimestampMs))
      this.log.roll(this.env.clock.wallMs())
      this.log.maybeIncrementLogStartOffset(id.endOffset)
      await this.log.deleteOldSegments(this.env.clock.wallMs())
      for (const name of await this.env.disk.list(this.log.path)) {
        const other = parseSnapshotFileName(name)
        if (other !== undefined && other.endOffset < id.endOffset)
          await this.env.disk.unlink(`${this.log.path}/${name}`)
      }
    } finally {
      this.#snapshotting = false
    }
  }

  /** Puts everything on the medium. The directory closes the log itself. */
  async flush(): Promise<boolean> {
    return this.log.flush()
  }
}
