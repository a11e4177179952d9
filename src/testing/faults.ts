/**
 * What is to go wrong between clients and brokers: rules for requests, by API and count.
 *
 * Owns the rules and which request each of them meets. What it does to the connection is `fault-connection.ts`'s. Rules are looked at in the order they were made; a request meets one at most.
 */
import { ConfigError } from "../client/errors.js"
import { Errors, type ErrorName } from "../protocol/errors.js"
import { apis } from "../protocol/messages/index.js"

export interface FaultMatch {
  /** Names of APIs as Kafka has them: "Produce", "Fetch", "OffsetCommit". Default: every one. */
  readonly api?: string | readonly string[]
  /** Only this one of the requests that match, counted from 1. */
  readonly nth?: number
  /** So many of them, beginning with the `nth`. Default: one with `nth`, else all. */
  readonly times?: number
  /** Of those that match otherwise, each with this probability, drawn from the seed. */
  readonly chance?: number
  /** Only what this broker is asked. */
  readonly broker?: number
  readonly clientId?: string
  /** Sees the decoded request. */
  readonly where?: (request: Readonly<Record<string, unknown>>) => boolean
}

/** When: before the broker sees the request (default), or after it has done what was asked, in the place of the answer. */
export type FaultMoment = true | "request" | "answer"

export type FaultAction =
  /** Lost, and the connection says nothing any more: the client notices by its time-out. */
  | { readonly drop: FaultMoment }
  | { readonly close: FaultMoment }
  /** Held up, with everything behind it on its connection. */
  | { readonly delayMs: number }
  /** Answered with this error, and not done. By Kafka's name. */
  | { readonly error: ErrorName }

export interface Fault {
  /** Requests that met it. */
  readonly count: number
  off(): void
}

export interface SeenRequest {
  readonly broker: number
  readonly api: string
  readonly clientId: string | null
  /** Decodes it, once. */
  readonly body: () => Readonly<Record<string, unknown>>
}

/** More rules than that are a loop that forgot `off`. */
export const rulesMax = 10_000

class Rule implements Fault {
  count = 0
  #matched = 0
  readonly #names: ReadonlySet<string> | undefined
  readonly #first: number
  readonly #last: number

  constructor(
    readonly match: FaultMatch,
    readonly action: FaultAction,
    private readonly draw: (chance: number) => boolean,
    readonly off: () => void,
  ) {
    const { api, nth, times } = match
    this.#names = api === undefined ? undefined : new Set(typeof api === "string" ? [api] : api)
    this.#first = nth ?? 1
    this.#last = this.#first + (times ?? (nth === undefined ? Number.POSITIVE_INFINITY : 1)) - 1
  }

  meets(request: SeenRequest): boolean {
    const { broker, clientId, where, chance } = this.match
    if (this.#names !== undefined && !this.#names.has(request.api)) return false
    if (broker !== undefined && broker !== request.broker) return false
    if (clientId !== undefined && clientId !== request.clientId) return false
    if (where !== undefined && !where(request.body())) return false
    if (chance !== undefined && !this.draw(chance)) return false
    this.#matched += 1
    if (this.#matched < this.#first || this.#matched > this.#last) return false
    this.count += 1
    return true
  }
}

export class Faults {
  readonly #rules = new Set<Rule>()

  constructor(
    private readonly draw: (chance: number) => boolean,
    private readonly onCleared: () => void,
  ) {}

  /**
   * From now on requests that match go wrong in this way, whoever sends them but the test's own helpers.
   * Errors: ConfigError for an API or an error that does not exist.
   */
  on(match: FaultMatch, action: FaultAction): Fault {
    const problem = problemOf(match) ?? problemOfAction(action)
    if (problem !== undefined) throw new ConfigError(problem)
    if (this.#rules.size >= rulesMax)
      throw new ConfigError(`faults.on: ${rulesMax} faults are set; end them with off()`)
    const rule: Rule = new Rule(match, action, this.draw, () => void this.#rules.delete(rule))
    this.#rules.add(rule)
    return rule
  }

  /** Nothing goes wrong on purpose any more: no rules, and disks that work and have room. What was held up arrives, what was lost stays lost. */
  clear(): void {
    this.#rules.clear()
    this.onCleared()
  }

  get isEmpty(): boolean {
    return this.#rules.size === 0
  }

  /** What is to happen to a request; undefined: nothing. */
  meet(request: SeenRequest): FaultAction | undefined {
    for (const rule of this.#rules) if (rule.meets(request)) return rule.action
    return undefined
  }
}

function problemOf({ api, nth, times, chance }: FaultMatch): string | undefined {
  for (const name of api === undefined ? [] : [api].flat())
    if (!apis.some((each) => each.name === name)) return `faults.on: api: there is no ${name}; ${nearest(name)}`
  for (const [name, value] of Object.entries({ nth, times }))
    if (value !== undefined && !(Number.isInteger(value) && value >= 1))
      return `faults.on: ${name}: ${value} is no whole number from 1`
  if (chance !== undefined && !(chance >= 0 && chance <= 1))
    return `faults.on: chance: ${chance} is not between 0 and 1`
  return undefined
}

function nearest(name: string): string {
  const same = apis.find((each) => each.name.toLowerCase() === name.toLowerCase())
  return same === undefined ? "names are Kafka's, such as Produce, Fetch, OffsetCommit" : `write ${same.name}`
}

function problemOfAction(action: FaultAction): string | undefined {
  const given = Object.keys(action)
  if (given.length !== 1 || !["drop", "close", "delayMs", "error"].includes(given[0]!))
    return `faults.on: say one of drop, close, delayMs, error; not ${given.join(", ") || "nothing"}`
  if ("error" in action && !(action.error in Errors)) return `faults.on: error: ${action.error} is no error of Kafka's`
  if ("delayMs" in action && !(action.delayMs >= 0)) return `faults.on: delayMs: ${action.delayMs} is no duration`
  const moment = "drop" in action ? action.drop : "close" in action ? action.close : true
  if (moment !== true && moment !== "request" && moment !== "answer")
    return `faults.on: ${given[0]}: ${String(moment)} is neither true, "request" nor "answer"`
  return undefined
}
