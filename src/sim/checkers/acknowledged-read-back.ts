/**
 * Every acknowledged record is read back exactly once, at its offset, in order (L1, L3, L5, L7).
 *
 * Owns the version order of each partition: offset to value, from acknowledgements and reads alike. A second value at an offset, a value at
 * a second offset, an acknowledged offset that a complete read does not show, and records of one producer out of order are violations.
 */
import type { Checker, Observation, ValueId } from "../history.js"

interface Sent {
  readonly producer: string
  readonly order: number
  /** It was tried again, or may be: without idempotence it may appear twice. */
  unknown: boolean
  offset: number | undefined
}

class PartitionOrder {
  readonly values = new Map<number, ValueId>()
  readonly acknowledged = new Map<number, ValueId>()
  readonly sent = new Map<ValueId, Sent>()
  readonly reading = new Map<string, { last: number; seen: Set<number> }>()
  deletableBelow = 0
}

export class AcknowledgedReadBack implements Checker {
  readonly name = "acknowledged records are read back"
  readonly #partitions = new Map<string, PartitionOrder>()
  #sentCount = 0

  /** `idempotent`: a retried record appears once. */
  constructor(
    readonly report: (what: string) => void,
    readonly idempotent = true,
  ) {}

  #partition(name: string): PartitionOrder {
    let partition = this.#partitions.get(name)
    if (partition === undefined) this.#partitions.set(name, (partition = new PartitionOrder()))
    return partition
  }

  observe(seen: Observation): void {
    if (!("partition" in seen)) return
    const partition = this.#partition(seen.partition)
    switch (seen.kind) {
      case "sent":
        if (!partition.sent.has(seen.value)) {
          const order = this.#sentCount++
          partition.sent.set(seen.value, { producer: seen.producer, order, unknown: false, offset: undefined })
        }
        break
      case "unknown": {
        const sent = partition.sent.get(seen.value)
        if (sent !== undefined) sent.unknown = true
        break
      }
      case "acknowledged":
        this.#place(seen.partition, partition, seen.offset, seen.value)
        partition.acknowledged.set(seen.offset, seen.value)
        break
      case "read":
        this.#read(seen.partition, partition, seen.reader, seen.offset, seen.value)
        break
      case "drained":
        this.#drained(seen.partition, partition, seen.reader, seen.from, seen.to)
        break
      case "deletable":
        partition.deletableBelow = Math.max(partition.deletableBelow, seen.below)
        break
      case "loss allowed":
        for (const [offset, value] of partition.values) {
          if (offset < seen.from) continue
          partition.values.delete(offset)
          partition.acknowledged.delete(offset)
          const sent = partition.sent.get(value)
          if (sent !== undefined) sent.offset = undefined
        }
        break
    }
  }

  #place(name: string, partition: PartitionOrder, offset: number, value: ValueId): void {
    const before = partition.values.get(offset)
    if (before !== undefined && before !== value) this.report(`${name} offset ${offset} holds ${value} and ${before}`)
    partition.values.set(offset, value)
    const sent = partition.sent.get(value)
    if (sent === undefined) return
    if (sent.offset !== undefined && sent.offset !== offset && (this.idempotent || !sent.unknown))
      this.report(`${name} holds ${value} at offsets ${sent.offset} and ${offset}`)
    sent.offset = offset
  }

  #read(name: string, partition: PartitionOrder, reader: string, offset: number, value: ValueId): void {
    this.#place(name, partition, offset, value)
    let reading = partition.reading.get(reader)
    if (reading === undefined) partition.reading.set(reader, (reading = { last: -1, seen: new Set() }))
    if (offset <= reading.last) this.report(`${name}: ${reader} read offset ${offset} after ${reading.last}`)
    reading.last = offset
    reading.seen.add(offset)
  }

  #drained(name: string, partition: PartitionOrder, reader: string, from: number, to: number): void {
    const seen = partition.reading.get(reader)?.seen ?? new Set()
    for (const [offset, value] of partition.acknowledged) {
      if (seen.has(offset) || (offset < from && offset < partition.deletableBelow)) continue
      const where =
        offset < from ? `the log starts at ${from}` : offset >= to ? `the log ends at ${to}` : "nothing there"
      this.report(`${name} lost ${value}, acknowledged at offset ${offset}: ${where}`)
    }
    partition.reading.delete(reader)
    const order = [...partition.values].filter(([offset]) => seen.has(offset)).sort(([a], [b]) => a - b)
    const latest = new Map<string, { order: number; value: ValueId }>()
    for (const [offset, value] of order) {
      const sent = partition.sent.get(value)
      if (sent === undefined || (sent.unknown && !this.idempotent)) continue
      const previous = latest.get(sent.producer)
      if (previous !== undefined && previous.order > sent.order)
        this.report(`${name} offset ${offset}: ${value} of ${sent.producer} comes after ${previous.value}, sent later`)
      latest.set(sent.producer, { order: sent.order, value })
    }
  }
}
