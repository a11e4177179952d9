/**
 * What a log asks of those around it, and what it answers them.
 *
 * Owns the types only; `Log` keeps the promises. Errors are values: an operation that cannot be done says so in its result.
 */
import type { Uuid } from "../base/ids.js"
import type { LogConfig } from "../config/log-config.js"
import type { DiskError, Env, Payload } from "../env/env.js"
import type { FilePool, PooledFile } from "./file-pool.js"
import type { HotCache } from "./hot-cache.js"
import type { IndexCache } from "./index-cache.js"
import type { LeaderEpochCache } from "./leader-epoch-cache.js"
import type { Log } from "./log.js"
import type { ProducerState } from "./producer-state.js"
import type { Segment } from "./segment.js"

/** What the folder of a log lends it. */
export interface LogHome {
  readonly env: Env
  readonly files: FilePool
  readonly hotCache: HotCache
  readonly indexCache: IndexCache
  /** No room: appends are refused until there is. */
  readonly full: boolean
  /** The log has bytes that a sync round should take. */
  wantsSync(log: Log): void
  /** Resolves when no sync of it is on its way; there will be none. */
  syncsNoMore(log: Log): Promise<void>
  /** An operation failed for want of room. */
  reportFull(error: DiskError, wantedBytes: number): void
  /** An operation failed in a way that leaves the disk in doubt: everything on it goes offline. */
  fail(error: unknown): void
  /** When it resolves, recovery points and start offsets as they were at the call or later are on the medium. */
  checkpoint(): Promise<void>
}

export interface LogListener {
  /** `writtenOffset` or `flushedOffset` moved, or retention moved `logStartOffset`. */
  onAdvance(log: Log): void
  /** Appends at or above `endOffset`, now the log's end, failed for want of room. Whoever waits for them must be told. */
  onAppendsLost(log: Log, endOffset: number): void
  /** What was promised to be on the medium cannot be read. What can be is served on, unless the listener takes the log offline. */
  onDamaged(log: Log, problem: string): void
  /** The log serves nothing any more. Called once. */
  onOffline(log: Log, reason: string): void
}

export const silentListener: LogListener = { onAdvance() {}, onAppendsLost() {}, onDamaged() {}, onOffline() {} }

/** Who sent the batches. Only what a `client` sent is checked against producer state; `replication` keeps its offsets and epochs. */
export type AppendOrigin = "client" | "coordinator" | "replication" | "raft"

export interface AppendOptions {
  readonly origin: AppendOrigin
  /** Written into each batch; ignored for `replication`. */
  readonly leaderEpoch: number
  /** Wall time. */
  readonly nowMs: number
  /** Runs once, when neither disk nor cache nor any reader needs the buffer; also after an error or a duplicate. */
  readonly release?: () => void
  /** Memory the buffer keeps alive when it is part of a larger one. */
  readonly retainedBytes?: number
  /** Nobody will read it soon: its memory is given back as soon as it is written. */
  readonly isCold?: boolean
}

export type AppendResult =
  | {
      readonly ok: true
      readonly baseOffset: number
      readonly lastOffset: number
      /** Timestamp the broker gave the batch, -1 where the topic keeps the producer's. */
      readonly logAppendTimeMs: number
      /** Nothing was appended: the same batch was, earlier, at these offsets. */
      readonly duplicate: boolean
    }
  | { readonly ok: false; readonly error: number; readonly message: string }

export interface ReadOptions {
  readonly maxBytes: number
  /** Exclusive; batches that reach it or beyond are left out. Default: the log's end. */
  readonly maxOffset?: number
  /** Return the first batch even if it is larger than `maxBytes`. Default true. */
  readonly minOneMessage?: boolean
}

export type ReadResult =
  | {
      readonly ok: true
      /** Whole batches in order; the first may begin below the wanted offset. Empty when there is nothing to return. */
      readonly payloads: readonly Payload[]
      readonly bytes: number
      /** Offset after the last batch returned; the wanted one when there is none. */
      readonly nextOffset: number
      readonly fromMemory: boolean
      /** Must be called once, when the payloads are sent: memory may be reused and files closed after it. */
      release(): void
    }
  | { readonly ok: false; readonly error: number; readonly message: string }

export interface LogState {
  readonly topic: string
  readonly partition: number
  readonly topicId: Uuid
  readonly path: string
  readonly config: LogConfig
  readonly segments: Segment[]
  readonly logStartOffset: number
  readonly logEndOffset: number
  /** As it was written down; everything below the log's end is on the medium. */
  readonly recoveryPoint: number
  readonly highWatermark: number
  readonly epochs: LeaderEpochCache
  readonly producers: ProducerState
}

/** One sync round's share of a log. */
export interface FlushJob {
  readonly log: Log
  readonly upTo: number
  readonly files: readonly PooledFile[]
  /** Folder whose new names must be durable before the bytes behind them count. */
  readonly directory: string | undefined
  readonly segments: readonly Segment[]
}
