/**
 * The settings one process starts with: the file, what the command line adds, and Ottla's own defaults.
 *
 * Owns the reading of `server.properties` as a whole: unknown names, impossible values, settings that do nothing yet. Reads no file
 * itself. Where Ottla's default differs from Kafka's (loopback, a folder beside the program, node id 1, how soon a silent broker is given up) it is in `ottlaDefaults`.
 */
import { type BrokerLayers, brokerConfigText, type ConfigValues } from "./config-layers.js"
import { configEntry, configTables } from "./config-tables.js"
import { groupLimitErrors } from "./group-limits.js"
import { type HttpListener, resolveHttpListeners } from "./http-listeners.js"
import { type Listeners, resolveListeners } from "./listeners.js"
import { parseConfig } from "./parse.js"
import { parseProperties } from "./properties.js"
import { type QuorumConfig, resolveQuorum } from "./quorum.js"
import { timingErrors } from "./timing-checks.js"
import { supportedConfigs } from "./supported-configs.js"

/** What holds where the file is silent and Kafka has no default, or one that does not suit a laptop. */
export const ottlaDefaults: Readonly<Record<string, string>> = {
  "process.roles": "broker,controller",
  "node.id": "1",
  listeners: "PLAINTEXT://127.0.0.1:9092",
  "controller.listener.names": "CONTROLLER",
  "log.dirs": "data",
  // A dead broker is found within two seconds where Kafka takes nine. A broken connection is acted on at once either way.
  "broker.heartbeat.interval.ms": "500",
  "broker.session.timeout.ms": "2000",
}

export interface ServerConfig {
  readonly nodeId: number
  readonly isBroker: boolean
  readonly isController: boolean
  /** As written: relative ones are relative to where the process was started. */
  readonly logDirs: readonly string[]
  readonly listeners: Listeners
  readonly quorum: QuorumConfig
  /** Of the HTTP API; none: it is off. */
  readonly httpListeners: readonly HttpListener[]
  /** What was set, or is Ottla's own default, each as DescribeConfigs prints it. The static layer of `BrokerLayers`. */
  readonly values: ConfigValues
  /** Value by Kafka's name, the default if it is not set. Asking for a name that is no setting, or for another type, is a mistake of ours. */
  int(name: string): number
  /** Rounded beyond 2^53. */
  long(name: string): number
  double(name: string): number
  bool(name: string): boolean
  /** Null: no value. */
  string(name: string): string | null
  list(name: string): readonly string[]
}

export interface LoadedConfig {
  /** Undefined if there are errors. */
  readonly config: ServerConfig | undefined
  /** Sentences that name the setting. */
  readonly warnings: readonly string[]
  readonly errors: readonly string[]
}

/** Settings of plug-ins and of single listeners, which have no entry of their own. */
const openPrefixes = ["listener.name.", "rsm.config.", "rlmm.config.", "config.providers."]

/**
 * Reads `server.properties` and the settings given beside it.
 *
 * Shape:  `properties` is the text of the file, `overrides` wins over it.
 * Errors: unknown name, impossible value, settings that contradict each other: each a sentence that names the setting and the way out.
 */
export function loadServerConfig(input: {
  readonly properties?: string
  readonly overrides?: Readonly<Record<string, string>>
}): LoadedConfig {
  const warnings: string[] = []
  const errors: string[] = []
  const given = new Map<string, string>()
  for (const { name, value, line } of parseProperties(input.properties ?? "")) {
    if (given.has(name)) warnings.push(`${name} is set twice; line ${line} counts`)
    given.set(name, value)
  }
  for (const [name, value] of Object.entries(input.overrides ?? {})) given.set(name, value)

  const values = new Map<string, string>()
  for (const [name, value] of given) {
    const entry = configEntry("broker", name)
    if (entry === undefined) {
      if (openPrefixes.some((prefix) => name.startsWith(prefix))) warnings.push(notYet(name))
      else errors.push(unknown(name))
    } else if (entry.dynamicOnly) {
      errors.push(`${name} cannot be set here, only while running (kafka-configs.sh --alter --entity-type brokers)`)
    } else {
      const parsed = parseConfig(entry, value)
      if (!parsed.ok) errors.push(parsed.message)
      else {
        if (!supportedConfigs.has(name)) warnings.push(notYet(name))
        values.set(name, parsed.text ?? "")
      }
    }
  }

  const config = new Values(values)
  errors.push(...groupLimitErrors(config), ...timingErrors(config))
  const nodeId = resolveNodeId(values, config, errors)
  const roles = config.list("process.roles")
  const listeners = resolveListeners(
    {
      listeners: config.list("listeners"),
      advertised: values.has("advertised.listeners") ? config.list("advertised.listeners") : undefined,
      protocolMap: config.string("listener.security.protocol.map") ?? "",
      protocolMapIsSet: values.has("listener.security.protocol.map"),
      controllerListenerNames: config.list("controller.listener.names"),
      interBrokerListenerName: values.get("inter.broker.listener.name"),
      interBrokerProtocol: config.string("security.inter.broker.protocol") ?? "PLAINTEXT",
    },
    errors,
  )
  const httpListeners = resolveHttpListeners(config.list("ottla.http.listeners"), errors)
  const logDirs = config.list(config.values.has("log.dirs") ? "log.dirs" : "log.dir")
  if (roles.includes("broker") && listeners.advertised.length === 0 && errors.length === 0) {
    errors.push("listeners: a broker needs one that is not a controller listener (controller.listener.names)")
  }
  const quorum = resolveQuorum(
    {
      nodeId,
      roles,
      voters: config.list("controller.quorum.voters"),
      bootstrapServers: config.list("controller.quorum.bootstrap.servers"),
      autoJoin: config.bool("controller.quorum.auto.join.enable"),
      listeners,
    },
    errors,
  )
  if (errors.length > 0) return { config: undefined, warnings, errors }
  return {
    config: Object.assign(config, {
      nodeId,
      isBroker: roles.includes("broker"),
      isController: roles.includes("controller"),
      logDirs,
      listeners,
      quorum,
      httpListeners,
    }),
    warnings,
    errors,
  }
}

const notYet = (name: string): string => `${name} is set, but Ottla does not act on it yet`

/** node.id and its old name broker.id must agree. */
function resolveNodeId(values: ConfigValues, config: Values, errors: string[]): number {
  const old = values.get("broker.id")
  if (old === undefined) return config.int("node.id")
  if (Number(old) < 0) errors.push(`broker.id: ${old} is not an id; set node.id to 0 or more`)
  else if (values.has("node.id") && values.get("node.id") !== old) {
    errors.push(`node.id is ${values.get("node.id")} and broker.id is ${old}; remove broker.id`)
  }
  return Number(old)
}

class Values {
  readonly #layers: BrokerLayers

  readonly values: ConfigValues

  constructor(given: ConfigValues) {
    const withDefaults = new Map(Object.entries(ottlaDefaults))
    for (const [name, value] of given) withDefaults.set(name, value)
    if (given.has("log.dir") && !given.has("log.dirs")) withDefaults.delete("log.dirs")
    this.values = withDefaults
    this.#layers = { dynamicBroker: new Map(), dynamicDefaultBroker: new Map(), static: withDefaults }
  }

  string(name: string): string | null {
    if (configEntry("broker", name) === undefined) throw new RangeError(`${name} is not a setting of a broker`)
    return brokerConfigText(this.#layers, name)
  }

  double(name: string): number {
    const text = this.string(name)
    if (text === null) throw new RangeError(`${name} has no value`)
    return Number(text)
  }

  int(name: string): number {
    return this.double(name)
  }

  long(name: string): number {
    return this.double(name)
  }

  bool(name: string): boolean {
    return this.string(name) === "true"
  }

  list(name: string): readonly string[] {
    const text = this.string(name)
    return text === null || text === "" ? [] : text.split(",").map((item) => item.trim())
  }
}

function unknown(name: string): string {
  const near = nearest(
    name,
    configTables.broker.map((entry) => entry.name),
  )
  const topic = configEntry("topic", name)
  if (topic?.serverDefault !== undefined) {
    return `${name} is a setting of topics; for all of them set ${topic.serverDefault}`
  }
  return `${name} is not a setting${near === undefined ? "" : `; did you mean ${near}?`}`
}

/** The name that takes the fewest edits, if that is few enough to be a slip. */
function nearest(name: string, names: readonly string[]): string | undefined {
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(name.length / 5)) + 1
  for (const candidate of names) {
    if (Math.abs(candidate.length - name.length) >= bestDistance) continue
    const distance = editDistance(name, candidate)
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Levenshtein's, over one row. */
function editDistance(a: string, b: string): number {
  const row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    let diagonal = row[0]!
    row[0] = i
    for (let j = 1; j <= b.length; j++) {
      const above = row[j]!
      row[j] = Math.min(above + 1, row[j - 1]! + 1, diagonal + (a[i - 1] === b[j - 1] ? 0 : 1))
      diagonal = above
    }
  }
  return row[b.length]!
}
