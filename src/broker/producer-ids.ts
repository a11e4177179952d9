/**
 * Producer ids from blocks that the controller hands out.
 *
 * Owns the current block. No id is given twice: a block belongs to this broker once its record is committed, and what is left of it at a stop is never used.
 * Source: Kafka's ProducerIdManager, KIP-730.
 */
import type { ProducerId } from "../base/ids.js"

export interface ProducerIdBlock {
  readonly firstProducerId: ProducerId
  readonly count: number
}

export class ProducerIds {
  #next: ProducerId = 0
  #end: ProducerId = 0
  #fetching: Promise<void> | undefined

  /** `allocate` resolves with a block, or undefined if none is to be had now. */
  constructor(private readonly allocate: () => Promise<ProducerIdBlock | undefined>) {}

  /** Undefined: no block to be had now; the client shall try again. */
  async next(): Promise<ProducerId | undefined> {
    if (this.#next === this.#end) {
      this.#fetching ??= this.#fetch()
      await this.#fetching
    }
    // Those who waited together may be more than a block holds.
    return this.#next < this.#end ? this.#next++ : undefined
  }

  async #fetch(): Promise<void> {
    const block = await this.allocate()
    this.#fetching = undefined
    if (block === undefined) return
    this.#next = block.firstProducerId
    this.#end = block.firstProducerId + block.count
  }
}
