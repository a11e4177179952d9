/**
 * Memory that decoders of unknown output size write into.
 *
 * Owns growth: starts near what is likely, doubles, and never exceeds its bound. Over the bound it throws `DecompressError`, which
 * `compression.ts` turns into a value.
 */

/** Why bytes could not be decompressed. Returned as a value by `decompress`, never thrown across the folder. */
export class DecompressError extends Error {
  override name = "DecompressError"
  constructor(
    /** `corrupt`: not what the codec says. `too-large`: more than the caller allows. `unavailable`: no decoder on this platform. */
    readonly kind: "corrupt" | "too-large" | "unavailable",
    message: string,
  ) {
    super(message)
  }
}

export const corrupt = (message: string): DecompressError => new DecompressError("corrupt", message)
export const tooLarge = (maxBytes: number): DecompressError =>
  new DecompressError("too-large", `decompresses to more than ${maxBytes} bytes`)

/**
 * Repeats the `distance` bytes before `to` until `count` are written there: what a copy that overlaps itself means. Doubles, so that a long run of zeros
 * takes a few calls.
 */
export function repeat(out: Buffer, to: number, distance: number, count: number): void {
  let done = Math.min(distance, count)
  out.copyWithin(to, to - distance, to - distance + done)
  while (done < count) {
    const next = Math.min(done, count - done)
    out.copyWithin(to + done, to, to + next)
    done += next
  }
}

export class Output {
  bytes: Buffer
  length = 0

  constructor(
    likelyBytes: number,
    readonly maxBytes: number,
  ) {
    this.bytes = Buffer.allocUnsafe(Math.min(likelyBytes, maxBytes))
  }

  /** Makes sure `count` more bytes fit. */
  reserve(count: number): void {
    const wanted = this.length + count
    if (wanted <= this.bytes.length) return
    if (wanted > this.maxBytes) throw tooLarge(this.maxBytes)
    const grown = Buffer.allocUnsafe(Math.min(this.maxBytes, Math.max(wanted, this.bytes.length * 2)))
    this.bytes.copy(grown, 0, 0, this.length)
    this.bytes = grown
  }

  append(from: Buffer, start: number, end: number): void {
    this.reserve(end - start)
    from.copy(this.bytes, this.length, start, end)
    this.length += end - start
  }

  finish(): Buffer {
    return this.bytes.subarray(0, this.length)
  }
}
