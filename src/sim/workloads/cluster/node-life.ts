/**
 * One node of the cluster, over all its lives: boots, crashes, clean stops, starts by its supervisor.
 *
 * Owns the process on the simulated machine and what may be forgiven it (a disk that failed). When it dies is for `faults.ts` to say; here is what follows.
 */
import { Node } from "../../../broker/node.js"
import { StartError } from "../../../broker/start-checks.js"
import type { ServerConfig } from "../../../config/server-config.js"
import { ViolationError } from "../../history.js"
import type { SimulatedNode } from "../../node.js"
import type { SeededRandom } from "../../random.js"
import type { World } from "../../world.js"
import type { ClusterModel } from "./model.js"
import type { NodeSpec } from "./options.js"

/** A clean stop hands over what the node leads and ends within this, whatever the others do. */
const stopsWithinMs = 60_000

export type NodeState = "down" | "starting" | "up" | "stopping"

export class NodeLife {
  state: NodeState = "down"
  /** A disk operation failed in this life: what the page cache shows may not be on the medium. */
  diskFailed = false
  /** Faults that keep it from being started. */
  holds = 0
  /** Its disk is another node's: it must refuse to start. */
  mustRefuse = false
  broker: Node | undefined
  startProblem: unknown
  #life = 0

  constructor(
    readonly model: ClusterModel,
    readonly spec: NodeSpec,
    readonly node: SimulatedNode,
    readonly config: ServerConfig,
    readonly random: SeededRandom,
    readonly hasDiskFaults: boolean,
    /** The process is gone; `power`: and with it what was not synced. */
    readonly onDeath: (life: NodeLife, power: boolean) => void,
    /** Its machine has an empty disk now. */
    readonly onNewDisk: () => void,
  ) {}

  get world(): World {
    return this.model.world
  }

  /** Called once, when a process serves again. */
  onNextUp: (() => void) | undefined

  get isUp(): boolean {
    return this.state === "up"
  }

  get name(): string {
    return this.node.name
  }

  /** What the node says of itself. */
  onLog(level: string, message: string, fields: Readonly<Record<string, unknown>> | undefined): void {
    if (level !== "error") return
    if (/^log directory .* failed/.test(message)) {
      this.diskFailed = true
      if (!this.hasDiskFaults) this.model.violated(`a directory fails for a reason: ${this.name}: ${message}`)
    }
    if (/; the connection is closed$/.test(message))
      this.model.violated(`requests are handled: ${this.name}: ${message}: ${String(fields?.error)}`)
  }

  /** Starts the process on a machine that has power. */
  start(): void {
    if (this.state !== "down" || this.holds > 0) return
    const { node, model } = this
    if (!node.alive) node.restart()
    const life = ++this.#life
    const { incarnation } = node
    this.state = "starting"
    this.startProblem = undefined
    this.diskFailed = false
    model.counts.boots += 1
    const onFatal = (reason: string) => {
      if (!incarnation.alive || this.#life !== life) return
      model.counts.fatal += 1
      // The metadata log's disk may fail by a file that is no log.
      if (this.hasDiskFaults && /\b(EIO|ENOSPC|EMFILE)\b/.test(reason)) this.diskFailed = true
      if (!this.diskFailed || /Invariant/.test(reason)) model.violated(`nodes stay up: ${this.name}: ${reason}`)
      this.#died("fatal")
    }
    Node.start(node.env, this.config, { insecure: true, onFatal }).then(
      (broker) => {
        if (this.#life !== life) return
        if (this.mustRefuse) model.violated(`the disk of another node is refused: ${this.name} starts with one`)
        this.broker = broker
        this.state = "up"
        this.onNextUp?.()
        this.onNextUp = undefined
      },
      (error: unknown) => {
        if (this.#life !== life || !incarnation.alive) return
        model.counts.failedStarts += 1
        this.startProblem = error
        // With a disk that refuses a start may fail, and must say so.
        if (this.mustRefuse) return this.#died("not started")
        if (!(error instanceof StartError || (this.hasDiskFaults && error instanceof Error)))
          model.violated(`a start fails with a reason: ${this.name}: ${problemText(error)}`)
        else if (!this.hasDiskFaults)
          model.violated(`a start with nothing broken succeeds: ${this.name}: ${problemText(error)}`)
        this.#died("not started")
      },
    )
  }

  #died(_how: "fatal" | "not started"): void {
    this.kill(false)
    this.startLater()
  }

  /** Its supervisor starts it again, unless a fault keeps it down. */
  startLater(): void {
    const life = this.#life
    this.world.at(this.random.magnitude(50, this.model.options.restartMsMax), "start", () => {
      if (this.#life === life) this.start()
    })
  }

  /** The process is gone, and perhaps the machine. After a failed sync only a new start of the machine tells what the medium has. */
  kill(wantsPower: boolean): void {
    const { node, model } = this
    this.#life += 1
    this.broker = undefined
    const wasDown = this.state === "down"
    this.state = "down"
    const power = wantsPower || this.diskFailed
    const crashedByItself = !node.alive && !node.powered
    if (node.alive) {
      node.crash(power ? "power" : "kill")
    } else if (power && node.powered) {
      node.restart()
      node.crash("power")
    } else if (wasDown && !crashedByItself) return
    this.diskFailed = false
    model.counts[power ? "powerCuts" : "kills"] += 1
    this.onDeath(this, power)
  }

  /** A clean stop, as by SIGTERM. */
  async stop(): Promise<void> {
    const { broker } = this
    if (broker === undefined || this.state !== "up") return
    this.state = "stopping"
    const life = this.#life
    const stopping = broker.stop().then(() => "stopped" as const)
    const patience = this.world.sleep(stopsWithinMs).then(() => "stuck" as const)
    const died = this.#whenDead(life).then(() => "died" as const)
    const outcome = await Promise.race([stopping, patience, died])
    if (outcome === "stuck" && this.#life === life)
      throw new ViolationError(`liveness: ${this.name} does not stop within ${stopsWithinMs} ms`)
    if (outcome !== "stopped" || this.#life !== life) return
    this.model.counts.cleanStops += 1
    this.kill(false)
  }

  async #whenDead(life: number): Promise<void> {
    while (this.#life === life) await this.world.sleep(200)
  }
}

export const problemText = (problem: unknown): string =>
  problem === undefined ? "" : problem instanceof Error ? (problem.stack ?? problem.message) : String(problem)
