#!/usr/bin/env node
/**
 * The `ottla` command.
 *
 * Owns the tree of nouns and verbs; every verb's work is loaded when it is called.
 */
import { buildApplication, buildCommand, buildRouteMap, run } from "@stricli/core"
import { version } from "./version.js"

interface StartFlags {
  readonly config?: string
  readonly set?: readonly string[]
  readonly insecure: boolean
  readonly log: "text" | "json"
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

const app = buildApplication(
  buildRouteMap({
    routes: {
      server: buildRouteMap({
        routes: { start: serverStart },
        docs: { brief: "Run a broker" },
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
