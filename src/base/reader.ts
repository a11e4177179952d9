/**
 * Reads primitive values from bytes that are not trusted.
 *
 * Owns bounds: every read checks what is left before it touches or allocates anything. Big-endian throughout, varints as in Protocol
 * Buffers. Errors are `MalformedError` and say what was wrong where.
 */
import { base64UrlLetters, zeroUuid, type Uuid } from "./ids.js"

export class MalformedError extends Error {
  override name = "MalformedError"
}

const two32 = 4294967296

const letters = Uint8Array.from(Buffer.from(base64UrlLetters))

/** As `toString("base64url")`. */
function uuidText(bytes: Uint8Array, at: number): Uuid {
  const three = (index: number) => (bytes[index]! << 16) | (bytes[index + 1]! << 8) | bytes[index + 2]!
  const [a, b, c, d, e, f] = [three(at), three(at + 3), three(at + 6), three(at + 9), three(at + 12), bytes[at + 15]!]
  // biome-ignore format: one row for each three bytes
  return String.fromCharCode(
    letters[a >> 18]!, letters[(a >> 12) & 63]!, letters[(a >> 6) & 63]!, letters[a & 63]!,
    letters[b >> 18]!, letters[(b >> 12) & 63]!, letters[(b >> 6) & 63]!, letters[b & 63]!,
    letters[c >> 18]!, letters[(c >> 12) & 63]!, letters[(c >> 6) & 63]!, letters[c & 63]!,
    letters[d >> 18]!, letters[(d >> 12) & 63]!, letters[(d >> 6) & 63]!, letters[d & 63]!,
    letters[e >> 18]!, letters[(e >> 12) & 63]!, letters[(e >> 6) & 63]!, letters[e & 63]!,
    letters[f >> 2]!, letters[(f & 3) << 4]!,
  )
}

/**
 * Elements of all arrays of one message together, unless the reader's owner says otherwise. They can be two bytes each on the wire and are
 * an object each in memory: as many as this take some 30 ms to make and 25 MB to hold.
 */
export const arrayElementsMax = 250_000

export class Reader {
  position: number
  /** How many array elements may still be decoded. Lower it for peers that deserve less, raise it for answers of brokers we trust. */
  elementsLeft: number = arrayElementsMax
  readonly end: number

  constructor(
    readonly bytes: Buffer,
    start = 0,
    end: number = bytes.length,
  ) {
    this.position = start
    this.end = end
  }

  get remaining(): number {
    return this.end - this.position
  }

  /** Makes sure `count` bytes are left and steps over them; returns where they start. */
  take(count: number): number {
    const start = this.position
    if (count < 0 || count > this.end - start) {
      throw new MalformedError(`${count} bytes wanted at ${start}, ${this.end - start} left`)
    }
    this.position = start + count
    return start
  }

  int8(): number {
    return (this.bytes[this.take(1)]! << 24) >> 24
  }

  uint8(): number {
    return this.bytes[this.take(1)]!
  }

  bool(): boolean {
    return this.bytes[this.take(1)]! !== 0
  }

  int16(): number {
    const at = this.take(2)
    return ((this.bytes[at]! << 24) | (this.bytes[at + 1]! << 16)) >> 16
  }

  uint16(): number {
    const at = this.take(2)
    return (this.bytes[at]! << 8) | this.bytes[at + 1]!
  }

  int32(): number {
    const at = this.take(4)
    const b = this.bytes
    return (b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!
  }

  uint32(): number {
    return this.int32() >>> 0
  }

  /** Exact up to 2^53 in magnitude, rounded above. */
  int64(): number {
    const high = this.int32()
    return high * two32 + (this.int32() >>> 0)
  }

  float64(): number {
    return this.bytes.readDoubleBE(this.take(8))
  }

  uuid(): Uuid {
    const at = this.take(16)
    const b = this.bytes
    for (let i = at; i < at + 16; i++) if (b[i] !== 0) return uuidText(b, at)
    return zeroUuid
  }

  /** Unsigned varint of at most 32 bits. */
  uvarint(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.uint8()
      if (shift === 28 && byte > 0x0f) break
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
    }
    throw new MalformedError(`varint of more than 32 bits before ${this.position}`)
  }

  /** Zigzag varint of at most 32 bits. */
  varint(): number {
    const raw = this.uvarint()
    return (raw >>> 1) ^ -(raw & 1)
  }

  /** Zigzag varint of at most 64 bits; exact up to 2^53 in magnitude. */
  varlong(): number {
    let low = 0
    let high = 0
    for (let index = 0; index < 10; index++) {
      const byte = this.uint8()
      const bits = byte & 0x7f
      if (index < 4) low |= bits << (7 * index)
      else if (index === 4) {
        low |= bits << 28
        high |= bits >>> 4
      } else if (index < 9) high |= bits << (7 * index - 32)
      else {
        if (byte > 1) break
        high |= bits << 31
      }
      if (byte < 0x80) {
        const negative = low & 1
        const halfLow = ((low >>> 1) | (high << 31)) >>> 0
        const halfHigh = high >>> 1
        return negative ? -(halfHigh * two32 + halfLow) - 1 : halfHigh * two32 + halfLow
      }
    }
    throw new MalformedError(`varint of more than 64 bits before ${this.position}`)
  }

  /** A view of the next `count` bytes, no copy. */
  view(count: number): Buffer {
    const at = this.take(count)
    return this.bytes.subarray(at, at + count)
  }

  utf8(count: number): string {
    const at = this.take(count)
    return this.bytes.toString("utf8", at, at + count)
  }
}
