/**
 * Records that handlers work on: several at a time, in order of partition or of key.
 *
 * Owns who is handled when, how much there is of it, and up to where each partition is done. Invariant: of one partition (or one key in it) only one record is handled at a time, in order of offset;
 * `firstUnfinished` never passes a record whose handler has not resolved.
 */
import type { Clock, Env } from "../../../env/env.js"
import type { Position } from "../position.js"
import type { ConsumerRecord } from "../record.js"
import { within } from "./waiting.js"

export type RecordHandler = (record: ConsumerRecord, context: { readonly signal: AbortSignal }) => unknown

export interface RecordWorkOptions {
  readonly concurrency: number
  readonly order: "partition" | "key"
}

/** Records that were handed out and are not behind all that is finished: of one partition, and of all. */
export const partitionRecordsMax = 1_000
const recordsMax = 4_000
/** A partition gets more when it has less than this. */
const partitionRecordsLow = partitionRecordsMax / 2

interface Entry {
  readonly record: ConsumerRecord
  readonly offset: number
  isDone: boolean
}

interface Lane {
  readonly key: string
  readonly partition: PartitionWork
  readonly waiting: Entry[]
}

interface PartitionWork {
  readonly position: Position
  readonly abort: AbortController
  /** In order of offset; those in front that are done are taken out. */
  readonly entries: Entry[]
  readonly lanes: Map<string, Lane>
  active: number
  onIdle: (() => void) | undefined
  isDropped: boolean
}

export class RecordWork {
  readonly #partitions = new Map<Position, PartitionWork>()
  readonly #ready: Lane[] = []
  /** When each handler that is running began; the first is the oldest. */
  readonly #running = new Map<Entry, number>()
  #count = 0
  #isStopped = false
  #onRoom: (() => void) | undefined
  failure: { readonly error: unknown } | undefined

  constructor(
    private readonly env: Env,
    private readonly handler: RecordHandler,
    private readonly options: RecordWorkOptions,
    /** A handler has ended, well or not. */
    private readonly onSettled: () => void,
  ) {}

  private get clock(): Clock {
    return this.env.clock
  }

  /** When the oldest handler that is running began, in monotonic time. */
  get oldestStartMs(): number | undefined {
    for (const startMs of this.#running.values()) return startMs
    return undefined
  }

  get isFull(): boolean {
    return this.#count >= recordsMax
  }

  /** The offset of the first record of it that is not done; undefined: all are. */
  firstUnfinished(position: Position): number | undefined {
    return this.#partitions.get(position)?.entries[0]?.offset
  }

  get positions(): readonly Position[] {
    return [...this.#partitions.keys()]
  }

  add(position: Position, records: readonly ConsumerRecord[]): void {
    // Also when nothing is started any more: what is not finished must not be taken for done.
    let partition = this.#partitions.get(position)
    if (partition === undefined) {
      partition = {
        position,
        abort: new AbortController(),
        entries: [],
        lanes: new Map(),
        active: 0,
        onIdle: undefined,
        isDropped: false,
      }
      this.#partitions.set(position, partition)
    }
    for (const record of records) {
      const entry: Entry = { record, offset: Number(record.offset), isDone: false }
      partition.entries.push(entry)
      this.#enqueue(partition, entry)
    }
    if (!partition.isDropped) this.#count += records.length
    if (partition.entries.length >= partitionRecordsMax) position.isHeld = true
    this.#pump()
  }

  #enqueue(partition: PartitionWork, entry: Entry): void {
    const key = this.#laneOf(entry)
    const lane = partition.lanes.get(key)
    if (lane !== undefined) {
      lane.waiting.push(entry)
      return
    }
    const fresh: Lane = { key, partition, waiting: [entry] }
    partition.lanes.set(key, fresh)
    this.#ready.push(fresh)
  }

  #laneOf({ record: { key }, offset }: Entry): string {
    if (this.options.order === "partition") return ""
    // Without a key there is no order to keep.
    return key === null ? `#${offset}` : `=${key.toString("latin1")}`
  }

  #pump(): void {
    while (!this.#isStopped && this.#running.size < this.options.concurrency) {
      const lane = this.#ready.shift()
      if (lane === undefined) return
      if (!lane.partition.isDropped) this.#start(lane, lane.waiting.shift()!)
    }
  }

  #start(lane: Lane, entry: Entry): void {
    const { partition } = lane
    this.#running.set(entry, this.clock.monotonicMs())
    partition.active++
    const { signal } = partition.abort
    const ended = (isDone: boolean) => {
      this.#running.delete(entry)
      partition.active--
      if (isDone) this.#finished(partition, entry)
      if (partition.active === 0) partition.onIdle?.()
      if (lane.waiting.length > 0) this.#ready.push(lane)
      else if (partition.lanes.get(lane.key) === lane) partition.lanes.delete(lane.key)
      this.onSettled()
      this.#pump()
    }
    new Promise((resolve) => resolve(this.handler(entry.record, { signal }))).then(
      () => ended(true),
      (error) => {
        // Who was told to stop may say so by throwing.
        if (!signal.aborted) {
          this.failure ??= { error }
          this.halt()
        }
        ended(false)
      },
    )
  }

  #finished(partition: PartitionWork, entry: Entry): void {
    entry.isDone = true
    const { entries, position } = partition
    let done = 0
    while (entries[done]?.isDone === true) done++
    entries.splice(0, done)
    if (partition.isDropped) return
    this.#count -= done
    if (position.isHeld && entries.length < partitionRecordsLow) position.isHeld = false
    if (done > 0) this.#tellRoom()
  }

  #tellRoom(): void {
    const tell = this.#onRoom
    this.#onRoom = undefined
    tell?.()
  }

  /** Resolves when there may be room for more, when a handler has failed, or when nothing more is wanted. */
  room(): Promise<void> {
    if (!this.isFull || this.#isStopped) return Promise.resolve()
    return new Promise((resolve) => {
      this.#onRoom = resolve
    })
  }

  /** Starts nothing more. */
  halt(): void {
    this.#isStopped = true
    this.#tellRoom()
  }

  /** Starts nothing more and tells the handlers that are running; resolves when they have ended, or after `withinMs`. Where each partition stands is still known. */
  async stop(withinMs: number): Promise<void> {
    this.halt()
    await this.#end([...this.#partitions.values()], withinMs)
  }

  /** The same for single partitions. */
  async drop(positions: readonly Position[], withinMs: number): Promise<void> {
    const dropped = positions.flatMap((position) => this.#partitions.get(position) ?? [])
    for (const partition of dropped) {
      partition.isDropped = true
      this.#count -= partition.entries.length
    }
    this.#tellRoom()
    await this.#end(dropped, withinMs)
  }

  /** What stands where in it does not matter any more. */
  forget(position: Position): void {
    const partition = this.#partitions.get(position)
    if (partition === undefined) return
    this.#partitions.delete(position)
    partition.abort.abort()
    if (partition.isDropped) return
    partition.isDropped = true
    position.isHeld = false
    this.#count -= partition.entries.length
    this.#tellRoom()
  }

  async #end(partitions: readonly PartitionWork[], withinMs: number): Promise<void> {
    for (const { abort } of partitions) abort.abort()
    const active = partitions.filter((partition) => partition.active > 0)
    if (active.length === 0) return
    const idle = active.map(
      (partition) =>
        new Promise<void>((resolve) => {
          partition.onIdle = resolve
        }),
    )
    await within(this.env, withinMs, Promise.all(idle))
  }
}
