/**
 * The client behind one producer, consumer or admin of kafkajs, which each connect and disconnect by themselves, and may do so again.
 *
 * Owns its life. Invariant: after `close` nothing of it is left.
 */
import type { Admin } from "../client/admin/admin.js"
import type { ClientCore } from "../client/core.js"
import { KafkaJSError, translated } from "./errors.js"

export class Connection {
  #client: ClientCore | undefined
  #admin: Admin | undefined

  constructor(
    /** As its user calls it, in errors. */
    private readonly name: string,
    private readonly make: () => ClientCore,
  ) {}

  /** Rejects, as kafkajs does, when no broker can be reached. */
  async open(): Promise<void> {
    if (this.#client !== undefined) return
    const client = this.make()
    try {
      await translated(client.admin().describeCluster())
    } catch (error) {
      await client.close()
      throw error
    }
    this.#client = client
    this.#admin = client.admin()
  }

  get isOpen(): boolean {
    return this.#client !== undefined
  }

  /** Errors: KafkaJSError before `open`. */
  get client(): ClientCore {
    if (this.#client === undefined) throw new KafkaJSError(`The ${this.name} is disconnected`)
    return this.#client
  }

  get admin(): Admin {
    if (this.#admin === undefined) throw new KafkaJSError(`The ${this.name} is disconnected`)
    return this.#admin
  }

  async close(): Promise<void> {
    const client = this.#client
    this.#client = undefined
    this.#admin = undefined
    await client?.close()
  }
}
