/**
 * `ottla server start`: from the command line to a running broker, and from a signal to a clean stop.
 *
 * Owns reading of the settings file, what is printed and exit codes: 0 stopped as asked, 1 could not start or had to stop, 2 settings that cannot be.
 */
import { readFileSync } from "node:fs"
import { availableParallelism, hostname } from "node:os"
import { Node, StartError } from "../broker/node.js"
import { loadServerConfig, type ServerConfig } from "../config/server-config.js"
import type { Env } from "../env/env.js"
import { createNodeEnv } from "../env/node/index.js"
import { prepareCompression } from "../protocol/compression/compression.js"
import { HttpGateway, HttpStartError, httpSettings } from "./http-gateway.js"
import { brokersOfMachine, brokersPerMachineMax } from "./machine-config.js"
import { ProcessMetrics } from "./process-metrics.js"
import { runUntilStopped } from "./run-until-stopped.js"
import { Machine, type ReadyBroker } from "./server-machine.js"

interface SettingsInput {
  readonly properties?: string
  readonly overrides: Record<string, string>
}

export interface StartOptions {
  readonly config?: string
  readonly brokers: number | "auto"
  readonly set?: readonly string[]
  readonly insecure: boolean
  readonly log: "text" | "json"
}

const exitUsage = 2

export async function startServer(options: StartOptions): Promise<void> {
  const say = (line: string) => process.stderr.write(`${line}\n`)
  const input = readSettings(options, say)
  if (input === undefined) return
  const { config, warnings, errors } = loadServerConfig(input)
  if (config === undefined || errors.length > 0) {
    for (const error of errors) say(`ottla: ${error}`)
    process.exitCode = exitUsage
    return
  }
  // A node that waits for others has nothing else to live for.
  setInterval(() => {}, 2 ** 30)
  const env = createNodeEnv({ json: options.log === "json" })
  for (const warning of warnings) env.log.log("warn", warning)
  const count = options.brokers === "auto" ? availableParallelism() : options.brokers
  try {
    const http = await HttpGateway.listen(env, httpSettings(config, options.insecure))
    if (count === 1) await startNode(env, config, options, http)
    else await startMachine(env, config, input, options, Math.min(count, brokersPerMachineMax), http)
  } catch (error) {
    const isForUser = error instanceof StartError || error instanceof HttpStartError || count > 1
    say(`ottla: ${isForUser ? (error as Error).message : ((error as Error).stack ?? String(error))}`)
    process.exit(1)
  }
}

async function startNode(env: Env, config: ServerConfig, { insecure }: StartOptions, http: HttpGateway): Promise<void> {
  const compression = prepareCompression()
  const node = await Node.start(env, config, {
    hostname: hostname(),
    insecure,
    onFatal: (reason) => {
      env.log.log("error", "the node stops at once", { reason })
      process.exit(1)
    },
  })
  await compression
  runUntilStopped(env, async () => {
    await http.close()
    await node.stop()
    return true
  })
  announce([node], http.urls)
  const ownProcess = new ProcessMetrics()
  http.serve(addressesOf([node]), {
    samples: async () => [...ownProcess.samples(), ...(await node.metrics())],
    readiness: () => node.readiness(),
  })
}

async function startMachine(
  env: Env,
  config: ServerConfig,
  input: SettingsInput,
  { insecure, log }: StartOptions,
  count: number,
  http: HttpGateway,
): Promise<void> {
  const tasks = brokersOfMachine(config, count).map((overrides) => ({
    properties: input.properties,
    overrides: { ...input.overrides, ...overrides },
    insecure,
    json: log === "json",
  }))
  const machine = new Machine(tasks, env.log)
  const brokers = await machine.start()
  runUntilStopped(env, async () => {
    await http.close()
    return machine.stop()
  })
  announce(brokers, http.urls)
  const ownProcess = new ProcessMetrics()
  http.serve(addressesOf(brokers), {
    samples: async () => [...ownProcess.samples(), ...(await machine.observe()).samples],
    readiness: async () => (await machine.observe()).checks,
  })
}

/** The one line that says it is ready: programs wait for it. */
function announce(brokers: readonly ReadyBroker[], urls: readonly string[]): void {
  const ids = brokers.map(({ nodeId }) => nodeId).join(", ")
  const at = [...addressesOf(brokers), ...urls].join(", ")
  const data = brokers.flatMap(({ directories }) => directories).join(", ")
  process.stdout.write(`ottla is ready: node${brokers.length > 1 ? "s" : ""} ${ids} at ${at}, data in ${data}\n`)
}

const addressesOf = (brokers: readonly ReadyBroker[]): string[] =>
  brokers.flatMap(({ endpoints }) => endpoints.map(({ host, port }) => hostPort(host, port)))

const hostPort = (host: string, port: number) => (host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`)

function readSettings(options: StartOptions, say: (line: string) => void): SettingsInput | undefined {
  const overrides: Record<string, string> = {}
  for (const setting of options.set ?? []) {
    const equals = setting.indexOf("=")
    if (equals <= 0) {
      say(`ottla: --set ${setting}: write it as name=value, e.g. --set log.dirs=/var/lib/ottla`)
      process.exitCode = exitUsage
      return undefined
    }
    overrides[setting.slice(0, equals).trim()] = setting.slice(equals + 1).trim()
  }
  if (options.config === undefined) return { overrides }
  try {
    return { properties: readFileSync(options.config, "utf8"), overrides }
  } catch (error) {
    say(`ottla: --config ${options.config} cannot be read: ${(error as Error).message}`)
    process.exitCode = exitUsage
    return undefined
  }
}
