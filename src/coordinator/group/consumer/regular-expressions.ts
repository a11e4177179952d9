/**
 * Subscriptions by regular expression: which topics they stand for.
 *
 * Owns the syntax (RE2's, which Kafka's brokers take), the bounds of what one expression may cost, and the resolution in portions. The invariant: no expression, whoever wrote
 * it, holds up the broker: matching is linear in the name, the program it is compiled to is bounded before it is made, and a portion of a resolution is small.
 */
import { createRequire } from "node:module"
import type { MetadataImage } from "../../../metadata/image.js"

export const regexLengthMax = 4096
/**
 * Instructions of an expression, by the estimate below. A name of 249 letters may keep all of them busy at each letter, which for this many is a few ms. Where next to nothing repeats,
 * as in a list of names, few are ever busy at once, and there may be more of them.
 */
export const regexCostMax = 200
export const plainRegexCostMax = regexLengthMax
export const plainRegexRepetitionsMax = 4
/** What one portion of a resolution may cost, in letters times a measure of the expression: a few ms. */
export const portionCostMax = 20_000
/** Between two resolutions against newer metadata, as in Kafka. */
export const regexRefreshMinIntervalMs = 10_000

/** Their names match `.*`, and nobody means them. */
const internalTopics: ReadonlySet<string> = new Set([
  "__consumer_offsets",
  "__transaction_state",
  "__share_group_state",
])

export interface CompiledRegex {
  /** Whether it matches the whole name. */
  matches(name: string): boolean
  /** Of a letter, relative to a simple expression. */
  readonly cost: number
}

type Re2 = typeof import("re2js")
const load = createRequire(import.meta.url)
let re2: Re2 | undefined

/** The expression, or why it is none. The engine is loaded at the first one: most brokers never see any. */
export function compileRegex(regex: string): CompiledRegex | string {
  if (regex.length > regexLengthMax) return `it is longer than ${regexLengthMax} characters`
  const { cost, repetitions, hasCounts } = estimate(regex)
  const isPlain = !hasCounts && repetitions <= plainRegexRepetitionsMax
  if (cost > (isPlain ? plainRegexCostMax : regexCostMax)) return "it would cost too much to match"
  re2 ??= load("re2js") as Re2
  const { RE2JS, RE2JSException } = re2
  try {
    const pattern = RE2JS.compile(regex)
    return { matches: (name) => pattern.matches(name), cost: isPlain ? 1 : Math.max(1, cost / 16) }
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error
    return "error" in error && typeof error.error === "string" ? error.error : error.message
  }
}

/** Of instructions, from the text alone: a count repeats what is before it. Not exact for odd expressions, never far too low. */
function estimate(regex: string): { cost: number; repetitions: number; hasCounts: boolean } {
  const open: number[] = []
  let sum = 0
  let last = 0
  let repetitions = 0
  let hasCounts = false
  const add = (cost: number) => {
    sum += cost
    last = cost
  }
  for (let at = 0; at < regex.length; at++) {
    const letter = regex[at]!
    if (letter === "\\") {
      // Of classes by name, the braces are no count.
      if (/[pP]/.test(regex[at + 1] ?? "") && regex[at + 2] === "{") at = Math.max(at, regex.indexOf("}", at))
      else at++
      add(1)
    } else if (letter === "[") {
      at = endOfClass(regex, at)
      add(1)
    } else if (letter === "(") {
      open.push(sum)
      sum = 0
      last = 0
      // Flags and names of groups are no part of the program.
      const head = /^\(\?(?:P?<[^>]*>|[a-zA-Z-]*:?)/.exec(regex.slice(at, at + 64))
      if (head !== null) at += head[0].length - 1
    } else if (letter === ")") {
      const inner = sum + 1
      sum = open.pop() ?? 0
      add(inner)
    } else if (letter === "*" || letter === "+" || letter === "?") {
      repetitions++
      sum++
    } else if (letter === "{") {
      const count = /^\{(\d+)(?:,(\d*))?\}/.exec(regex.slice(at, at + 32))
      if (count === null) add(1)
      else {
        hasCounts = true
        const times = Math.max(Number(count[1]), Number(count[2] || 0), 1)
        sum += last * (times - 1)
        last *= times
        at += count[0].length - 1
      }
    } else add(1)
    if (sum > regexLengthMax * 2) break
  }
  return { cost: sum + open.reduce((total, each) => total + each, 0), repetitions, hasCounts }
}

/** Where the class that begins at `at` ends; brackets and braces in it mean nothing here. */
function endOfClass(regex: string, at: number): number {
  let end = at + 1
  if (regex[end] === "^") end++
  if (regex[end] === "]") end++
  for (; end < regex.length && regex[end] !== "]"; end++) {
    if (regex[end] === "\\") end++
    else if (regex[end] === "[" && regex[end + 1] === ":") {
      const close = regex.indexOf(":]", end + 2)
      if (close !== -1) end = close + 1
    }
  }
  return Math.min(end, regex.length - 1)
}

/** A resolution on its way through all topics of one image. */
export class RegexResolution {
  readonly topics = new Map<string, Set<string>>()
  readonly version: number
  readonly #compiled: { readonly compiled: CompiledRegex; readonly topics: Set<string> }[] = []
  readonly #names: Iterator<string>

  constructor(
    regexes: Iterable<string>,
    readonly image: MetadataImage,
  ) {
    this.version = image.offset
    this.#names = image.topics.keys()
    for (const regex of regexes) {
      const compiled = compileRegex(regex)
      const topics = new Set<string>()
      this.topics.set(regex, topics)
      // One that an earlier version took and this one does not stands for nothing.
      if (typeof compiled !== "string") this.#compiled.push({ compiled, topics })
    }
  }

  /** Looks at some more topics. True: that was all. */
  advance(): boolean {
    for (let cost = 0; cost < portionCostMax; ) {
      const next = this.#names.next()
      if (next.done === true) return true
      const name = next.value
      if (internalTopics.has(name)) continue
      for (const each of this.#compiled) {
        cost += name.length * each.compiled.cost
        if (each.compiled.matches(name)) each.topics.add(name)
      }
    }
    return false
  }
}
