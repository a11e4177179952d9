/**
 * `createBroker`: a whole broker in this process, in a few milliseconds, in real time.
 *
 * Owns reading the options and putting the parts together: the simulated world without faults or latencies, the driver that runs it by real time, ports and directories where they are wanted. Invariant: after `close` no
 * socket, file or timer of it is left.
 */
import { ConfigError } from "../client/errors.js"
import { wallStartMs } from "../sim/clock.js"
import { World } from "../sim/world.js"
import { Broker, type BrokerState, healDisks } from "./broker.js"
import { TestCluster, type WorldTime } from "./cluster.js"
import { directoryFiles } from "./directory-files.js"
import { exemptFrom, faultGate } from "./fault-gate.js"
import { Faults } from "./faults.js"
import { LiveTime } from "./live-time.js"
import type { TopicSpec } from "./observer.js"
import type { RealWorld } from "./real-world.js"
import { TcpPort } from "./tcp-port.js"

export interface BrokerOptions {
  /** A port of 127.0.0.1 for any Kafka client; 0: a free one; with three brokers, that one and the two after it. Default: none, and `client()` connects in memory. */
  readonly port?: number | false
  /** Default: "memory". A directory keeps everything as a server would, one folder for each broker. */
  readonly storage?: "memory" | { readonly directory: string }
  /** Of server.properties, by Kafka's names. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>
  /** Made at once: a number of partitions, or more. */
  readonly topics?: Readonly<Record<string, number | TopicSpec>>
  /** Default: 1. */
  readonly brokers?: 1 | 3
  /** Of ids and the like: the same seed gives the same ones. Default: 1. */
  readonly seed?: string | number
  /** "manual": time passes only by `clock.advance`, and while `until` waits. Default: "real", with `advance` on top. */
  readonly clock?: "real" | "manual"
}

/** Resolves with brokers that serve. Errors: ConfigError, naming the option; StartError; NetworkError for a port that is taken. */
export async function createBroker(options: BrokerOptions, real: RealWorld, state?: BrokerState): Promise<Broker> {
  check(options)
  const { brokers = 1, seed = 1, storage = "memory", port = false } = options
  const hasRealWork = storage !== "memory" || port !== false
  const wallMs = state?.wallMs ?? real.wallMs()
  const world = quietWorld(seed, wallMs)
  const live = new LiveTime(world.scheduler, real, options.clock === "manual", hasRealWork)
  const time = liveWorldTime(live, () => cluster)
  const track = <T>(call: Promise<T>) => live.track(call)
  const failures: string[] = []
  const faults = new Faults(
    (chance) => world.random.chance(chance),
    () => healDisks(cluster, noTime),
  )
  const ports: TcpPort[] = []
  const endAll = async () => {
    if (storage === "memory") for (const { id } of cluster.members) cluster.crash(id)
    else await Promise.all(cluster.members.map(({ id }) => cluster.stop(id)))
    for (const { files } of cluster.members) await files?.abandon()
    await Promise.all(ports.map((each) => each.close()))
    for (const machine of [cluster.clients, cluster.observer]) machine.crash("kill")
    live.close()
  }
  if (port !== false)
    for (let index = 0; index < brokers; index++) ports.push(await takePort(real, port, index, ports, track))
  const cluster: TestCluster = new TestCluster(world, time, {
    count: brokers,
    settings: textsOf(options.settings ?? {}),
    ports,
    files: storage === "memory" ? undefined : directoryFiles(real.disk, storage.directory, track),
    gate: faultGate(faults, time, () => exempt),
    onFatal: (id, reason) => void failures.push(`broker ${id}: ${reason}`),
  })
  const exempt = exemptFrom(cluster)
  live.keepAliveFor([cluster.clients.incarnation, cluster.observer.incarnation])
  healDisks(cluster, noTime)
  try {
    if (state !== undefined) cluster.putDisks(state.disks)
    const startedMs = live.nowMs
    await cluster.start()
    // What the start skipped is not to stand between the broker's date and the test's.
    for (const { clock } of world.nodes.values()) clock.jump(startedMs - live.nowMs)
    const broker = new Broker({
      world,
      cluster,
      time,
      faults,
      failures,
      isInMemory: storage === "memory",
      fork: (copied) => createBroker({ ...options, topics: {}, ...(port !== false && { port: 0 }) }, real, copied),
      onClosed: endAll,
    })
    await time.passUntil(broker.createTopics(options.topics ?? {}))
    return broker
  } catch (error) {
    await endAll()
    throw error
  }
}

const noTime = { latencyNs: { least: 0, spread: 0 }, syncLatencyNs: { least: 0, spread: 0 } } as const

/** A world in which nothing goes wrong, and nothing takes time, unless it is told to. */
function quietWorld(seed: string | number, wallMs: number): World {
  return new World(seed, {
    network: { latencyNs: { least: 0, spread: 0 }, chunkBytesMax: 1 << 20 },
    interleaveChance: 0,
    buggifyArmChance: 0,
    nodes: { disk: { writeBackChance: 0 }, clock: { wallSkewMs: wallMs - wallStartMs } },
  })
}

function liveWorldTime(live: LiveTime, cluster: () => TestCluster): WorldTime {
  return {
    envOf: (machine) => live.envOf(machine),
    passUntil: async (work) => (await live.hurry(work)).result,
    advance: (ms) => live.advance(ms),
    sleep: (ms) =>
      live.isManual
        ? live.advance(ms)
        : new Promise((resolve) => void live.envOf(cluster().observer).timers.after(ms, resolve)),
  }
}

async function takePort(
  real: RealWorld,
  wanted: number,
  index: number,
  taken: readonly TcpPort[],
  track: <T>(call: Promise<T>) => Promise<T>,
): Promise<TcpPort> {
  try {
    return await TcpPort.take(real.network, wanted === 0 ? 0 : wanted + index, track)
  } catch (error) {
    await Promise.all(taken.map((each) => each.close()))
    throw error
  }
}

const textsOf = (settings: NonNullable<BrokerOptions["settings"]>): Record<string, string> =>
  Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, String(value)]))

const known = ["port", "storage", "settings", "topics", "brokers", "seed", "clock"]

function check(options: BrokerOptions): void {
  const { port = false, storage = "memory", brokers = 1, clock = "real" } = options
  const fail = (message: string): never => {
    throw new ConfigError(`createBroker: ${message}`)
  }
  for (const name of Object.keys(options))
    if (!known.includes(name)) fail(`there is no option ${name}; there are ${known.join(", ")}`)
  if (port !== false && !(Number.isInteger(port) && port >= 0 && port <= 65_535))
    fail(`port: ${String(port)} is no port; write 0 for a free one, or false for none`)
  if (brokers !== 1 && brokers !== 3) fail(`brokers: ${String(brokers)} is neither 1 nor 3`)
  if (clock !== "real" && clock !== "manual") fail(`clock: ${String(clock)} is neither "real" nor "manual"`)
  if (storage !== "memory" && typeof storage?.directory !== "string")
    fail(`storage: write "memory", or { directory: "some/path" }`)
}
