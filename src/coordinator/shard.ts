/**
 * A coordinator's state for one partition of its internal topic: loaded from the log, changed through the log, dropped with the leadership.
 *
 * Owns the life of that state (loading, active, unloaded), its timers, and the way of its records to the partition. What the records mean is the state's own. Invariant:
 * the state is what replaying the log gives; when an append that was already replayed is lost, the state goes with it and is loaded anew.
 */
import { invariant } from "../base/assert.js"
import type { LeaderEpoch, Offset } from "../base/ids.js"
import { RepeatedTexts, RepeatingReader } from "../base/repeated-texts.js"
import { Writer } from "../base/writer.js"
import type { Env, FileRegion } from "../env/env.js"
import { isFileRegion } from "../env/env.js"
import { BatchBuilder, recordBytesMax } from "../protocol/batch-builder.js"
import { batchHeaderBytes, isControlBatch } from "../protocol/batch-header.js"
import { EncodeError } from "../protocol/codec.js"
import { Errors, type ErrorCode } from "../protocol/errors.js"
import { batchesIn } from "../protocol/record-batch.js"
import { RecordCursor } from "../protocol/record-cursor.js"
import type { Partition } from "../replication/partition.js"
import { type Refusal, StateMachine } from "../rsm/state-machine.js"
import { Deadlines } from "./deadlines.js"

/** Wall time for timestamps that are stored, monotonic time for durations. Both in ms, taken once per decision. */
export interface Now {
  readonly wallMs: number
  readonly monotonicMs: number
}

/** What a decision leads to. */
export interface Outcome<R> {
  /** Appended as one atomic batch, unless `mayBeSplit`, and replayed before anything else is decided. */
  readonly records: readonly R[]
  /** The records mean the same if a crash leaves only some of them; they may then be more than fit into one batch. */
  readonly mayBeSplit?: boolean
  /**
   * Runs once: with NONE when the records, and everything appended before them, are committed; with an error when they never will be. Either nothing of them was replayed then, or
   * the shard is unloaded and loaded anew. Other decisions may have run in between: what was true at the decision is looked up again.
   */
  readonly onWritten?: (error: ErrorCode) => void
}

/** Whatever else a record is: the value null makes it a tombstone. */
export interface ShardRecord {
  readonly value: object | null
}

export interface ShardState<R> {
  /** The only mutator of what is in the log. */
  replay(record: R): void
  /** The log has been replayed, and is committed: start what runs by time. */
  loaded(now: Now): void
  /** Whoever is parked is answered with `error`. Nothing is asked of the state after it. */
  unloaded(error: ErrorCode): void
}

export interface ShardCodec<R extends ShardRecord> {
  /** The key, and right behind it the value; returns where the value begins. A record without one has the value null: a tombstone. */
  write(record: R, writer: Writer<FileRegion>): number
  /** Undefined: a record of another kind or of a later version, which is left alone. */
  decode(cursor: RecordCursor): R | undefined
}

export interface ShardOptions<S extends ShardState<R>, R extends ShardRecord> {
  readonly env: Env
  readonly partition: Partition
  readonly codec: ShardCodec<R>
  /** `max.message.bytes` of the internal topic. */
  readonly batchBytesMax: () => number
  readonly newState: (shard: Shard<S, R>) => S
  /** The shard is no more; whoever keeps it looks whether there must be a new one. */
  readonly onUnloaded: (shard: Shard<S, R>, reason: string) => void
  readonly onBroken: (error: unknown) => void
}

/** Decisions on their way to the medium, per shard. */
export const pendingDecisionsMax = 100_000
/** Read at once while loading: so much is decoded in one turn of the event loop. */
const loadBytes = 1 << 20
/** Records of an outcome that may be split, per batch. */
const splitRecordsMax = 1000
/** Room for the records of a usual decision; it grows for others. */
const encodedBytes = 1024

const refusalErrors: Record<Refusal, ErrorCode> = {
  "not-leader": Errors.COORDINATOR_NOT_AVAILABLE,
  "lost-leadership": Errors.NOT_COORDINATOR,
  "too-many-pending": Errors.COORDINATOR_LOAD_IN_PROGRESS,
}

export class Shard<S extends ShardState<R>, R extends ShardRecord> {
  readonly state: S
  readonly leaderEpoch: LeaderEpoch
  /** Resolves when requests are decided here, or with the error that they get instead. */
  readonly loaded: Promise<ErrorCode>
  readonly #machine: StateMachine<S, R>
  readonly #deadlines: Deadlines
  #status: "loading" | "active" | "unloaded" = "loading"
  #nextOffset: Offset
  /** What goes into the log next, and not yet. */
  readonly #open = new BatchBuilder()
  /** Where the records of one decision are encoded, and how long their keys and values are: -1 for the value of a tombstone. */
  readonly #encoded = new Writer<FileRegion>(encodedBytes)
  readonly #lengths: number[] = []
  #batchesInFlight = 0
  #flushIsComing = false
  /** Why an append was refused by the shard itself. */
  #tooLarge = false

  constructor(private readonly options: ShardOptions<S, R>) {
    const { env, partition } = options
    this.leaderEpoch = partition.leaderEpoch
    this.#nextOffset = partition.log.logEndOffset
    this.#deadlines = new Deadlines(env.clock, env.timers)
    this.state = options.newState(this)
    this.#machine = new StateMachine<S, R>(
      { append: (records) => this.#append(records) },
      {
        initial: this.state,
        replay: (state, records) => {
          for (const record of records) state.replay(record)
          return state
        },
        onCommitted() {},
        pendingMax: pendingDecisionsMax,
      },
    )
    this.loaded = this.#load()
  }

  get isActive(): boolean {
    return this.#status === "active"
  }

  now(): Now {
    const { clock } = this.options.env
    return { wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() }
  }

  /**
   * Decides now, on the newest state. What is to be answered is answered by the decision itself or by its outcome's `onWritten`.
   *
   * Errors: returned, and nothing was decided: NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS.
   */
  submit(decide: (now: Now) => Outcome<R>): ErrorCode {
    if (this.#status !== "active")
      return this.#status === "loading" ? Errors.COORDINATOR_LOAD_IN_PROGRESS : Errors.NOT_COORDINATOR
    const outcome = decide(this.now())
    const { records, mayBeSplit } = outcome
    if (mayBeSplit === true && records.length > splitRecordsMax) {
      for (let at = 0; at < records.length - splitRecordsMax; at += splitRecordsMax)
        this.#perform({ records: records.slice(at, at + splitRecordsMax) })
      const rest = ((records.length - 1) % splitRecordsMax) + 1
      this.#perform({ ...outcome, records: records.slice(-rest) })
    } else this.#perform(outcome)
    return Errors.NONE
  }

  #perform({ records, onWritten }: Outcome<R>): void {
    if (records.length === 0 && onWritten === undefined) return
    this.#tooLarge = false
    this.#machine.perform<ErrorCode>(
      () => ({ records, response: Errors.NONE }),
      0,
      this.#settling(records.length, onWritten),
    )
  }

  /** Made here, where it does not keep the records alive until they are on the medium. */
  #settling(count: number, onWritten: Outcome<R>["onWritten"]): (result: ErrorCode | Refusal) => void {
    return (result) => this.#settle(count, onWritten, result)
  }

  #settle(count: number, onWritten: Outcome<R>["onWritten"], result: ErrorCode | Refusal): void {
    const error =
      typeof result === "number"
        ? result
        : result === "not-leader" && this.#tooLarge
          ? Errors.RECORD_LIST_TOO_LARGE
          : refusalErrors[result]
    if (error !== Errors.NONE && count > 0)
      this.options.env.log.log("warn", "a decision of a coordinator was not written", {
        partition: this.options.partition.name,
        error,
      })
    try {
      onWritten?.(error)
    } catch (thrown) {
      this.options.onBroken(thrown)
    }
  }

  /** A timeout is a request too: it decides, and its records are written like any other's. */
  schedule(key: string, delayMs: number, decide: (now: Now) => Outcome<R>): void {
    if (this.#status === "unloaded") return
    this.#deadlines.schedule(key, delayMs, () => {
      try {
        this.submit(decide)
      } catch (thrown) {
        this.options.onBroken(thrown)
      }
    })
  }

  cancel(key: string): void {
    this.#deadlines.cancel(key)
  }

  /** The leadership is gone, or the broker stops. */
  unload(reason: string, error: ErrorCode = Errors.NOT_COORDINATOR): void {
    if (this.#status === "unloaded") return
    this.#status = "unloaded"
    this.#deadlines.clear()
    this.#open.clear()
    this.#machine.lostLeadership(this.#nextOffset)
    this.state.unloaded(error)
    this.options.onUnloaded(this, reason)
  }

  async #load(): Promise<ErrorCode> {
    const { env, partition } = this.options
    const startMs = env.clock.monotonicMs()
    // Only a coordinator writes here, and this one not before it is active: the log ends where it ends now.
    const endOffset = this.#nextOffset
    try {
      const count = await this.#replayUpTo(endOffset)
      if (!this.#isWanted()) return Errors.NOT_COORDINATOR
      // Nothing may be answered on the strength of records that another leader might still lose.
      if (partition.highWatermark < endOffset && (await this.#committed(endOffset)) !== Errors.NONE) {
        this.unload("the log lost records while it was loaded")
        return Errors.NOT_COORDINATOR
      }
      if (!this.#isWanted()) return Errors.NOT_COORDINATOR
      this.#machine.load(this.state, endOffset)
      this.#status = "active"
      this.state.loaded(this.now())
      if (count > 0)
        env.log.log("info", "a coordinator has loaded its state", {
          partition: partition.name,
          records: count,
          ms: Math.round(env.clock.monotonicMs() - startMs),
        })
      return Errors.NONE
    } catch (error) {
      this.options.onBroken(error)
      return Errors.COORDINATOR_NOT_AVAILABLE
    }
  }

  /** False: what was being loaded is of no use any more. */
  #isWanted(): boolean {
    if (this.#status === "unloaded") return false
    const { partition } = this.options
    if (partition.checkLeader(this.leaderEpoch) === Errors.NONE) return true
    this.unload("the partition is not led by this broker any more")
    return false
  }

  #committed(offset: Offset): Promise<ErrorCode> {
    return new Promise((resolve) =>
      this.options.partition.acknowledged.park(offset, (error) => resolve(error ?? Errors.NONE)),
    )
  }

  async #replayUpTo(endOffset: Offset): Promise<number> {
    const { env, partition, codec } = this.options
    let count = 0
    let unknown = 0
    let next = partition.log.logStartOffset
    const repeated = new RepeatedTexts()
    const newReader = (payload: Buffer) => new RepeatingReader(payload, repeated)
    while (next < endOffset && this.#isWanted()) {
      const read = await partition.log.read(next, { maxBytes: loadBytes, maxOffset: endOffset })
      if (!read.ok) {
        this.unload(`the log cannot be read at ${next}: ${read.message}`)
        return count
      }
      try {
        for (const payload of read.payloads) {
          let bytes: Buffer
          if (isFileRegion(payload)) {
            bytes = Buffer.allocUnsafe(payload.length)
            await payload.file.read(bytes, 0, payload.length, payload.position)
          } else bytes = payload as Buffer
          for (const { start } of batchesIn(bytes)) {
            if (isControlBatch(bytes, start)) continue
            const cursor = new RecordCursor(bytes, start, newReader)
            while (cursor.next()) {
              if (cursor.offset < next || cursor.keyBytes < 0) continue
              const record = codec.decode(cursor)
              if (record === undefined) unknown++
              else this.state.replay(record)
              count++
            }
          }
        }
      } finally {
        read.release()
      }
      if (read.nextOffset <= next) break
      next = read.nextOffset
      await new Promise<void>((resolve) => env.timers.soon(resolve))
    }
    if (unknown > 0)
      env.log.log("warn", "records of a kind this version does not know were left alone", {
        partition: partition.name,
        count: unknown,
      })
    return count
  }

  /** Takes the records into the open batch. Undefined: they cannot be written now, and nothing of them will be. */
  #append(records: readonly R[]): { baseOffset: Offset; nextOffset: Offset; epoch: number } | undefined {
    const { partition, env } = this.options
    if (!partition.takesAppends || partition.leaderEpoch !== this.leaderEpoch) return undefined
    const bytesMax = this.options.batchBytesMax()
    const bytes = this.#encode(records, bytesMax - batchHeaderBytes)
    if (bytes === undefined) {
      this.#tooLarge = true
      return undefined
    }
    // A decision is in one batch, whole.
    if (this.#open.bytes + bytes > bytesMax) this.#flush()
    const baseOffset = this.#nextOffset
    for (let index = 0, at = 0; index < this.#lengths.length; index += 2) {
      const [keyBytes, valueBytes] = [this.#lengths[index]!, this.#lengths[index + 1]!]
      this.#open.add(this.#encoded, at, keyBytes, valueBytes)
      at += keyBytes + Math.max(0, valueBytes)
    }
    this.#nextOffset += records.length
    // What comes in the same turn, or while a batch is on its way to the medium, goes with it: one sync for all.
    if (this.#batchesInFlight === 0 && !this.#flushIsComing) {
      this.#flushIsComing = true
      env.timers.soon(() => {
        this.#flushIsComing = false
        this.#flush()
      })
    }
    return { baseOffset, nextOffset: this.#nextOffset, epoch: this.leaderEpoch }
  }

  /** Returns how much room the records take in a batch at most. Undefined: more than there is, or one of them cannot be written at all. */
  #encode(records: readonly R[], bytesMax: number): number | undefined {
    this.#encoded.clear()
    this.#lengths.length = 0
    try {
      return this.#encodeAll(records, bytesMax)
    } catch (error) {
      // A client may say more than a record can: an id that is longer than its length has digits for.
      if (error instanceof EncodeError) return undefined
      throw error
    }
  }

  #encodeAll(records: readonly R[], bytesMax: number): number | undefined {
    let bytes = 0
    for (const record of records) {
      const at = this.#encoded.length
      const valueAt = this.options.codec.write(record, this.#encoded)
      const keyBytes = valueAt - at
      const valueBytes = record.value === null ? -1 : this.#encoded.length - valueAt
      this.#lengths.push(keyBytes, valueBytes)
      bytes += recordBytesMax(keyBytes, valueBytes)
      // Whoever asks for far too much does not make us encode all of it.
      if (bytes > bytesMax) return undefined
    }
    return bytes
  }

  #flush(): void {
    if (this.#open.count === 0 || this.#status === "unloaded") return
    const { partition, env } = this.options
    const baseOffset = this.#nextOffset - this.#open.count
    const nowMs = env.clock.wallMs()
    const batch = this.#open.build(nowMs)
    const result =
      partition.leaderEpoch === this.leaderEpoch
        ? partition.appendAsLeader(batch, { origin: "coordinator", requiredAcks: -1, nowMs })
        : { ok: false as const, message: "the leadership has changed" }
    // The state has these records already, so it is not what the log says.
    if (!result.ok) {
      this.unload(`records were refused: ${result.message}`)
      return
    }
    invariant(result.baseOffset === baseOffset, "only its coordinator writes to a partition of an internal topic")
    this.#batchesInFlight++
    partition.acknowledged.park(result.lastOffset + 1, (error) => {
      this.#batchesInFlight--
      if (this.#status === "unloaded") return
      if (error !== undefined) return this.unload("records were lost on their way to the medium")
      this.#machine.committedTo(result.lastOffset + 1)
      if (this.#batchesInFlight === 0) this.#flush()
    })
  }
}
