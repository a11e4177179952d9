/**
 * The `ottla` command.
 *
 * Owns the tree of nouns and verbs; every verb's work is loaded when it is called.
 */
import { buildApplication, buildCommand, buildRouteMap, run } from "@stricli/core"
import { clusterRoutes } from "./cluster/commands.js"
import { version } from "./version.js"

interface StartFlags {
  readonly config?: string
  readonly brokers: number | "auto"
  readonly set?: readonly string[]
  readonly insecure: boolean
  readonly log: "text" | "json"
}

function brokerCount(text: string): number | "auto" {
  if (text === "auto") return "auto"
  if (!/^[1-9]\d?$/.test(text)) throw new SyntaxError(`--brokers ${text}: give a number from 1 to 64, or auto`)
  return Number(text)
}

const serverStart = buildCommand({
  docs: {
    brief: "Run a broker until it is stopped",
    fullDescription:
      "Runs a broker in the foreground. Reads Kafka's setting names from --config (a server.properties file) and --set, which wins. Without either it listens on 127.0.0.1:9092 and keeps its data in ./data. SIGINT or SIGTERM stops it cleanly.",
  },
  parameters: {
    flags: {
      config: {
        kind: "parsed",
        parse: String,
        brief: "A server.properties file, with Kafka's names",
        optional: true,
        placeholder: "file",
      },
      brokers: {
        kind: "parsed",
        parse: brokerCount,
        brief: "Brokers on this machine, each in a thread of its own: a number, or auto for one per core",
        default: "1",
        placeholder: "count",
      },
      set: {
        kind: "parsed",
        parse: String,
        brief: "One setting, e.g. --set listeners=PLAINTEXT://127.0.0.1:9093",
        variadic: true,
        optional: true,
        placeholder: "name=value",
      },
      insecure: {
        kind: "boolean",
        brief: "Allow listeners without authentication that other machines can reach",
        default: false,
      },
      log: { kind: "enum", values: ["text", "json"], brief: "Form of the log lines on stderr", default: "text" },
    },
  },
  loader: async () => {
    const { startServer } = await import("./server-start.js")
    return (flags: StartFlags) => startServer(flags)
  },
})

interface GatewayFlags {
  readonly bootstrapServer: string
  readonly listen: string
  readonly insecure: boolean
  readonly log: "text" | "json"
}

const gatewayStart = buildCommand({
  docs: {
    brief: "Serve the HTTP API in front of any Kafka cluster",
    fullDescription:
      "Runs the HTTP API alone, as an ordinary client of the cluster at --bootstrap-server. A broker serves it by itself (ottla.http.listeners). Example: ottla gateway --bootstrap-server kafka:9092 --listen 127.0.0.1:8082",
  },
  parameters: {
    flags: {
      bootstrapServer: {
        kind: "parsed",
        parse: String,
        brief: "A broker, as host:port, or several with commas",
        default: "127.0.0.1:9092",
        placeholder: "host:port",
      },
      listen: {
        kind: "parsed",
        parse: String,
        brief: "Where to serve it",
        default: "127.0.0.1:8082",
        placeholder: "host:port",
      },
      insecure: {
        kind: "boolean",
        brief: "Allow an address that other machines can reach, though nobody has to say who he is",
        default: false,
      },
      log: { kind: "enum", values: ["text", "json"], brief: "Form of the log lines on stderr", default: "text" },
    },
  },
  loader: async () => {
    const { startGateway } = await import("./gateway-start.js")
    return (flags: GatewayFlags) => startGateway(flags)
  },
})

interface ExplainFlags {
  readonly bootstrapServer: string
  readonly output: "table" | "json"
}

const groupExplain = buildCommand({
  docs: {
    brief: "Tell what happened to a consumer group, and why",
    fullDescription:
      "Prints the members of a group and who of them is late, how far the group is behind in each partition, and the last joins, departures and rebalances with their reasons. Example: ottla group explain billing --bootstrap-server 127.0.0.1:9092",
  },
  parameters: {
    flags: {
      bootstrapServer: {
        kind: "parsed",
        parse: String,
        brief: "A broker, as host:port",
        default: "127.0.0.1:9092",
        placeholder: "host:port",
      },
      output: { kind: "enum", values: ["table", "json"], brief: "Form of what is printed", default: "table" },
    },
    aliases: { o: "output" },
    positional: {
      kind: "tuple",
      parameters: [{ parse: String, brief: "The group's id", placeholder: "group" }],
    },
  },
  loader: async () => {
    const { explainGroupCommand } = await import("./group-explain.js")
    return (flags: ExplainFlags, groupId: string) => explainGroupCommand(groupId, flags)
  },
})

const app = buildApplication(
  buildRouteMap({
    routes: {
      server: buildRouteMap({
        routes: { start: serverStart },
        docs: { brief: "Run a broker" },
      }),
      gateway: gatewayStart,
      cluster: clusterRoutes,
      group: buildRouteMap({
        routes: { explain: groupExplain },
        docs: { brief: "Look at consumer groups" },
      }),
    },
    docs: { brief: "A commit log that Kafka clients cannot tell from Apache Kafka" },
  }),
  {
    name: "ottla",
    versionInfo: { currentVersion: version },
    scanner: { caseStyle: "allow-kebab-for-camel" },
  },
)

// The parser writes an exit code where Node has none yet, which its types do not say.
await run(app, process.argv.slice(2), { process: process as typeof process & { exitCode: number } })
