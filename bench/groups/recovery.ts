/**
 * Start after `kill -9` with many partitions of many segments.
 *
 * Owns the data directory for it, written once by the broker itself with tiny segments and kept in the work folder: every run appends to each
 * partition, kills the broker and starts it again, so that each partition has a tail to recover. Ottla alone: its target is absolute.
 */
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs"
import { join } from "node:path"
import { Client } from "../client.js"
import { type Context, alternate } from "../context.js"
import { settleDisk } from "../machine.js"
import { makeBatch } from "../make-batch.js"
import { host, type System } from "../systems.js"

const topic = "many-segments"
const partitions = 1000
const segments = 100
const segmentBytes = 2048
/** Two of these do not fit into one segment: every append rolls. */
const batch = makeBatch(1, 1500)
const writersAtOnce = 64

export async function recovery(context: Context): Promise<void> {
  const [own] = context.systems
  const fixture = join(context.directory, "..", "segments")
  await alternate(
    context,
    "recovery",
    async (system) => {
      if (!existsSync(fixture)) await build(context, system, fixture)
      const before = await system.start(fixture)
      try {
        await appendToAll(before.port, 1)
      } finally {
        await before.kill()
      }
      const started = performance.now()
      const server = await system.start(fixture)
      try {
        const client = await Client.connect(host, server.port)
        await client.waitForLeaders(topic, partitions)
        let ends: number[] | undefined
        while (ends === undefined) ends = await client.endOffsets(topic, partitions)
        context.samples.add("recovery/time", system.name, performance.now() - started)
        client.close()
        const short = ends.findIndex((end) => end < segments)
        if (short >= 0) throw new Error(`${topic}-${short} ends at ${ends[short]} after the start, records are missing`)
      } finally {
        // Cleanly, so that the next run has as much to recover as this one, and not what this one left too.
        await server.stop()
      }
    },
    [own!],
  )
}

async function build(context: Context, system: System, fixture: string): Promise<void> {
  context.say(`recovery: writing ${partitions} partitions x ${segments} segments, once`)
  const unfinished = `${fixture}.unfinished`
  rmSync(unfinished, { recursive: true, force: true })
  mkdirSync(unfinished, { recursive: true })
  await system.prepare(unfinished)
  const server = await system.start(unfinished)
  try {
    const client = await Client.connect(host, server.port)
    await client.createTopic(topic, partitions, {
      "internal.segment.bytes": String(segmentBytes),
      "retention.ms": "-1",
    })
    client.close()
    await appendToAll(server.port, segments)
  } finally {
    await server.stop()
  }
  settleDisk()
  renameSync(unfinished, fixture)
}

async function appendToAll(port: number, times: number): Promise<void> {
  const client = await Client.connect(host, port)
  let next = 0
  const writer = async () => {
    while (next < partitions * times) await client.produce(topic, next++ % partitions, batch, 1)
  }
  await Promise.all(Array.from({ length: writersAtOnce }, writer))
  client.close()
}
