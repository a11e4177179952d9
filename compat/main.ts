/**
 * `npm run compat [-- names...] [--bootstrap host:port | --against kafka]`: real clients against one broker, one line each.
 *
 * Owns which checks there are, the broker they run against (Ottla on a free port and a temporary directory, unless one is named; Apache
 * Kafka, to see whether a check is right) and the summary. A check that cannot run here says why; only failures make the exit code 1.
 */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { inspect } from "node:util"
import type { Check, CheckContext } from "./check.js"
import { groupAnswers } from "./answers/check.js"
import { BrokerProcess } from "./broker-process.js"
import { parseAddress } from "./client.js"
import { connectStandalone } from "./clients/connect.js"
import { dataDirectoryChecks } from "./clients/data-directory.js"
import { franzGo } from "./clients/franz-go.js"
import { groupToolChecks } from "./clients/group-tools.js"
import { kafkaPython } from "./clients/kafka-python.js"
import { kafkaToolChecks } from "./clients/kafka-tools.js"
import { kafkajs } from "./clients/kafkajs.js"
import { kcat } from "./clients/kcat.js"
import { kafkajsFacade } from "./clients/kafkajs-facade.js"
import { kafkajsGroups } from "./clients/kafkajs-groups.js"
import { nodeRdkafka } from "./clients/node-rdkafka.js"
import { openapi } from "./clients/openapi.js"
import { ottlaClient } from "./clients/ottla-client.js"
import { platformaticKafka } from "./clients/platformatic-kafka.js"
import { readmeChecks } from "./clients/readme.js"
import { streamsWordCount } from "./clients/streams.js"
import { wire } from "./clients/wire.js"
import { groupChecks } from "./groups/checks.js"
import { KafkaProcess } from "./kafka.js"
import { clusterKillLoop } from "./cluster/kill-loop.js"
import { clusterPowerCut } from "./cluster/power-cut.js"
import { clusterTools } from "./cluster/tools.js"
import { MovingCluster } from "./cluster/moving-cluster.js"
import { killLoop } from "./kill-loop.js"
import { librdkafkaSuite } from "./librdkafka/suite.js"
import { parseOptions } from "./options.js"
import { powerCut } from "./power-cut/power-cut.js"
import { endEverything, freePort, Skip, temporaryDirectory } from "./work.js"

const checks: readonly Check[] = [
  wire,
  ...readmeChecks,
  kcat,
  ottlaClient,
  openapi,
  kafkajs,
  kafkajsFacade,
  platformaticKafka,
  nodeRdkafka,
  kafkaPython,
  franzGo,
  ...kafkaToolChecks,
  ...dataDirectoryChecks,
  ...groupChecks,
  kafkajsGroups,
  ...groupToolChecks,
  groupAnswers,
  connectStandalone,
  streamsWordCount,
]

/** Longer runs with their own options. */
const commands: Readonly<Record<string, (options: Readonly<Record<string, string>>) => Promise<boolean>>> = {
  "kill-loop": killLoop,
  "power-cut": powerCut,
  "cluster-kill-loop": clusterKillLoop,
  "cluster-power-cut": clusterPowerCut,
  "cluster-tools": clusterTools,
  "librdkafka-suite": librdkafkaSuite,
}

/** Groups notice in seconds, with both protocols, and do not wait for more members than there are. */
const brokerSettings = {
  "offsets.topic.replication.factor": "1",
  "group.initial.rebalance.delay.ms": "0",
  "group.consumer.min.heartbeat.interval.ms": "1000",
  "group.consumer.heartbeat.interval.ms": "1000",
  "group.consumer.min.session.timeout.ms": "6000",
  "group.consumer.session.timeout.ms": "6000",
}

const usage = `npm run compat [-- names...] [--cluster | --against kafka | --bootstrap HOST:PORT [--data-directory DIR]]
npm run compat -- kill-loop [--rounds N] [--seed N] [--partitions N] [--load-ms MS] [--data-directory DIR]
npm run compat -- power-cut [--cuts N] [--seed N] [--partitions N] [--load-ms MS]
npm run compat -- cluster-kill-loop [--rounds N] [--seconds S] [--seed N] [--partitions N] [--faults leader,controller,...] [--network namespaces|proxies] [--journal FILE]
npm run compat -- cluster-power-cut [--cuts N] [--seconds S] [--seed N] [--faults power-one,power-pair,power-all,dead-disk,full-disk] [--journal FILE]
npm run compat -- cluster-tools [--only WORDS]
npm run compat -- librdkafka-suite [--against kafka] [--groups core,admin,cluster] [--tests 0001,0002] [--update] [--logs DIR] [--seconds S]

checks: ${checks.map(({ name }) => name).join(", ")}
`

const { words, options } = parseOptions(process.argv.slice(2))
if (options.help !== undefined) {
  process.stdout.write(usage)
  process.exit(0)
}
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    endEverything()
    process.exit(130)
  })
}

interface AnyBroker {
  readonly bootstrap: string
  readonly port: number
  readonly isAlive: boolean
  readonly output: string
  stop(): Promise<void>
}

type Kind = "ottla" | "kafka" | "cluster"

async function startBroker(kind: Kind, dataDirectory: string, port?: number): Promise<AnyBroker> {
  if (kind === "cluster") return MovingCluster.start(dataDirectory, brokerSettings)
  if (kind === "kafka") return KafkaProcess.start(dataDirectory, brokerSettings, { port })
  return BrokerProcess.start({ port: port ?? (await freePort()), dataDirectory, settings: brokerSettings })
}

async function runChecks(): Promise<boolean> {
  const wanted = checks.filter(({ name, byNameOnly }) =>
    byNameOnly ? words.includes(name) : words.length === 0 || words.some((word) => name.includes(word)),
  )
  if (wanted.length === 0) {
    const names = [...checks.map(({ name }) => name), ...Object.keys(commands)]
    process.stderr.write(`compat: nothing is called ${words.join(" ")}. There are: ${names.join(" ")}\n`)
    return false
  }
  let broker: AnyBroker | undefined
  let { bootstrap, "data-directory": dataDirectory } = options
  const { against = "ottla" } = options
  if (against !== "ottla" && against !== "kafka") throw new Error(`--against ${against}: there are ottla and kafka`)
  const kind: Kind = options.cluster === undefined ? against : "cluster"
  if (bootstrap === undefined && wanted.some(({ needsBroker }) => needsBroker !== false)) {
    dataDirectory = join(temporaryDirectory("compat"), "data")
    mkdirSync(dataDirectory)
    broker = await startBroker(kind, dataDirectory)
    bootstrap = broker.bootstrap
    if (broker instanceof MovingCluster) dataDirectory = broker.dataDirectory
  }
  bootstrap ??= "127.0.0.1:0"
  const run = Date.now().toString(36)
  const context: CheckContext = {
    ...parseAddress(bootstrap),
    bootstrap,
    dataDirectory,
    against,
    brokerSettings,
    leadersMove: broker instanceof MovingCluster,
    topic: (purpose) => `${purpose}-${run}`,
  }
  const counts = { PASS: 0, FAIL: 0, SKIP: 0 }
  for (const check of wanted) {
    const startedMs = Date.now()
    let verdict: keyof typeof counts = "PASS"
    let note: string | undefined
    const moving = broker instanceof MovingCluster ? broker : undefined
    const movesBefore = moving?.moves ?? 0
    try {
      if (moving !== undefined && check.needsCalm !== undefined) throw new Skip(check.needsCalm)
      if (moving !== undefined && check.needsBroker === false) throw new Skip("it brings its own brokers")
      moving?.stir({
        isAboutGroups: /group|consumer|streams|connect/.test(check.name),
        kills: check.needsAllBrokers !== true,
      })
      note = await check.run(context).finally(() => moving?.calm())
      if (moving !== undefined) note = `${moving.moves - movesBefore} leaders moved  ${note ?? ""}`
    } catch (error) {
      verdict = error instanceof Skip ? "SKIP" : "FAIL"
      note = error instanceof Error ? error.message : String(error)
      if (verdict === "FAIL" && process.env.OTTLA_COMPAT_TRACE === "1") note = inspect(error, { depth: 6 })
    }
    if (broker !== undefined && !broker.isAlive) {
      verdict = "FAIL"
      note = `the broker died:\n${broker.output}`
      broker = await startBroker(kind, dataDirectory!, broker.port)
    }
    counts[verdict] += 1
    const seconds = ((Date.now() - startedMs) / 1000).toFixed(1)
    const suffix = note === undefined ? "" : `  ${note.replaceAll("\n", "\n      ")}`
    process.stdout.write(`${verdict} ${check.name} (${check.about}) ${seconds} s${suffix}\n`)
  }
  if (broker?.isAlive) await broker.stop()
  process.stdout.write(`${counts.PASS} passed, ${counts.FAIL} failed, ${counts.SKIP} skipped\n`)
  return counts.FAIL === 0
}

let passed = false
try {
  const command = commands[words[0] ?? ""]
  passed = command === undefined ? await runChecks() : await command(options)
} catch (error) {
  if (error instanceof Skip) {
    passed = true
    process.stdout.write(`SKIP ${error.message}\n`)
  } else process.stderr.write(`compat: ${error instanceof Error ? (error.stack ?? error.message) : error}\n`)
} finally {
  endEverything()
}
process.exit(passed ? 0 : 1)
