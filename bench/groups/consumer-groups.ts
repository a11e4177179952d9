/**
 * Groups at scale: members that idle, a large group that settles, commits, and the load of what was committed.
 *
 * Owns the sizes. The load comes from another process (`group-load/`), the same for both systems, and speaks the protocol itself: no client would carry ten thousand members.
 */
import { rmSync } from "node:fs"
import { join } from "node:path"
import { coordinatorPartition } from "../../src/coordinator/coordinator-key.js"
import { Errors } from "../../src/protocol/errors.js"
import { offsetFetch } from "../../src/protocol/messages/offset-fetch.js"
import { Client } from "../client.js"
import { alternate, type Context, onFreshServer } from "../context.js"
import { coordinatorReady, isEarly, offsetsPartitions, pause } from "../group-load/coordinator.js"
import { runGroupLoad } from "../group-load/start-worker.js"
import { type GroupTask, storedGroup, storedOffset } from "../group-load/tasks.js"
import { cpuSeconds, residentBytes, settleDisk } from "../machine.js"
import { median } from "../statistics.js"
import { host, type Server, type System } from "../systems.js"

const topic = "work"
const membersPerGroup = 10
const heartbeatIntervalMs = 5000
const largeGroup = 1000
const commitConnections = 128
const commitsInFlight = 16
const storedPartitions = 100
const partitionsPerStoredCommit = 10
const offsetFetchVersion = 8
const askAgainMs = 2
const loadTimeoutMs = 120_000

export async function consumerGroups(context: Context): Promise<void> {
  if (context.quick) context.say("consumer-groups: quick, a tenth of the groups, members and stored offsets")
  const { rows } = context
  for (const protocol of ["classic", "consumer"] as const)
    if (rows.has(`heartbeats-${protocol}`)) await heartbeats(context, protocol)
  if (rows.has("group-settles")) await groupSettles(context)
  for (const partitions of [1, 10]) if (rows.has(`commits-${partitions}`)) await commits(context, partitions)
  if (rows.has("load-offsets")) await loadOffsets(context)
}

/** A fresh broker that coordinates groups and has a topic for them to read. */
const withGroups = (
  context: Context,
  system: System,
  partitions: number,
  work: (server: Server, client: Client) => Promise<void>,
): Promise<void> =>
  onFreshServer(context, system, async (server, client) => {
    await client.createTopic(topic, partitions)
    await coordinatorReady(client)
    await work(server, client)
  })

/** What the broker used, and what was done, while the load was steady. */
async function whileSteady(
  context: Context,
  server: Server,
  task: GroupTask,
): Promise<{ cpu: number | undefined; count: number; seconds: number }> {
  let before: number | undefined
  let result: { cpu: number | undefined; count: number; seconds: number } | undefined
  await runGroupLoad(context.processes, task, (event) => {
    if (event.event === "steady") before = cpuSeconds(server.pid)
    if (event.event !== "done") return
    const after = cpuSeconds(server.pid)
    const cpu = before === undefined || after === undefined ? undefined : after - before
    result = { cpu, count: event.count, seconds: event.seconds }
  })
  if (result === undefined) throw new Error("the load ended before it was done")
  return result
}

async function heartbeats(context: Context, protocol: "classic" | "consumer"): Promise<void> {
  await alternate(context, `heartbeats-${protocol}`, (system) =>
    withGroups(context, system, membersPerGroup, async (server) => {
      const { cpu, seconds } = await whileSteady(context, server, {
        task: "heartbeats",
        protocol,
        groups: context.quick ? 100 : 1000,
        membersPerGroup,
        heartbeatIntervalMs,
        port: server.port,
        topic,
        partitions: membersPerGroup,
        quietSeconds: context.quick ? 5 : 10,
        steadySeconds: context.quick ? 10 : 30,
      })
      const cores = cpu === undefined ? undefined : cpu / seconds
      context.samples.add(`heartbeats-${protocol}/cores`, system.name, cores)
    }),
  )
}

async function groupSettles(context: Context): Promise<void> {
  const members = context.quick ? largeGroup / 10 : largeGroup
  await alternate(context, "group-settles", (system) =>
    withGroups(context, system, members, async (server) => {
      const settledMs: number[] = []
      const task = { task: "settle", members, joins: 5, port: server.port, topic, partitions: members } as const
      await runGroupLoad(context.processes, task, (event) => {
        if (event.event === "settled") settledMs.push(event.ms)
      })
      const [first, ...joins] = settledMs
      context.samples.add("group-settles/first", system.name, first)
      context.samples.add("group-settles/time", system.name, median(joins))
    }),
  )
}

async function commits(context: Context, partitionsPerCommit: number): Promise<void> {
  const row = `commits-${partitionsPerCommit}`
  await alternate(context, row, (system) =>
    withGroups(context, system, partitionsPerCommit, async (server) => {
      const { cpu, count, seconds } = await whileSteady(context, server, {
        task: "commits",
        connections: commitConnections,
        inFlightPerConnection: commitsInFlight,
        partitionsPerCommit,
        port: server.port,
        topic,
        partitions: partitionsPerCommit,
        warmSeconds: context.quick ? 3 : 5,
        steadySeconds: context.quick ? 5 : 10,
      })
      context.samples.add(`${row}/rate`, system.name, count / seconds)
      context.samples.add(`${row}/cpu`, system.name, cpu === undefined ? undefined : (cpu / count) * 1e6)
    }),
  )
}

/** Each system loads what it wrote itself, once, by the same commits. */
async function loadOffsets(context: Context): Promise<void> {
  const groups = context.quick ? 1000 : 10_000
  const directoryOf = (system: System) => join(context.directory, `offsets-${system.name}`)
  try {
    await alternate(context, "load-offsets", async (system, index) => {
      const directory = directoryOf(system)
      if (index === 0) await storeOffsets(context, system, directory, groups)
      const started = performance.now()
      const server = await system.start(directory)
      try {
        const client = await Client.connect(host, server.port)
        await fetchOneOfEach(client, groups)
        context.samples.add("load-offsets/time", system.name, performance.now() - started)
        context.samples.add("load-offsets/cpu", system.name, cpuSeconds(server.pid))
        const resident = residentBytes(server.pid)
        context.samples.add("load-offsets/resident", system.name, resident === undefined ? undefined : resident / 1e6)
        client.close()
      } finally {
        await server.stop()
      }
    })
  } finally {
    for (const system of context.systems) rmSync(directoryOf(system), { recursive: true, force: true })
  }
}

async function storeOffsets(context: Context, system: System, directory: string, groups: number): Promise<void> {
  context.say(`load-offsets: ${system.title} stores ${groups * storedPartitions} offsets, once`)
  rmSync(directory, { recursive: true, force: true })
  await system.prepare(directory)
  const server = await system.start(directory)
  try {
    const client = await Client.connect(host, server.port)
    await client.createTopic(topic, storedPartitions)
    await coordinatorReady(client)
    // A group of each partition has answered: all of them are loaded.
    await fetchOneOfEach(client, 0)
    client.close()
    const where = { port: server.port, topic, partitions: storedPartitions }
    await runGroupLoad(context.processes, {
      task: "store",
      groups,
      partitionsPerCommit: partitionsPerStoredCommit,
      ...where,
    })
  } finally {
    await server.stop()
  }
  settleDisk()
}

/** Of one group in each partition all offsets. The first `stored` groups must have theirs. */
async function fetchOneOfEach(client: Client, stored: number): Promise<void> {
  const waiting = new Map<string, number>()
  const seen = new Set<number>()
  for (let index = 0; seen.size < offsetsPartitions; index++) {
    const partition = coordinatorPartition(storedGroup(index), offsetsPartitions)
    if (seen.has(partition)) continue
    seen.add(partition)
    waiting.set(storedGroup(index), index)
  }
  for (const deadline = Date.now() + loadTimeoutMs; waiting.size > 0; ) {
    const groups = [...waiting.keys()].map((groupId) => ({ groupId, topics: null }))
    const response = await client.call(offsetFetch, offsetFetchVersion, { groupId: "", topics: [], groups })
    for (const { groupId, topics, errorCode } of response.groups) {
      if (isEarly(errorCode)) continue
      const index = waiting.get(groupId)!
      const partitions = topics.flatMap((each) => each.partitions)
      const isWhole =
        partitions.length === (index < stored ? storedPartitions : 0) &&
        partitions.every(
          ({ partitionIndex, committedOffset }) => committedOffset === storedOffset(index, partitionIndex),
        )
      if (errorCode !== Errors.NONE || !isWhole)
        throw new Error(`${groupId}: ${partitions.length} offsets, error ${errorCode}: not what was stored`)
      waiting.delete(groupId)
    }
    if (Date.now() > deadline) throw new Error(`${waiting.size} partitions of the offsets do not answer`)
    if (waiting.size > 0) await pause(askAgainMs)
  }
}
