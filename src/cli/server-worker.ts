/**
 * One broker of a machine, in a thread of its own.
 *
 * Owns the thread's end of the talk with `server-machine.ts`: it is told what to start and when to stop, and tells when it is ready and why it is not. What happens to it happens
 * to no other broker.
 */
import { hostname } from "node:os"
import { parentPort, workerData } from "node:worker_threads"
import { Node, StartError } from "../broker/node.js"
import { loadServerConfig } from "../config/server-config.js"
import { createNodeEnv } from "../env/node/index.js"
import { prepareCompression } from "../protocol/compression/compression.js"
import type { FromWorker, ToWorker, WorkerTask } from "./server-machine.js"

const tell = (message: FromWorker) => parentPort?.postMessage(message)

/** Messages go out before the thread ends. */
const end = (message: FromWorker, code: number) => {
  tell(message)
  setImmediate(() => process.exit(code))
}

async function run(task: WorkerTask): Promise<void> {
  // A broker that waits for others has nothing else to live for.
  setInterval(() => {}, 2 ** 30)
  const { config } = loadServerConfig({
    ...(task.properties !== undefined && { properties: task.properties }),
    overrides: task.overrides,
  })
  const env = createNodeEnv({ json: task.json })
  const textOf = (error: unknown) => (error instanceof Error ? (error.stack ?? error.message) : String(error))
  try {
    const compression = prepareCompression()
    const node = await Node.start(env, config!, {
      hostname: hostname(),
      insecure: task.insecure,
      onFatal: (reason) => end({ kind: "failed", reason }, 1),
    })
    await compression
    parentPort?.on("message", (message: ToWorker) => {
      if (message.kind === "observe") {
        const { question } = message
        void node
          .metrics()
          .catch(() => [])
          .then((samples) => tell({ kind: "observed", question, samples, checks: node.readiness() }))
        return
      }
      node.stop().then(
        () => end({ kind: "stopped" }, 0),
        (error: unknown) => end({ kind: "failed", reason: `the stop was not clean: ${textOf(error)}` }, 1),
      )
    })
    tell({ kind: "ready", nodeId: node.nodeId, endpoints: node.endpoints, directories: node.directories })
  } catch (error) {
    end({ kind: "refused", reason: error instanceof StartError ? error.message : textOf(error) }, 1)
  }
}

await run(workerData as WorkerTask)
