/**
 * A node of the simulated world: a machine, and the lives of the process on it.
 *
 * Owns crash, restart and pause. A crash ends an incarnation: none of its pending calls ever resolves or rejects. A new boot gets a new
 * `Env` over the disk that survived.
 */
import type { Env, LogLevel } from "../env/env.js"
import { type ClockOptions, MachineClock, SimulatedClock, SimulatedTimers } from "./clock.js"
import { type DiskOptions, IncarnationDisk, SimulatedDisk } from "./disk.js"
import type { PowerCut } from "./inode.js"
import { Incarnation, type Machine } from "./machine.js"
import type { World } from "./world.js"

export interface NodeOptions {
  disk?: Partial<DiskOptions>
  clock?: ClockOptions
}

export class SimulatedNode implements Machine {
  powered = true
  incarnation: Incarnation
  readonly disk: SimulatedDisk
  readonly clock: MachineClock
  #env: Env
  #boots = 0

  constructor(
    readonly world: World,
    readonly name: string,
    readonly address: string,
    options: NodeOptions = {},
  ) {
    this.clock = new MachineClock(world.scheduler, options.clock)
    this.disk = new SimulatedDisk(world.scheduler, this.clock, world.random.fork(`disk of ${name}`), options.disk)
    this.disk.crashNode = (how) => this.crash(how)
    world.network.addMachine(this)
    this.incarnation = this.#newIncarnation()
    this.#env = this.#newEnv()
  }

  /** The world of the current incarnation. */
  get env(): Env {
    return this.#env
  }

  get alive(): boolean {
    return this.incarnation.alive
  }

  /** `kill`: the process dies, the page cache lives. `power`: the machine goes dark, and only what was synced is sure. */
  crash(how: "kill" | "power", cut: Partial<PowerCut> & { keepNames?: number } = {}): void {
    if (!this.incarnation.alive) return
    this.world.scheduler.note(this.name, `crash ${how}`)
    this.incarnation.alive = false
    this.world.network.crashed(this, this.incarnation, how)
    if (how === "kill") this.disk.kill()
    else {
      this.powered = false
      this.disk.powerCut(cut)
    }
  }

  /** Starts a new incarnation after a crash and returns its world. */
  restart(): Env {
    if (this.incarnation.alive) throw new Error(`${this.name} has not crashed`)
    this.powered = true
    this.incarnation = this.#newIncarnation()
    this.world.scheduler.note(this.name, "restart", this.#boots)
    this.#env = this.#newEnv()
    return this.#env
  }

  /** Nothing of the node runs for so long, while the world and its clocks go on: SIGSTOP, a long collection, a suspended machine. */
  pause(ms: number): void {
    this.world.scheduler.note(this.name, "pause", ms)
    this.incarnation.pausedUntilNs = this.world.scheduler.nowNs + ms * 1e6
  }

  #newIncarnation(): Incarnation {
    this.#boots += 1
    return new Incarnation(this.name, this.#boots)
  }

  #newEnv(): Env {
    const { world, incarnation } = this
    const random = world.random.fork(`${this.name} life ${incarnation.number}`)
    const interleaving = random.fork("interleave")
    return {
      clock: new SimulatedClock(this.clock),
      timers: new SimulatedTimers(this.clock, incarnation),
      disk: new IncarnationDisk(this.disk, incarnation),
      network: world.network.of(this, incarnation),
      random,
      log: {
        log: (level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>) => {
          if (incarnation.alive) world.log(this.name, level, message, fields)
        },
      },
      interleave: (site: string) => {
        if (!incarnation.alive) return new Promise(() => {})
        if (!interleaving.chance(world.options.interleaveChance)) return Promise.resolve()
        return new Promise<void>((resolve) => {
          world.scheduler.after(
            interleaving.int(world.options.interleaveNsMax),
            incarnation,
            `interleave ${site}`,
            resolve,
          )
        })
      },
      buggify: (site: string, chance?: number) => incarnation.alive && world.buggify(site, chance),
    }
  }
}
