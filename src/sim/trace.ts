/**
 * What happened in a run, as one number: two runs of a seed must end with the same.
 *
 * Owns the rolling hash over (event, time, node, what, payload) and, when asked, the same as text. Decides nothing. Everything a
 * simulated part does passes through `record`.
 */
import { hashText } from "./random.js"

/** Text kept for a failure report; older lines are dropped. */
const linesMax = 200_000

export function hashBytes(bytes: Uint8Array, from = 0, to = bytes.length): number {
  let hash = (to - from) | 0
  let at = from
  for (; at + 4 <= to; at += 4) {
    const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    hash = Math.imul(hash ^ word, 0x01000193)
    hash ^= hash >>> 15
  }
  for (; at < to; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193)
  return hash >>> 0
}

export class Trace {
  #high = 0x12345678
  #low = 0x9abcdef0 | 0
  readonly #labels = new Map<string, number>()
  #lines: string[] | undefined
  #dropped = 0

  constructor(options: { text?: boolean } = {}) {
    if (options.text) this.#lines = []
  }

  #label(text: string): number {
    let hash = this.#labels.get(text)
    if (hash === undefined) this.#labels.set(text, (hash = hashText(text)))
    return hash
  }

  #mix(word: number): void {
    const low = Math.imul(this.#low ^ word, 0x85ebca6b)
    this.#low = low ^ (low >>> 13)
    const high = Math.imul(this.#high + this.#low, 0xc2b2ae35)
    this.#high = high ^ (high >>> 16)
  }

  /** `payload` is a number that stands for the content: a size, a hash, a position. */
  record(event: number, timeNs: number, node: string, what: string, payload = 0): void {
    this.#mix(event)
    this.#mix(timeNs % 4294967296)
    this.#mix(this.#label(node))
    this.#mix(this.#label(what))
    this.#mix(payload)
    if (this.#lines !== undefined) this.#write(`${event} ${(timeNs / 1e6).toFixed(6)} ${node} ${what} ${payload}`)
  }

  /** A line for the reader alone: log lines, drawn options. Part of the hash too. */
  say(timeNs: number, node: string, text: string): void {
    this.#mix(hashText(text))
    if (this.#lines !== undefined) this.#write(`- ${(timeNs / 1e6).toFixed(6)} ${node} ${text}`)
  }

  /** For the reader alone, and not part of the hash: it costs nothing unless the text is wanted. */
  remark(timeNs: number, text: () => string): void {
    if (this.#lines !== undefined) this.#write(`= ${(timeNs / 1e6).toFixed(6)} ${text()}`)
  }

  #write(line: string): void {
    const lines = this.#lines!
    lines.push(line)
    if (lines.length >= linesMax) this.#dropped += lines.splice(0, linesMax / 2).length
  }

  get hash(): string {
    return (this.#high >>> 0).toString(16).padStart(8, "0") + (this.#low >>> 0).toString(16).padStart(8, "0")
  }

  get text(): string {
    if (this.#lines === undefined) return ""
    return (this.#dropped > 0 ? `(${this.#dropped} earlier lines dropped)\n` : "") + this.#lines.join("\n")
  }
}
