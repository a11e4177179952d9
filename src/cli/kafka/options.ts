/**
 * Options as Kafka's tools read them: `--name value`, `--name=value`, names cut short where that is clear.
 *
 * Owns the reading, and the words of what is wrong with them, which scripts and people know.
 */
import { CommandError, exitCodes } from "../errors.js"

/** What a tool takes: "flag" has no value, "value" one, "values" one each time it is given, "rest" all up to the next option. */
export type Spec = Readonly<Record<string, "flag" | "value" | "values" | "rest">>

export interface Options {
  has(name: string): boolean
  value(name: string): string | undefined
  values(name: string): readonly string[]
  /** What belongs to no option. */
  readonly operands: readonly string[]
}

/** A wrong option, as Kafka's tools end: 1. */
export class OptionError extends CommandError {
  override name = "OptionError"
}

/** Not wrong: whoever asks is told, and that was all. */
export class HelpAsked extends CommandError {
  override name = "HelpAsked"
  constructor(spec: Spec) {
    const lines = Object.entries(spec).map(([name, kind]) => `--${name}${kind === "flag" ? "" : " <value>"}`)
    super(["Options:", ...lines.sort().map((line) => `  ${line}`)].join("\n"), exitCodes.ok)
  }
}

/** `short`: other names, such as `c` for `config`. Errors: OptionError. */
export function readOptions(
  spec: Spec,
  args: readonly string[],
  short: Readonly<Record<string, string>> = {},
): Options {
  if (args.includes("--help")) throw new HelpAsked(spec)
  const found = new Map<string, string[]>()
  const operands: string[] = []
  for (let at = 0; at < args.length; at++) {
    const match = /^--?([A-Za-z][A-Za-z0-9-]*)(?:=([\s\S]*))?$/.exec(args[at]!)
    if (match === null) {
      operands.push(args[at]!)
      continue
    }
    const name = nameOf(spec, short[match[1]!] ?? match[1]!)
    const list = found.get(name) ?? []
    found.set(name, list)
    const kind = spec[name]!
    if (kind === "flag") continue
    if (match[2] !== undefined) list.push(match[2])
    else if (kind === "rest") while (at + 1 < args.length && !/^--[A-Za-z]/.test(args[at + 1]!)) list.push(args[++at]!)
    else {
      const value = args[++at]
      if (value === undefined || /^--[A-Za-z]/.test(value)) throw new OptionError(`Option ${name} requires an argument`)
      list.push(value)
    }
  }
  return {
    has: (name) => found.has(name),
    value: (name) => found.get(name)?.at(-1),
    values: (name) => found.get(name) ?? [],
    operands,
  }
}

function nameOf(spec: Spec, given: string): string {
  if (Object.hasOwn(spec, given)) return given
  const meant = Object.keys(spec).filter((name) => name.startsWith(given))
  if (meant.length !== 1) throw new OptionError(`${given} is not a recognized option`)
  return meant[0]!
}

/** Errors: OptionError. */
export function required(options: Options, name: string): string {
  const value = options.value(name)
  if (value === undefined) throw new OptionError(`Missing required argument "[${name}]"`)
  return value
}

/** A whole number. Errors: OptionError. */
export function numberOf(options: Options, name: string): number | undefined {
  const text = options.value(name)
  if (text === undefined) return undefined
  if (!/^-?\d{1,15}$/.test(text)) throw new OptionError(`Cannot parse argument '${text}' of option ${name}`)
  return Number(text)
}

/** `name=value` each. Errors: OptionError. */
export function propertiesOf(options: Options, ...names: readonly string[]): Map<string, string> {
  const properties = new Map<string, string>()
  for (const text of names.flatMap((name) => options.values(name))) {
    const at = text.indexOf("=")
    if (at <= 0) throw new OptionError(`Invalid property '${text}': write it as name=value`)
    properties.set(text.slice(0, at), text.slice(at + 1))
  }
  return properties
}

/** A topic as an expression: `a`, `a,b`, `a.*`. Errors: OptionError. */
export function matcher(pattern: string): (name: string) => boolean {
  try {
    const expression = new RegExp(`^(?:${pattern.trim().replaceAll(",", "|").replaceAll(/["']/g, "")})$`)
    return (name) => expression.test(name)
  } catch {
    throw new OptionError(`${pattern} is not a valid regular expression`)
  }
}
