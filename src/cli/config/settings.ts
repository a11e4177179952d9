/**
 * Settings as people name and compare them.
 *
 * Owns how a resource is written, and what a change makes of what was.
 */
import type { ConfigChange, ConfigEntry, ConfigResource } from "../../client/index.js"
import { UsageError } from "../errors.js"
import { settingValue } from "../units.js"

const types = { topic: "topic", broker: "broker", group: "group", client: "client-metrics" } as const

/** Errors: UsageError. */
export function parseResource(text: string): ConfigResource {
  const [word = "", ...rest] = text.split("/")
  const type = types[word as keyof typeof types]
  const name = rest.join("/")
  if (type === undefined || (name === "" && type !== "broker"))
    throw new UsageError(`${text} is no resource; write topic/<name>, broker/<id>, broker (all of them) or group/<id>`)
  if (type === "broker" && !/^\d*$/.test(name))
    throw new UsageError(`${text}: a broker is named by its id, as in broker/1`)
  return { type, name }
}

export const changesOf = (set: readonly (readonly [string, string])[], unset: readonly string[]): ConfigChange[] => [
  ...set.map(([name, value]) => ({ name, value: settingValue(name, value) })),
  ...unset.map((name) => ({ name, operation: "delete" as const })),
]

export interface Difference {
  readonly setting: string
  /** Null: it had none. */
  readonly before: string | null
  /** "(inherited)" of one that is unset. */
  readonly after: string
}

/** What would change, by the values that hold now. */
export const differences = (current: readonly ConfigEntry[], changes: readonly ConfigChange[]): Difference[] =>
  changes.map(({ name, operation, value }) => ({
    setting: name,
    before: current.find((entry) => entry.name === name)?.value ?? null,
    after: operation === "delete" ? "(inherited)" : (value ?? ""),
  }))
