/**
 * `kafka-configs.sh`.
 *
 * Owns its flags and lines.
 */
import type { ConfigChange, ConfigEntry, ConfigResource, ConfigSource, ResourceType } from "../../client/index.js"
import { exitCodes } from "../errors.js"
import type { Session } from "../session.js"
import { OptionError, type Options, readOptions } from "./options.js"
import { exceptionText, print, withCluster } from "./tool.js"

const spec = {
  "bootstrap-server": "value",
  describe: "flag",
  alter: "flag",
  all: "flag",
  "entity-type": "value",
  "entity-name": "value",
  "entity-default": "flag",
  topic: "value",
  broker: "value",
  "broker-defaults": "flag",
  group: "value",
  "client-metrics": "value",
  "add-config": "value",
  "delete-config": "value",
} as const

const types: Readonly<Record<string, ResourceType>> = {
  topics: "topic",
  brokers: "broker",
  groups: "group",
  "client-metrics": "client-metrics",
}

const dynamicSources: Readonly<Record<string, readonly ConfigSource[]>> = {
  topic: ["topic"],
  broker: ["dynamic-broker"],
  group: ["group"],
  "client-metrics": ["client-metrics"],
}

const sourceNames: Readonly<Record<ConfigSource, string>> = {
  unknown: "UNKNOWN",
  topic: "DYNAMIC_TOPIC_CONFIG",
  "dynamic-broker": "DYNAMIC_BROKER_CONFIG",
  "dynamic-default-broker": "DYNAMIC_DEFAULT_BROKER_CONFIG",
  "static-broker": "STATIC_BROKER_CONFIG",
  default: "DEFAULT_CONFIG",
  "dynamic-broker-logger": "DYNAMIC_BROKER_LOGGER_CONFIG",
  "client-metrics": "DYNAMIC_CLIENT_METRICS_CONFIG",
  group: "DYNAMIC_GROUP_CONFIG",
}

export async function configs(args: readonly string[]): Promise<void> {
  const options = readOptions(spec, args)
  if (options.has("describe") === options.has("alter"))
    throw new OptionError("Command must include exactly one action: --describe, --alter")
  const { type, name } = entityOf(options)
  await withCluster(options, async (session) => {
    try {
      return options.has("describe")
        ? await describe(session, options, type, name)
        : await alter(session, options, type, name)
    } catch (error) {
      if (!(error instanceof Error) || error instanceof OptionError) throw error
      process.stderr.write(
        `Error while executing config command with args '${args.join(" ")}'\n${exceptionText(error)}\n`,
      )
      return exitCodes.failed
    }
  })
}

/** Name: undefined for all of that type, "" for the default. Errors: OptionError. */
function entityOf(options: Options): { type: ResourceType; name: string | undefined } {
  for (const short of ["topic", "broker", "group", "client-metrics"] as const)
    if (options.has(short)) return { type: short, name: options.value(short) }
  if (options.has("broker-defaults")) return { type: "broker", name: "" }
  const word = options.value("entity-type")
  if (word === undefined) throw new OptionError("At least one entity type must be specified")
  const type = types[word]
  if (type === undefined)
    throw new OptionError(
      `Invalid entity type ${word}, the entity type must be one of ${Object.keys(types).join(", ")}`,
    )
  return { type, name: options.has("entity-default") ? "" : options.value("entity-name") }
}

async function describe(
  { admin }: Session,
  options: Options,
  type: ResourceType,
  name: string | undefined,
): Promise<undefined> {
  const resources = name === undefined ? await allOf(admin, type) : [{ type, name }]
  for (const told of await admin.describeConfigs(resources, { includeSynonyms: true })) {
    if (told.error !== undefined) throw told.error
    const isDefault = type === "broker" && told.name === ""
    const what = isDefault
      ? `Default configs for ${type}s in the cluster`
      : `${options.has("all") ? "All" : "Dynamic"} configs for ${type} ${told.name}`
    print(`${what} are:`)
    const sources = isDefault ? ["dynamic-default-broker"] : (dynamicSources[type] ?? [])
    for (const entry of told.configs) if (options.has("all") || sources.includes(entry.source)) print(entryLine(entry))
  }
  return undefined
}

async function allOf(admin: Session["admin"], type: ResourceType): Promise<ConfigResource[]> {
  const own = await admin.listConfigResources([type])
  return type === "broker" ? [...own.filter(({ name }) => name !== ""), { type, name: "" }] : own
}

export function entryLine({ name, value, isSensitive, synonyms }: ConfigEntry): string {
  const shown = (each: string | null) => (isSensitive ? "null" : (each ?? "null"))
  const all = synonyms.map((each) => `${sourceNames[each.source]}:${each.name}=${shown(each.value)}`).join(", ")
  return `  ${name}=${shown(value)} sensitive=${isSensitive} synonyms={${all}}`
}

async function alter(
  { admin }: Session,
  options: Options,
  type: ResourceType,
  name: string | undefined,
): Promise<undefined> {
  if (name === undefined) throw new OptionError("An entity name must be specified with --alter")
  const changes: ConfigChange[] = [
    ...parseConfigs(options.value("add-config") ?? "").map(([key, value]) => ({ name: key, value })),
    ...(options.value("delete-config") ?? "")
      .split(",")
      .filter((key) => key.trim() !== "")
      .map((key) => ({ name: key.trim(), operation: "delete" as const })),
  ]
  if (changes.length === 0)
    throw new OptionError("At least one of --add-config or --delete-config must be specified with --alter")
  const [altered] = await admin.incrementalAlterConfigs([{ type, name, changes }])
  if (altered!.error !== undefined) throw altered!.error
  print(
    type === "broker" && name === ""
      ? `Completed updating default config for ${type}s in the cluster.`
      : `Completed updating config for ${type} ${name}.`,
  )
  return undefined
}

/** `k1=v1,k2=[a,b]`: brackets keep commas together. Errors: OptionError. */
export function parseConfigs(text: string): [name: string, value: string][] {
  if (text === "") return []
  return text.split(/,(?![^[]*\])/).map((part) => {
    const at = part.indexOf("=")
    if (at <= 0)
      throw new OptionError(
        'requirement failed: Invalid entity config: all configs to be added must be in the format "key=val".',
      )
    return [
      part.slice(0, at).trim(),
      part
        .slice(at + 1)
        .trim()
        .replace(/^\[([\s\S]*)\]$/, "$1"),
    ]
  })
}
