/**
 * `npm run bench:http`: what the HTTP API of one broker takes and hands out.
 *
 * Owns the loads, their order (each is run once to warm, then measured), the targets, and the table in HTTP.md. The caller, in a process of its own, is `load-worker.ts`.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { machineLine } from "../machine.js"
import { Processes } from "../processes.js"
import { median } from "../statistics.js"
import { freePort, host, watchStart, withCpu } from "../systems.js"

const recordBytes = 100
const batchRecords = 1_000
const readers = 1_000
const readerRecords = 100

interface Load {
  readonly title: string
  readonly unit: string
  /** Records of a request, or undefined for readers. */
  readonly records?: number
  readonly connections: number
  /** At least so many of the unit a second. */
  readonly target?: number
}

const loads: readonly Load[] = [
  ...[256, 64].map((connections) => ({
    title: `one record of ${recordBytes} B a request`,
    unit: "requests/s",
    records: 1,
    connections,
    target: 20_000,
  })),
  ...[64, 256].map((connections) => ({
    title: `${batchRecords.toLocaleString("en")} records of ${recordBytes} B a request`,
    unit: "records/s",
    records: batchRecords,
    connections,
    target: 300_000,
  })),
  { title: `event streams that all get ${readerRecords} records`, unit: "events/s", connections: readers },
]

interface Result {
  readonly answered: number
  readonly seconds: number
  readonly openSeconds?: number
}

interface Measured {
  readonly rate: number
  readonly seconds: number
  readonly openSeconds: number
  /** Of the server, for each answer; undefined where the system does not tell. */
  readonly cpuMicros: number | undefined
}

const option = (name: string, otherwise: number): number => {
  const at = process.argv.indexOf(`--${name}`)
  const value = at < 0 ? otherwise : Number(process.argv[at + 1])
  if (!(value > 0)) throw new Error(`--${name}: give a number above 0`)
  return value
}

/** Only loads with this in their title; the table then holds no others. */
const onlyAt = process.argv.indexOf("--only")
const only = onlyAt < 0 ? "" : (process.argv[onlyAt + 1] ?? "")

const say = (line: string) => process.stderr.write(`bench: ${line}\n`)
const root = process.cwd()
const work = join(root, "bench", ".work")
const worker = fileURLToPath(new URL("./load-worker.js", import.meta.url))

const number = (value: number) => Math.round(value).toLocaleString("en")

async function measure(processes: Processes, seconds: number, runs: number): Promise<Map<Load, Measured[]>> {
  const directory = join(work, "http-data")
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  const [port, httpPort] = [await freePort(), await freePort()]
  const settings = [
    `listeners=PLAINTEXT://${host}:${port}`,
    `ottla.http.listeners=http://${host}:${httpPort}`,
    `log.dirs=${join(directory, "data")}`,
  ]
  const server = await watchStart(processes, directory, port, process.execPath, [
    ...[...(process.env.BENCH_NODE_OPTIONS?.split(" ") ?? []), join(root, "dist", "ottla.js"), "server", "start"],
    ...settings.flatMap((setting) => ["--set", setting]),
  ])
  const found = new Map<Load, Measured[]>()
  try {
    const created = await fetch(`http://${host}:${httpPort}/topics`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"topic":"load","partitions":4}',
    })
    if (created.status !== 201) throw new Error(`the topic cannot be made: ${await created.text()}`)
    for (const load of loads.filter(({ title }) => title.includes(only))) {
      const measured: Measured[] = []
      for (let run = 0; run <= (load.records === undefined ? 0 : runs); run++) {
        const path = load.records === 1 ? "/topics/load/messages" : "/topics/load/messages/batch"
        const args =
          load.records === undefined
            ? ["readers", httpPort, "load", load.connections, readerRecords]
            : ["requests", httpPort, path, load.records, recordBytes, load.connections, seconds]
        const { result, cpu } = await withCpu(server, () =>
          processes.run(process.execPath, [worker, ...args.map(String)]),
        )
        const {
          answered,
          seconds: took,
          openSeconds = 0,
        } = JSON.parse(result.split("\n").find((line) => line.startsWith("{"))!) as Result
        const isWarming = load.records !== undefined && run === 0
        const each = {
          rate: (answered * (load.records ?? 1)) / took,
          seconds: took,
          openSeconds,
          cpuMicros: cpu === undefined ? undefined : (cpu * 1e6) / answered,
        }
        say(
          `${load.title}, ${load.connections} connections: ${number(each.rate)} ${load.unit}, ${each.cpuMicros?.toFixed(1)} us of CPU each${isWarming ? " (warming)" : ""}`,
        )
        if (!isWarming) measured.push(each)
      }
      found.set(load, measured)
    }
  } finally {
    await server.stop()
    rmSync(directory, { recursive: true, force: true })
  }
  return found
}

function table(found: ReadonlyMap<Load, readonly Measured[]>): string {
  const lines = [
    "| load | connections | rate | server's CPU, us per request or event | seconds | target |",
    "|---|---:|---:|---:|---:|---|",
  ]
  for (const [load, measured] of found) {
    const of = (figure: "rate" | "seconds" | "openSeconds") => median(measured.map((each) => each[figure])) ?? 0
    const cpu = median(measured.flatMap(({ cpuMicros }) => (cpuMicros === undefined ? [] : [cpuMicros])))
    const verdict =
      load.target === undefined
        ? `all of ${number(readers)} readers get all (met)`
        : `>= ${number(load.target)} (${of("rate") >= load.target ? "met" : "missed"})`
    const seconds =
      load.records === undefined
        ? `${of("seconds").toFixed(1)}, after ${of("openSeconds").toFixed(1)} to open`
        : of("seconds").toFixed(1)
    lines.push(
      `| ${load.title} | ${number(load.connections)} | ${number(of("rate"))} ${load.unit} | ${cpu?.toFixed(1) ?? "not told"} | ${seconds} | ${verdict} |`,
    )
  }
  return lines.join("\n")
}

const processes = new Processes()
const [seconds, runs] = [option("seconds", 5), option("runs", 3)]
mkdirSync(work, { recursive: true })
const found = await measure(processes, seconds, runs)
const text = `# The HTTP API

One broker with its HTTP API, and a caller in a process of its own on the same machine: raw sockets that are kept, one request under way on each, bodies as JSON with base64 values, a topic of 4 partitions, each
answer after all in-sync replicas have the records. Medians of ${runs} runs of ${seconds} s after one that warms; readers once. An answer that is not 200, or a reader that misses an event, fails the run. CPU is the
server's as a whole, the broker's part with it. ${machineLine(work)}, ${new Date().toISOString().slice(0, 10)}. Made by \`npm run bench:http\`.

${table(found)}
`
writeFileSync(join(root, "bench", "HTTP.md"), text)
process.stdout.write(`\n${text}`)
process.exit(0)
