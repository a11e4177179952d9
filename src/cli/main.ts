/**
 * The `ottla` command.
 *
 * Owns the tree of nouns and verbs; every verb's work is loaded when it is called.
 */
import {
  buildApplication,
  buildChoiceParser,
  buildCommand,
  buildRouteMap,
  help,
  proposeCompletions,
  run,
  version as versionFlag,
} from "@stricli/core"
import { benchRoutes } from "./bench-commands.js"
import { clusterRoutes } from "./cluster/commands.js"
import { completionScript, type Shell, shells } from "./completion.js"
import { configRoutes } from "./config/commands.js"
import type { DevFlags } from "./dev.js"
import { groupRoutes } from "./group/commands.js"
import { catCommand, consumeCommand, produceCommand, tailCommand } from "./records/commands.js"
import { topicRoutes } from "./topic/commands.js"
import { wholeNumber } from "./units.js"
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
      "Runs a broker in the foreground. Reads Kafka's setting names from --config (a server.properties file) and --set, which wins. Without either it listens on 127.0.0.1:9092 and keeps its data in ./data. SIGINT or SIGTERM stops it cleanly.\nExample: ottla server start --config server.properties --set log.dirs=/var/lib/ottla",
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

const devCommand = buildCommand({
  docs: {
    brief: "Run a broker on this machine for development",
    fullDescription:
      "As `server start`, with the topics that are wanted.\nExample: ottla dev --topic orders:6 --topic payments",
  },
  parameters: {
    flags: {
      port: { kind: "parsed", parse: wholeNumber("--port", 1, 65535), brief: "Where it listens", default: "9092" },
      data: {
        kind: "parsed",
        parse: String,
        brief: "Where the data lies",
        default: "./data",
        placeholder: "directory",
      },
      topic: {
        kind: "parsed",
        parse: (text: string) => import("./dev.js").then(({ parseSeededTopic }) => parseSeededTopic(text)),
        brief: "A topic that is to be there; may be given several times",
        variadic: true,
        optional: true,
        placeholder: "name:partitions",
      },
      set: {
        kind: "parsed",
        parse: String,
        brief: "One setting of the broker; may be given several times",
        variadic: true,
        optional: true,
        placeholder: "name=value",
      },
    },
    aliases: { p: "port", t: "topic" },
  },
  loader: async () => {
    const { dev } = await import("./dev.js")
    return (flags: DevFlags) => dev(flags)
  },
})

const completion = buildCommand({
  docs: {
    brief: "Print what a shell needs to complete commands and names",
    fullDescription: "Example: source <(ottla completion bash)",
  },
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{ parse: buildChoiceParser(shells), brief: "bash, zsh or fish", placeholder: "shell" }],
    },
  },
  func: (_flags: Record<never, never>, shell: Shell) => {
    process.stdout.write(completionScript(shell))
  },
})

const app = buildApplication(
  buildRouteMap({
    routes: {
      dev: devCommand,
      server: buildRouteMap({
        routes: { start: serverStart },
        docs: { brief: "Run a broker" },
      }),
      topic: topicRoutes,
      produce: produceCommand,
      consume: consumeCommand,
      cat: catCommand,
      tail: tailCommand,
      group: groupRoutes,
      config: configRoutes,
      gateway: gatewayStart,
      cluster: clusterRoutes,
      bench: benchRoutes,
      completion,
    },
    docs: {
      brief: "A commit log that Kafka clients cannot tell from Apache Kafka",
      fullDescription:
        "Data goes to stdout, everything else to stderr. Exit codes: 0 done, 1 refused or failed, 2 a wrong argument, 3 what was named is not there, 4 done in part, 124 nothing came in time.\nKafka's own tools, with their flags: ottla kafka topics|console-producer|console-consumer|consumer-groups|configs|storage|server-start|get-offsets|delete-records.\nExample: ottla dev --topic orders:6",
    },
  }),
  {
    name: "ottla",
    versionInfo: { currentVersion: version },
    scanner: { caseStyle: "allow-kebab-for-camel" },
    documentation: { caseStyle: "convert-camel-to-kebab", useAliasInUsageLine: true },
  },
  // Named one by one, since the parser's own would take -H away from headers.
  {
    help: help({
      brief: "Tell how it is used, and end",
      alias: "h",
      defaultForRouteMap: true,
      formatting: {
        caseStyle: "convert-camel-to-kebab",
        useAliasInUsageLine: true,
        onlyRequiredInUsageLine: true,
      },
    }),
    version: versionFlag({ brief: "Tell the version, and end", info: { currentVersion: version }, alias: "v" }),
  },
)

// The parser writes an exit code where Node has none yet, which its types do not say.
const context = { process: process as typeof process & { exitCode: number } }
// A reader that has seen enough, such as `head`.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error
  process.exit(0)
})
const [first = "", ...rest] = process.argv.slice(2)
if (first === "__complete") {
  const found = await proposeCompletions(app, rest[0] === "--" ? rest.slice(1) : rest, context)
  process.stdout.write(found.map(({ completion: text }) => `${text}\n`).join(""))
} else if (first === "kafka") await (await import("./kafka/tool.js")).runKafkaTool(rest)
else {
  await run(app, process.argv.slice(2), context)
  // What the parser says of wrong arguments is below zero.
  if (Number(process.exitCode) < 0) process.exitCode = Number(process.exitCode) === -1 ? 1 : 2
}
