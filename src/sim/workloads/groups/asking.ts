/**
 * Somebody with one connection who asks one thing after the other.
 *
 * Owns the connection and its repair. What is asked, and what answers mean, is its users'.
 */
import type { Env } from "../../../env/env.js"
import type { Api, RequestInputOf, ResponseOf } from "../../../protocol/message.js"
import type { SimulatedClient } from "../../client.js"
import type { SeededRandom } from "../../random.js"
import { type LivesModel, requestTimeoutMs } from "../lives/lives-model.js"

export class Asking {
  readonly random: SeededRandom
  #client: SimulatedClient | undefined

  constructor(
    readonly model: LivesModel,
    readonly env: Env,
    readonly name: string,
  ) {
    this.random = model.random.fork(name)
  }

  /** Undefined: the run is over. */
  async connected(): Promise<SimulatedClient | undefined> {
    while (!this.model.isOver) {
      if (this.#client?.isOpen) return this.#client
      this.#client = await this.model.connect(this.env, this.name)
      if (this.#client === undefined) await this.model.pause(this.env, this.random.int(500))
    }
    return undefined
  }

  /** One try. Undefined: no answer. */
  async ask<A extends Api>(api: A, version: number, request: RequestInputOf<A>): Promise<ResponseOf<A> | undefined> {
    const client = await this.connected()
    const answer = await client?.send(api, version, request, requestTimeoutMs)
    return answer?.ok ? answer.value : undefined
  }

  close(): void {
    this.#client?.close()
  }
}
