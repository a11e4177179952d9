/**
 * What is known of one setting.
 *
 * Owns the shape of the tables beside it. Defaults are text, as DescribeConfigs prints them: a long does not fit a JavaScript number.
 */
export type ConfigType = "boolean" | "string" | "int" | "short" | "long" | "double" | "list" | "class" | "password"
export type UpdateMode = "read-only" | "per-broker" | "cluster-wide"
export type Importance = "high" | "medium" | "low"

export interface ConfigEntry {
  readonly name: string
  readonly type: ConfigType
  /** Null: none. Undefined: must be set. */
  readonly default: string | null | undefined
  /** Kafka's own text for what is allowed, such as `[0,...]`, `[compact, delete]`, `[1,...,9] or -1`. */
  readonly valid?: string
  readonly emptyAllowed?: boolean
  readonly nullAllowed?: boolean
  readonly importance: Importance
  /** Of broker settings. */
  readonly updateMode?: UpdateMode
  /** Of topic and group settings: the broker's setting that gives the default. */
  readonly serverDefault?: string
  /**
   * Topic: the broker's settings that give the value, the first one set wins, each with the factor to this one's unit
   * (`log.retention.hours * 3600000`). Broker: the other names of the same setting.
   */
  readonly synonyms?: readonly string[]
  /** Not shown unless it is set. */
  readonly internal?: boolean
  /** Can be set only while running. */
  readonly dynamicOnly?: boolean
}

/** In place of a default: the setting must be given. */
export const required = undefined

export function define(
  name: string,
  type: ConfigType,
  defaultValue: string | null | undefined,
  rest: Partial<Omit<ConfigEntry, "name" | "type" | "default">> = {},
): ConfigEntry {
  return { name, type, default: defaultValue, importance: "medium", ...rest }
}
