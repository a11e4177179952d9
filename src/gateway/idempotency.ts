/**
 * Requests that are sent again, by their Idempotency-Key.
 *
 * Owns what was answered to each key, for a while: the same request is answered the same and done once, also when the second comes before the first is done. Kept in this gateway's memory only. Invariant: both the count and the
 * bytes of what is kept are bounded; the oldest go first. An answer that says that nothing was done is not kept, so the key can be used again.
 */
import { createHash } from "node:crypto"
import type { Buffer } from "node:buffer"
import type { Clock } from "../env/env.js"
import { badField, Problem, tooMany } from "./problem.js"

export const idempotencyWindowMs = 600_000
export const idempotencyKeysMax = 10_000
export const idempotencyBytesMax = 32 << 20
export const idempotencyKeyLengthMax = 255

export interface Outcome {
  readonly status: number
  readonly body: string
  readonly contentType: string
  /** It is certain that nothing was stored. */
  readonly isUndone: boolean
}

interface Entry {
  readonly digest: string
  readonly sinceMs: number
  readonly outcome: Promise<Outcome>
  bytes: number
  isDone: boolean
}

export class Idempotency {
  /** In the order in which they came. */
  readonly #entries = new Map<string, Entry>()
  #bytes = 0

  constructor(private readonly clock: Clock) {}

  get count(): number {
    return this.#entries.size
  }

  /**
   * What `work` makes of it, or what it made of it before. `scope` is method and path: a key means something to one of them only.
   *
   * Errors: Problem for a key that is none, or that came with another body; what `work` throws.
   */
  async once(
    scope: string,
    key: string,
    body: Buffer,
    work: () => Promise<Outcome>,
  ): Promise<{ outcome: Outcome; isReplay: boolean }> {
    if (key === "" || key.length > idempotencyKeyLengthMax)
      throw badField(
        "header Idempotency-Key",
        "it is empty or too long",
        `give 1 to ${idempotencyKeyLengthMax} characters`,
      )
    this.#forgetOld()
    const name = `${scope} ${key}`
    const digest = createHash("sha256").update(body).digest("base64")
    const known = this.#entries.get(name)
    if (known !== undefined) {
      if (known.digest !== digest) throw otherBody()
      return { outcome: await known.outcome, isReplay: true }
    }
    this.#makeRoom()
    const entry: Entry = {
      digest,
      sinceMs: this.clock.monotonicMs(),
      outcome: work(),
      bytes: name.length,
      isDone: false,
    }
    this.#entries.set(name, entry)
    this.#bytes += entry.bytes
    try {
      const outcome = await entry.outcome
      entry.isDone = true
      entry.bytes += outcome.body.length
      this.#bytes += outcome.body.length
      if (outcome.isUndone) this.#forget(name, entry)
      while (this.#bytes > idempotencyBytesMax && this.#forgetOldestDone());
      return { outcome, isReplay: false }
    } catch (error) {
      this.#forget(name, entry)
      throw error
    }
  }

  #forgetOld(): void {
    const bornMs = this.clock.monotonicMs() - idempotencyWindowMs
    for (const [name, entry] of this.#entries) {
      if (entry.sinceMs > bornMs) return
      if (entry.isDone) this.#forget(name, entry)
    }
  }

  #makeRoom(): void {
    if (this.#entries.size < idempotencyKeysMax || this.#forgetOldestDone()) return
    throw tooMany("requests with an Idempotency-Key", idempotencyKeysMax, "try again a little later")
  }

  #forgetOldestDone(): boolean {
    for (const [name, entry] of this.#entries)
      if (entry.isDone) {
        this.#forget(name, entry)
        return true
      }
    return false
  }

  #forget(name: string, entry: Entry): void {
    if (this.#entries.delete(name)) this.#bytes -= entry.bytes
  }
}

const otherBody = (): Problem =>
  new Problem({
    status: 422,
    slug: "idempotency-key-reused",
    title: "The key was used for another request",
    field: "header Idempotency-Key",
    detail: "the key came with another body before",
    remedy: "use a new key for each request that is not the same",
  })
