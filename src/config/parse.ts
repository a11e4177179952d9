/**
 * The text of a setting, checked against its entry.
 *
 * Owns Kafka's grammar of values and of the texts that say what is valid. Messages name the setting, the value and the range, in
 * Kafka's words where it has them. Source: Kafka's ConfigDef.
 */
import type { ConfigEntry } from "./config-entry.js"

export type ConfigValue = string | number | boolean | readonly string[] | null

export type ParsedConfig =
  /** `text` is the value as DescribeConfigs prints it. A long beyond 2^53 is rounded in `value`, exact in `text`. */
  | { readonly ok: true; readonly value: ConfigValue; readonly text: string | null }
  | { readonly ok: false; readonly message: string }

const integerRanges = {
  short: { min: -(2n ** 15n), max: 2n ** 15n - 1n, name: "SHORT" },
  int: { min: -(2n ** 31n), max: 2n ** 31n - 1n, name: "INT" },
  long: { min: -(2n ** 63n), max: 2n ** 63n - 1n, name: "LONG" },
} as const

/** Parses and validates the text given for a setting. Null stands for "no value", which only some settings take. */
export function parseConfig(entry: ConfigEntry, given: string | null): ParsedConfig {
  const refuse = (reason: string): ParsedConfig => ({
    ok: false,
    message: `Invalid value ${given} for configuration ${entry.name}: ${reason}`,
  })
  if (given === null) {
    const nullable = entry.type === "list" ? entry.nullAllowed === true : entry.default === null
    return nullable ? { ok: true, value: null, text: null } : refuse(`a value is needed${expected(entry)}`)
  }
  const text = entry.type === "password" ? given : given.trim()
  switch (entry.type) {
    case "boolean": {
      const lower = text.toLowerCase()
      if (lower !== "true" && lower !== "false") return refuse("Expected value to be either true or false")
      return { ok: true, value: lower === "true", text: lower }
    }
    case "short":
    case "int":
    case "long": {
      const range = integerRanges[entry.type]
      if (!/^[+-]?\d{1,20}$/.test(text)) return refuse(`Not a number of type ${range.name}${expected(entry)}`)
      const exact = BigInt(text.replace("+", ""))
      if (exact < range.min || exact > range.max) return refuse(`Not a number of type ${range.name}${expected(entry)}`)
      const fault = outOfRange(entry.valid, Number(exact))
      return fault === undefined ? { ok: true, value: Number(exact), text: exact.toString() } : refuse(fault)
    }
    case "double": {
      const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN
      if (Number.isNaN(value)) return refuse(`Not a number of type DOUBLE${expected(entry)}`)
      const fault = outOfRange(entry.valid, value)
      return fault === undefined ? { ok: true, value, text } : refuse(fault)
    }
    case "list": {
      const items = text === "" ? [] : [...new Set(text.split(",").map((item) => item.trim()))]
      if (items.length === 0 && entry.emptyAllowed === false) return refuse("The list must not be empty")
      if (items.some((item) => item === "")) return refuse("The list has an empty element")
      const fault = notInList(entry.valid, items)
      return fault === undefined ? { ok: true, value: items, text: items.join(",") } : refuse(fault)
    }
    case "string":
    case "class": {
      const fault = notAllowed(entry.valid, text)
      return fault === undefined ? { ok: true, value: text, text } : refuse(fault)
    }
    case "password":
      return { ok: true, value: text, text }
  }
}

const expected = (entry: ConfigEntry): string => (entry.valid === undefined ? "" : ` (valid: ${entry.valid})`)

/** `[min,...]`, `[min,...,max]`, `[min,...,max] or other`. */
const numericRange = /^\[(-?[\d.]+),\.\.\.(?:,(-?[\d.]+))?\](?: or (-?\d+))?$/

function outOfRange(valid: string | undefined, value: number): string | undefined {
  const match = valid === undefined ? null : numericRange.exec(valid)
  if (match === null) return undefined
  if (match[3] !== undefined && value === Number(match[3])) return undefined
  if (value < Number(match[1])) return `Value must be at least ${match[1]} (valid: ${valid})`
  if (match[2] !== undefined && value > Number(match[2]))
    return `Value must be no more than ${match[2]} (valid: ${valid})`
  return undefined
}

/** The choices of `[a, b]`, undefined if the text says something else. */
function choices(valid: string): { names: string[]; ignoreCase: boolean } | undefined {
  const match = /^(\(case insensitive\) )?\[([^\]]*)\]$/.exec(valid)
  if (match === null || numericRange.test(valid)) return undefined
  return { names: match[2]!.split(",").map((name) => name.trim()), ignoreCase: match[1] !== undefined }
}

function notAllowed(valid: string | undefined, text: string): string | undefined {
  if (valid === undefined || valid === "non-null string") return undefined
  if (valid === "non-empty string") return text === "" ? "String must be non-empty" : undefined
  const set = choices(valid)
  if (set === undefined) return undefined
  const wanted = set.ignoreCase ? text.toLowerCase() : text
  for (const name of set.names) {
    if ((set.ignoreCase ? name.toLowerCase() : name) === wanted) return undefined
    if (name === "by_duration:PnDTnHnMn.nS" && isDurationReset(text)) return undefined
  }
  return `String must be one of: ${set.names.join(", ")}`
}

const isDurationReset = (text: string): boolean =>
  /^by_duration:P(?=.)(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?$/i.test(text)

const throttledReplicas = "[partitionId]:[brokerId],[partitionId]:[brokerId],..."

function notInList(valid: string | undefined, items: readonly string[]): string | undefined {
  if (valid === undefined) return undefined
  if (valid === "non-empty list") return items.length === 0 ? "The list must not be empty" : undefined
  if (valid === throttledReplicas) {
    if (items.length === 1 && items[0] === "*") return undefined
    const wrong = items.find((item) => !/^\d+:\d+$/.test(item))
    return wrong === undefined ? undefined : `${wrong} must be the literal '*' or of the form ${valid}`
  }
  const set = choices(valid)
  if (set === undefined) return undefined
  const wrong = items.find((item) => notAllowed(valid, item) !== undefined)
  return wrong === undefined ? undefined : `${wrong} is not one of: ${set.names.join(", ")}`
}
