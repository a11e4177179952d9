/**
 * What goes wrong during one life of the broker.
 *
 * Owns when faults begin and end; which classes there are is drawn with the options. Everything scheduled here ends with the life, and `heal` leaves
 * a world in which nothing is broken.
 */
import type { SimulatedNode } from "../../node.js"
import type { SeededRandom } from "../../random.js"
import type { World } from "../../world.js"

/** Which faults there are, and how often they strike: drawn with the options of a seed. */
export interface FaultOptions {
  readonly lifeMs: number
  readonly crashAtOperation: boolean
  readonly crashPower: boolean
  readonly cleanStops: boolean
  readonly slowChance: number
  readonly syncErrorChance: number
  readonly writeErrorChance: number
  readonly readErrorChance: number
  readonly fullChance: number
  readonly openFilesChance: number
  readonly resetChance: number
  readonly stallChance: number
  readonly cutLinks: boolean
  readonly pauses: boolean
  readonly clockJumps: boolean
  readonly syncFileSystem: boolean
  readonly readLatencyFactor: number
  readonly syncLatencyFactor: number
}

/** Whether answers may stay away for other reasons than a broker that forgot them. */
export const hasNetworkFaults = (options: FaultOptions): boolean =>
  options.resetChance > 0 || options.stallChance > 0 || options.cutLinks || options.pauses

/** Whether a log directory may fail. */
export const hasDiskErrors = (options: FaultOptions): boolean =>
  options.syncErrorChance > 0 || options.writeErrorChance > 0 || options.readErrorChance > 0

export const capacityBytes = 1 << 30
const openFilesMax = 4096
const dayMs = 86_400_000

export class Faults {
  #life = 0
  /** Wall time may be anything from now on. */
  constructor(
    readonly world: World,
    readonly options: FaultOptions,
    readonly random: SeededRandom,
    readonly broker: SimulatedNode,
    readonly clients: readonly SimulatedNode[],
    readonly clockMoved: () => void,
  ) {}

  /** Faults of one life. A quarter of all lives are quiet, which true says: nothing of the broker's machine is broken or slow. */
  begin(): boolean {
    const { options, random, world, broker } = this
    const life = ++this.#life
    const { disk } = broker
    const during = (atMs: number, what: string, run: () => void) =>
      world.at(atMs, what, () => {
        if (this.#life === life) run()
      })
    const some = () => random.int(options.lifeMs)
    if (random.chance(0.25)) return true
    disk.options.slowChance = options.slowChance
    world.network.options.resetChance = options.resetChance
    world.network.options.stallChance = options.stallChance
    during(some(), "disk errors begin", () => {
      disk.options.syncErrorChance = options.syncErrorChance
      disk.options.writeErrorChance = options.writeErrorChance
      disk.options.readErrorChance = options.readErrorChance
    })
    if (random.chance(options.fullChance)) {
      // Also from the start: a full disk must not make a log that is there unreadable.
      const from = random.chance(0.3) ? 0 : some()
      during(from, "disk fills", () => {
        disk.options.capacityBytes = disk.usedBytes + random.magnitude(1, 65_536)
      })
      during(from + random.magnitude(10, 20_000), "disk has room", () => {
        disk.options.capacityBytes = capacityBytes
      })
    }
    if (random.chance(options.openFilesChance)) {
      const from = some()
      during(from, "handles run out", () => {
        disk.options.openFilesMax = disk.openFiles + random.int(4)
      })
      during(from + random.magnitude(1, 5000), "handles are there", () => {
        disk.options.openFilesMax = openFilesMax
      })
    }
    if (options.cutLinks && random.chance(0.5)) {
      const client = random.pick(this.clients)
      const from = some()
      during(from, "link cut", () => world.network.cutLink(broker.name, client.name, random.chance(0.5)))
      world.at(from + random.magnitude(10, 30_000), "link healed", () =>
        world.network.healLink(broker.name, client.name),
      )
    }
    if (options.pauses && random.chance(0.5)) {
      const node = random.chance(0.5) ? broker : random.pick(this.clients)
      during(some(), "pause", () => node.pause(random.magnitude(10, 20_000)))
    }
    if (options.clockJumps && random.chance(0.5))
      during(some(), "clock jumps", () => {
        this.clockMoved()
        broker.clock.jump(random.between(-dayMs, dayMs))
        this.clockMoved()
      })
    return false
  }

  /** The life is over: the disk of the next start works. Those of the network go on. */
  end(): void {
    this.#life += 1
    const { disk } = this.broker
    disk.intercept = undefined
    disk.heal()
    disk.options.capacityBytes = capacityBytes
    disk.options.openFilesMax = openFilesMax
  }

  heal(): void {
    this.end()
    this.world.network.heal()
  }
}
