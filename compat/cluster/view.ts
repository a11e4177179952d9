/**
 * What a cluster says of itself: who leads what, who is in sync, which controller is active.
 *
 * Owns asking whoever answers. Keeps no connections: what it asked is down a moment later.
 */
import { zeroUuid } from "../../src/base/ids.js"
import { describeQuorum } from "../../src/protocol/messages/describe-quorum.js"
import { electLeaders } from "../../src/protocol/messages/elect-leaders.js"
import { metadata } from "../../src/protocol/messages/metadata.js"
import { type Address, parseAddress, WireClient } from "../client.js"

export interface PartitionView {
  readonly partition: number
  readonly leader: number
  readonly leaderEpoch: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
}

const askMs = 3_000
const lookAgainMs = 25

export class ClusterView {
  readonly #addresses: readonly Address[]

  constructor(bootstrap: string) {
    this.#addresses = bootstrap.split(",").map(parseAddress)
  }

  /** Asks one after the other until one answers. Errors: what the last of them said. */
  async ask<T>(question: (client: WireClient) => Promise<T>): Promise<T> {
    let failure: unknown
    for (const address of this.#addresses) {
      let client: WireClient | undefined
      try {
        client = await WireClient.connect(address, askMs)
        return await question(client)
      } catch (error) {
        failure = error
      } finally {
        client?.close()
      }
    }
    throw failure
  }

  async partitions(topic: string): Promise<PartitionView[]> {
    return this.ask(async (client) => {
      const answer = await client.request(
        metadata,
        12,
        {
          topics: [{ topicId: zeroUuid, name: topic }],
          allowAutoTopicCreation: false,
          includeClusterAuthorizedOperations: false,
          includeTopicAuthorizedOperations: false,
        },
        askMs,
      )
      const found = answer.topics[0]!
      if (found.errorCode !== 0) throw new Error(`metadata of ${topic}: error ${found.errorCode}`)
      return found.partitions
        .map(({ partitionIndex, leaderId, leaderEpoch, replicaNodes, isrNodes }) => ({
          ...{ partition: partitionIndex, leader: leaderId, leaderEpoch, replicas: replicaNodes, isr: isrNodes },
        }))
        .sort((a, b) => a.partition - b.partition)
    })
  }

  /** The active controller. */
  async controller(): Promise<number> {
    return this.ask(async (client) => {
      const topics = [{ topicName: "__cluster_metadata", partitions: [{ partitionIndex: 0 }] }]
      const { leaderId } = (await client.request(describeQuorum, 2, { topics }, askMs)).topics[0]!.partitions[0]!
      if (leaderId < 0) throw new Error("there is no active controller")
      return leaderId
    })
  }

  /** Preferred leaders lead, where they are in sync. */
  async electPreferred(): Promise<void> {
    await this.ask((client) =>
      client.request(electLeaders, 2, { electionType: 0, topicPartitions: null, timeoutMs: askMs }, askMs),
    )
  }

  /** Resolves with the partitions when they are as wanted. Errors: throws after `timeoutMs`, with what they were instead. */
  async until(
    topic: string,
    what: string,
    isMet: (partition: PartitionView) => boolean,
    timeoutMs = 30_000,
  ): Promise<PartitionView[]> {
    const deadlineMs = Date.now() + timeoutMs
    for (;;) {
      let seen: unknown
      try {
        const partitions = await this.partitions(topic)
        if (partitions.every(isMet)) return partitions
        seen = partitions
      } catch (error) {
        seen = error instanceof Error ? error.message : error
      }
      if (Date.now() > deadlineMs) throw new Error(`${what} not in ${timeoutMs} ms: ${JSON.stringify(seen)}`)
      await new Promise((resolve) => setTimeout(resolve, lookAgainMs))
    }
  }

  /** All replicas are in sync, and somebody leads. */
  inSync(topic: string, timeoutMs?: number): Promise<PartitionView[]> {
    const isMet = ({ leader, replicas, isr }: PartitionView) => leader >= 0 && isr.length === replicas.length
    return this.until(topic, "all replicas in sync", isMet, timeoutMs)
  }
}
