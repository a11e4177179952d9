/**
 * Apache Kafka 4.3.1 from Maven Central: its command-line tools, and its broker as the other side of the data directory tests.
 *
 * Owns how its jars get here and how they are started. Skips where Java, or Maven and the jars, are missing.
 */
import type { ChildProcess } from "node:child_process"
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { WireClient } from "./client.js"
import { freePort, onPath, type RunResult, run, runOk, Skip, start, tail, workDirectory } from "./work.js"
import { RunningTool } from "./running-tool.js"

export const kafkaVersion = "4.3.1"

const artifacts = [
  `org.apache.kafka:kafka_2.13:${kafkaVersion}`,
  `org.apache.kafka:kafka-tools:${kafkaVersion}`,
  `org.apache.kafka:kafka-shell:${kafkaVersion}`,
  `org.apache.kafka:kafka-streams-examples:${kafkaVersion}`,
  `org.apache.kafka:connect-runtime:${kafkaVersion}`,
  `org.apache.kafka:connect-file:${kafkaVersion}`,
  `org.apache.kafka:connect-json:${kafkaVersion}`,
  "org.slf4j:slf4j-simple:1.7.36",
]

/** Of each artifact that is asked for, the jar that shows that it is there. */
const jarsOf = (list: readonly string[]) => list.map((artifact) => `${artifact.split(":").slice(1).join("-")}.jar`)

const mainClasses = {
  "connect-standalone": "org.apache.kafka.connect.cli.ConnectStandalone",
  "kafka-acls": "org.apache.kafka.tools.AclCommand",
  "kafka-broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
  "kafka-cluster": "org.apache.kafka.tools.ClusterTool",
  "kafka-configs": "kafka.admin.ConfigCommand",
  "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
  "kafka-console-producer": "org.apache.kafka.tools.ConsoleProducer",
  "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
  "kafka-delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
  "kafka-dump-log": "org.apache.kafka.tools.DumpLogSegments",
  "kafka-e2e-latency": "org.apache.kafka.tools.EndToEndLatency",
  "kafka-features": "org.apache.kafka.tools.FeatureCommand",
  "kafka-get-offsets": "org.apache.kafka.tools.GetOffsetShell",
  "kafka-groups": "org.apache.kafka.tools.GroupsCommand",
  "kafka-leader-election": "org.apache.kafka.tools.LeaderElectionCommand",
  "kafka-log-dirs": "org.apache.kafka.tools.LogDirsCommand",
  "kafka-metadata-quorum": "org.apache.kafka.tools.MetadataQuorumCommand",
  "kafka-metadata-shell": "org.apache.kafka.shell.MetadataShell",
  "kafka-producer-perf-test": "org.apache.kafka.tools.ProducerPerformance",
  "kafka-reassign-partitions": "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
  "kafka-server-start": "kafka.Kafka",
  "kafka-storage": "kafka.tools.StorageTool",
  "kafka-topics": "org.apache.kafka.tools.TopicCommand",
  "kafka-verifiable-consumer": "org.apache.kafka.tools.VerifiableConsumer",
  "kafka-verifiable-producer": "org.apache.kafka.tools.VerifiableProducer",
  "streams-wordcount": "org.apache.kafka.streams.examples.wordcount.WordCountDemo",
} as const

export type KafkaTool = keyof typeof mainClasses

const pom = () => `<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>kafka-class-path</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
${artifacts
  .map((artifact) => artifact.split(":"))
  .map(
    ([group, name, version]) =>
      `    <dependency><groupId>${group}</groupId><artifactId>${name}</artifactId><version>${version}</version></dependency>`,
  )
  .join("\n")}
  </dependencies>
</project>
`

/** The folder of jars, fetched if they are not there. Errors: `Skip`. */
async function jars(): Promise<string> {
  if (!onPath("java")) throw new Skip("java is missing")
  const home = join(workDirectory, "kafka")
  const libs = join(home, "libs")
  if (jarsOf(artifacts).every((jar) => existsSync(join(libs, jar)))) return libs
  if (!onPath("mvn")) throw new Skip("mvn is missing")
  mkdirSync(home, { recursive: true })
  writeFileSync(join(home, "pom.xml"), pom())
  const args = ["-q", "-B", "-f", join(home, "pom.xml"), "dependency:copy-dependencies", `-DoutputDirectory=${libs}`]
  const result = await run("mvn", args, { timeoutMs: 600_000 })
  if (result.code !== 0) throw new Skip(`mvn could not fetch Apache Kafka: ${tail(result.stdout, 2)}`)
  return libs
}

// The tools live for a second: what starts fastest is best.
export const javaOptions = [
  "-Xmx256m",
  "-XX:TieredStopAtLevel=1",
  "-XX:+UseSerialGC",
  "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
]

/** All of Kafka's jars. Errors: `Skip`. */
export const javaClassPath = async (): Promise<string> => join(await jars(), "*")

async function javaArguments(tool: KafkaTool, args: readonly string[]): Promise<string[]> {
  return [...javaOptions, "-cp", join(await jars(), "*"), mainClasses[tool], ...args]
}

/** Runs a tool; resolves with its stdout. Throws unless it exits with 0. */
export async function kafkaTool(
  tool: KafkaTool,
  args: readonly string[],
  options: { input?: string; timeoutMs?: number } = {},
): Promise<string> {
  return runOk("java", await javaArguments(tool, args), { timeoutMs: 60_000, ...options })
}

/** Starts a tool that goes on until it is told to stop. */
export async function startKafkaTool(
  tool: KafkaTool,
  args: readonly string[],
  options: { readonly log?: "warn" | "info"; readonly cwd?: string } = {},
): Promise<RunningTool> {
  const log = options.log === undefined ? [] : [`-Dorg.slf4j.simpleLogger.defaultLogLevel=${options.log}`]
  const [command, cwd] = ["java", options.cwd]
  const child = start(command, [...log, ...(await javaArguments(tool, args))], {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
  })
  return new RunningTool(tool, child)
}

/** As `kafkaTool`, whatever the exit code. */
export async function tryKafkaTool(tool: KafkaTool, args: readonly string[]): Promise<RunResult> {
  return run("java", await javaArguments(tool, args))
}

/** A folder with `bin/kafka-*.sh`, as suites that call Kafka's scripts want it. */
export async function kafkaScripts(): Promise<string> {
  const libs = await jars()
  const home = join(workDirectory, "kafka-scripts")
  mkdirSync(join(home, "bin"), { recursive: true })
  for (const [tool, mainClass] of Object.entries(mainClasses)) {
    const script = join(home, "bin", `${tool}.sh`)
    writeFileSync(script, `#!/bin/sh\nexec java ${javaOptions.join(" ")} -cp "${libs}/*" ${mainClass} "$@"\n`)
    chmodSync(script, 0o755)
  }
  return home
}

/** Apache Kafka as broker and controller in one process. */
export class KafkaProcess {
  #output = ""

  private constructor(
    readonly child: ChildProcess,
    readonly port: number,
  ) {
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on("data", (chunk: Buffer) => {
        this.#output = (this.#output + chunk.toString()).slice(-65536)
      })
    }
  }

  /**
   * Starts it on a data directory: a fresh one is formatted, one that has `meta.properties` is taken as it is. Resolves when it answers.
   * `settings` are added to those of a single node.
   */
  static async start(
    dataDirectory: string,
    settings: Readonly<Record<string, string>> = {},
    { port = undefined as number | undefined, nodeId = 1 } = {},
  ): Promise<KafkaProcess> {
    port ??= await freePort()
    const controllerPort = await freePort()
    const config = join(dataDirectory, "..", `kafka-${port}.properties`)
    writeFileSync(
      config,
      `process.roles=broker,controller
node.id=${nodeId}
controller.quorum.voters=${nodeId}@127.0.0.1:${controllerPort}
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}
advertised.listeners=PLAINTEXT://127.0.0.1:${port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=${dataDirectory}
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
${Object.entries({ "offsets.topic.replication.factor": "1", ...settings })
  .map(([name, value]) => `${name}=${value}\n`)
  .join("")}`,
    )
    if (!existsSync(join(dataDirectory, "meta.properties"))) {
      const clusterId = (await kafkaTool("kafka-storage", ["random-uuid"])).trim()
      await kafkaTool("kafka-storage", ["format", "-t", clusterId, "-c", config])
    }
    const args = await javaArguments("kafka-server-start", [config])
    const child = start("java", ["-Xms256m", ...args.slice(1)], { stdio: ["ignore", "pipe", "pipe"] })
    const broker = new KafkaProcess(child, port)
    await broker.#ready()
    return broker
  }

  get bootstrap(): string {
    return `127.0.0.1:${this.port}`
  }

  get isAlive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  get output(): string {
    return tail(this.#output, 15)
  }

  async #ready(): Promise<void> {
    const deadlineMs = Date.now() + 60_000
    for (;;) {
      if (this.child.exitCode !== null) throw new Error(`Apache Kafka ended before it was ready:\n${this.output}`)
      try {
        const client = await WireClient.connect({ host: "127.0.0.1", port: this.port })
        await client.partitionCount("is-anybody-there")
        client.close()
        return
      } catch {
        if (Date.now() > deadlineMs) throw new Error(`Apache Kafka was not ready in time:\n${this.output}`)
        await new Promise((resolve) => setTimeout(resolve, 200))
      }
    }
  }

  /** kill -9. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL")
  }

  async stop(): Promise<void> {
    await this.#end("SIGTERM")
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (!this.isAlive) return
    const exited = new Promise<void>((resolve) => this.child.once("exit", () => resolve()))
    this.child.kill(signal)
    await exited
  }
}
