/**
 * What goes wrong in a cluster, and when.
 *
 * Owns the schedule of faults and their ends; which classes there are, how often and how hard they strike is drawn with the options. After `heal` nothing is broken. Faults are limited to what the topics'
 * policies promise to survive; where one goes beyond, the model is told before it strikes.
 */
import type { SimulatedNode } from "../../node.js"
import type { SeededRandom } from "../../random.js"
import type { World } from "../../world.js"
import type { ClusterModel } from "./model.js"
import type { NodeLife } from "./node-life.js"
import { beginOnMachine, capacityBytes } from "./machine-faults.js"
import type { FaultClass } from "./options.js"
import { type End, PartitionFaults, type Places } from "./partition-faults.js"
import type { Replays } from "./replays.js"

const openFilesMax = 4096
const pauseMsMax = 30_000

const diskFaults: readonly FaultClass[] = [
  "failed sync",
  "failed directory",
  "failed write",
  "failed read",
  "full disk",
]
/** Whether a log directory may fail, or a start. */
export const hasDiskFaults = (faults: readonly FaultClass[]): boolean =>
  diskFaults.some((each) => faults.includes(each))

export class ClusterFaults {
  /** A message-aware fault: whether messages are held up now. */
  holdsUpMessages = false
  readonly #active = new Set<End>()
  readonly #working = new Set<Promise<void>>()
  #isOver = false
  /** Pauses and hung disks end when they end: what waits for them cannot be hurried. */
  #lastPauseEndsMs = 0
  #hasNewDisk = false
  #areSwapped = false
  readonly partitions: PartitionFaults

  constructor(
    readonly model: ClusterModel,
    readonly lives: readonly NodeLife[],
    readonly clients: readonly SimulatedNode[],
    /** The node that leads the quorum, as far as anyone saw. */
    readonly activeController: () => NodeLife | undefined,
    places: Places,
    readonly replays: Replays,
    readonly random: SeededRandom,
  ) {
    const hands = {
      lives,
      takeDown: (down: readonly NodeLife[], power: boolean) => this.#takeDown(down, power),
      cut: (pairs: readonly (readonly [string, string])[], bothWays: boolean) => this.#cut(pairs, bothWays),
      replaceDisk: (life: NodeLife) => this.#replaceDisk(life),
    }
    this.partitions = new PartitionFaults(model, hands, places, random)
  }

  get world(): World {
    return this.model.world
  }

  /** Strikes until `heal`. */
  async run(): Promise<void> {
    const { options } = this.model
    const { random, world } = this
    while (!this.#isOver) {
      await world.sleep(random.between(1, 2 * options.faultGapMs))
      if (this.#isOver || options.faults.length === 0) return
      if (random.chance(0.1)) await world.sleep(random.int(5_000))
      if (this.#isOver || this.#active.size >= options.faultsAtOnce) continue
      const what = random.pick(options.faults)
      const ms = random.between(1, 2 * options.faultMs)
      const end = this.#begin(what, ms)
      if (end === undefined) continue
      this.model.counts.faults += 1
      world.scheduler.note("faults", what, ms)
      this.model.remark(() => `FAULT ${what} for ${ms} ms`)
      let isDone = false
      const once = () => {
        if (isDone) return
        isDone = true
        this.#active.delete(once)
        this.model.remark(() => `FAULT ${what} ends`)
        end()
      }
      this.#active.add(once)
      world.at(ms, `end of ${what}`, once)
    }
  }

  /** Ends everything; resolves when nothing is broken, though nodes may still be starting. */
  async heal(): Promise<void> {
    this.#isOver = true
    for (const end of [...this.#active]) end()
    this.world.network.heal()
    this.holdsUpMessages = false
    for (const { node } of this.lives) {
      node.disk.heal()
      node.disk.options.capacityBytes = capacityBytes
      node.disk.options.openFilesMax = openFilesMax
      node.clock.setDrift(0)
    }
    const busyUntilMs = this.lives.map(({ node }) => node.disk.busyUntilMs)
    await this.world.sleep(Math.max(0, ...[this.#lastPauseEndsMs, ...busyUntilMs].map((ms) => ms - this.world.nowMs)))
    await Promise.all(this.#working)
    // What a failing disk has told its process stays true for that process: only a start of the machine heals it.
    for (const life of this.lives) if (life.diskFailed) life.kill(true)
    for (const life of this.random.shuffle([...this.lives])) life.start()
  }

  #begin(what: FaultClass, ms: number): End | undefined {
    const { random, lives, world } = this
    const { options } = this.model
    const { network } = world
    const up = lives.filter(({ state }) => state !== "down")
    const leader = random.chance(options.aim) ? this.partitions.someLeader() : undefined
    const someone = leader !== undefined && up.includes(leader) ? leader : up.length === 0 ? undefined : random.pick(up)
    const names = lives.map(({ name }) => name)
    const clientNames = this.clients.map(({ name }) => name)
    switch (what) {
      case "kill":
        return someone && this.#takeDown([someone], false)
      case "power cut":
        return someone && this.#takeDown([someone], true)
      case "kill of a majority":
        return this.#takeDown(random.shuffle([...lives]).slice(0, Math.floor(lives.length / 2) + 1), random.chance(0.3))
      case "power cut of all":
        return this.#takeDown(lives, true)
      case "controller loss": {
        const active = this.activeController()
        return active === undefined ? undefined : this.#takeDown([active], random.chance(0.3))
      }
      case "pause": {
        const pauseMs = Math.min(ms, pauseMsMax)
        const node = random.chance(0.8) && someone !== undefined ? someone.node : random.pick(this.clients)
        this.#lastPauseEndsMs = Math.max(this.#lastPauseEndsMs, world.nowMs + pauseMs)
        node.pause(pauseMs)
        return () => {}
      }
      case "rolling restart":
        return this.#goesOn((goesOn) => this.#roll(goesOn))
      case "one leader after another":
        return this.#goesOn((goesOn) => this.partitions.oneLeaderAfterAnother(goesOn, world))
      case "leader cut from a follower":
        return this.partitions.leaderFromFollower()
      case "leader cut from all nodes":
        return this.partitions.leaderFromNodes()
      case "all replicas but one":
        return this.partitions.allButOne(() => !this.#isOver, world)
      case "empty disk first":
        if (!this.#mayReplaceDisk()) return undefined
        this.#hasNewDisk = true
        return this.partitions.emptyDiskFirst(() => !this.#isOver && !this.#areSwapped, world)
      case "messages again":
        return this.#goesOn(async (goesOn) => {
          while (goesOn()) {
            await this.replays.again(random.pick(this.clients))
            await world.sleep(random.between(1, options.replayGapMs))
          }
        })
      case "partition of one": {
        const one = random.pick(names)
        const others = names.filter((name) => name !== one)
        const withClients = random.chance(0.5) ? clientNames : []
        return this.#cut([one].flatMap((a) => [...others, ...withClients].map((b): [string, string] => [a, b])))
      }
      case "partition in two": {
        const everyone = random.shuffle([...names, ...clientNames])
        const half = random.between(1, everyone.length - 1)
        return this.#cut(
          everyone.slice(0, half).flatMap((a) => everyone.slice(half).map((b): [string, string] => [a, b])),
        )
      }
      case "one-way cut": {
        const [a, b] = random.shuffle([...names, ...(random.chance(0.3) ? clientNames : [])])
        return a === undefined || b === undefined ? undefined : this.#cut([[a, b]], false)
      }
      case "bridge": {
        if (names.length < 3) return undefined
        const [, ...others] = random.shuffle([...names])
        const half = Math.max(1, Math.floor(others.length / 2))
        return this.#cut(others.slice(0, half).flatMap((a) => others.slice(half).map((b): [string, string] => [a, b])))
      }
      case "ring": {
        if (names.length < 4) return undefined
        const ring = random.shuffle([...names])
        return this.#cut(
          ring.flatMap((a, i) =>
            ring.flatMap((b, j): [string, string][] =>
              j > i + 1 && !(i === 0 && j === ring.length - 1) ? [[a, b]] : [],
            ),
          ),
        )
      }
      case "clients cut off": {
        const some = names.filter(() => random.chance(0.5))
        const cutOff = clientNames.filter(() => random.chance(0.7))
        return this.#cut(
          some.flatMap((a) => cutOff.map((b): [string, string] => [a, b])),
          random.chance(0.7),
        )
      }
      case "controllers cut off": {
        const controllers = lives.filter(({ spec }) => spec.isController).map(({ name }) => name)
        const some = controllers.filter(() => random.chance(0.5))
        const others = names.filter((name) => !some.includes(name))
        return this.#cut(some.flatMap((a) => others.map((b): [string, string] => [a, b])))
      }
      case "slow links": {
        const leastMs = random.magnitude(1, 200)
        const spread = leastMs * 1e6
        const pairs = names.flatMap((a) =>
          names.flatMap((b): [string, string][] => (a !== b && random.chance(0.5) ? [[a, b]] : [])),
        )
        for (const [a, b] of pairs) network.slowLink(a, b, { least: leastMs * 1e6, spread })
        return () => {
          for (const [a, b] of pairs) network.quickLink(a, b)
        }
      }
      case "resets":
        network.options.resetChance = options.resetChance
        return () => {
          network.options.resetChance = 0
        }
      case "stalls":
        network.options.stallChance = options.stallChance
        return () => {
          network.options.stallChance = 0
        }
      case "delayed message":
        if (options.delayedApis.length === 0) return undefined
        this.holdsUpMessages = true
        return () => {
          this.holdsUpMessages = false
        }
      default:
        return this.#beginOnMachine(what, ms, (someone ?? random.pick(lives)).node)
    }
  }

  #beginOnMachine(what: FaultClass, ms: number, machine: SimulatedNode): End | undefined {
    switch (what) {
      case "hung disk": {
        const hungMs = Math.min(ms, pauseMsMax)
        machine.disk.hang(hungMs)
        this.#lastPauseEndsMs = Math.max(this.#lastPauseEndsMs, this.world.nowMs + hungMs)
        return () => {}
      }
      case "new disk":
        return this.#newDisk()
      case "swapped disks":
        return this.#swapDisks()
      default:
        return beginOnMachine(what, machine, this.model.options, this.random)
    }
  }

  #takeDown(down: readonly NodeLife[], power: boolean): End {
    for (const life of down) {
      life.holds += 1
      life.kill(power)
    }
    return () => {
      for (const life of this.random.shuffle([...down])) {
        life.holds -= 1
        if (this.random.chance(0.7)) life.start()
        else life.startLater()
      }
    }
  }

  #cut(pairs: readonly (readonly [string, string])[], bothWays = true): End {
    const { network } = this.world
    for (const [a, b] of pairs) network.cutLink(a, b, bothWays)
    return () => {
      for (const [a, b] of pairs) network.healLink(a, b)
    }
  }

  async #roll(goesOn: () => boolean): Promise<void> {
    const { model, world } = this
    for (const life of this.random.shuffle([...this.lives])) {
      if (!goesOn()) return
      if (life.state !== "up") continue
      life.holds += 1
      try {
        await life.stop()
      } catch (error) {
        model.violated(String(error))
      }
      life.holds -= 1
      life.start()
      for (let waited = 0; waited < 50 && !life.isUp && goesOn(); waited++) await world.sleep(100)
    }
  }

  #goesOn(work: (goesOn: () => boolean) => Promise<void>): End {
    let goesOn = true
    const working = work(() => goesOn && !this.#isOver).finally(() => this.#working.delete(working))
    this.#working.add(working)
    return () => {
      goesOn = false
    }
  }

  /** An empty disk instead of a broker's: one in a run, which topics with two in-sync copies survive. */
  #mayReplaceDisk(): boolean {
    const brokers = this.lives.filter(({ spec }) => spec.isBroker && !spec.isController)
    return !this.#hasNewDisk && !this.#areSwapped && brokers.length >= 3
  }

  #newDisk(): End | undefined {
    if (!this.#mayReplaceDisk()) return undefined
    const life = this.random.pick(this.lives.filter(({ spec }) => spec.isBroker && !spec.isController))
    const end = this.#takeDown([life], true)
    this.#replaceDisk(life)
    return end
  }

  #replaceDisk(life: NodeLife): void {
    this.#hasNewDisk = true
    const allowLoss = () => {
      for (const topic of this.model.everyTopic)
        if (topic.minInsyncReplicas < 2 || topic.flushPolicy !== "flush") this.model.allowLoss(topic)
    }
    allowLoss()
    // Of topics that are made until its process is back with the new disk, the old one's counts as a replica.
    life.onNextUp = allowLoss
    life.node.disk.replaceWithEmpty()
    life.onNewDisk()
  }

  /** Two nodes with each other's disks: neither may start. */
  #swapDisks(): End | undefined {
    const { random } = this
    // Whose disk is still empty may begin with any empty disk.
    const [a, b] = random.shuffle(this.lives.filter(({ isUp }) => isUp))
    if (a === undefined || b === undefined || this.#areSwapped) return undefined
    this.#areSwapped = true
    const end = this.#takeDown([a, b], true)
    a.node.disk.swapWith(b.node.disk)
    for (const life of [a, b]) {
      life.mustRefuse = true
      life.holds -= 1
      life.start()
    }
    return () => {
      for (const life of [a, b]) {
        life.holds += 1
        life.kill(true)
        life.mustRefuse = false
      }
      a.node.disk.swapWith(b.node.disk)
      this.#areSwapped = false
      end()
    }
  }
}
