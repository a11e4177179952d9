/**
 * Records on their way to one partition, written once, where they will lie in the batch.
 *
 * Owns the layout of its records and who waits for each. Its memory is lent and given back when the batch is done. Invariant: until it is sealed the header is room, and nothing
 * that was sealed changes but by `number`.
 */
import { utf8Bytes, varintBytes } from "../../base/writer.js"
import { batchHeaderBytes, type CompressionType } from "../../protocol/batch-header.js"
import { compress } from "../../protocol/compression/compression.js"
import { recordsOf, sealBatch, setHeader } from "../../protocol/record-batch.js"
import { sequencePlus } from "../../protocol/sequences.js"

export type Bytes = string | Uint8Array | null | undefined
export type HeaderValue = string | Uint8Array | null

export interface Header {
  readonly key: string
  readonly value: HeaderValue
}

/** By name, of which one may have several values; or as a list, where order counts. */
export type Headers = Readonly<Record<string, HeaderValue | readonly HeaderValue[]>> | readonly Header[]

/** Called once for each record: with the offset of the batch's first record and this one's place, or with what went wrong. */
export interface Delivery {
  delivered(baseOffset: number, index: number, timestamp: number): void
  failed(error: Error): void
}

const isList = (headers: Headers): headers is readonly Header[] => Array.isArray(headers)

function listOf(headers: Headers): readonly Header[] {
  if (isList(headers)) return headers
  return Object.entries(headers).flatMap(([key, value]): Header[] =>
    typeof value === "object" && value !== null && !(value instanceof Uint8Array)
      ? value.map((each) => ({ key, value: each }))
      : [{ key, value }],
  )
}

const byteLength = (bytes: string | Uint8Array): number => (typeof bytes === "string" ? utf8Bytes(bytes) : bytes.length)
/** Attributes. */
const fixedBytes = 1

export class ProducerBatch {
  readonly deliveries: Delivery[] = []
  readonly timestamps: number[] = []
  /** Times it has been sent. */
  attempts = 0
  /** Some attempt may have been stored although no answer said so. */
  isInDoubt = false
  /** What came of the last attempt. */
  problem: string | undefined
  producerId = -1
  producerEpoch = -1
  baseSequence = -1
  /** Records numbered before it that will never be stored. */
  gapBefore = 0
  #length = batchHeaderBytes
  #sealed: Buffer | undefined

  constructor(
    readonly memory: Buffer,
    readonly createdMs: number,
    /** By age, over all batches of its producer. */
    readonly order: number,
  ) {}

  get count(): number {
    return this.deliveries.length
  }

  get bytes(): number {
    return this.#sealed?.length ?? this.#length
  }

  /** Room a record takes in a batch of its own, header included. */
  static bytesFor(key: Bytes, value: Bytes, headers: Headers | undefined): number {
    const list = headers === undefined ? undefined : listOf(headers)
    const body = fixedBytes + 10 + 1 + dataBytes(key) + dataBytes(value) + headersBytes(list)
    return batchHeaderBytes + varintBytes(body) + body
  }

  /** False: it does not fit any more. */
  append(key: Bytes, value: Bytes, headers: Headers | undefined, timestamp: number, delivery: Delivery): boolean {
    const { memory } = this
    const list = headers === undefined ? undefined : listOf(headers)
    const offsetDelta = this.deliveries.length
    const timestampDelta = offsetDelta === 0 ? 0 : timestamp - this.timestamps[0]!
    const keyBytes = key === null || key === undefined ? -1 : byteLength(key)
    const valueBytes = value === null || value === undefined ? -1 : byteLength(value)
    const body =
      fixedBytes +
      varlongBytes(timestampDelta) +
      varintBytes(offsetDelta) +
      varintBytes(keyBytes) +
      Math.max(0, keyBytes) +
      varintBytes(valueBytes) +
      Math.max(0, valueBytes) +
      headersBytes(list)
    if (this.#length + varintBytes(body) + body > memory.length) return false
    let at = putVarint(memory, this.#length, body)
    memory[at++] = 0
    at = putVarlong(memory, at, timestampDelta)
    at = putVarint(memory, at, offsetDelta)
    at = putData(memory, at, key, keyBytes)
    at = putData(memory, at, value, valueBytes)
    at = putHeaders(memory, at, list)
    this.#length = at
    this.deliveries.push(delivery)
    this.timestamps.push(timestamp)
    return true
  }

  /** Its records go into two batches, each with room for all of them, and with the numbers they have. */
  splitInto(halves: readonly [ProducerBatch, ProducerBatch]): void {
    const middle = this.count >> 1
    const plain = Buffer.from(this.memory.subarray(0, this.#length))
    setHeader(plain, {}, "none", this.count, this.count - 1, this.timestamps[0]!, -1)
    let index = 0
    for (const { key, value, headers } of recordsOf(plain)) {
      const half = halves[index < middle ? 0 : 1]
      half.append(
        key,
        value,
        headers.length === 0 ? undefined : headers,
        this.timestamps[index]!,
        this.deliveries[index]!,
      )
      index++
    }
    const { producerId, producerEpoch, baseSequence } = this
    if (baseSequence < 0) return
    halves[0].number(producerId, producerEpoch, baseSequence)
    halves[1].number(producerId, producerEpoch, sequencePlus(baseSequence, middle))
  }

  /** The batch as it is sent. Sealed already: as it was. */
  seal(compression: CompressionType, level: number | undefined): Buffer {
    if (this.#sealed !== undefined) return this.#sealed
    const { memory, timestamps, count } = this
    let maxTimestamp = -1
    for (const timestamp of timestamps) if (timestamp > maxTimestamp) maxTimestamp = timestamp
    let batch = memory.subarray(0, this.#length)
    if (compression !== "none") {
      const body = compress(compression, batch.subarray(batchHeaderBytes), level)
      batch = Buffer.allocUnsafe(batchHeaderBytes + body.length)
      body.copy(batch, batchHeaderBytes)
    }
    const { producerId, producerEpoch, baseSequence } = this
    setHeader(
      batch,
      { producerId, producerEpoch, baseSequence },
      compression,
      count,
      count - 1,
      timestamps[0]!,
      maxTimestamp,
    )
    sealBatch(batch, 0, batch.length)
    this.#sealed = batch
    return batch
  }

  /** Under another number, or by another producer: it has not been stored under the former. */
  number(producerId: number, producerEpoch: number, baseSequence: number): void {
    this.producerId = producerId
    this.producerEpoch = producerEpoch
    this.baseSequence = baseSequence
    const sealed = this.#sealed
    if (sealed === undefined) return
    sealed.writeBigInt64BE(BigInt(producerId), 43)
    sealed.writeInt16BE(producerEpoch, 51)
    sealed.writeInt32BE(baseSequence, 53)
    sealBatch(sealed, 0, sealed.length)
  }

  /** Takes the numbers of what will never be stored. Not while it is on its way. */
  moveUp(): void {
    if (this.gapBefore === 0) return
    if (this.baseSequence >= 0)
      this.number(this.producerId, this.producerEpoch, sequencePlus(this.baseSequence, -this.gapBefore))
    this.gapBefore = 0
  }

  delivered(baseOffset: number, logAppendTimeMs: number): void {
    const { deliveries, timestamps } = this
    for (let index = 0; index < deliveries.length; index++)
      deliveries[index]!.delivered(baseOffset, index, logAppendTimeMs >= 0 ? logAppendTimeMs : timestamps[index]!)
  }

  failed(error: Error): void {
    for (const delivery of this.deliveries) delivery.failed(error)
  }
}

function dataBytes(data: Bytes): number {
  if (data === null || data === undefined) return 1
  const bytes = byteLength(data)
  return varintBytes(bytes) + bytes
}

function headersBytes(headers: readonly Header[] | undefined): number {
  if (headers === undefined) return 1
  let bytes = varintBytes(headers.length)
  for (const { key, value } of headers) bytes += dataBytes(key) + dataBytes(value)
  return bytes
}

function varlongBytes(value: number): number {
  if (value >= -0x40000000 && value < 0x40000000) return varintBytes(value)
  let rest = value < 0 ? -2 * value - 1 : 2 * value
  let count = 1
  while (rest > 0x7f) {
    rest = Math.floor(rest / 128)
    count++
  }
  return count
}

function putVarint(memory: Buffer, at: number, value: number): number {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0
  while (rest > 0x7f) {
    memory[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  memory[at++] = rest
  return at
}

function putVarlong(memory: Buffer, at: number, value: number): number {
  if (value >= -0x40000000 && value < 0x40000000) return putVarint(memory, at, value)
  let rest = value < 0 ? -2 * value - 1 : 2 * value
  while (rest > 0x7f) {
    memory[at++] = (rest % 128) | 0x80
    rest = Math.floor(rest / 128)
  }
  memory[at++] = rest
  return at
}

function putData(memory: Buffer, at: number, data: Bytes, bytes: number): number {
  at = putVarint(memory, at, bytes)
  if (bytes <= 0) return at
  if (typeof data === "string") memory.write(data, at, bytes, "utf8")
  else memory.set(data!, at)
  return at + bytes
}

function putHeaders(memory: Buffer, at: number, headers: readonly Header[] | undefined): number {
  if (headers === undefined) return putVarint(memory, at, 0)
  at = putVarint(memory, at, headers.length)
  for (const { key, value } of headers) {
    at = putData(memory, at, key, byteLength(key))
    at = putData(memory, at, value, value === null || value === undefined ? -1 : byteLength(value))
  }
  return at
}
