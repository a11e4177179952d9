/**
 * `npm run bench:clients`: Ottla's client beside the libraries that people use, against Ottla and against Apache Kafka, in one run.
 *
 * Owns which libraries, the order of runs (by turns, the first one of each warms), and the table in CLIENTS.md. What each library is told is the worker's.
 */
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Client } from "../client.js"
import { machineLine, settleDisk } from "../machine.js"
import { Processes } from "../processes.js"
import { median } from "../statistics.js"
import { host, kafka, ottla, type System } from "../systems.js"
import { kafkaJars } from "../tools.js"

const libraries = { ottla: "", kafkajs: "2.2.4", "@platformatic/kafka": "1.35.0", "node-rdkafka": "3.6.1" } as const
type Library = keyof typeof libraries
const partitions = 4
const loads = [
  { recordBytes: 1000, records: 400_000 },
  { recordBytes: 100, records: 1_000_000 },
] as const
/** kafkajs takes far longer for the same; rates are what is compared. */
const slowerBy: Partial<Record<Library, number>> = { kafkajs: 4 }
const operations = ["produce", "consume"] as const
/** At least, of Ottla's rate to a library's; consuming is held against the best of them. */
const targets: Record<(typeof operations)[number], Partial<Record<Library | "best", number>>> = {
  produce: { kafkajs: 5, "@platformatic/kafka": 1.5, "node-rdkafka": 1.5 },
  consume: { best: 1.5 },
}

interface Result {
  readonly rate: number
  readonly cpuMicros: number
  readonly residentMb: number
}

const say = (line: string) => process.stderr.write(`bench: ${line}\n`)
const root = process.cwd()
const work = join(root, "bench", ".work")
const worker = fileURLToPath(new URL("./worker.js", import.meta.url))

/** Installs the others once; node-rdkafka compiles for a minute or two. Returns those that are there. */
function install(modules: string): Library[] {
  mkdirSync(modules, { recursive: true })
  const file = join(modules, "package.json")
  if (!existsSync(file)) writeFileSync(file, '{ "private": true }\n')
  return (Object.keys(libraries) as Library[]).filter((library) => {
    if (library === "ottla" || existsSync(join(modules, "node_modules", library, "package.json"))) return true
    say(`installing ${library} ${libraries[library]} (once)`)
    try {
      execFileSync(
        "npm",
        ["install", "--no-audit", "--no-fund", "--loglevel=error", `${library}@${libraries[library]}`],
        {
          cwd: modules,
          stdio: ["ignore", "ignore", "inherit"],
        },
      )
      return true
    } catch {
      say(`not measured: ${library} cannot be installed here`)
      return false
    }
  })
}

const figures = new Map<string, Result[]>()
const keyOf = (system: string, operation: string, recordBytes: number, library: string) =>
  [system, operation, recordBytes, library].join(" ")

async function measure(
  processes: Processes,
  system: System,
  runs: number,
  present: readonly Library[],
  modules: string,
) {
  const directory = join(work, "clients-data", system.name)
  rmSync(directory, { recursive: true, force: true })
  await system.prepare(directory)
  const server = await system.start(directory)
  const admin = await Client.connect(host, server.port)
  try {
    for (const { recordBytes, records } of loads) {
      for (let run = 0; run <= runs; run++) {
        for (const library of present) {
          const topic = `load-${recordBytes}-${run}-${present.indexOf(library)}`
          await admin.createTopic(topic, partitions)
          const count = Math.round(records / (slowerBy[library] ?? 1))
          for (const operation of operations) {
            const args = [worker, library, operation, `${server.port}`, topic, `${count}`, `${recordBytes}`, modules]
            const printed = await processes.run(process.execPath, args)
            if (run === 0) continue
            const key = keyOf(system.title, operation, recordBytes, library)
            const line = printed.split("\n").find((each) => each.startsWith("{"))!
            figures.set(key, [...(figures.get(key) ?? []), JSON.parse(line) as Result])
          }
          settleDisk()
          say(`${system.title}: ${library}, ${recordBytes} B, run ${run} of ${runs}${run === 0 ? " (warming)" : ""}`)
        }
      }
    }
  } finally {
    admin.close()
    await server.kill()
    rmSync(directory, { recursive: true, force: true })
    settleDisk()
  }
}

function table(systems: readonly System[], present: readonly Library[]): string {
  const lines = [
    "| broker | work | client | records/s | client's CPU, us per record | resident, MB | Ottla's client to it: rate | CPU | target |",
    "|---|---|---|---:|---:|---:|---:|---:|---|",
  ]
  for (const { title } of systems)
    for (const operation of operations)
      for (const { recordBytes } of loads) {
        const of = (library: Library, figure: keyof Result) =>
          median((figures.get(keyOf(title, operation, recordBytes, library)) ?? []).map((result) => result[figure]))
        const others = present.filter((library) => library !== "ottla")
        const best = Math.max(...others.map((library) => of(library, "rate") ?? 0))
        for (const library of present) {
          const [rate, cpu, resident] = [of(library, "rate"), of(library, "cpuMicros"), of(library, "residentMb")]
          if (rate === undefined || cpu === undefined || resident === undefined) continue
          const ratio = of("ottla", "rate")! / rate
          const target = targets[operation][library] ?? (rate === best ? targets[operation].best : undefined)
          const verdict =
            library === "ottla" || target === undefined ? "" : `>= ${target} x (${ratio >= target ? "met" : "missed"})`
          const against =
            library === "ottla"
              ? ["", ""]
              : [`${ratio.toFixed(2)} x`, `${(of("ottla", "cpuMicros")! / cpu).toFixed(2)} x`]
          const work = `${operation} ${recordBytes} B`
          lines.push(
            `| ${title} | ${work} | ${library} | ${Math.round(rate).toLocaleString("en")} | ${cpu.toFixed(2)} | ${Math.round(resident)} | ${against.join(" | ")} | ${verdict} |`,
          )
        }
      }
  return lines.join("\n")
}

async function main(): Promise<void> {
  const runs = Number(process.argv[process.argv.indexOf("--runs") + 1] || 3) || 3
  const peerAt = process.argv.indexOf("--peer")
  const processes = new Processes()
  const modules = join(work, "clients")
  const present = install(modules)
  const jars = await kafkaJars(processes, work, peerAt < 0 ? undefined : process.argv[peerAt + 1], say)
  const systems = [ottla(processes, root), ...("path" in jars ? [kafka(processes, jars.path)] : [])]
  for (const system of systems) await measure(processes, system, runs, present, modules)
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string }
  const versions = present.map((library) => `${library} ${libraries[library] || version}`).join(", ")
  const text = `# Clients side by side

Each client produces to and reads from one broker on the same machine, by turns, in a process of its own; medians of ${runs} runs after one that warms. ${partitions} partitions, acks from all replicas, 1,000
records handed over at once, sixteen such calls on their way; the broker and the client share the machine, both warm: the broker from whole runs before, the client from a quarter as many records. How each is told: \`bench/clients/worker.ts\`. ${versions}.
${machineLine(work)}, ${new Date().toISOString().slice(0, 10)}. Made by \`npm run bench:clients\`.

${table(systems, present)}
`
  writeFileSync(join(root, "bench", "CLIENTS.md"), text)
  process.stdout.write(`\n${text}`)
}

await main()
process.exit(0)
