/**
 * What every group of measurements is given, and the frame all of them share.
 *
 * Owns the order of runs (the systems by turns) and that a run's data is gone after it. Groups add samples and nothing else.
 */
import { once } from "node:events"
import { rmSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Client } from "./client.js"
import { ClusterClient } from "./cluster-client.js"
import { Cluster, type ClusterSystem } from "./clusters.js"
import type { Generator } from "./generator.js"
import { settleDisk, warmMemory } from "./machine.js"
import type { Processes } from "./processes.js"
import type { Samples } from "./report.js"
import { host, type Server, type System } from "./systems.js"

export interface Context {
  readonly processes: Processes
  /** Ottla first, then the peer if there is one. */
  readonly systems: readonly System[]
  /** The same, as clusters of three. */
  readonly clusters: readonly ClusterSystem[]
  readonly generator: Generator
  /** Path of the compiled `limits.c`, or why there is none. */
  readonly limits: { readonly path: string } | { readonly missing: string }
  readonly directory: string
  readonly quick: boolean
  readonly runs: number
  readonly samples: Samples
  /** Rows asked for. */
  readonly rows: ReadonlySet<string>
  say(line: string): void
}

/** More than is written: the page allocator does not hand out the same pages in the same order, and the load generator takes some too. */
const warmFactor = 1.25
const warmExtraBytes = 500_000_000
const heldBytesMax = 6_000_000_000

const limitWorkerPath = fileURLToPath(new URL("./limit-worker.js", import.meta.url))

/**
 * Right before a load, which must be over in a few seconds: freed pages were measured to be warm still after 4 s, and with the hypervisor
 * again after 10 s. That is why loads are no larger than they are.
 */
export function warm(context: Context, bytes: number): void {
  settleDisk()
  warmMemory(context.directory, bytes * warmFactor + warmExtraBytes)
}

/** As `warm`, for a load that begins later: the memory is kept warm, and free when what is returned is called. */
export async function keepWarm(context: Context, bytes: number): Promise<() => void> {
  settleDisk()
  const held = Math.min(bytes * warmFactor + warmExtraBytes, heldBytesMax)
  const holder = context.processes.start(process.execPath, [limitWorkerPath, "hold", String(held)])
  await once(holder.stdout!, "data")
  return () => void holder.kill("SIGKILL")
}

/** A fresh broker for `work`, stopped and its data deleted afterwards, whatever happens. */
export async function onFreshServer(
  context: Context,
  system: System,
  work: (server: Server, client: Client) => Promise<void>,
): Promise<void> {
  const directory = join(context.directory, system.name)
  rmSync(directory, { recursive: true, force: true })
  await system.prepare(directory)
  const server = await system.start(directory)
  try {
    const client = await Client.connect(host, server.port)
    try {
      await work(server, client)
    } finally {
      client.close()
    }
  } finally {
    await server.kill()
    rmSync(directory, { recursive: true, force: true })
    settleDisk()
  }
}

/** As `onFreshServer`, with a fresh cluster of three. */
export async function onFreshCluster(
  context: Context,
  system: ClusterSystem,
  work: (cluster: Cluster, client: ClusterClient) => Promise<void>,
): Promise<void> {
  const directory = join(context.directory, `${system.name}-cluster`)
  rmSync(directory, { recursive: true, force: true })
  await system.prepare(directory)
  const cluster = new Cluster(system, directory)
  try {
    await cluster.start()
    const client = new ClusterClient(cluster.ports)
    try {
      await work(cluster, client)
    } finally {
      client.close()
    }
  } finally {
    await cluster.kill()
    rmSync(directory, { recursive: true, force: true })
    settleDisk()
  }
}

/** A B A B ...: what changes on the machine meanwhile touches both alike. A system that fails is left out of this group, with the reason. */
export const alternate = (
  context: Context,
  group: string,
  run: (system: System, index: number) => Promise<void>,
  systems: readonly System[] = context.systems,
): Promise<void> => byTurns(context, group, systems, run)

export async function byTurns<S extends Pick<System, "name" | "title">>(
  context: Context,
  group: string,
  systems: readonly S[],
  run: (system: S, index: number) => Promise<void>,
): Promise<void> {
  const failed = new Set<string>()
  for (let index = 0; index < context.runs; index++) {
    for (const system of systems) {
      if (failed.has(system.name)) continue
      context.say(`${group}: ${system.title}, run ${index + 1} of ${context.runs}`)
      try {
        await run(system, index)
      } catch (error) {
        failed.add(system.name)
        const reason = (error as Error).message.split("\n")[0]!
        context.samples.skipped.set(`${group}, ${system.title}, from run ${index + 1} on`, reason)
        context.say(`${group}: ${system.title} failed: ${(error as Error).message}`)
      }
    }
  }
}
