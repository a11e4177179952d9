/**
 * What a consumer has of its group's partitions, and what of that is processed.
 *
 * Owns the assignment, what is in somebody's hands, and the offsets that follow from both. Invariant: `toCommit` never passes a record that is in the hands of whoever polled, or of a handler.
 */
import type { Env } from "../../../env/env.js"
import type { Position } from "../position.js"
import type { ConsumerRecord } from "../record.js"
import type { TopicPartition } from "../record-reader.js"
import { partitionKey } from "./membership.js"
import type { OffsetToCommit } from "./offsets.js"
import type { RecordWork } from "./record-work.js"
import { deferred } from "./waiting.js"

export interface Assigned extends TopicPartition {
  readonly position: Position
  /** What the group has of it; -1: nothing, as far as is known. */
  committed: number
}

export class Processed {
  readonly #assigned = new Map<string, Assigned>()
  /** Handed out by the last poll, and not known to be processed. */
  #pending: { readonly position: Position; readonly offset: number } | undefined
  readonly #waiting = new Set<() => void>()
  /** The handlers, while a `run` goes on. */
  work: RecordWork | undefined

  constructor(private readonly env: Env) {}

  get partitions(): TopicPartition[] {
    return [...this.#assigned.values()].map(({ topic, partition }) => ({ topic, partition }))
  }

  get all(): Assigned[] {
    return [...this.#assigned.values()]
  }

  of(topic: string, partition: number): Assigned | undefined {
    return this.#assigned.get(partitionKey(topic, partition))
  }

  /** Whether it is the consumer's, and has been all the time. */
  isStill(assigned: Assigned): boolean {
    return this.of(assigned.topic, assigned.partition) === assigned
  }

  add(assigned: Assigned): void {
    this.#assigned.set(partitionKey(assigned.topic, assigned.partition), assigned)
  }

  /** False: it is another's already, or was given back to this consumer since. */
  remove(assigned: Assigned): boolean {
    this.forgetRecords(assigned.position)
    if (!this.isStill(assigned)) return false
    this.#assigned.delete(partitionKey(assigned.topic, assigned.partition))
    return true
  }

  clear(): void {
    this.#assigned.clear()
  }

  handedOut(position: Position, fromOffset: number, records: readonly ConsumerRecord[]): void {
    if (records.length === 0) return
    if (this.work !== undefined) this.work.add(position, records)
    else this.#pending = { position, offset: Math.max(0, fromOffset) }
  }

  /** Whoever polled is done with what it got. */
  processed(): void {
    this.#pending = undefined
    this.tellWaiting()
  }

  /** What is in whose hands of it does not matter any more. */
  forgetRecords(position: Position): void {
    this.work?.forget(position)
    if (this.#pending?.position === position) this.processed()
  }

  /** Until whoever has records of these comes back for more, or nobody waits for that any more, within bounds. */
  whenProcessed(positions: readonly Position[], withinMs: number): Promise<void> {
    if (this.#pending === undefined || !positions.includes(this.#pending.position)) return Promise.resolve()
    const { promise, resolve } = deferred()
    const timer = this.env.timers.after(withinMs, resolve)
    this.#waiting.add(() => {
      timer.cancel()
      resolve()
    })
    return promise
  }

  /** Whether it is processed or not. */
  tellWaiting(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const tell of waiting) tell()
  }

  /** Of those that are still the consumer's, where that is not what the group has. */
  toCommit(assigned: readonly Assigned[]): OffsetToCommit[] {
    return assigned.flatMap((each) => {
      const { topic, partition, position, committed } = each
      const offset = this.#processedOffset(position)
      if (!this.isStill(each) || offset < 0 || offset === committed) return []
      return { topic, partition, offset, leaderEpoch: this.epochAt(each, offset), metadata: "" }
    })
  }

  /** -1: not known yet. */
  #processedOffset(position: Position): number {
    if (this.#pending?.position === position) return this.#pending.offset
    // Where reading begins counts too: whoever has the partition next shall begin there, not later.
    return this.work?.firstUnfinished(position) ?? position.offset
  }

  /** The leader epoch of what lies before the offset; -1: not known. */
  epochAt({ position }: Assigned, offset: number): number {
    return offset === position.offset ? position.offsetEpoch : -1
  }
}
