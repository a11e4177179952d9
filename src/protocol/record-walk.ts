/**
 * The walk over every record of a batch that a client sent: the hottest loop of a produce.
 *
 * Owns the structure of records (varints, lengths, order of offsets) and makes no object per record. Records of the usual kind
 * go fast; all others, and all faults, take the slow way.
 */

/** How many records at fault are named. The client needs to know that its batch failed, not each of a hundred thousand. */
export const recordFaultsMax = 1000

export class RecordWalk {
  maxTimestamp = -1
  /** What is wrong with the structure, after `run` returned false. */
  fault = ""
  faultyRecords = 0
  /** `timestamp` of a record outside the window; undefined: a record without the key it must have. */
  readonly recordFaults: { readonly index: number; readonly timestamp: number | undefined }[] = []
  #at = 0
  #bad = false
  #plainDeltaMax = 0

  constructor(
    readonly bytes: Buffer,
    readonly baseTimestamp: number,
  ) {}

  /** Walks `count` records that must fill the bytes exactly; false if they do not, with the reason in `fault`. */
  run(count: number, keysRequired: boolean, timestampMin: number, timestampMax: number): boolean {
    const bytes = this.bytes
    const end = bytes.length
    const baseTimestamp = this.baseTimestamp
    let maxTimestamp = -1
    for (let index = 0; index < count; index++) {
      const plain = this.#plainRecords(
        index,
        count,
        keysRequired,
        timestampMin - baseTimestamp,
        timestampMax - baseTimestamp,
      )
      if (plain > 0) {
        const latest = baseTimestamp + this.#plainDeltaMax
        if (latest > maxTimestamp) maxTimestamp = latest
        index += plain
        if (index === count) break
      }
      const length = this.#varint(end)
      const start = this.#at
      if (this.#bad || length < 0 || length > end - start)
        return this.#fail(index, "Incorrect declared batch size, records cut")
      const recordEnd = start + length
      this.#at = start + 1
      const timestamp = baseTimestamp + this.#varlong(recordEnd)
      const offsetDelta = this.#varint(recordEnd)
      const keyBytes = this.#varint(recordEnd)
      if (keyBytes > 0) this.#at += keyBytes
      const valueBytes = this.#varint(recordEnd)
      if (valueBytes > 0) this.#at += valueBytes
      const headers = this.#varint(recordEnd)
      if (headers !== 0) this.#headers(headers, recordEnd)
      if (this.#bad || this.#at !== recordEnd) return this.#fail(index, "Invalid record size")
      if (offsetDelta !== index) {
        return this.#fail(index, `Record does not have incremental offsets, expected ${index}, found ${offsetDelta}`)
      }
      if (timestamp > maxTimestamp) maxTimestamp = timestamp
      if (keysRequired && keyBytes < 0) this.#remember(index, undefined)
      else if ((timestamp < timestampMin || timestamp > timestampMax) && timestamp !== -1)
        this.#remember(index, timestamp)
    }
    if (this.#at !== end) return this.#fail(count, "Incorrect declared batch size, records still remaining")
    this.maxTimestamp = maxTimestamp
    return true
  }

  /**
   * Takes as many records as follow each other and are of the usual kind: nothing wrong, no headers, no number of more than three bytes. Returns how many; the
   * next one, if there is one, is for the slow way to take or to refuse. Three times as fast, for it keeps everything in registers.
   */
  #plainRecords(index: number, count: number, keysRequired: boolean, deltaMin: number, deltaMax: number): number {
    const bytes = this.bytes
    const end = bytes.length - plainRecordBytesMax
    let at = this.#at
    let latest = Number.NEGATIVE_INFINITY
    let next = index
    for (; next < count && at <= end; next++) {
      let varint = shortVarint(bytes, at)
      let position = at + (varint & 3)
      const recordEnd = position + unzigzag(varint >> 2)
      if (varint === 0 || recordEnd > bytes.length) break
      varint = shortVarint(bytes, ++position)
      position += varint & 3
      const timestampDelta = unzigzag(varint >> 2)
      if (varint === 0 || timestampDelta < deltaMin || timestampDelta > deltaMax) break
      varint = shortVarint(bytes, position)
      position += varint & 3
      if (varint === 0 || unzigzag(varint >> 2) !== next) break
      varint = shortVarint(bytes, position)
      position += varint & 3
      const keyBytes = unzigzag(varint >> 2)
      if (varint === 0 || (keysRequired && keyBytes < 0)) break
      if (keyBytes > 0) position += keyBytes
      if (position > end) break
      varint = shortVarint(bytes, position)
      position += varint & 3
      const valueBytes = unzigzag(varint >> 2)
      if (varint === 0) break
      if (valueBytes > 0) position += valueBytes
      if (position + 1 !== recordEnd || bytes[position] !== 0) break
      if (timestampDelta > latest) latest = timestampDelta
      at = recordEnd
    }
    this.#at = at
    this.#plainDeltaMax = latest
    return next - index
  }

  #fail(index: number, reason: string): false {
    this.fault = `${reason} (at record ${index})`
    return false
  }

  #remember(index: number, timestamp: number | undefined): void {
    this.faultyRecords++
    if (this.recordFaults.length < recordFaultsMax) this.recordFaults.push({ index, timestamp })
  }

  #headers(count: number, end: number): void {
    if (count < 0 || count > (end - this.#at) / 2) {
      this.#bad = true
      return
    }
    for (let i = 0; i < count && !this.#bad; i++) {
      const keyBytes = this.#varint(end)
      if (keyBytes < 0) this.#bad = true
      this.#at += keyBytes
      const valueBytes = this.#varint(end)
      if (valueBytes > 0) this.#at += valueBytes
    }
  }

  /** Zigzag varint of at most 32 bits before `end`; sets `#bad` and returns 0 if there is none. */
  #varint(end: number): number {
    const at = this.#at
    if (at < end) {
      const byte = this.bytes[at]!
      if (byte < 0x80) {
        this.#at = at + 1
        return (byte >>> 1) ^ -(byte & 1)
      }
    }
    return this.#longVarint(end)
  }

  #longVarint(end: number): number {
    const bytes = this.bytes
    let at = this.#at
    let value = 0
    for (let shift = 0; shift < 35 && at < end; shift += 7) {
      const byte = bytes[at++]!
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) {
        if (shift === 28 && byte > 0x0f) break
        this.#at = at
        return (value >>> 1) ^ -(value & 1)
      }
    }
    this.#bad = true
    return 0
  }

  /** Zigzag varint of at most 64 bits, exact up to 2^53 in magnitude. */
  #varlong(end: number): number {
    const bytes = this.bytes
    let at = this.#at
    let value = 0
    let unit = 1
    for (let index = 0; index < 10 && at < end; index++) {
      const byte = bytes[at++]!
      value += (byte & 0x7f) * unit
      unit *= 128
      if (byte < 0x80) {
        if (index === 9 && byte > 1) break
        this.#at = at
        return value % 2 === 0 ? value / 2 : -(value + 1) / 2
      }
    }
    this.#bad = true
    return 0
  }
}

/** More than the numbers of a plain record take, so that they can be read without a look at where the bytes end. */
const plainRecordBytesMax = 24

const unzigzag = (value: number): number => (value >>> 1) ^ -(value & 1)

/** A varint of up to three bytes: the value, still in zigzag, times four, plus how many bytes it takes. 0: it is longer. */
function shortVarint(bytes: Buffer, at: number): number {
  const first = bytes[at]!
  if (first < 0x80) return (first << 2) | 1
  const second = bytes[at + 1]!
  if (second < 0x80) return ((first & 0x7f) << 2) | (second << 9) | 2
  const third = bytes[at + 2]!
  return third < 0x80 ? ((first & 0x7f) << 2) | ((second & 0x7f) << 9) | (third << 16) | 3 : 0
}
