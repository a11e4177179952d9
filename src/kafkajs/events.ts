/**
 * kafkajs's instrumentation events: `on(name, listener)`.
 *
 * Owns who listens. Of kafkajs's events those are told that say what happened to the user's program; those of its network are accepted and never told.
 */
import type { Clock } from "../env/env.js"
import { KafkaJSNonRetriableError } from "./errors.js"

export interface InstrumentationEvent<T> {
  readonly id: string
  readonly type: string
  readonly timestamp: number
  readonly payload: T
}

export type RemoveInstrumentationEventListener<T> = (() => void) & { readonly eventName?: T }

// A listener is called with the payload of the event it asked for, which only the name says.
type Listener = (event: InstrumentationEvent<never>) => void

export class Events<Names extends Readonly<Record<string, string>>> {
  readonly #listeners = new Map<string, Set<Listener>>()
  #count = 0

  constructor(
    readonly names: Names,
    private readonly clock: Pick<Clock, "wallMs">,
  ) {}

  /** Errors: KafkaJSNonRetriableError for a name that is none of `names`. */
  on<T>(
    name: Names[keyof Names],
    listener: (event: InstrumentationEvent<T>) => void,
  ): RemoveInstrumentationEventListener<Names[keyof Names]> {
    if (!Object.values(this.names).includes(name))
      throw new KafkaJSNonRetriableError(`Event name should be one of ${Object.keys(this.names).join(", ")}`)
    let listeners = this.#listeners.get(name)
    if (listeners === undefined) this.#listeners.set(name, (listeners = new Set()))
    listeners.add(listener as Listener)
    return () => void listeners.delete(listener as Listener)
  }

  emit(name: Names[keyof Names], payload: unknown): void {
    const listeners = this.#listeners.get(name)
    if (listeners === undefined || listeners.size === 0) return
    const event: InstrumentationEvent<never> = {
      ...{ id: String(++this.#count), type: name, timestamp: this.clock.wallMs() },
      payload: payload as never,
    }
    for (const listener of [...listeners]) listener(event)
  }
}
