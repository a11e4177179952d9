/**
 * A broker, or three, inside the process of a test.
 *
 * Owns what a test does to it: clients, time, faults, lives, copies, looks. The nodes are whole (`cluster.ts`), what they run on is the simulated world. Time is its driver's, so the same broker runs in real time
 * (`create-broker.ts`) and in none (`simulate.ts`).
 */
import type { ConsumerRecord } from "../client/consumer/record.js"
import { ClientCore } from "../client/core.js"
import { ClosedError, ConfigError } from "../client/errors.js"
import type { ClientOptions } from "../client/options.js"
import type { Producer, ProducerRecord, RecordMetadata } from "../client/producer/producer.js"
import type { Env } from "../env/env.js"
import { defaultDiskOptions, type DiskOptions, type SimulatedDisk } from "../sim/disk.js"
import type { Names } from "../sim/names.js"
import type { LogLine, World } from "../sim/world.js"
import type { TestCluster, WorldTime } from "./cluster.js"
import { type Duration, durationMs } from "./duration.js"
import type { Faults } from "./faults.js"
import { Observer, type TopicSpec, type TopicState } from "./observer.js"
import { Until } from "./until.js"

export interface BrokerParts {
  readonly world: World
  readonly cluster: TestCluster
  readonly time: WorldTime
  readonly faults: Faults
  /** Why nodes stopped by themselves. */
  readonly failures: readonly string[]
  /** False: files are real, and neither fail nor are copied on demand. */
  readonly isInMemory: boolean
  fork(state: BrokerState): Promise<Broker>
  onClosed(): Promise<void>
}

/** Everything that a broker, or three, have on their disks, and the time it was. Made by `snapshot`; may be restored any number of times. */
export class BrokerState {
  constructor(
    readonly disks: readonly Names[],
    readonly wallMs: number,
  ) {}
}

export interface BrokerClock {
  /** Milliseconds since 1970, by the brokers' clock. */
  readonly nowMs: number
  /** Time passes at once: "8 days", "1h 30m", or milliseconds. Resolves when what was due meanwhile has been done. */
  advance(duration: Duration): Promise<void>
}

/** Of one broker's disk, or of all. `faults.clear()` ends what is said here. */
export interface BrokerDisk {
  /** No byte more fits on it. */
  full(): void
  /** Each call takes so long. */
  slow(duration: Duration): void
  /** Writes and syncs fail from now on. A broker whose only disk fails stops by itself: see `failures`; `restart` it after `faults.clear()`. */
  fail(): void
}

export interface CrashOptions {
  /** Default: all that run. */
  readonly broker?: number
  /** Also what was not synced is lost, as when the machine loses power. */
  readonly power?: boolean
}

/** How much of the world's time clients have to close: more than a delivery may take. */
const clientCloseMsMax = 300_000

export class Broker implements AsyncDisposable {
  readonly clock: BrokerClock
  readonly faults: Faults
  readonly disk: BrokerDisk
  readonly until: Until
  readonly #observer: Observer
  #own: { readonly client: ClientCore; readonly producer: Producer } | undefined
  readonly #clients = new Set<ClientCore>()
  #closing: Promise<void> | undefined

  constructor(private readonly parts: BrokerParts) {
    const { cluster, time, faults } = parts
    this.#observer = new Observer(cluster, () => this.#envOf("observer").network)
    this.clock = {
      get nowMs() {
        return time.envOf(cluster.observer).clock.wallMs()
      },
      advance: async (duration) => time.advance(durationMs(duration)),
    }
    this.faults = faults
    this.disk = this.diskOf()
    this.until = new Until(this.#observer, time, () => this.#envOf("observer").clock.monotonicMs())
  }

  #envOf(machine: "clients" | "observer"): Env {
    const { cluster, time } = this.parts
    const env = time.envOf(cluster[machine])
    return { ...env, network: cluster.networkFor(env.network) }
  }

  /** "127.0.0.1:PORT" with a port, for any Kafka client; otherwise a name that only `client()` knows. Three brokers: three of them, with commas. */
  get bootstrap(): string {
    return this.parts.cluster.bootstrap
  }

  /** What the brokers have said, the latest two thousand lines. */
  get log(): readonly LogLine[] {
    return this.parts.world.logLines
  }

  /** Why brokers stopped by themselves, in the order in which they did. */
  get failures(): readonly string[] {
    return this.parts.failures
  }

  /** The ids of brokers that run. */
  get running(): readonly number[] {
    return this.parts.cluster.members.filter(({ node }) => node !== undefined).map(({ id }) => id)
  }

  /** A client of its own, connected in memory, whose clock is the broker's. `close` of the broker closes it. */
  client(options: Omit<ClientOptions, "bootstrap"> = {}): ClientCore {
    this.#mustBeOpen()
    const forget = (closed: ClientCore) => void this.#clients.delete(closed)
    const client = new BrokerClient(this.#envOf("clients"), { ...options, bootstrap: this.bootstrap }, forget)
    this.#clients.add(client)
    return client
  }

  #mustBeOpen(): void {
    if (this.#closing !== undefined) throw new ClosedError("the broker")
  }

  // What is in it.

  /** Errors: BrokerError, with what the broker says to it. */
  createTopics(topics: Readonly<Record<string, number | TopicSpec>>): Promise<void> {
    this.#mustBeOpen()
    return this.#observer.createTopics(topics)
  }

  /** All topics with their partitions, ends of logs, leaders; internal ones too. */
  topics(): Promise<TopicState[]> {
    this.#mustBeOpen()
    return this.#observer.topics()
  }

  /** Everything a topic holds, by partition and offset. */
  records(topic: string): Promise<ConsumerRecord[]> {
    this.#mustBeOpen()
    return this.#observer.records(topic)
  }

  /** Stores records, untouched by `faults`; a text is a record with that value. Resolves when they are stored. */
  produce(topic: string, ...records: readonly (string | Omit<ProducerRecord, "topic">)[]): Promise<RecordMetadata[]> {
    this.#mustBeOpen()
    if (this.#own === undefined) {
      const client = new ClientCore(this.#envOf("observer"), { bootstrap: this.bootstrap, clientId: "ottla-testing" })
      this.#own = { client, producer: client.producer({ lingerMs: 0 }) }
    }
    return this.#own.producer.sendAll(
      records.map((record) => (typeof record === "string" ? { topic, value: record } : { ...record, topic })),
    )
  }

  // Faults.

  diskOf(broker?: number): BrokerDisk {
    const { cluster } = this.parts
    const each = (change: (disk: SimulatedDisk) => void) => {
      this.#mustBeOpen()
      this.#mustBeInMemory("disk faults")
      for (const { id, machine } of cluster.members) if (broker === undefined || broker === id) change(machine.disk)
    }
    if (broker !== undefined) cluster.member(broker)
    return {
      full: () => each((disk) => void (disk.options.capacityBytes = disk.usedBytes)),
      slow: (duration) => {
        const range = { least: durationMs(duration) * 1e6, spread: 0 }
        each((disk) => void Object.assign(disk.options, { latencyNs: range, syncLatencyNs: range }))
      },
      fail: () => each((disk) => void Object.assign(disk.options, { syncErrorChance: 1, writeErrorChance: 1 })),
    }
  }

  #mustBeInMemory(what: string): void {
    if (!this.parts.isInMemory)
      throw new ConfigError(
        `${what}: files are real with storage { directory }; leave storage out, or set it to "memory"`,
      )
  }

  /** Brokers die at once, and say goodbye to nobody. */
  async crash({ broker, power = false }: CrashOptions = {}): Promise<void> {
    this.#mustBeOpen()
    if (power) this.#mustBeInMemory("crash: power")
    const { cluster } = this.parts
    for (const id of broker === undefined ? this.running : [cluster.member(broker).id])
      cluster.crash(id, power ? "power" : "kill")
  }

  /** Stops cleanly, as for maintenance. */
  async stop(broker?: number): Promise<void> {
    this.#mustBeOpen()
    const ids = broker === undefined ? this.running : [broker]
    await Promise.all(ids.map((id) => this.parts.cluster.stop(id)))
  }

  /** Starts what does not run, on what its disk holds; what runs is stopped cleanly first. Errors: StartError. */
  async restart(broker?: number): Promise<void> {
    this.#mustBeOpen()
    const { cluster } = this.parts
    const ids = broker === undefined ? cluster.members.map(({ id }) => id) : [cluster.member(broker).id]
    await Promise.all(ids.filter((id) => this.running.includes(id)).map((id) => cluster.stop(id)))
    await cluster.start(ids)
  }

  // Copies.

  /** A copy of everything on the disks: what is acknowledged is in it. Cheap: a copy of the bytes. */
  async snapshot(): Promise<BrokerState> {
    this.#mustBeOpen()
    this.#mustBeInMemory("snapshot")
    return new BrokerState(this.parts.cluster.copyDisks(), this.clock.nowMs)
  }

  /** Back to what was: brokers stop at once and start on the copy, under the same addresses. Clients connect again. Time goes on. */
  async restore(state: BrokerState): Promise<void> {
    this.#mustBeOpen()
    this.#mustBeInMemory("restore")
    const { cluster } = this.parts
    if (state.disks.length !== cluster.members.length)
      throw new ConfigError(
        `restore: the state is of ${state.disks.length} brokers, here are ${cluster.members.length}`,
      )
    await this.crash()
    cluster.putDisks(state.disks)
    await cluster.start()
  }

  /** Another broker with a copy of everything, and its own time from now on. With a port, it has another one. */
  async fork(): Promise<Broker> {
    return this.parts.fork(await this.snapshot())
  }

  /** Ends everything: clients, brokers, time. Nothing is left behind. What clients had not sent is given up. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const { cluster, time, onClosed } = this.parts
    this.#observer.close()
    const clients = [...this.#clients, ...(this.#own === undefined ? [] : [this.#own.client])]
    // A producer waits for its records, and a member of a group says goodbye; nobody may be there to hear it.
    const patience = new Promise<void>((resolve) =>
      time.envOf(cluster.observer).timers.after(clientCloseMsMax, () => resolve()),
    )
    const closed = Promise.allSettled(clients.map((client) => client.close()))
    if (clients.length > 0) await time.passUntil(Promise.race([closed, patience]))
    await onClosed()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** Disks that work, have room, and take their usual time. */
export function healDisks(cluster: TestCluster, usual: Pick<DiskOptions, "latencyNs" | "syncLatencyNs">): void {
  const { capacityBytes } = defaultDiskOptions
  for (const { machine } of cluster.members) {
    machine.disk.heal()
    Object.assign(machine.disk.options, { capacityBytes, ...usual })
  }
}

/** A client that says when it is closed. */
class BrokerClient extends ClientCore {
  constructor(
    env: Env,
    options: ClientOptions,
    private readonly onClosed: (client: BrokerClient) => void,
  ) {
    super(env, options)
  }

  override close(): Promise<void> {
    this.onClosed(this)
    return super.close()
  }
}
