/** The real world as an `Env`. Composition only. */
import type { Env } from "../env.js"
import { nodeClock } from "./clock.js"
import { NodeDisk } from "./disk.js"
import { createLogger, type LoggerOptions } from "./logger.js"
import { loadNative } from "./native.js"
import { NodeNetwork } from "./network.js"
import { nodeRandom } from "./random.js"
import { NodeTimers } from "./timers.js"

export interface NodeEnvOptions extends LoggerOptions {
  /** False: as if the foreign-function package were not installed. */
  native?: boolean
  /** True: also to peers on this machine, where it is the slower way. For tests. */
  sendfileOnLoopback?: boolean
  /** Whether the process lives on while a timer waits. Default: false. */
  timersKeepAlive?: boolean
}

export function createNodeEnv(options: NodeEnvOptions = {}): Env {
  const native = options.native === false ? undefined : loadNative()
  const log = createLogger(options)
  return {
    clock: nodeClock,
    timers: new NodeTimers(options.timersKeepAlive),
    disk: new NodeDisk(native),
    network: new NodeNetwork(native, log, options.sendfileOnLoopback === true),
    random: nodeRandom,
    log,
  }
}
