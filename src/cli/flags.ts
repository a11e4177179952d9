/**
 * Flags that several commands share, so that they are called and read alike.
 *
 * Owns their words. Nothing here is loaded later than `--help`, so it stays small.
 */
import { outputForms } from "./forms.js"

export const bootstrapServer = {
  kind: "parsed",
  parse: String,
  brief: "Brokers to begin with, as host:port, several with commas (or OTTLA_BOOTSTRAP)",
  default: process.env.OTTLA_BOOTSTRAP || "127.0.0.1:9092",
  placeholder: "host:port",
} as const

export const output = {
  kind: "enum",
  values: outputForms,
  brief: "Form of what is printed",
  default: "table",
} as const

export const dryRun = { kind: "boolean", brief: "Tell what would be done, and do nothing", default: false } as const
export const yes = { kind: "boolean", brief: "Do not ask", default: false } as const

/** Of commands that list something. */
export const listing = { bootstrapServer, output } as const
export const listingAliases = { b: "bootstrapServer", o: "output" } as const

/** A name of something that the cluster can list, for completion. */
const named = (what: "topic" | "group", brief: string) =>
  ({
    parse: String,
    brief,
    placeholder: what,
    proposeCompletions: async (partial: string) => (await import("./proposals.js")).proposals(what, partial),
  }) as const

export const names = (what: "topic" | "group", brief: string) =>
  ({ kind: "array", parameter: named(what, brief), minimum: 1 }) as const

export const oneName = (what: "topic" | "group", brief: string) =>
  ({ kind: "tuple", parameters: [named(what, brief)] }) as const

/** A flag with a text of its own. */
export const text = <const Placeholder extends string>(placeholder: Placeholder, brief: string) =>
  ({ kind: "parsed", parse: String, brief, placeholder, optional: true }) as const

/** One that may be given several times. */
export const texts = <const Placeholder extends string>(placeholder: Placeholder, brief: string) =>
  ({ kind: "parsed", parse: String, brief, placeholder, optional: true, variadic: true }) as const

export const parsed = <T, const Placeholder extends string>(
  parse: (text: string) => T,
  placeholder: Placeholder,
  brief: string,
) => ({ kind: "parsed", parse, brief, placeholder, optional: true }) as const
