/**
 * Topics of the groups workload: made, grown, deleted and made again, and filled at a trickle.
 *
 * Owns all changes of topics, so that what anyone may read of them is known, and the records, which nobody deletes.
 */
import type { Env } from "../../../env/env.js"
import { Errors } from "../../../protocol/errors.js"
import { createPartitions } from "../../../protocol/messages/create-partitions.js"
import { createTopics } from "../../../protocol/messages/create-topics.js"
import { deleteTopics } from "../../../protocol/messages/delete-topics.js"
import { metadata } from "../../../protocol/messages/metadata.js"
import { produce } from "../../../protocol/messages/produce.js"
import { buildBatch } from "../../../protocol/record-batch.js"
import { Asking } from "./asking.js"
import { type GroupsModel, GroupTopic } from "./model.js"

const zeroId = "AAAAAAAAAAAAAAAAAAAAAA"
const partitionsMax = 10
const recordsPerBatchMax = 8
/** Of the producer: well below the time in which it must have ended. */
const pauseMsMax = 30_000

export class TopicAdministrator {
  readonly #asking: Asking

  constructor(
    readonly model: GroupsModel,
    env: Env,
  ) {
    this.#asking = new Asking(model, env, "administrator of topics")
  }

  async run(): Promise<void> {
    const { model } = this
    const { env, random } = this.#asking
    const { options } = model
    for (const slot of options.topics.keys()) await this.#create(slot)
    for (let left = options.topicChanges; left > 0 && !model.isEnding; left--) {
      await model.pause(env, random.magnitude(1, 2 * options.lifeMs))
      if (model.isEnding) break
      const slot = random.int(options.topics.length)
      const topic = model.topics[slot]
      if (topic === undefined || !topic.isLive) await this.#create(slot)
      else if (options.topics[slot]!.isRecreated && random.chance(0.5)) await this.#recreate(slot, topic)
      else await this.#grow(topic)
    }
    // Topics that members wait for are there in the end.
    for (const slot of options.topics.keys()) if (model.topics[slot]?.isLive !== true) await this.#create(slot)
    this.#asking.close()
  }

  async #create(slot: number): Promise<void> {
    const { model } = this
    const { env, random } = this.#asking
    const name = `topic${slot}`
    const { partitions } = model.options.topics[slot]!
    while (!model.isOver) {
      const answer = await this.#asking.ask(createTopics, createTopics.maxVersion, {
        topics: [
          {
            name,
            numPartitions: partitions,
            replicationFactor: 1,
            assignments: [],
            configs: [{ name: "internal.segment.bytes", value: "65536" }],
          },
        ],
        timeoutMs: 5000,
      })
      const result = answer?.topics[0]
      if (result?.errorCode === Errors.NONE) return this.#made(slot, name, result.topicId, partitions)
      const found = await this.#find(name)
      if (found !== undefined) return this.#made(slot, name, found.topicId, found.partitions)
      await model.pause(env, random.int(2000))
    }
  }

  async #find(name: string): Promise<{ topicId: string; partitions: number } | undefined> {
    const answer = await this.#asking.ask(metadata, metadata.maxVersion, {
      topics: [{ name, topicId: zeroId }],
      allowAutoTopicCreation: false,
      includeTopicAuthorizedOperations: false,
      includeClusterAuthorizedOperations: false,
    })
    const topic = answer?.topics[0]
    return topic?.errorCode === Errors.NONE
      ? { topicId: topic.topicId, partitions: topic.partitions.length }
      : undefined
  }

  #made(slot: number, name: string, topicId: string, partitions: number): void {
    const { model } = this
    const topic = new GroupTopic(name, topicId, model.everyTopic.length, partitions)
    model.topics[slot] = topic
    model.everyTopic.push(topic)
    model.counts.topics += 1
  }

  async #recreate(slot: number, topic: GroupTopic): Promise<void> {
    const { model } = this
    const { env, random } = this.#asking
    topic.isLive = false
    model.history.observe({ kind: "topic dies", topic: topic.name })
    const settled = model.options.groups.map(({ name }) => model.removalSent(name))
    while (!model.isOver) {
      const answer = await this.#asking.ask(deleteTopics, deleteTopics.maxVersion, {
        topics: [{ name: null, topicId: topic.topicId }],
        topicNames: [],
        timeoutMs: 5000,
      })
      const errorCode = answer?.responses[0]?.errorCode
      if (errorCode === Errors.NONE || errorCode === Errors.UNKNOWN_TOPIC_ID) break
      await model.pause(env, random.int(1000))
    }
    for (const settle of settled) settle()
    model.counts.deletedTopics += 1
    if (random.chance(0.3)) await model.pause(env, random.int(5000))
    await this.#create(slot)
  }

  async #grow(topic: GroupTopic): Promise<void> {
    const count = topic.partitions + 1
    if (count > partitionsMax) return
    const answer = await this.#asking.ask(createPartitions, createPartitions.maxVersion, {
      topics: [{ name: topic.name, count, assignments: null }],
      timeoutMs: 5000,
      validateOnly: false,
    })
    const { model } = this
    if (answer?.results[0]?.errorCode === Errors.NONE) topic.partitions = count
    else
      while (!model.isOver) {
        // It may have happened all the same.
        const found = await this.#find(topic.name)
        if (found !== undefined) topic.partitions = found.partitions
        if (found !== undefined) return
        await model.pause(this.#asking.env, this.#asking.random.int(1000))
      }
  }
}

/** Sends some records, here and there, and does not look back. */
export class TrickleProducer {
  readonly #asking: Asking

  constructor(
    readonly model: GroupsModel,
    env: Env,
  ) {
    this.#asking = new Asking(model, env, "producer")
  }

  async run(): Promise<void> {
    const { model } = this
    const { env, random } = this.#asking
    const { options } = model
    for (let left = options.records; left > 0 && !model.isEnding; ) {
      const meanMs = (options.lives * options.lifeMs * recordsPerBatchMax) / options.records
      await model.pause(env, random.int(Math.min(2 * meanMs, pauseMsMax)))
      const topics = model.liveTopics
      if (topics.length === 0 || model.isEnding) continue
      const topic = random.pick(topics)
      const count = random.between(1, recordsPerBatchMax)
      left -= count
      model.counts.records += count
      const records = Array.from({ length: count }, () => ({ key: null, value: random.bytes(random.int(64)) }))
      const answer = await this.#asking.ask(produce, produce.maxVersion, {
        acks: -1,
        timeoutMs: 8000,
        topicData: [
          {
            name: "",
            topicId: topic.topicId,
            partitionData: [
              {
                index: random.int(topic.partitions),
                records: buildBatch({ records, timestamp: env.clock.wallMs() }) as never,
              },
            ],
          },
        ],
      })
      if (answer === undefined) await model.pause(env, random.int(500))
    }
    this.#asking.close()
  }
}
