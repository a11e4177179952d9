/**
 * What befalls the brokers of a simulated world while a test's code runs, drawn from its seed.
 *
 * Owns the order of misfortunes: kills, power cuts, links that are cut or slow, connections that break; and that everything is mended at the end. Fault model: of three brokers two are always there or coming up; a
 * single one may be away. What is acknowledged must survive all of it, for records are acknowledged when they are on disk.
 */
import type { SeededRandom } from "../sim/random.js"
import type { World } from "../sim/world.js"
import type { Member, TestCluster } from "./cluster.js"

export interface FaultKinds {
  /** Default of each: true. */
  readonly kills?: boolean
  readonly powerCuts?: boolean
  readonly partitions?: boolean
  readonly delays?: boolean
  readonly resets?: boolean
}

export interface Misfortune {
  /** Virtual, since the world began. */
  readonly atMs: number
  readonly what: string
}

const kinds = ["kills", "powerCuts", "partitions", "delays", "resets"] as const

/** How long a time between two misfortunes, and how long one lasts. */
const pauseMs = { least: 50, most: 3_000 }
const lastsMs = { least: 20, most: 5_000 }

export class WorldFaults {
  readonly happened: Misfortune[] = []
  #running: Promise<void> | undefined
  #isOver = false

  constructor(
    private readonly world: World,
    private readonly cluster: TestCluster,
    private readonly random: SeededRandom,
  ) {}

  /** From now on things go wrong, one after the other, until `end`. */
  begin(wanted: FaultKinds = {}): void {
    if (this.#running !== undefined) return
    const chosen = kinds.filter((kind) => wanted[kind] ?? true)
    this.#isOver = false
    if (chosen.length > 0) this.#running = this.#run(chosen)
  }

  /** Resolves when everything is mended, and every broker serves. */
  async end(): Promise<void> {
    this.#isOver = true
    await this.#running
    this.#running = undefined
    this.world.network.heal()
    const down = this.cluster.members.filter(({ node }) => node === undefined).map(({ id }) => id)
    await this.cluster.start(down)
  }

  async #run(chosen: readonly (typeof kinds)[number][]): Promise<void> {
    while (!this.#isOver) {
      await this.world.sleep(this.random.between(pauseMs.least, pauseMs.most))
      if (this.#isOver) return
      const member = this.random.pick(this.cluster.members)
      if (member.node !== undefined) await this.#strike(this.random.pick(chosen), member)
    }
  }

  async #strike(kind: (typeof kinds)[number], member: Member): Promise<void> {
    const { world, random } = this
    const { network } = world
    const { id } = member
    const { name } = member.machine
    const ms = random.magnitude(lastsMs.least, lastsMs.most)
    switch (kind) {
      case "kills":
      case "powerCuts": {
        const how = kind === "kills" ? "kill" : "power"
        this.#note(`${name}: ${how === "kill" ? "killed" : "power cut"}, back after ${ms} ms`)
        this.cluster.crash(id, how)
        await world.sleep(ms)
        return this.cluster.start([id])
      }
      case "partitions": {
        const others = this.#others(name).filter(() => random.chance(0.7))
        this.#note(`${name}: cut off from ${others.join(", ") || "nobody"} for ${ms} ms`)
        for (const other of others) network.cutLink(name, other)
        await world.sleep(ms)
        for (const other of others) network.healLink(name, other)
        return
      }
      case "delays": {
        const leastNs = random.magnitude(1, 500) * 1e6
        this.#note(`${name}: answers take ${leastNs / 1e6} ms more, for ${ms} ms`)
        for (const other of this.#others(name)) network.slowLink(name, other, { least: leastNs, spread: leastNs })
        await world.sleep(ms)
        for (const other of this.#others(name)) network.quickLink(name, other)
        return
      }
      case "resets":
        this.#note(`${name}: its clients' connections break`)
        for (const connection of network.connections)
          if (connection.machine === member.machine && connection.peer.machine === this.cluster.clients)
            connection.reset()
    }
  }

  /** But the harness itself, which sees everything. */
  #others(name: string): string[] {
    const { members, clients } = this.cluster
    return [clients.name, ...members.map(({ machine }) => machine.name)].filter((each) => each !== name)
  }

  #note(what: string): void {
    this.happened.push({ atMs: this.world.nowMs, what })
  }
}
