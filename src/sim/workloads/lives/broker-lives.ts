/**
 * The lives of the broker: boots, faults, crashes, clean stops, and starts with nothing broken.
 *
 * Owns the process on the simulated machine, and what may be forgiven it (a disk that failed). What clients do meanwhile is the workload's; it is told of each death.
 */
import { Node, StartError } from "../../../broker/node.js"
import type { ServerConfig } from "../../../config/server-config.js"
import { ViolationError } from "../../history.js"
import type { SimulatedNode } from "../../node.js"
import type { SeededRandom } from "../../random.js"
import type { World } from "../../world.js"
import { capacityBytes, type FaultOptions, Faults, hasDiskErrors } from "./faults.js"
import type { LivesModel } from "./lives-model.js"

/** LIV: with nothing broken, a broker serves within this, and clients finish what they began. */
const startsWithinMs = 30_000
export const finishesWithinMs = 180_000

type EndOfLife = "its time has come" | "crashed" | "fatal" | "not started"

export function addBrokerNode(world: World, options: FaultOptions): SimulatedNode {
  return world.addNode("broker", {
    disk: {
      capacityBytes,
      syncFileSystem: options.syncFileSystem,
      latencyNs: { least: 5000, spread: 50_000 * options.readLatencyFactor },
      syncLatencyNs: { least: 100_000, spread: 400_000 * options.syncLatencyFactor },
    },
  })
}

export class BrokerLives {
  readonly faults: Faults
  readonly world: World
  readonly node: SimulatedNode
  #broker: Node | undefined
  #over: (how: EndOfLife) => void = () => {}
  #startProblem: unknown
  /** A disk operation failed in this life: what the page cache shows may not be on the medium. */
  #diskFailed = false

  constructor(
    readonly model: LivesModel,
    readonly config: ServerConfig,
    readonly random: SeededRandom,
    clients: readonly SimulatedNode[],
    /** The process is gone; `power`: and with it what was not synced. */
    readonly onDeath: (power: boolean) => void,
  ) {
    this.world = model.world
    this.node = model.broker
    this.faults = new Faults(this.world, model.options, random.fork("faults"), this.node, clients, () =>
      model.noteWallTime(),
    )
  }

  get #nothingToForgive(): boolean {
    return !this.#diskFailed
  }

  /** What the broker says of itself. */
  onLog(level: string, message: string, fields: Readonly<Record<string, unknown>> | undefined): void {
    if (level !== "error") return
    if (/^log directory .* failed/.test(message)) {
      this.#diskFailed = true
      if (!hasDiskErrors(this.model.options))
        this.model.violated(`want of room or handles fails no directory: ${message}`)
    }
    if (/; the connection is closed$/.test(message))
      this.model.violated(`requests are handled: ${message}: ${String(fields?.error)}`)
  }

  /** Boots the broker; resolves when it serves or cannot. */
  #boot(): void {
    const { node, model } = this
    const { incarnation } = node
    this.#startProblem = undefined
    this.#broker = undefined
    this.#diskFailed = false
    const onFatal = (reason: string) => {
      if (!incarnation.alive) return
      model.counts.fatal += 1
      if (this.#nothingToForgive || /Invariant/.test(reason)) model.violated(`the broker stays up: ${reason}`)
      this.#over("fatal")
    }
    Node.start(node.env, this.config, { insecure: true, onFatal }).then(
      (broker) => {
        this.#broker = broker
        model.healthySinceMs = this.world.nowMs
      },
      (error: unknown) => {
        this.#startProblem = error
        this.#over("not started")
      },
    )
  }

  /** One life: faults strike, and it ends. */
  async live(lifeMs: number): Promise<void> {
    const { node, model, random, faults, world } = this
    const { options } = model
    const over = new Promise<EndOfLife>((resolve) => (this.#over = resolve))
    const power = random.chance(options.crashPower ? 0.7 : 0)
    const { disk } = node
    model.counts.lives += 1
    model.isQuiet = faults.begin()
    if (options.crashAtOperation && random.chance(0.7)) {
      const operation = disk.operationCount + random.magnitude(1, 4096)
      const when = random.pick(["before", "after"] as const)
      disk.intercept = ({ number }) => {
        if (number !== operation) return undefined
        this.#over("crashed")
        return { crash: power ? "power" : "kill", when }
      }
    }
    const timer = this.#over
    world.at(lifeMs, "end of life", () => timer("its time has come"))
    model.endLifeIn = (ms) => world.at(ms, "end of life", () => timer("its time has come"))
    this.#boot()
    const how = await over
    model.endLifeIn = () => {}
    model.healthySinceMs = undefined
    if (how === "not started") this.#judgeStart()
    disk.intercept = undefined
    if (how === "its time has come" && options.cleanStops && random.chance(0.5)) await this.stop()
    this.die(power)
    if (options.clockJumps && random.chance(0.2)) {
      model.noteWallTime()
      node.clock.jump(random.between(-86_400_000, 86_400_000))
      model.noteWallTime()
    }
  }

  #judgeStart(): void {
    this.model.counts.failedStarts += 1
    const problem = this.#startProblem
    // With a disk that refuses a start may fail, and must say so.
    if (problem instanceof StartError || problem instanceof Error) return
    throw new ViolationError(`a start fails with a reason: ${String(problem)}`)
  }

  async stop(): Promise<void> {
    const broker = this.#broker
    if (broker === undefined) return
    const stopping = broker.stop().then(() => "stopped" as const)
    const patience = this.world.sleep(finishesWithinMs).then(() => "stuck" as const)
    const outcome = await Promise.race([stopping, patience])
    if (outcome === "stuck") throw new ViolationError("liveness: the broker does not stop")
    this.model.counts.cleanStops += 1
  }

  /** The process is gone, and with it what the topics' policies do not cover. */
  die(wantsPower: boolean): void {
    const { node, model } = this
    const hadPower = !node.alive && !node.powered
    // After a failed sync the page cache shows what the medium may not have: only a new start of the machine tells the truth.
    const power = wantsPower || hadPower || this.#diskFailed
    if (node.alive) node.crash(power ? "power" : "kill")
    else if (power && node.powered) {
      node.restart()
      node.crash("power")
    }
    model.counts[power ? "powerCuts" : "kills"] += 1
    this.faults.end()
    model.noteWallTime()
    this.onDeath(power)
    model.history.observe({ kind: "restarted" })
    model.life += 1
    node.restart()
  }

  /** A start with nothing broken. */
  async bootHealthy(): Promise<void> {
    const over = new Promise<EndOfLife>((resolve) => (this.#over = resolve))
    this.#boot()
    const patience = this.world.sleep(startsWithinMs).then(() => "patience" as const)
    const outcome = await Promise.race([over, patience, this.#serving()])
    if (outcome === "serving") return
    this.model.history.verify()
    if (outcome === "patience")
      throw new ViolationError(`liveness: the broker does not serve within ${startsWithinMs} ms of its start`)
    throw new ViolationError(
      `liveness: the broker does not start though nothing is broken: ${problemText(this.#startProblem) || outcome}`,
    )
  }

  async #serving(): Promise<"serving"> {
    while (this.#broker === undefined) await this.world.sleep(100)
    return "serving"
  }
}

const problemText = (problem: unknown): string =>
  problem === undefined ? "" : problem instanceof Error ? (problem.stack ?? problem.message) : String(problem)
