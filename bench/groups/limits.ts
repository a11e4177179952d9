/**
 * The floors: what socket, disk and sendfile do without a broker, in the same run.
 *
 * Owns which floor stands beside which figure. Floors in C are skipped, with the reason, where nothing can compile them.
 */
import { spawnSync } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { type Context, warm } from "../context.js"
import { warmMemory } from "../machine.js"

const workerPath = fileURLToPath(new URL("../limit-worker.js", import.meta.url))
const recordBytes = 1000
const fileBytes = 1_000_000_000
/** What a follower that catches up writes in a quick run. */
const copiedBytes = 2_000_000_000

export async function limits(context: Context): Promise<void> {
  const { samples } = context
  const bytes = context.quick ? 2_000_000_000 : 6_000_000_000
  mkdirSync(context.directory, { recursive: true })
  for (let index = 0; index < context.runs; index++) {
    context.say(`limits: run ${index + 1} of ${context.runs}`)
    const sink = await nodeSink(context, bytes)
    floor(context, "limits/sink-node", sink, ["produce-1k"])
    const disk = await syncs(context)
    const catchUp = (copied: number) => {
      if (!context.rows.has("catch-up")) return
      samples.add("catch-up/rate", "limit", Math.min(disk, sink.bytesPerSecond / 1e6, copied))
    }
    if ("missing" in context.limits) {
      catchUp(Number.POSITIVE_INFINITY)
      continue
    }
    const write = await inC(context, ["sink", String(bytes)])
    floor(context, "limits/write", write, ["consume-recent"])
    const file = join(context.directory, "sendfile")
    try {
      spawnSync("dd", ["if=/dev/zero", `of=${file}`, "bs=1000000", `count=${fileBytes / 1e6}`, "status=none"])
      const sendfile = await inC(context, ["sendfile", file, String(bytes)])
      floor(context, "limits/sendfile", sendfile, ["drain-cached"])
      const target = join(context.directory, "copy")
      warm(context, copiedBytes)
      const copy = (await inC(context, ["copy", file, target, String(copiedBytes)])).bytesPerSecond / 1e6
      rmSync(target, { force: true })
      samples.add("limits/copy/rate", "limit", copy)
      catchUp(copy)
    } finally {
      rmSync(file, { force: true })
    }
  }
  if ("missing" in context.limits) samples.skipped.set("limits/write and limits/sendfile", context.limits.missing)
}

interface Floor {
  readonly bytesPerSecond: number
  readonly cpuPerGb: number
}

function floor(
  { samples, rows }: Context,
  id: string,
  { bytesPerSecond, cpuPerGb }: Floor,
  besides: readonly string[],
): void {
  samples.add(`${id}/rate`, "limit", bytesPerSecond / 1e6)
  samples.add(`${id}/cpu`, "limit", cpuPerGb)
  for (const row of besides) {
    if (!rows.has(row)) continue
    samples.add(`${row}/rate`, "limit", bytesPerSecond / recordBytes)
    samples.add(`${row}/cpu`, "limit", cpuPerGb)
  }
}

async function nodeSink({ processes }: Context, bytes: number): Promise<Floor> {
  const sender = processes.start(process.execPath, [workerPath, "send", String(bytes)])
  const [port] = (await once(sender.stdout!, "data")) as [Buffer]
  const output = await processes.run(process.execPath, [workerPath, "receive", String(port).trim()])
  const read = JSON.parse(output) as { bytes: number; seconds: number; cpu: number }
  return { bytesPerSecond: read.bytes / read.seconds, cpuPerGb: read.cpu / (read.bytes / 1e9) }
}

async function inC({ processes, limits: built }: Context, args: readonly string[]): Promise<Floor> {
  const output = await processes.run((built as { path: string }).path, args)
  const [seconds, sender] = output.trim().split(" ").map(Number) as [number, number, number]
  const bytes = Number(args.at(-1))
  return { bytesPerSecond: bytes / seconds, cpuPerGb: sender / (bytes / 1e9) }
}

/** MB/s of large appends. */
async function syncs(context: Context): Promise<number> {
  const one = async (groupBytes: number, rounds: number, everyMs = 0) => {
    warmMemory(context.directory, groupBytes * rounds)
    const args = [workerPath, "sync", context.directory, ...[groupBytes, rounds, everyMs].map(String)]
    return JSON.parse(await context.processes.run(process.execPath, args)) as {
      p50Ms: number
      p99Ms: number
      bytesPerSecond: number
    }
  }
  const small = await one(16 << 10, 1000)
  context.samples.add("limits/sync-16k/p50", "limit", small.p50Ms)
  context.samples.add("limits/sync-16k/p99", "limit", small.p99Ms)
  context.samples.add("limits/sync-1m/rate", "limit", (await one(1 << 20, 500)).bytesPerSecond / 1e6)
  const large = (await one(8 << 20, 100)).bytesPerSecond / 1e6
  context.samples.add("limits/sync-8m/rate", "limit", large)
  const [, beside] = await Promise.all([one(8 << 20, 200), one(recordBytes, 200, 5)])
  context.samples.add("limits/sync-beside/p99", "limit", beside.p99Ms)
  if (context.rows.has("catch-up")) context.samples.add("catch-up/beside/p99", "limit", beside.p99Ms)
  return large
}
