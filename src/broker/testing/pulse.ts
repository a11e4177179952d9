/**
 * A client that produces to one partition without a break, and remembers when it was answered: how long the partition was gone is the longest gap between two acknowledgements.
 *
 * Owns following the leader: whoever does not answer in time is left, and any node that does says who leads now. Asks for all in-sync replicas.
 */
import { WireClient } from "../../net/wire-client.js"
import { Errors } from "../../protocol/errors.js"
import { metadata } from "../../protocol/messages/metadata.js"
import { produce } from "../../protocol/messages/produce.js"
import { produceRequest } from "./broker-world.js"
import { clientPort, type ClusterWorld } from "./cluster-world.js"

const thinkMs = 20

export class Pulse {
  readonly #acknowledgedMs: number[] = []
  readonly #connections = new Map<number, WireClient>()
  #leaderId = -1
  #askedId = -1
  #isOver = false
  /** An answer that takes longer is not waited for. */
  patienceMs = 400

  constructor(
    readonly t: ClusterWorld,
    readonly topic: string,
    readonly partition: number,
  ) {}

  get leaderId(): number {
    return this.#leaderId
  }

  get count(): number {
    return this.#acknowledgedMs.length
  }

  start(): this {
    void this.#run()
    return this
  }

  stop(): void {
    this.#isOver = true
    for (const client of this.#connections.values()) client.close()
  }

  /** The longest time without an acknowledgement since `fromMs`, the present one included. */
  longestGapMs(fromMs: number): number {
    let longest = 0
    let before = fromMs
    for (const atMs of this.#acknowledgedMs) {
      if (atMs <= fromMs) continue
      longest = Math.max(longest, atMs - before)
      before = atMs
    }
    return Math.max(longest, this.t.world.nowMs - before)
  }

  async #run(): Promise<void> {
    const { world } = this.t
    while (!this.#isOver) {
      if (this.#leaderId < 0) await this.#findLeader()
      else if (await this.#produce()) this.#acknowledgedMs.push(world.nowMs)
      else this.#leaderId = -1
      await world.sleep(thinkMs)
    }
  }

  async #produce(): Promise<boolean> {
    const { topic, partition } = this
    const answer = await this.#ask(this.#leaderId, (client) =>
      client.send(produce, 12, produceRequest("beat", { topic, partition, timeoutMs: 10_000 })),
    )
    return answer?.responses[0]?.partitionResponses[0]?.errorCode === Errors.NONE
  }

  async #findLeader(): Promise<void> {
    // Whoever was asked last is asked last: a node whose disk hangs does not learn what has become of its partitions.
    const ids = [...this.t.nodes.keys()]
    const from = ids.indexOf(this.#askedId) + 1
    for (const id of [...ids.slice(from), ...ids.slice(0, from)]) {
      this.#askedId = id
      const answer = await this.#ask(id, (client) =>
        client.send(metadata, metadata.maxVersion, {
          topics: [{ topicId: "AAAAAAAAAAAAAAAAAAAAAA", name: this.topic }],
          allowAutoTopicCreation: false,
          includeTopicAuthorizedOperations: false,
          includeClusterAuthorizedOperations: false,
        }),
      )
      const found = answer?.topics[0]?.partitions.find(({ partitionIndex }) => partitionIndex === this.partition)
      if (found === undefined || found.leaderId < 0) continue
      this.#leaderId = found.leaderId
      return
    }
  }

  async #ask<T>(id: number, ask: (client: WireClient) => Promise<T>): Promise<T | undefined> {
    const asked = this.#connectionTo(id).then(ask)
    const late = this.t.world.sleep(this.patienceMs).then(() => "late" as const)
    const answer = await Promise.race([asked, late]).catch(() => "failed" as const)
    if (answer !== "late" && answer !== "failed") return answer
    asked.catch(() => {})
    this.#connections.get(id)?.close()
    this.#connections.delete(id)
    return undefined
  }

  async #connectionTo(id: number): Promise<WireClient> {
    const known = this.#connections.get(id)
    if (known !== undefined && !known.isClosed) return known
    const client = await WireClient.connect(this.t.clients.env.network, {
      host: this.t.addressOf(id),
      port: clientPort,
    })
    this.#connections.set(id, client)
    return client
  }
}
