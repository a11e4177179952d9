/**
 * What clients of a broker that dies and comes back know together, whatever they do with it.
 *
 * Owns which life the broker is in and whether anything is broken, names, and connections. What was seen, and by which rules it is judged, is the workload's.
 */
import type { Env } from "../../../env/env.js"
import { SimulatedClient } from "../../client.js"
import type { History } from "../../history.js"
import type { SimulatedNode } from "../../node.js"
import type { SeededRandom } from "../../random.js"
import type { World } from "../../world.js"
import { type FaultOptions, hasNetworkFaults } from "./faults.js"

export const brokerPort = 9092
/** Longer than anything a healthy broker takes, produce and fetch waits included. */
export const requestTimeoutMs = 30_000

export interface LifeCounts {
  lives: number
  kills: number
  powerCuts: number
  cleanStops: number
  fatal: number
  failedStarts: number
}

export abstract class LivesModel {
  abstract readonly history: History
  abstract readonly counts: LifeCounts
  /** No new work: what is open is finished. */
  isEnding = false
  isOver = false
  /** Counts the broker's processes: what a connection to an earlier one still brings says nothing of the present one. */
  life = 0
  /** Since when the present broker has been serving without anything done to it; undefined while it is not. */
  healthySinceMs: number | undefined
  /** In this life nothing of the broker's machine is broken or slow: what takes long now is the broker's own doing. */
  isQuiet = false
  wallMsMax = 0
  /** Ends the present life of the broker in a moment: a client that knows when it hurts asks for it. */
  endLifeIn: (ms: number) => void = () => {}
  #nextName = 0

  constructor(
    readonly world: World,
    readonly options: FaultOptions & { readonly thinkMsMax: number },
    readonly broker: SimulatedNode,
    readonly random: SeededRandom,
  ) {}

  violated(what: string): void {
    this.history.violations.push(what)
  }

  nextName(kind: string): string {
    return `${kind} ${this.#nextName++}`
  }

  /** A connection to the broker, undefined if there is none to be had now. */
  connect(env: Env, name: string): Promise<SimulatedClient | undefined> {
    return SimulatedClient.connect(
      env,
      { host: this.broker.address, port: brokerPort },
      {
        name,
        violated: (what) => this.violated(`answers come in the order of requests: ${what}`),
        timedOut: (what, sentMs) => {
          if (hasNetworkFaults(this.options) || this.healthySinceMs === undefined) return
          // Both clocks begin with the world; the client's may drift.
          if (sentMs > this.healthySinceMs + 1000)
            this.violated(
              `every request is answered: ${what} was not, in ${Math.round(env.clock.monotonicMs() - sentMs)} ms`,
            )
        },
      },
    )
  }

  pause(env: Env, ms: number): Promise<void> {
    return new Promise((resolve) => env.timers.after(ms, resolve))
  }

  think(env: Env): Promise<void> {
    const { random } = this
    // Mostly busy, sometimes away: a broker with nothing to do has its own mistakes to make.
    return this.pause(env, random.chance(0.02) ? random.int(10_000) : random.int(this.options.thinkMsMax))
  }

  noteWallTime(): void {
    this.wallMsMax = Math.max(this.wallMsMax, this.broker.clock.wallMs())
  }
}
