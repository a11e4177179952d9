/**
 * Where the broker's time goes while it is written to: functions by their own time, and system calls.
 *
 * Owns a throwaway look, not a figure: profiling slows the broker, so rates from here are compared with nothing.
 */
import { once } from "node:events"
import { readdirSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { Client } from "./client.js"
import type { Generator } from "./generator.js"
import { warmMemory } from "./machine.js"
import { type Processes, stop } from "./processes.js"
import { host, type System, withCpu } from "./systems.js"

const partitions = 4
const recordBytes = 1000
const records = 2_000_000
const shown = 40
const systemCallsShown = 25

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

/** Functions with the most own time, in ms and as share of the time the thread was busy. */
export function topFunctions(
  profile: CpuProfile,
  count: number,
): { readonly name: string; readonly ms: number; readonly share: number }[] {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node.callFrame]))
  const own = new Map<string, number>()
  let total = 0
  profile.samples.forEach((id, index) => {
    const { functionName, url, lineNumber } = nodes.get(id)!
    if (functionName === "(idle)") return
    const name = `${functionName || "(anonymous)"} ${url.split("/").at(-1)}:${lineNumber + 1}`
    const us = profile.timeDeltas[index] ?? 0
    own.set(name, (own.get(name) ?? 0) + us)
    total += us
  })
  return [...own]
    .sort((a, b) => b[1] - a[1])
    .slice(0, count)
    .map(([name, us]) => ({ name, ms: us / 1000, share: us / total }))
}

export async function profileProduce(bench: {
  readonly processes: Processes
  readonly system: System
  readonly generator: Generator
  readonly directory: string
  readonly work: string
  readonly say: (line: string) => void
}): Promise<void> {
  const profiles = join(bench.work, "profile")
  rmSync(profiles, { recursive: true, force: true })
  await load(bench, [process.execPath, "--cpu-prof", `--cpu-prof-dir=${profiles}`])
  const name = readdirSync(profiles).find((file) => file.endsWith(".cpuprofile"))
  if (name === undefined) throw new Error("the broker left no profile")
  for (const { name: what, ms, share } of topFunctions(JSON.parse(readFileSync(join(profiles, name), "utf8")), shown)) {
    process.stdout.write(`${ms.toFixed(0).padStart(7)} ms ${(share * 100).toFixed(1).padStart(5)} %  ${what}\n`)
  }
  const counts = join(bench.work, "strace.txt")
  try {
    await bench.processes.run("strace", ["-V"])
  } catch {
    bench.say("no system calls, as there is no strace")
    return
  }
  // Attached, so that the broker is still our own child: strace as its parent would be what gets the signal to stop.
  await load(bench, [process.execPath], async (pid, produce) => {
    const tracer = bench.processes.start("strace", ["-f", "-c", "-o", counts, "-p", String(pid)])
    await once(tracer.stderr!, "data")
    await produce()
    await stop(tracer, "SIGINT")
  })
  process.stdout.write(`\n${readFileSync(counts, "utf8").split("\n").slice(0, systemCallsShown).join("\n")}\n`)
}

async function load(
  { system, directory, generator, say }: Parameters<typeof profileProduce>[0],
  command: readonly string[],
  around: (pid: number, produce: () => Promise<void>) => Promise<void> = (_pid, produce) => produce(),
): Promise<void> {
  const data = join(directory, "profile")
  rmSync(data, { recursive: true, force: true })
  await system.prepare(data)
  const server = await system.start(data, command)
  try {
    const client = await Client.connect(host, server.port)
    await client.createTopic("load", partitions)
    client.close()
    warmMemory(directory, records * recordBytes * 1.25)
    await around(server.pid, async () => {
      const { result, cpu } = await withCpu(server, () =>
        generator.produce({ port: server.port, topic: "load", partitions, records, recordBytes }),
      )
      const perGb = cpu === undefined ? "-" : (cpu / ((records * recordBytes) / 1e9)).toFixed(2)
      say(`${Math.round(result.rate).toLocaleString("en-US")} records/s, ${perGb} CPU-s/GB, while watched`)
    })
  } finally {
    await server.stop()
    rmSync(data, { recursive: true, force: true })
  }
}
