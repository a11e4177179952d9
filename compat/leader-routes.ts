/**
 * Where the leaders of partitions are, for a client that began with one broker of several.
 *
 * Owns the connections to the others. Asks where it is first, and looks for the leader only when told that it is not there: with one broker nothing changes.
 */
import { zeroUuid } from "../src/base/ids.js"
import { Errors } from "../src/protocol/errors.js"
import { metadata } from "../src/protocol/messages/metadata.js"
import { type Address, ConnectionLost, type WireClient } from "./client.js"

/** What a broker said, where it is an error. */
export class BrokerError extends Error {
  override name = "BrokerError"

  constructor(
    what: string,
    readonly code: number,
  ) {
    super(`${what}: error ${code}`)
  }
}

const ledElsewhere: ReadonlySet<number> = new Set([
  Errors.LEADER_NOT_AVAILABLE,
  Errors.NOT_LEADER_OR_FOLLOWER,
  Errors.FENCED_LEADER_EPOCH,
  Errors.UNKNOWN_LEADER_EPOCH,
])
const lookAgainMs = 20
const attemptsMax = 500

export class LeaderRoutes {
  readonly #clients = new Map<string, WireClient>()
  readonly #leaders = new Map<string, WireClient>()

  constructor(
    private readonly home: WireClient,
    private readonly connect: (address: Address) => Promise<WireClient>,
  ) {}

  /** What the leader answers, whoever that is by then. */
  async atLeader<T>(topic: string, partition: number, ask: (client: WireClient) => Promise<T>): Promise<T> {
    const name = `${topic}-${partition}`
    for (let attempt = 1; ; attempt++) {
      const client = this.#leaders.get(name) ?? this.home
      try {
        return await ask(client)
      } catch (error) {
        const isElsewhere = error instanceof BrokerError && ledElsewhere.has(error.code)
        const isGone = error instanceof ConnectionLost && client !== this.home
        if ((!isElsewhere && !isGone) || attempt === attemptsMax) throw error
      }
      this.#leaders.delete(name)
      await new Promise((resolve) => setTimeout(resolve, attempt === 1 ? 0 : lookAgainMs))
      const leader = await this.#find(topic, partition)
      if (leader !== undefined) this.#leaders.set(name, leader)
    }
  }

  async #find(topic: string, partition: number): Promise<WireClient | undefined> {
    const answer = await this.home.request(metadata, 8, {
      topics: [{ topicId: zeroUuid, name: topic }],
      allowAutoTopicCreation: false,
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: false,
    })
    const led = answer.topics[0]!.partitions.find(({ partitionIndex }) => partitionIndex === partition)
    const broker = answer.brokers.find(({ nodeId }) => nodeId === led?.leaderId)
    if (broker === undefined) return undefined
    const key = `${broker.host}:${broker.port}`
    const known = this.#clients.get(key)
    if (known !== undefined && !known.isLost) return known
    const fresh = await this.connect(broker).catch(() => undefined)
    if (fresh !== undefined) this.#clients.set(key, fresh)
    return fresh
  }

  close(): void {
    for (const client of this.#clients.values()) client.close()
  }
}
