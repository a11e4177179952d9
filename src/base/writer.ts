/**
 * Writes primitive values, growing as needed, and takes large payloads by reference.
 *
 * Owns the split of a message into what was written here and what is passed through (`attach`): record bytes are never copied into a
 * response. The counterpart of `Reader`.
 */
import { base64UrlLetters, type Uuid } from "./ids.js"

const two32 = 4294967296
const int64Max = 2 ** 63

const sextets = new Int8Array(128).fill(-1)
for (const [value, letter] of Buffer.from(base64UrlLetters).entries()) sextets[letter] = value

/** Six bits for a letter of base64url, -1 for anything else. */
function sextet(text: string, index: number): number {
  const code = text.charCodeAt(index)
  return code < 128 ? sextets[code]! : -1
}

/** Up to here a loop over ASCII letters beats the call into the runtime. */
const shortTextLength = 64
/** The same for a copy of bytes. */
const shortCopyBytes = 64

/** Bytes of a text in UTF-8; as many as it has UTF-16 units exactly if all of it is ASCII. */
export function utf8Bytes(value: string): number {
  if (value.length > shortTextLength) return Buffer.byteLength(value)
  for (let i = 0; i < value.length; i++) if (value.charCodeAt(i) > 0x7f) return Buffer.byteLength(value)
  return value.length
}

/** Bytes that `varint` takes for the value. */
export function varintBytes(value: number): number {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0
  let count = 1
  while (rest > 0x7f) {
    rest >>>= 7
    count++
  }
  return count
}

/** What `attach` takes: bytes, or anything else with a length that the receiver of `finish` knows how to send. */
export type Attachment = { readonly length: number }

export class Writer<A extends Attachment = never> {
  #bytes: Buffer
  #start = 0
  #position = 0
  readonly #done: (Buffer | A)[] = []
  #doneBytes = 0

  constructor(initialBytes = 256) {
    this.#bytes = Buffer.allocUnsafe(initialBytes)
  }

  /** Bytes written and attached so far. */
  get length(): number {
    return this.#doneBytes + this.#position - this.#start
  }

  #room(count: number): number {
    const at = this.#position
    if (at + count > this.#bytes.length) this.#grow(count)
    const start = this.#position
    this.#position = start + count
    return start
  }

  #grow(count: number): void {
    const kept = this.#position - this.#start
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, kept + count, 256))
    this.#bytes.copy(grown, 0, this.#start, this.#position)
    this.#bytes = grown
    this.#start = 0
    this.#position = kept
  }

  int8(value: number): void {
    // Room first: it may put other memory in place of #bytes.
    const at = this.#room(1)
    this.#bytes[at] = value
  }

  bool(value: boolean): void {
    this.int8(value ? 1 : 0)
  }

  int16(value: number): void {
    const at = this.#room(2)
    this.#bytes[at] = value >> 8
    this.#bytes[at + 1] = value
  }

  int32(value: number): void {
    const at = this.#room(4)
    const b = this.#bytes
    b[at] = value >> 24
    b[at + 1] = value >> 16
    b[at + 2] = value >> 8
    b[at + 3] = value
  }

  /** Values beyond the range of 64 bits (a rounded 2^63 - 1) become the nearest end of it. */
  int64(value: number): void {
    if (value >= int64Max) {
      this.int32(0x7fffffff)
      this.int32(-1)
    } else if (value <= -int64Max) {
      this.int32(-0x80000000)
      this.int32(0)
    } else {
      const high = Math.floor(value / two32)
      this.int32(high)
      this.int32(value - high * two32)
    }
  }

  float64(value: number): void {
    const at = this.#room(8)
    this.#bytes.writeDoubleBE(value, at)
  }

  /** Errors: RangeError for what is no uuid. */
  uuid(value: Uuid): void {
    let at = this.#room(16)
    const bytes = this.#bytes
    let seen = value.length === 22 ? 0 : -1
    for (let i = 0; i < 20; i += 4) {
      const [a, b, c, d] = [sextet(value, i), sextet(value, i + 1), sextet(value, i + 2), sextet(value, i + 3)]
      seen |= a | b | c | d
      bytes[at++] = (a << 2) | (b >> 4)
      bytes[at++] = (b << 4) | (c >> 2)
      bytes[at++] = (c << 6) | d
    }
    const [a, b] = [sextet(value, 20), sextet(value, 21)]
    bytes[at] = (a << 2) | (b >> 4)
    if ((seen | a | b) < 0) throw new RangeError(`"${value}" is no uuid`)
  }

  uvarint(value: number): void {
    value >>>= 0
    while (value > 0x7f) {
      this.int8((value & 0x7f) | 0x80)
      value >>>= 7
    }
    this.int8(value)
  }

  varint(value: number): void {
    this.uvarint((value << 1) ^ (value >> 31))
  }

  /** Zigzag varint of up to 64 bits; values beyond them become the nearest end, as in `int64`. */
  varlong(value: number): void {
    const sign = value < 0 ? 1 : 0
    const magnitude = value < 0 ? -(value + 1) : value
    const fits = magnitude < int64Max
    let high = fits ? Math.floor(magnitude / 2147483648) : 0xffffffff
    let low = fits ? ((magnitude % 2147483648) * 2 + sign) >>> 0 : (0xfffffffe | sign) >>> 0
    while (high > 0 || low > 0x7f) {
      this.int8((low & 0x7f) | 0x80)
      low = ((low >>> 7) | ((high % 128) << 25)) >>> 0
      high = Math.floor(high / 128)
    }
    this.int8(low)
  }

  /** Copies bytes in. */
  raw(value: Uint8Array): void {
    const at = this.#room(value.length)
    this.#bytes.set(value, at)
  }

  /** Leaves room for what is written over later. */
  skip(count: number): void {
    const at = this.#room(count)
    this.#bytes.fill(0, at, at + count)
  }

  /** Copies what another writer, or this one, holds at `at`. Nothing may have been attached there. */
  copy(source: Writer<A>, at: number, count: number): void {
    const to = this.#room(count)
    const from = source.#start + at
    if (count > shortCopyBytes) source.#bytes.copy(this.#bytes, to, from, from + count)
    else for (let i = 0; i < count; i++) this.#bytes[to + i] = source.#bytes[from + i]!
  }

  /** Forgets what was written and keeps the memory. Nothing may have been attached, nor handed out. */
  clear(): void {
    this.#position = this.#start
  }

  /** Writes text without a length; returns its bytes. `count` is `utf8Bytes(value)` where the caller has it already. */
  utf8(value: string, count: number = utf8Bytes(value)): number {
    const at = this.#room(count)
    if (count === value.length && count <= shortTextLength) {
      for (let i = 0; i < count; i++) this.#bytes[at + i] = value.charCodeAt(i)
    } else this.#bytes.write(value, at, count, "utf8")
    return count
  }

  /** Puts a payload in at this point by reference; it must not change until the message is sent. */
  attach(payload: A | Buffer): void {
    if (payload.length === 0) return
    this.#cut()
    this.#done.push(payload)
    this.#doneBytes += payload.length
  }

  #cut(): void {
    if (this.#position === this.#start) return
    this.#done.push(this.#bytes.subarray(this.#start, this.#position))
    this.#doneBytes += this.#position - this.#start
    this.#start = this.#position
  }

  /** Sets four bytes written earlier, before anything was attached. */
  patchInt32(position: number, value: number): void {
    const bytes = (this.#done[0] as Buffer | undefined) ?? this.#bytes.subarray(this.#start)
    bytes.writeInt32BE(value, position)
  }

  /** The message in order. The writer must not be used afterwards. */
  finish(): (Buffer | A)[] {
    this.#cut()
    return this.#done
  }

  /** The message as one buffer, which copies if something was attached. */
  finishBuffer(): Buffer {
    if (this.#done.length === 0) return this.#bytes.subarray(this.#start, this.#position)
    const parts = this.finish() as Buffer[]
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
  }
}
