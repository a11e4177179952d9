/**
 * `ottla server start`: from the command line to a running broker, and from a signal to a clean stop.
 *
 * Owns reading of the settings file, what is printed, signals and exit codes: 0 stopped as asked, 1 could not start or had to stop, 2 settings that cannot be.
 */
import { readFileSync } from "node:fs"
import { hostname } from "node:os"
import { Broker, StartError } from "../broker/broker.js"
import { loadServerConfig } from "../config/server-config.js"
import { createNodeEnv } from "../env/node/index.js"
import { prepareCompression } from "../protocol/compression/compression.js"

export interface StartOptions {
  readonly config?: string
  readonly set?: readonly string[]
  readonly insecure: boolean
  readonly log: "text" | "json"
}

const exitUsage = 2
/** How long a clean stop may take before the second way out: the next start recovers. */
const stopTimeoutMs = 60_000

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
  const env = createNodeEnv({ json: options.log === "json" })
  for (const warning of warnings) env.log.log("warn", warning)
  const stopping = new AbortController()
  let broker: Broker
  try {
    const compression = prepareCompression()
    broker = await Broker.start(env, config, {
      hostname: hostname(),
      insecure: options.insecure,
      onFatal: (reason) => {
        env.log.log("error", "the broker stops at once", { reason })
        process.exit(1)
      },
    })
    await compression
  } catch (error) {
    say(`ottla: ${error instanceof StartError ? error.message : ((error as Error).stack ?? String(error))}`)
    process.exit(1)
  }
  const keepAlive = setInterval(() => {}, 2 ** 30)
  const stop = (signal: string) => {
    if (stopping.signal.aborted) process.exit(1)
    stopping.abort()
    env.log.log("info", "stopping", { signal })
    setTimeout(() => process.exit(1), stopTimeoutMs).unref()
    broker.stop().then(
      () => {
        clearInterval(keepAlive)
        process.exit(0)
      },
      (error: unknown) => {
        say(`ottla: the stop was not clean: ${error instanceof Error ? error.message : String(error)}`)
        process.exit(1)
      },
    )
  }
  process.on("SIGINT", stop)
  process.on("SIGTERM", stop)
  // The one line that says it is ready: programs wait for it.
  process.stdout.write(
    `ottla is ready: node ${broker.nodeId} at ${broker.endpoints.map(({ host, port }) => `${hostPort(host, port)}`).join(", ")}, data in ${broker.directories.join(", ")}\n`,
  )
}

const hostPort = (host: string, port: number) => (host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`)

function readSettings(
  options: StartOptions,
  say: (line: string) => void,
): { properties?: string; overrides: Record<string, string> } | undefined {
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
