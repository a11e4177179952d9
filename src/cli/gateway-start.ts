/**
 * `ottla gateway`: the HTTP API alone, in front of any cluster.
 *
 * Owns reading of the command line, what is printed, and exit codes: 0 stopped as asked, 1 could not start, 2 an address that cannot be.
 */
import { parseBootstrap } from "../client/options.js"
import { resolveHttpListeners } from "../config/http-listeners.js"
import { createNodeEnv } from "../env/node/index.js"
import { bodyBytesMaxDefault } from "../gateway/limits.js"
import { prepareCompression } from "../protocol/compression/compression.js"
import { HttpGateway, HttpStartError } from "./http-gateway.js"
import { ProcessMetrics } from "./process-metrics.js"
import { runUntilStopped } from "./run-until-stopped.js"

export interface GatewayStartOptions {
  readonly bootstrapServer: string
  readonly listen: string
  readonly insecure: boolean
  readonly log: "text" | "json"
}

const exitUsage = 2

export async function startGateway(options: GatewayStartOptions): Promise<void> {
  const say = (line: string) => process.stderr.write(`ottla: ${line}\n`)
  const errors: string[] = []
  const listeners = resolveHttpListeners([`http://${options.listen}`], errors)
  const bootstrap = options.bootstrapServer.split(",")
  try {
    parseBootstrap(bootstrap)
  } catch (error) {
    errors.push((error as Error).message)
  }
  if (errors.length > 0) {
    for (const error of errors)
      say(error.replace("ottla.http.listeners: http://", "--listen ").replace(/^bootstrap:/, "--bootstrap-server:"))
    process.exitCode = exitUsage
    return
  }
  const env = createNodeEnv({ json: options.log === "json" })
  await prepareCompression()
  try {
    const http = await HttpGateway.listen(env, {
      listeners,
      areSet: true,
      insecure: options.insecure,
      bodyBytesMax: bodyBytesMaxDefault,
    })
    const ownProcess = new ProcessMetrics()
    http.serve(bootstrap, { samples: () => ownProcess.samples() })
    runUntilStopped(env, () => http.close().then(() => true))
    process.stdout.write(`ottla is ready: HTTP API at ${http.urls.join(", ")}, in front of ${bootstrap.join(", ")}\n`)
  } catch (error) {
    if (!(error instanceof HttpStartError)) throw error
    say(error.message.replace("ottla.http.listeners", "--listen"))
    process.exit(1)
  }
}
