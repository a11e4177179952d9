/**
 * When a follower of the quorum fetches, and which answers still count.
 *
 * Owns the pace: one request at a time, the next one at once, or after a pause that grows with each failure. Not to whom it goes, nor what an answer means. Invariant: what was asked in an
 * earlier stay in a role belongs to an earlier round.
 */
import { type RequestFailure, retryDelayMs } from "./requests.js"

export class FetchPace {
  #isInFlight = false
  #nextMs = 0
  #failures = 0
  #round = 0
  #isHeard = false

  constructor(private readonly retryBackoffMs: number) {}

  get round(): number {
    return this.#round
  }

  /** When the next may leave, once there is none on its way. */
  get nextMs(): number {
    return this.#nextMs
  }

  get isInFlight(): boolean {
    return this.#isInFlight
  }

  /** The last one was answered: the next may wait for news. */
  get isHeard(): boolean {
    return this.#isHeard
  }

  /** Another role begins. */
  restart(): void {
    this.#round++
    this.#isInFlight = false
    this.#nextMs = 0
    this.#failures = 0
    this.#isHeard = false
  }

  sent(): void {
    this.#isInFlight = true
  }

  answered(nowMs: number): void {
    this.#isInFlight = false
    this.#nextMs = nowMs
    this.#failures = 0
    this.#isHeard = true
  }

  /** It came to nothing, or its answer was of no use. */
  failed(reason: RequestFailure, nowMs: number): void {
    this.#failures++
    this.#isInFlight = false
    this.#nextMs = nowMs + retryDelayMs(reason, this.#failures, this.retryBackoffMs)
    this.#isHeard = false
  }
}
