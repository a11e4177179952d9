/**
 * The administrator of the broker workload: makes, deletes and changes, one thing after the other, and remembers what it was told.
 *
 * Owns all changes of metadata, so that what anyone may be told of it is known. A change without an answer stays possible until the broker is another
 * process; whether a topic was made or deleted is then asked.
 */
import type { FlushPolicy } from "../../../config/log-config.js"
import type { Env } from "../../../env/env.js"
import { Errors } from "../../../protocol/errors.js"
import type { Api, RequestInputOf } from "../../../protocol/message.js"
import { alterReplicaLogDirs } from "../../../protocol/messages/alter-replica-log-dirs.js"
import { deleteRecords } from "../../../protocol/messages/delete-records.js"
import { describeConfigs } from "../../../protocol/messages/describe-configs.js"
import { describeLogDirs } from "../../../protocol/messages/describe-log-dirs.js"
import { metadata } from "../../../protocol/messages/metadata.js"
import type { ResponseOf } from "../../../protocol/message.js"
import type { SimulatedClient } from "../../client.js"
import type { SeededRandom } from "../../random.js"
import { TopicChanges } from "../topic-changes.js"
import { requestTimeoutMs } from "../lives/lives-model.js"
import { type Model, TopicModel, weakerOf } from "./model.js"

const topicResource = 2
const zeroId = "AAAAAAAAAAAAAAAAAAAAAA"

/** Settings that change while records flow, and values they take. */
const changingConfigs: Readonly<Record<string, readonly string[]>> = {
  "flush.messages": ["1", "100", "9223372036854775807"],
  "flush.ms": ["10", "1000", "9223372036854775807"],
  "index.interval.bytes": ["1", "300", "4096"],
  "segment.index.bytes": ["64", "1024", "10485760"],
  "ottla.flush.policy": ["flush", "replicated", "memory"],
}

export class Administrator {
  readonly #random: SeededRandom
  readonly name = "administrator"
  readonly #changes: TopicChanges
  #client: SimulatedClient | undefined

  constructor(
    readonly model: Model,
    readonly env: Env,
  ) {
    this.#random = model.random.fork(this.name)
    this.#changes = new TopicChanges((api, request) => this.#ask(api, request), model.history)
  }

  async run(): Promise<void> {
    const { model, env } = this
    const { options } = model
    for (const slot of options.topics.keys()) await this.#create(slot)
    for (let left = options.administrations; left > 0 && !model.isEnding; left--) {
      await model.pause(env, this.#random.magnitude(1, 2 * options.lifeMs))
      await this.#something()
    }
    this.#client?.close()
  }

  async #connected(): Promise<SimulatedClient | undefined> {
    while (!this.model.isOver) {
      if (this.#client?.isOpen) return this.#client
      this.#client = await this.model.connect(this.env, this.name)
      if (this.#client === undefined) await this.model.pause(this.env, this.#random.int(500))
    }
    return undefined
  }

  /** One try. Undefined: no answer. */
  async #ask<A extends Api>(api: A, request: RequestInputOf<A>): Promise<ResponseOf<A> | undefined> {
    const client = await this.#connected()
    if (client === undefined) return undefined
    const answer = await client.send(api, api.maxVersion, request, requestTimeoutMs)
    return answer.ok ? answer.value : undefined
  }

  /** Until there is an answer, for what changes nothing. */
  async #learn<A extends Api>(api: A, request: RequestInputOf<A>): Promise<ResponseOf<A> | undefined> {
    while (!this.model.isOver) {
      const answer = await this.#ask(api, request)
      if (answer !== undefined) return answer
      await this.model.pause(this.env, this.#random.int(500))
    }
    return undefined
  }

  async #something(): Promise<void> {
    const random = this.#random
    const { model } = this
    const slot = random.int(model.options.topics.length)
    const topic = model.topics[slot]
    if (topic === undefined || !topic.isLive) return this.#create(slot)
    switch (random.int(8)) {
      case 0:
        if (topic.options.isRecreated) return this.#recreate(slot, topic)
        return this.#deleteRecords(topic)
      case 1:
      case 2:
        return this.#deleteRecords(topic)
      case 3:
        return this.#addPartition(topic)
      case 4:
        return this.#changeConfig(topic)
      case 5:
        return this.#checkMetadata()
      default:
        return this.#move(topic)
    }
  }

  async #create(slot: number): Promise<void> {
    const { model } = this
    const options = model.options.topics[slot]!
    const name = `topic${slot}`
    for (;;) {
      const made = await this.#changes.create(name, 1, options)
      if (model.isOver) return
      if (made !== undefined) return this.#made(slot, name, made)
      // Refused for want of room, or no answer: it may be there all the same.
      const found = await this.#find(name)
      if (found !== undefined) return this.#made(slot, name, found)
      if (model.isEnding) return
      await model.pause(this.env, this.#random.int(2000))
    }
  }

  async #find(name: string): Promise<string | undefined> {
    const answer = await this.#learn(metadata, {
      topics: [{ name, topicId: zeroId }],
      allowAutoTopicCreation: false,
      includeTopicAuthorizedOperations: false,
      includeClusterAuthorizedOperations: false,
    })
    const topic = answer?.topics[0]
    return topic?.errorCode === Errors.NONE ? topic.topicId : undefined
  }

  #made(slot: number, name: string, topicId: string): void {
    const { model } = this
    const options = model.options.topics[slot]!
    const generation = model.everyTopic.length
    const topic = new TopicModel(name, topicId, generation, options, options.partitions, options.flushPolicy)
    model.topics[slot] = topic
    model.everyTopic.push(topic)
    model.counts.topics += 1
    this.#changes.made(topicId, options)
  }

  async #recreate(slot: number, topic: TopicModel): Promise<void> {
    const { model } = this
    topic.isLive = false
    const isGone = await this.#changes.delete(topic, async () => {
      if (model.isEnding || model.isOver) return false
      await model.pause(this.env, this.#random.int(1000))
      return true
    })
    if (!isGone) return
    model.counts.deletedTopics += 1
    if (this.#random.chance(0.3)) await model.pause(this.env, this.#random.int(5000))
    await this.#create(slot)
  }

  async #deleteRecords(topic: TopicModel): Promise<void> {
    const { model } = this
    const partition = this.#random.int(topic.partitions)
    const known = [...topic.timestampsOf(partition).keys()]
    if (known.length === 0) return
    const toTheEnd = this.#random.chance(0.1)
    const offset = this.#random.pick(known)
    const name = topic.partitionName(partition)
    const below = toTheEnd ? Number.MAX_SAFE_INTEGER : offset
    model.history.observe({ kind: "deletable", partition: name, below })
    topic.deletable.set(partition, Math.max(below, topic.deletable.get(partition) ?? 0))
    const answer = await this.#ask(deleteRecords, {
      topics: [{ name: topic.name, partitions: [{ partitionIndex: partition, offset: toTheEnd ? -1 : offset }] }],
      timeoutMs: 5000,
    })
    const result = answer?.topics[0]?.partitions[0]
    if (result?.errorCode !== Errors.NONE || !topic.isLive) return
    model.counts.deletedRecords += 1
    if (result.lowWatermark < offset && !toTheEnd)
      model.violated(`deletion does what it says: ${name} starts at ${result.lowWatermark}, not at ${offset}`)
    model.history.observe({ kind: "deleted", partition: name, below: result.lowWatermark })
  }

  async #addPartition(topic: TopicModel): Promise<void> {
    if (topic.partitions < 6) await this.#changes.addPartition(topic)
  }

  async #changeConfig(topic: TopicModel): Promise<void> {
    const random = this.#random
    const { model } = this
    const key = random.pick(Object.keys(changingConfigs))
    const value = random.pick(changingConfigs[key]!)
    if (key === "ottla.flush.policy") {
      // A weaker policy would leave little to check: only topics that have one already change it.
      if (topic.options.flushPolicy !== "memory") return
      topic.flushPolicy = weakerOf(topic.flushPolicy, value as FlushPolicy)
    }
    if (await this.#changes.changeConfig(topic, key, value)) model.counts.configChanges += 1
  }

  async #move(topic: TopicModel): Promise<void> {
    if (this.model.options.directories < 2) return this.#checkMetadata()
    const partition = this.#random.int(topic.partitions)
    const path = this.#random.pick(["/data0", "/data1"])
    const answer = await this.#ask(alterReplicaLogDirs, {
      dirs: [{ path, topics: [{ name: topic.name, partitions: [partition] }] }],
    })
    if (answer?.results[0]?.partitions[0]?.errorCode === Errors.NONE) this.model.counts.moves += 1
    if (this.#random.chance(0.3)) await this.#ask(describeLogDirs, { topics: null })
  }

  async #checkMetadata(): Promise<void> {
    const client = await this.#connected()
    if (client !== undefined) await checkMetadata(this.model, client)
  }
}

/** Compares what the broker says of topics and settings with what was acknowledged. False: no answer. */
export async function checkMetadata(model: Model, client: SimulatedClient): Promise<boolean> {
  // Only what nobody is changing meanwhile can be compared: topics are taken as they are before the question.
  const topics = [...model.everyTopic]
  const read = (fact: string, value: string) => model.history.observe({ kind: "fact read", fact, value })
  const all = await client.send(
    metadata,
    metadata.maxVersion,
    {
      topics: null,
      allowAutoTopicCreation: false,
      includeTopicAuthorizedOperations: false,
      includeClusterAuthorizedOperations: false,
    },
    requestTimeoutMs,
  )
  if (!all.ok) return false
  const found = new Map(all.value.topics.map((topic) => [topic.topicId, topic]))
  for (const topic of topics) {
    const state = found.get(topic.topicId)
    read(`topic ${topic.topicId}`, state === undefined ? "is gone" : "exists")
    if (state !== undefined) read(`partitions of ${topic.topicId}`, String(state.partitions.length))
  }
  const live = topics.filter(({ isLive }) => isLive)
  const configs = await client.send(
    describeConfigs,
    describeConfigs.maxVersion,
    {
      resources: live.map(({ name }) => ({
        resourceType: topicResource,
        resourceName: name,
        configurationKeys: null,
      })),
    },
    requestTimeoutMs,
  )
  if (!configs.ok) return false
  for (const topic of live) {
    const described = configs.value.results.find(({ resourceName }) => resourceName === topic.name)
    if (described === undefined || described.errorCode !== Errors.NONE || !topic.isLive) continue
    for (const key of [...Object.keys(topic.options.configs), ...Object.keys(changingConfigs)]) {
      const value = described.configs.find(({ name }) => name === key)?.value
      if (value != null) read(`${key} of ${topic.topicId}`, value)
    }
  }
  return true
}
