/**
 * The administrator of the cluster workload: makes, deletes, moves and changes, one thing after the other, and remembers what it was told.
 *
 * Owns all changes of metadata by clients, so that what anyone may be told of it is known. A change without an answer stays possible until it is asked for again with one.
 */
import type { Env } from "../../../env/env.js"
import { Errors } from "../../../protocol/errors.js"
import type { Api, RequestInputOf, ResponseOf } from "../../../protocol/message.js"
import { alterPartitionReassignments } from "../../../protocol/messages/alter-partition-reassignments.js"
import { deleteRecords } from "../../../protocol/messages/delete-records.js"
import { electLeaders } from "../../../protocol/messages/elect-leaders.js"
import { metadata } from "../../../protocol/messages/metadata.js"
import type { SeededRandom } from "../../random.js"
import { TopicChanges } from "../topic-changes.js"
import { ClusterClient } from "./cluster-client.js"
import { type ClusterModel, ClusterTopic } from "./model.js"

const zeroId = "AAAAAAAAAAAAAAAAAAAAAA"
const partitionsMax = 8

/** Settings that change while records flow, and values they take. */
const changingConfigs: Readonly<Record<string, readonly string[]>> = {
  "flush.messages": ["1", "100", "9223372036854775807"],
  "index.interval.bytes": ["1", "300", "4096"],
  "segment.index.bytes": ["64", "1024", "10485760"],
}

export class ClusterAdministrator {
  readonly #random: SeededRandom
  readonly #client: ClusterClient
  readonly #changes: TopicChanges

  constructor(
    readonly model: ClusterModel,
    env: Env,
    readonly brokerIds: readonly number[],
  ) {
    this.#random = model.random.fork("administrator")
    this.#client = new ClusterClient(model, env, "administrator", this.#random, 10_000)
    this.#changes = new TopicChanges((api, request) => this.#ask(api, request), model.facts)
  }

  async run(): Promise<void> {
    const { model } = this
    for (const slot of model.options.topics.keys()) await this.#create(slot)
    for (let left = model.options.administrations; left > 0 && !model.isEnding; left--) {
      await this.#pause(this.#random.magnitude(16, model.options.runMs))
      await this.#something()
    }
    this.#client.close()
  }

  #pause(ms: number): Promise<void> {
    return this.model.pause(this.#client.env, ms)
  }

  /** One try. Undefined: no answer. */
  async #ask<A extends Api>(api: A, request: RequestInputOf<A>): Promise<ResponseOf<A> | undefined> {
    const answer = await this.#client.ask(api, request)
    return answer.ok ? answer.value : undefined
  }

  async #something(): Promise<void> {
    const random = this.#random
    const { model } = this
    const slot = random.int(model.options.topics.length)
    const topic = model.topics[slot]
    if (topic === undefined || !topic.isLive) return this.#create(slot)
    switch (random.int(7)) {
      case 0:
        if (topic.options.isRecreated) return this.#recreate(slot, topic)
        return this.#deleteRecords(topic)
      case 1:
        return this.#addPartition(topic)
      case 2:
        return this.#changeConfig(topic)
      case 3:
      case 4:
        return this.#electLeaders(topic)
      default:
        return this.#reassign(topic)
    }
  }

  async #create(slot: number): Promise<void> {
    const { model } = this
    const options = model.options.topics[slot]!
    const name = `topic${slot}`
    while (!model.isOver) {
      const made = await this.#changes.create(name, options.replicationFactor, options)
      if (made !== undefined) return this.#made(slot, name, made)
      // Refused because too few brokers are there, or no answer: it may be there all the same.
      const found = await this.#find(name)
      if (found !== undefined) return this.#made(slot, name, found)
      if (model.isEnding) return
      await this.#pause(100 + this.#random.int(1000))
    }
  }

  /** The id of a topic that is not known yet. What a broker that lags says of a former one is not taken. */
  async #find(name: string): Promise<string | undefined> {
    const answer = await this.#ask(metadata, {
      topics: [{ name, topicId: zeroId }],
      allowAutoTopicCreation: false,
      includeTopicAuthorizedOperations: false,
      includeClusterAuthorizedOperations: false,
    })
    const topic = answer?.topics[0]
    if (topic?.errorCode !== Errors.NONE) return undefined
    return this.model.everyTopic.some(({ topicId }) => topicId === topic.topicId) ? undefined : topic.topicId
  }

  #made(slot: number, name: string, topicId: string): void {
    const { model } = this
    const options = model.options.topics[slot]!
    const topic = new ClusterTopic(model, name, topicId, model.everyTopic.length, options, options.partitions)
    model.topics[slot] = topic
    model.everyTopic.push(topic)
    model.counts.topics += 1
    this.#changes.made(topicId, options)
  }

  async #recreate(slot: number, topic: ClusterTopic): Promise<void> {
    const { model } = this
    topic.isLive = false
    const isGone = await this.#changes.delete(topic, async () => {
      if (model.isEnding || model.isOver) return false
      await this.#pause(this.#random.int(1000))
      return true
    })
    if (!isGone) return
    model.counts.deletedTopics += 1
    if (this.#random.chance(0.3)) await this.#pause(this.#random.int(3000))
    await this.#create(slot)
  }

  async #deleteRecords(topic: ClusterTopic): Promise<void> {
    const { model } = this
    const partition = this.#random.int(topic.partitions)
    const leader = this.#client.leaderOf(topic, partition)
    if (leader === undefined) return void (await this.#client.refresh())
    const connection = await this.#client.connectionTo(leader.leaderId)
    if (connection === undefined) return void (await this.#client.refresh())
    const offset = this.#random.magnitude(1, 256)
    const number = topic.numberOf(partition)
    model.history.deletable(number, offset)
    topic.hasDeletions.add(partition)
    const answer = await connection.send(
      deleteRecords,
      deleteRecords.maxVersion,
      { topics: [{ name: topic.name, partitions: [{ partitionIndex: partition, offset }] }], timeoutMs: 5000 },
      10_000,
    )
    const result = answer.ok ? answer.value.topics[0]?.partitions[0] : undefined
    if (result?.errorCode !== Errors.NONE || !topic.isLive) return
    model.history.deleted(number, Math.min(offset, result.lowWatermark))
  }

  async #addPartition(topic: ClusterTopic): Promise<void> {
    if (topic.partitions >= partitionsMax) return
    await this.#changes.addPartition(topic)
    // Made on brokers that were gone, and not fenced yet: what its policy does not cover came before it.
    if (topic.lossAllowed.size > 0) this.model.allowLoss(topic)
  }

  async #changeConfig(topic: ClusterTopic): Promise<void> {
    const random = this.#random
    const key = random.pick(Object.keys(changingConfigs))
    const value = random.pick(changingConfigs[key]!)
    if (await this.#changes.changeConfig(topic, key, value)) this.model.counts.configChanges += 1
  }

  async #electLeaders(topic: ClusterTopic): Promise<void> {
    const answer = await this.#ask(electLeaders, {
      electionType: 0,
      topicPartitions: [{ topic: topic.name, partitions: [this.#random.int(topic.partitions)] }],
      timeoutMs: 5000,
    })
    if (answer !== undefined && answer.errorCode === Errors.NONE) this.model.counts.elections += 1
  }

  /** To other brokers, or an end to what is under way. */
  async #reassign(topic: ClusterTopic): Promise<void> {
    const random = this.#random
    const count = random.chance(0.8) ? topic.options.replicationFactor : random.between(1, this.brokerIds.length)
    const partitions = Array.from({ length: topic.partitions }, (_, partitionIndex) => partitionIndex)
      .filter(() => random.chance(0.5))
      .map((partitionIndex) => ({
        partitionIndex,
        replicas: random.chance(0.1)
          ? null
          : random.shuffle([...this.brokerIds]).slice(0, Math.max(count, topic.options.minInsyncReplicas)),
      }))
    const answer = await this.#ask(alterPartitionReassignments, {
      timeoutMs: 5000,
      topics: [{ name: topic.name, partitions }],
    })
    if (answer?.errorCode === Errors.NONE) this.model.counts.reassignments += partitions.length
  }
}
