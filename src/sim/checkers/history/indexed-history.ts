/**
 * A history as its judges read it: by partition, with the version order of each.
 *
 * Owns which operations count as evidence that a value is at an offset: it was read there, or said to be committed there. What one replica said (acks=1) is none.
 * The first evidence of an offset stands in the version order; judges find what contradicts it.
 */
import { invariant } from "../../../base/assert.js"
import { type ClientHistory, operations } from "./client-history.js"

/** Offsets between the lowest and the highest of a partition. Beyond it the history is not of our making. */
const offsetSpanMax = 2 ** 28

export const noValue = -1

/** Offset to value of one partition. */
export class VersionOrder {
  #base = -1
  #values = new Int32Array(0)
  /** After the highest offset. */
  end = 0

  get base(): number {
    return Math.max(0, this.#base)
  }

  at(offset: number): number {
    const index = offset - this.#base
    return this.#base < 0 || index < 0 || index >= this.#values.length ? noValue : this.#values[index]! - 1
  }

  /** False: another value stands there. */
  put(offset: number, value: number): boolean {
    const known = this.at(offset)
    if (known !== noValue) return known === value
    this.#reach(offset)
    this.#values[offset - this.#base] = value + 1
    this.end = Math.max(this.end, offset + 1)
    return true
  }

  #reach(offset: number): void {
    if (this.#base < 0) this.#base = offset
    if (offset < this.#base) {
      const wider = new Int32Array(this.#values.length + this.#base - offset)
      wider.set(this.#values, this.#base - offset)
      this.#values = wider
      this.#base = offset
    }
    const index = offset - this.#base
    invariant(index < offsetSpanMax, `offsets of one partition lie ${index} apart`)
    if (index < this.#values.length) return
    const wider = new Int32Array(Math.max(64, 2 * index))
    wider.set(this.#values)
    this.#values = wider
  }
}

export class IndexedHistory {
  readonly orders: readonly VersionOrder[]
  readonly #starts: Uint32Array
  readonly #sorted: Uint32Array

  constructor(readonly history: ClientHistory) {
    const { count, partition, kind } = history
    const partitionCount = history.partitions.length
    const judgedUntil = new Float64Array(partitionCount).fill(count)
    const starts = new Uint32Array(partitionCount + 1)
    for (let at = 0; at < count; at++) {
      const name = partition[at]!
      if (at > judgedUntil[name]!) continue
      if (kind[at] === operations.lossAllowed) judgedUntil[name] = at
      starts[name + 1]! += 1
    }
    for (let name = 0; name < partitionCount; name++) starts[name + 1]! += starts[name]!
    const next = starts.slice()
    const sorted = new Uint32Array(starts[partitionCount]!)
    for (let at = 0; at < count; at++) {
      const name = partition[at]!
      if (at <= judgedUntil[name]!) sorted[next[name]!++] = at
    }
    this.#starts = starts
    this.#sorted = sorted
    this.orders = history.partitions.map((_, name) => this.#order(name))
  }

  /** Operations of one partition, in the order they were noted. */
  operationsOf(partition: number): Uint32Array {
    return this.#sorted.subarray(this.#starts[partition]!, this.#starts[partition + 1]!)
  }

  /** Whether an operation shows that its value is at its offset for good. */
  isEvidence(at: number): boolean {
    const kind = this.history.kind[at]
    return kind === operations.read || kind === operations.committed
  }

  /** A value that somebody sent to this partition. */
  isKnown(value: number, partition: number): boolean {
    return value >= 0 && value < this.history.valueCount && this.history.partitionOf(value) === partition
  }

  #order(partition: number): VersionOrder {
    const { offset, value } = this.history
    const order = new VersionOrder()
    for (const at of this.operationsOf(partition))
      if (this.isEvidence(at) && this.isKnown(value[at]!, partition)) order.put(offset[at]!, value[at]!)
    return order
  }
}

/** One rule that a history keeps or breaks. */
export interface HistoryRule {
  readonly name: string
  /** Of the invariants it stands for. */
  readonly ids: string
  judge(history: IndexedHistory, report: (what: string) => void): void
}
