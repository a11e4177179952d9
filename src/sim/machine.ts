/**
 * A machine and the process on it, as far as disk and network need to know.
 *
 * Owns who is alive: the machine (power) and the incarnation of the node (process). `node.ts` changes it; everything else asks.
 */
import type { Owner } from "./scheduler.js"

/** One life of a node. After its death nothing of it is called, resolved or rejected. */
export class Incarnation implements Owner {
  alive = true
  pausedUntilNs = 0
  constructor(
    readonly name: string,
    readonly number: number,
  ) {}
}

export interface Machine {
  readonly name: string
  readonly address: string
  powered: boolean
  incarnation: Incarnation
}
