/**
 * The broker under attack: a process of its own, which tells its parent how long its event loop stood still and how much memory it holds.
 *
 * Owns starting it on a free loopback port and a temporary directory, and the probe. A stall counts with the processor time that went into
 * it: what other processes of a busy machine took is not the broker's doing.
 */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { hostname, tmpdir } from "node:os"
import { join } from "node:path"
import { Node } from "../broker/node.js"
import { loadServerConfig } from "../config/server-config.js"
import { createNodeEnv } from "../env/node/index.js"
import { prepareCompression } from "../protocol/compression/compression.js"

export interface BrokerReport {
  /** Longest stretch of work without a turn of the loop, since the last report. */
  readonly stallMs: number
  readonly residentBytes: number
}

const probeMs = 5
const reportTimeoutMs = 30_000

/** Runs in the child: serves until the parent is gone. */
export async function serveFuzzedBroker(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "ottla-fuzz-"))
  process.on("exit", () => rmSync(directory, { recursive: true, force: true }))
  process.on("disconnect", () => process.exit(0))
  const controllerPort = await freePort()
  const overrides = {
    listeners: `PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:${controllerPort}`,
    "controller.quorum.voters": `1@127.0.0.1:${controllerPort}`,
    "log.dirs": directory,
    // Attackers of groups do not wait for more members than there are.
    "group.initial.rebalance.delay.ms": "200",
  }
  const { config, errors } = loadServerConfig({ overrides })
  if (config === undefined) throw new Error(errors.join("; "))
  await prepareCompression()
  const env = { ...createNodeEnv(), log: { log: () => {} } }
  const broker = await Node.start(env, config, {
    hostname: hostname(),
    insecure: false,
    onFatal: (reason) => {
      process.stderr.write(`fuzz: the broker stops: ${reason}\n`)
      process.exit(1)
    },
  })
  let stallMs = 0
  let lastMs = performance.now()
  let lastCpu = process.cpuUsage()
  setInterval(() => {
    const nowMs = performance.now()
    const cpu = process.cpuUsage(lastCpu)
    stallMs = Math.max(stallMs, Math.min(nowMs - lastMs - probeMs, (cpu.user + cpu.system) / 1000))
    lastMs = nowMs
    lastCpu = process.cpuUsage()
  }, probeMs)
  process.on("message", () => {
    process.send!({ stallMs, residentBytes: process.memoryUsage.rss() } satisfies BrokerReport)
    stallMs = 0
  })
  process.send!({ port: broker.endpoints[0]!.port, controllerPort })
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as { port: number }
  server.close()
  return port
}

/** The parent's end. */
export class FuzzedBroker {
  exit: string | undefined
  readonly #asked: ((report: BrokerReport) => void)[] = []

  private constructor(
    private readonly child: ChildProcess,
    readonly port: number,
    readonly controllerPort: number,
  ) {
    child.on("exit", (code, signal) => {
      this.exit = `exit ${code ?? signal}`
    })
    child.on("message", (message) => this.#asked.shift()?.(message as BrokerReport))
  }

  static start(program: string): Promise<FuzzedBroker> {
    const child = fork(program, ["--serve", "1"], { stdio: ["ignore", "inherit", "inherit", "ipc"] })
    return new Promise((resolve, reject) => {
      child.once("exit", (code) => reject(new Error(`the broker under attack did not start: exit ${code}`)))
      child.once("message", (message) => {
        child.removeAllListeners("exit")
        const { port, controllerPort } = message as { port: number; controllerPort: number }
        resolve(new FuzzedBroker(child, port, controllerPort))
      })
    })
  }

  /** Answers come in the order of the questions. */
  report(): Promise<BrokerReport> {
    return new Promise((resolve, reject) => {
      if (this.exit !== undefined) return reject(new Error(`the broker under attack is gone: ${this.exit}`))
      const timer = setTimeout(() => reject(new Error("the broker under attack does not report")), reportTimeoutMs)
      this.#asked.push((report) => {
        clearTimeout(timer)
        resolve(report)
      })
      this.child.send("report")
    })
  }

  stop(): void {
    if (this.child.connected) this.child.disconnect()
  }
}
