/**
 * `npm run bench`: Ottla beside Apache Kafka, and beside what the machine can do.
 *
 * Owns the order of the groups and what becomes of the figures: a table on stdout and `bench/RESULTS.md`, written after every group and at a signal, so that
 * an end at any moment keeps what was measured.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Context } from "./context.js"
import { rdkafkaPerformance, typescriptGenerator } from "./generator.js"
import { catchUp } from "./groups/catch-up.js"
import { consumerGroups } from "./groups/consumer-groups.js"
import { failOver } from "./groups/fail-over.js"
import { latency } from "./groups/latency.js"
import { limits } from "./groups/limits.js"
import { manyPartitions } from "./groups/many-partitions.js"
import { manyReplicas } from "./groups/many-replicas.js"
import { recovery } from "./groups/recovery.js"
import { replicated } from "./groups/replicated.js"
import { small } from "./groups/small.js"
import { start } from "./groups/start.js"
import { stream } from "./groups/stream.js"
import { kafkaCluster, ottlaCluster } from "./clusters.js"
import { freeDiskBytes, machineLine } from "./machine.js"
import { parseOptions, usage, UsageError } from "./options.js"
import { Processes } from "./processes.js"
import { profileProduce } from "./profile.js"
import { plainTable, readResults, resultsText, Samples } from "./report.js"
import { type GroupName, groupNames, rows, selectRows } from "./rows.js"
import { kafka, ottla } from "./systems.js"
import { kafkaJars, limitsProgram, rdkafkaProgram } from "./tools.js"

const groups: Readonly<Record<GroupName, (context: Context) => Promise<void>>> = {
  limits,
  stream,
  small,
  latency,
  start,
  recovery,
  "many-partitions": manyPartitions,
  "consumer-groups": consumerGroups,
  replicated,
  "many-replicas": manyReplicas,
  "catch-up": catchUp,
  "fail-over": failOver,
}
const freeDiskBytesMin = 20e9

const say = (line: string) => process.stderr.write(`bench: ${line}\n`)

async function main(): Promise<void> {
  if (process.argv.includes("--help")) {
    const names = rows.map(({ row }) => row).join(", ")
    process.stdout.write(`${usage}\n\ngroups: ${groupNames.join(", ")}\nrows: ${names}\n`)
    return
  }
  const options = parseOptions(process.argv.slice(2), process.env)
  const profiling = options.names[0] === "profile-produce"
  const selected = selectRows(profiling ? [] : options.names)
  if (selected.unknown.length > 0) {
    const known = rows.map(({ row }) => row).join(", ")
    throw new UsageError(
      `there is no ${selected.unknown.join(", ")}; there are ${known}, ${groupNames.join(", ")}, profile-produce`,
    )
  }
  const root = process.cwd()
  const work = join(root, "bench", ".work")
  const directory = options.data ?? join(work, "data")
  mkdirSync(work, { recursive: true })
  mkdirSync(directory, { recursive: true })
  if (freeDiskBytes(directory) < freeDiskBytesMin) {
    throw new UsageError(
      `the data directory has ${Math.round(freeDiskBytes(directory) / 1e9)} GB free, a run may need ${freeDiskBytesMin / 1e9}`,
    )
  }
  const processes = new Processes()
  let keep = () => {}
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.on(signal, () => {
      keep()
      process.exit(1)
    })
  const program = await rdkafkaProgram(processes, work, options.generator, say)
  const generator = "path" in program ? rdkafkaPerformance(processes, program.path) : typescriptGenerator(processes)
  if ("missing" in program)
    say(`load comes from bench/load-worker.ts, as there is no rdkafka_performance: ${program.missing}`)
  const own = ottla(processes, root)
  if (profiling) return profileProduce({ processes, system: own, generator, directory, work, say })
  const jars = await kafkaJars(processes, work, options.peer, say)
  const peer = "path" in jars ? kafka(processes, jars.path) : undefined
  if ("missing" in jars) say(`Ottla runs alone, as there is no Apache Kafka: ${jars.missing}`)
  const samples = new Samples()
  const context: Context = {
    processes,
    systems: peer === undefined ? [own] : [own, peer],
    clusters: [ottlaCluster(processes, root), ...("path" in jars ? [kafkaCluster(processes, jars.path)] : [])],
    generator,
    limits: await limitsProgram(processes, work, join(root, "bench", "limits.c")),
    directory,
    quick: options.quick,
    runs: options.runs,
    samples,
    rows: selected.rows,
    say,
  }
  const resultsFile = join(root, "bench", "RESULTS.md")
  const before = existsSync(resultsFile) ? readResults(readFileSync(resultsFile, "utf8")) : {}
  const date = new Date().toISOString().slice(0, 10)
  const report = (asked: readonly (typeof rows)[number][]) => {
    const results = samples.results(before, date, options.note)
    process.stdout.write(
      `\n${plainTable(results, new Set(asked.flatMap((row) => row.figures.map(({ id }) => id))))}\n\n`,
    )
    writeFileSync(
      resultsFile,
      resultsText(results, {
        date: `${date}, ${context.runs} runs of each${context.quick ? ", quick" : ""}`,
        machine: machineLine(directory),
        generator: generator.name,
        generatorSettings: generator.settings,
        peer: peer?.title ?? `none (${"missing" in jars ? jars.missing : ""})`,
        skipped: samples.skipped,
      }),
    )
  }
  for (const group of groupNames) {
    const asked = rows.filter((row) => row.group === group && selected.rows.has(row.row))
    if (asked.length === 0) continue
    keep = () => report(asked)
    await groups[group](context)
    keep()
  }
  for (const [name, why] of samples.skipped) say(`not measured: ${name}: ${why}`)
}

try {
  await main()
  process.exit(0)
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  say(`${error.message}\n${usage}`)
  process.exit(2)
}
