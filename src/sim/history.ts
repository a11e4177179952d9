/**
 * What clients saw, in the order they saw it, and the judges of it.
 *
 * Owns the kinds of observations and their distribution to checkers. A checker sees observations only, never the system: what it
 * calls wrong, a user could have seen. Invariant: an observation is made once, when the client learns it.
 */

import type { GroupObservation } from "./group-observations.js"

/** Stands for one record's contents; unique over a run. Retries of a record keep it. */
export type ValueId = string

export type Observation =
  | GroupObservation
  | { readonly kind: "sent"; readonly producer: string; readonly partition: string; readonly value: ValueId }
  /** The promise was given that the record is at this offset. */
  | { readonly kind: "acknowledged"; readonly partition: string; readonly value: ValueId; readonly offset: number }
  /** The answer was that nothing was written, and there will be no retry. */
  | { readonly kind: "refused"; readonly partition: string; readonly value: ValueId }
  /** No answer, or one that leaves it open. */
  | { readonly kind: "unknown"; readonly partition: string; readonly value: ValueId }
  | {
      readonly kind: "read"
      readonly reader: string
      readonly partition: string
      readonly offset: number
      readonly value: ValueId
    }
  /** A reader has read everything from `from` (the log's start) to `to` (exclusive, the last it may read). */
  | {
      readonly kind: "drained"
      readonly reader: string
      readonly partition: string
      readonly from: number
      readonly to: number
    }
  | {
      readonly kind: "offsets"
      readonly observer: string
      readonly partition: string
      readonly logStartOffset?: number
      readonly highWatermark?: number
      readonly logEndOffset?: number
    }
  /** Retention or DeleteRecords may remove what is below. */
  | { readonly kind: "deletable"; readonly partition: string; readonly below: number }
  /** Deletion below was acknowledged: nothing below is ever shown again. */
  | { readonly kind: "deleted"; readonly partition: string; readonly below: number }
  /** A crash: what was not acknowledged may be gone. */
  | { readonly kind: "crashed"; readonly partition: string }
  /** A crash that the topic's flush policy does not cover: acknowledged records from here on may be gone. */
  | { readonly kind: "loss allowed"; readonly partition: string; readonly from: number }

  /** A whole batch was fetched; `hash` stands for its bytes, `highWatermark` is that of the same answer. */
  | {
      readonly kind: "batch"
      readonly partition: string
      readonly baseOffset: number
      readonly nextOffset: number
      readonly hash: number
      readonly highWatermark: number
    }
  | { readonly kind: "producer id"; readonly producerId: number }
  /** A client asks for a fact (a topic exists, a setting has a value) to be so, is told that it is, or is told what it is. */
  | { readonly kind: "fact written"; readonly fact: string; readonly value: string }
  | { readonly kind: "fact acknowledged"; readonly fact: string; readonly value: string }
  | { readonly kind: "fact read"; readonly fact: string; readonly value: string }
  /** The broker is another process now: nothing that was asked of the old one will still happen. */
  | { readonly kind: "restarted" }

export interface Checker {
  readonly name: string
  observe(observation: Observation): void
}

/** What a checker found, as a sentence; thrown by `History.verify`. */
export class ViolationError extends Error {
  override name = "ViolationError"
}

const violationsMax = 20

export class History {
  readonly violations: string[] = []
  count = 0
  readonly #checkers: readonly Checker[]

  /** The checkers get a function that reports what they find wrong. */
  constructor(
    makers: readonly ((report: (what: string) => void) => Checker)[],
    readonly onObserve: (observation: Observation) => void = () => {},
  ) {
    const checkers: Checker[] = []
    for (const make of makers) {
      const checker: Checker = make((what) => {
        if (this.violations.length < violationsMax) this.violations.push(`${checker.name}: ${what}`)
      })
      checkers.push(checker)
    }
    this.#checkers = checkers
  }

  observe(observation: Observation): void {
    this.count += 1
    this.onObserve(observation)
    for (const checker of this.#checkers) checker.observe(observation)
  }

  /** Throws what was found, if anything. */
  verify(): void {
    if (this.violations.length > 0) throw new ViolationError(this.violations.join("\n"))
  }
}
