/**
 * The brokers that are compared, each behind the same few calls.
 *
 * Owns how a broker is started from nothing, when it counts as started (its first Metadata answer) and how it ends. One at a time runs,
 * on loopback, with its data under a folder the caller gives and removes.
 */
import type { ChildProcess } from "node:child_process"
import { existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { metadata } from "../src/protocol/messages/metadata.js"
import { Client, versions } from "./client.js"
import { cpuSeconds, residentBytes } from "./machine.js"
import { type Processes, stop } from "./processes.js"

export const host = "127.0.0.1"
const pollEveryMs = 2
const startTimeoutMs = 120_000

export interface Server {
  readonly pid: number
  readonly port: number
  /** From the start of the process to its first Metadata answer with a broker in it. */
  readonly startMs: number
  /** Resident memory at that moment; undefined where /proc is not there. */
  readonly startResidentBytes: number | undefined
  /** Clean stop. */
  stop(): Promise<void>
  /** As `kill -9`. */
  kill(): Promise<void>
}

export interface System {
  readonly name: "ottla" | "kafka"
  readonly title: string
  /** Makes the folder ready where the system wants that before its first start. */
  prepare(directory: string): Promise<void>
  /** Errors: ProcessError when the process ends or does not answer in time, with what it printed. */
  start(directory: string, command?: readonly string[]): Promise<Server>
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once("error", reject)
    probe.listen(0, host, () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })
}

export function ottla(processes: Processes, root: string): System {
  return {
    name: "ottla",
    title: "Ottla",
    prepare: async (directory) => {
      mkdirSync(directory, { recursive: true })
    },
    start: async (directory, command = [process.execPath]) => {
      const port = await freePort()
      const settings = [`listeners=PLAINTEXT://${host}:${port}`, `log.dirs=${join(directory, "data")}`]
      const args = [
        ...command.slice(1),
        join(root, "dist", "ottla.js"),
        "server",
        "start",
        ...settings.flatMap((setting) => ["--set", setting]),
      ]
      return watchStart(processes, directory, port, command[0]!, args)
    },
  }
}

export const kafkaVersion = "4.3.1"
/** As Kafka's own start script runs it. */
export const javaOptions = [
  "-Xms1g",
  "-Xmx1g",
  "-server",
  "-XX:+UseG1GC",
  "-XX:MaxGCPauseMillis=20",
  "-XX:InitiatingHeapOccupancyPercent=35",
  "-XX:+ExplicitGCInvokesConcurrent",
  "-Djava.awt.headless=true",
  "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
]

/** `jars`: folder with Kafka's jars. */
export function kafka(processes: Processes, jars: string): System {
  const classPath = ["-cp", join(jars, "*")]
  return {
    name: "kafka",
    title: `Apache Kafka ${kafkaVersion}`,
    prepare: async (directory) => {
      mkdirSync(directory, { recursive: true })
      const properties = join(directory, "server.properties")
      const [port, controllerPort] = [await freePort(), await freePort()]
      writeFileSync(
        properties,
        [
          "process.roles=broker,controller",
          "node.id=1",
          `controller.quorum.voters=1@${host}:${controllerPort}`,
          `listeners=PLAINTEXT://${host}:${port},CONTROLLER://${host}:${controllerPort}`,
          `advertised.listeners=PLAINTEXT://${host}:${port}`,
          "controller.listener.names=CONTROLLER",
          "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
          `log.dirs=${join(directory, "data")}`,
          "offsets.topic.replication.factor=1",
          "",
        ].join("\n"),
      )
      const clusterId = Buffer.from("ottla benchmarks").toString("base64url")
      await processes.run("java", [
        ...classPath,
        "kafka.tools.StorageTool",
        "format",
        "-t",
        clusterId,
        "-c",
        properties,
      ])
    },
    start: (directory) => {
      const properties = join(directory, "server.properties")
      const port = Number(/^listeners=PLAINTEXT:\/\/[^:]+:(\d+)/m.exec(readFileSync(properties, "utf8"))![1])
      return watchStart(processes, directory, port, "java", [...javaOptions, ...classPath, "kafka.Kafka", properties])
    },
  }
}

/** Starts a broker's process and waits until it answers. Its output goes to a file in `directory`. */
export async function watchStart(
  processes: Processes,
  directory: string,
  port: number,
  command: string,
  args: readonly string[],
): Promise<Server> {
  const logPath = join(directory, "server.log")
  const log = openSync(logPath, "a")
  const started = performance.now()
  const child = processes.start(command, args, { stdio: ["ignore", log, log], cwd: directory })
  const pid = child.pid ?? -1
  try {
    await firstMetadata(child, port, started)
  } catch (error) {
    await stop(child, "SIGKILL")
    const printed = existsSync(logPath) ? readFileSync(logPath, "utf8").slice(-2000) : ""
    throw new Error(`${(error as Error).message}\n${printed}`)
  }
  return {
    pid,
    port,
    startMs: performance.now() - started,
    startResidentBytes: residentBytes(pid),
    stop: () => stop(child, "SIGTERM"),
    kill: () => stop(child, "SIGKILL"),
  }
}

/** CPU seconds several servers used together while `work` ran, and its result. */
export async function withCpuOf<T>(
  servers: readonly Server[],
  work: () => Promise<T>,
): Promise<{ result: T; cpu: number | undefined }> {
  const used = () => servers.map(({ pid }) => cpuSeconds(pid)).reduce((sum, each) => plus(sum, each), 0)
  const before = used()
  const result = await work()
  const after = used()
  return { result, cpu: before === undefined || after === undefined ? undefined : after - before }
}

const plus = (a: number | undefined, b: number | undefined) => (a === undefined || b === undefined ? undefined : a + b)

async function firstMetadata(child: ChildProcess, port: number, started: number): Promise<void> {
  while (performance.now() - started < startTimeoutMs) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error("the broker ended while starting")
    try {
      const client = await Client.connect(host, port)
      try {
        const { brokers } = await client.call(metadata, versions.metadata, {
          topics: [],
          allowAutoTopicCreation: false,
          includeClusterAuthorizedOperations: false,
          includeTopicAuthorizedOperations: false,
        })
        if (brokers.length > 0) return
      } finally {
        client.close()
      }
    } catch {
      // Not listening yet, or it closed on us: ask again.
    }
    await new Promise((resolve) => setTimeout(resolve, pollEveryMs))
  }
  throw new Error("the broker did not answer in time")
}

/** As `withCpuOf`, of one server. */
export const withCpu = <T>(server: Server, work: () => Promise<T>) => withCpuOf([server], work)
