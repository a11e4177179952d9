/**
 * Randomness from a seed: the only source of chance in the simulated world.
 *
 * Owns the generator (sfc32) and the draws simulations need. `fork` depends on seed and label alone, so that a draw added in one place
 * does not change what another place sees. No transcendental functions: results are equal on every machine.
 */
import type { Uuid } from "../base/ids.js"
import type { Random } from "../env/env.js"

const two32 = 4294967296

/** FNV-1a of the text's UTF-16 units, from a salt: spreads seeds, not meant against adversaries. */
export function hashText(text: string, salt = 0x811c9dc5): number {
  let hash = salt | 0
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  hash ^= hash >>> 15
  hash = Math.imul(hash, 0x2c1b3c6d)
  hash ^= hash >>> 12
  return hash >>> 0
}

export class SeededRandom implements Random {
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(readonly seed: string) {
    this.#a = hashText(seed, 0x9e3779b9) | 0
    this.#b = hashText(seed, 0x243f6a88) | 0
    this.#c = hashText(seed, 0xb7e15162) | 0
    for (let i = 0; i < 15; i++) this.next()
  }

  /** A generator of its own for one part of the world. */
  fork(label: string): SeededRandom {
    return new SeededRandom(`${this.seed}/${label}`)
  }

  /** Uniform in [0, 2^32). */
  next(): number {
    const result = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + result) | 0
    return result >>> 0
  }

  int(below: number): number {
    if (below <= 1) return 0
    if (below <= two32) return Math.floor((this.next() / two32) * below)
    return Math.floor(((this.next() * 2097152 + (this.next() >>> 11)) / 9007199254740992) * below)
  }

  /** Uniform integer, both ends included. */
  between(least: number, most: number): number {
    return least + this.int(most - least + 1)
  }

  chance(probability: number): boolean {
    if (probability <= 0) return false
    return this.next() < probability * two32
  }

  pick<T>(items: readonly T[]): T {
    return items[this.int(items.length)]!
  }

  /** Integer whose order of magnitude is uniform: small values as likely as large ones. `least` is at least 1. */
  magnitude(least: number, most: number): number {
    let steps = 0
    while (least * 2 ** (steps + 1) <= most) steps += 1
    const low = least * 2 ** this.int(steps + 1)
    return Math.min(most, this.between(low, low * 2 - 1))
  }

  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.int(i + 1)
      const held = items[i]!
      items[i] = items[j]!
      items[j] = held
    }
    return items
  }

  bytes(count: number): Buffer {
    const bytes = Buffer.allocUnsafe(count)
    for (let at = 0; at < count; at += 4) {
      let word = this.next()
      for (let i = at; i < at + 4 && i < count; i++) {
        bytes[i] = word
        word >>>= 8
      }
    }
    return bytes
  }

  uuid(): Uuid {
    const bytes = this.bytes(16)
    bytes[6] = (bytes[6]! & 0x0f) | 0x40
    bytes[8] = (bytes[8]! & 0x3f) | 0x80
    const text = bytes.toString("base64url")
    // Kafka draws again when an id starts with a dash: command lines would take it for an option.
    return text.startsWith("-") ? this.uuid() : text
  }
}
