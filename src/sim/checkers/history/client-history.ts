/**
 * What clients of a cluster sent, were told and read, as columns of numbers: millions of operations, some tens of bytes each.
 *
 * Owns the kinds of operations and what each column means for them. Judges nothing, and knows neither the simulated world nor real sockets: whoever runs clients fills it. An operation is
 * noted once, when the client does it or learns it; values are numbered in the order they were sent.
 */
export const operations = {
  /** A record is about to be sent for the first time. */
  sent: 0,
  /** It was said to be at this offset, by one replica (acks=1). */
  acknowledged: 1,
  /** It was said to be at this offset, and committed (acks=all). */
  committed: 2,
  /** It was said not to be written, and is not sent again. */
  refused: 3,
  /** A reader got it at this offset. `extra`: the high watermark of the same answer, or -1. */
  read: 4,
  /** A reader goes to an offset: what it reads next may lie anywhere from there. */
  positioned: 5,
  /** A reader has read everything from `offset` to `extra` (exclusive) since it was positioned, and there is no more. */
  drained: 6,
  /** A reader was told a high watermark (`offset`) by the leader of an epoch (`value`; -1: as the end of the log, whoever leads). */
  watermark: 7,
  /** Somebody was told who (`value`) leads in an epoch (`offset`). */
  leader: 8,
  /** A batch was fetched: `offset` first, `extra` next, `value` a hash of its bytes. */
  batch: 9,
  /** Records below may be removed from now on. */
  deletable: 10,
  /** Records below are said to be removed. */
  deleted: 11,
  /** A failure that the topic's flush policy does not cover: nothing after it is judged. */
  lossAllowed: 12,
} as const

export type OperationKind = (typeof operations)[keyof typeof operations]

export interface HistoryProducer {
  readonly name: string
  /** It may send a record again without the broker knowing that it is the same. */
  readonly mayDuplicate: boolean
  /** What it sends later may arrive before what it sent earlier. */
  readonly mayReorder: boolean
}

export interface HistoryReader {
  readonly name: string
  readonly partition: number
}

const firstCapacity = 1024

export class ClientHistory {
  count = 0
  kind = new Uint8Array(firstCapacity)
  /** The producer or the reader; -1: nobody in particular. */
  process = new Int32Array(firstCapacity)
  partition = new Int32Array(firstCapacity)
  value = new Int32Array(firstCapacity)
  offset = new Float64Array(firstCapacity)
  extra = new Float64Array(firstCapacity)

  valueCount = 0
  /** By value: who sent it, and the operation that says so. */
  valueProducer = new Int32Array(firstCapacity)
  valueSentAt = new Int32Array(firstCapacity)

  readonly partitions: string[] = []
  readonly producers: HistoryProducer[] = []
  readonly readers: HistoryReader[] = []

  addPartition(name: string): number {
    return this.partitions.push(name) - 1
  }

  addProducer(producer: HistoryProducer): number {
    return this.producers.push(producer) - 1
  }

  /** One reader reads one partition, forward from wherever it is positioned. */
  addReader(name: string, partition: number): number {
    return this.readers.push({ name, partition }) - 1
  }

  /** The number of the new value. */
  sent(producer: number, partition: number): number {
    const value = this.valueCount++
    if (value >= this.valueProducer.length) {
      this.valueProducer = widened(this.valueProducer, new Int32Array(2 * value))
      this.valueSentAt = widened(this.valueSentAt, new Int32Array(2 * value))
    }
    this.valueProducer[value] = producer
    this.valueSentAt[value] = this.count
    this.#add(operations.sent, producer, partition, value, -1, -1)
    return value
  }

  acknowledged(value: number, offset: number, isCommitted: boolean): void {
    const kind = isCommitted ? operations.committed : operations.acknowledged
    this.#add(kind, this.valueProducer[value]!, this.partitionOf(value), value, offset, -1)
  }

  refused(value: number): void {
    this.#add(operations.refused, this.valueProducer[value]!, this.partitionOf(value), value, -1, -1)
  }

  positioned(reader: number, offset: number): void {
    this.#add(operations.positioned, reader, this.readers[reader]!.partition, -1, offset, -1)
  }

  /** `value` as the record says; it may be anything. */
  read(reader: number, offset: number, value: number, highWatermark = -1): void {
    this.#add(operations.read, reader, this.readers[reader]!.partition, value, offset, highWatermark)
  }

  drained(reader: number, from: number, to: number): void {
    this.#add(operations.drained, reader, this.readers[reader]!.partition, -1, from, to)
  }

  watermark(reader: number, leaderEpoch: number, highWatermark: number): void {
    this.#add(operations.watermark, reader, this.readers[reader]!.partition, leaderEpoch, highWatermark, -1)
  }

  leader(partition: number, leaderEpoch: number, leaderId: number): void {
    this.#add(operations.leader, -1, partition, leaderId, leaderEpoch, -1)
  }

  batch(partition: number, baseOffset: number, nextOffset: number, hash: number): void {
    this.#add(operations.batch, -1, partition, hash | 0, baseOffset, nextOffset)
  }

  deletable(partition: number, below: number): void {
    this.#add(operations.deletable, -1, partition, -1, below, -1)
  }

  deleted(partition: number, below: number): void {
    this.#add(operations.deleted, -1, partition, -1, below, -1)
  }

  lossAllowed(partition: number): void {
    this.#add(operations.lossAllowed, -1, partition, -1, -1, -1)
  }

  partitionOf(value: number): number {
    return this.partition[this.valueSentAt[value]!]!
  }

  #add(kind: number, process: number, partition: number, value: number, offset: number, extra: number): void {
    const at = this.count++
    if (at >= this.kind.length) this.#grow(2 * at)
    this.kind[at] = kind
    this.process[at] = process
    this.partition[at] = partition
    this.value[at] = value
    this.offset[at] = offset
    this.extra[at] = extra
  }

  #grow(capacity: number): void {
    this.kind = widened(this.kind, new Uint8Array(capacity))
    this.process = widened(this.process, new Int32Array(capacity))
    this.partition = widened(this.partition, new Int32Array(capacity))
    this.value = widened(this.value, new Int32Array(capacity))
    this.offset = widened(this.offset, new Float64Array(capacity))
    this.extra = widened(this.extra, new Float64Array(capacity))
  }
}

function widened<T extends Uint8Array | Int32Array | Float64Array>(from: T, to: T): T {
  to.set(from)
  return to
}
