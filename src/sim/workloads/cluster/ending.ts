/**
 * The end of a run: nothing is broken any more, and everything must come right in time (LIV1-4).
 *
 * Owns the bounds and what is read back. Asks as a client does, with connections of its own.
 */
import { Errors } from "../../../protocol/errors.js"
import type { RequestInputOf } from "../../../protocol/message.js"
import { describeConfigs } from "../../../protocol/messages/describe-configs.js"
import { fetch } from "../../../protocol/messages/fetch.js"
import { listOffsets } from "../../../protocol/messages/list-offsets.js"
import { metadata } from "../../../protocol/messages/metadata.js"
import { produce } from "../../../protocol/messages/produce.js"
import { buildBatch } from "../../../protocol/record-batch.js"
import type { SimulatedClient } from "../../client.js"
import { ViolationError } from "../../history.js"
import type { SimulatedNode } from "../../node.js"
import type { SeededRandom } from "../../random.js"
import { ClusterClient } from "./cluster-client.js"
import type { ClusterModel, ClusterTopic } from "./model.js"
import { type NodeLife, problemText } from "./node-life.js"
import { takeIn } from "./reading.js"

/** All nodes started at once, with nothing broken, serve within this. */
export const startsWithinMs = 30_000
/** With nothing broken every broker knows of a change within this. */
const metadataWithinMs = 1_000
/** LIV1: every partition has a leader, and every broker says the same. */
const leadersWithinMs = 5_000
/** LIV2: producers go on. */
const producesWithinMs = 10_000
/** LIV3: whatever was acknowledged has been read. */
const readsWithinMs = 30_000
/** LIV4: all replicas are in sync. */
const convergesWithinMs = 30_000

export class ClusterEnding {
  #fetches = 0

  constructor(
    readonly model: ClusterModel,
    readonly lives: readonly NodeLife[],
    readonly machine: SimulatedNode,
    readonly random: SeededRandom,
    /** Undefined: all replicas hold the same bytes. */
    readonly whyNotConverged: () => string | undefined,
  ) {}

  /** Waits for `isSo`; undefined is yes, anything else says what is missing. */
  async #within(ms: number, what: string, whyNot: () => Promise<string | undefined>): Promise<void> {
    const { world } = this.model
    const untilMs = world.nowMs + ms
    for (;;) {
      const missing = await whyNot()
      if (missing === undefined) return
      if (world.nowMs > untilMs) {
        this.model.verify()
        throw new ViolationError(`liveness: ${what} within ${ms} ms with nothing broken: ${missing}`)
      }
      await world.sleep(100)
    }
  }

  async allServe(): Promise<void> {
    await this.#within(startsWithinMs, "every node serves", async () => {
      const late = this.lives.filter(({ state }) => state !== "up")
      if (late.length === 0) return undefined
      return late.map(({ name, state, startProblem }) => `${name} is ${state} ${problemText(startProblem)}`).join("; ")
    })
  }

  /** Leaders, producers, all replicas in sync: each in its time. */
  async settles(): Promise<void> {
    const client = this.#client()
    await this.allServe()
    await this.#within(leadersWithinMs, "LIV1: every partition has a leader", () => this.#whyNoLeaders(client))
    await this.#within(producesWithinMs, "LIV2: every partition takes records", () => this.#whyNoProduce(client))
    client.close()
  }

  async converges(): Promise<void> {
    const client = this.#client()
    await this.#within(convergesWithinMs, "LIV4: all replicas are in sync", () => this.#whyOutOfSync(client))
    await this.#within(convergesWithinMs, "LIV4: replicas hold the same bytes", async () => this.whyNotConverged())
    client.close()
  }

  #client(): ClusterClient {
    return new ClusterClient(this.model, this.machine.env, this.model.nextName("auditor"), this.random, 5_000)
  }

  /** What every broker by itself says. Undefined: one does not answer. */
  async #fromEveryBroker(client: ClusterClient) {
    const brokers = this.lives.filter(({ spec }) => spec.isBroker)
    if (!(await client.refresh())) return undefined
    const answers = []
    for (const { spec } of brokers) {
      const connection = await client.connectionTo(spec.id)
      const answer = connection === undefined ? undefined : await client.metadataFrom(connection)
      if (answer === undefined) return undefined
      answers.push(answer)
    }
    return answers
  }

  async #whyNoLeaders(client: ClusterClient): Promise<string | undefined> {
    const answers = await this.#fromEveryBroker(client)
    if (answers === undefined) return "a broker does not answer"
    for (const topic of this.model.liveTopics) {
      const told = new Set<string>()
      for (const { topics } of answers) {
        const found = topics.find(({ topicId }) => topicId === topic.topicId)
        if (found === undefined || found.partitions.length < topic.partitions)
          return `${topic.name} is not known everywhere`
        for (const { partitionIndex, leaderId, leaderEpoch } of found.partitions) {
          // Nobody may be left who may lead it.
          if (leaderId < 0 && !topic.mayBeLost(partitionIndex))
            return `${topic.partitionName(partitionIndex)} has no leader`
          told.add(`${partitionIndex} ${leaderId} ${leaderEpoch}`)
        }
      }
      if (told.size !== answers[0]!.topics.find(({ topicId }) => topicId === topic.topicId)!.partitions.length)
        return `brokers disagree about ${topic.name}: ${[...told].join(", ")}`
    }
    return undefined
  }

  async #whyOutOfSync(client: ClusterClient): Promise<string | undefined> {
    const answers = await this.#fromEveryBroker(client)
    if (answers === undefined) return "a broker does not answer"
    for (const { topics } of answers)
      for (const { name, topicId, partitions } of topics)
        for (const { partitionIndex, replicaNodes, isrNodes } of partitions)
          if (isrNodes.length !== replicaNodes.length && !this.#mayBeLost(topicId, partitionIndex))
            return `${name}-${partitionIndex} has replicas ${replicaNodes.join()} and in sync ${isrNodes.join()}`
    return undefined
  }

  #mayBeLost(topicId: string, partition: number): boolean {
    return this.model.everyTopic.find((topic) => topic.topicId === topicId)?.mayBeLost(partition) === true
  }

  async #whyNoProduce(client: ClusterClient): Promise<string | undefined> {
    const { model } = this
    for (const topic of model.liveTopics) {
      for (let partition = 0; partition < topic.partitions; partition++) {
        if (topic.lossAllowed.has(partition)) continue
        const leader = client.leaderOf(topic, partition)
        const connection = leader === undefined ? undefined : await client.connectionTo(leader.leaderId)
        if (connection === undefined) {
          await client.refresh()
          return `${topic.partitionName(partition)} cannot be reached`
        }
        const number = topic.numberOf(partition)
        const producer = model.history.addProducer({ name: "probe", mayDuplicate: false, mayReorder: false })
        const value = model.history.sent(producer, number)
        const answer = await connection.send(
          produce,
          produce.maxVersion,
          {
            acks: -1,
            timeoutMs: 2_000,
            topicData: [
              {
                name: topic.name,
                topicId: topic.topicId,
                partitionData: [
                  {
                    index: partition,
                    records: buildBatch({
                      records: [
                        { key: Buffer.from(String(value)), value: null, timestamp: this.machine.env.clock.wallMs() },
                      ],
                    }) as never,
                  },
                ],
              },
            ],
          },
          3_000,
        )
        const result = answer.ok ? answer.value.responses[0]?.partitionResponses[0] : undefined
        if (result?.errorCode !== Errors.NONE) {
          await client.refresh()
          return `${topic.partitionName(partition)} answers ${answer.ok ? `error ${result?.errorCode}` : answer.why}`
        }
        model.history.acknowledged(value, result.baseOffset, true)
      }
    }
    return undefined
  }

  /** Everything is read back and judged (LIV3). */
  async audit(): Promise<void> {
    const { model } = this
    const { world } = model
    const startedMs = world.nowMs
    const client = this.#client()
    await this.#within(readsWithinMs, "a leader is found", () => this.#whyNoLeaders(client))
    // A broker may be behind by what it has not fetched yet (R7).
    await world.sleep(metadataWithinMs)
    await this.#checkFacts(client)
    for (const topic of model.liveTopics)
      for (let partition = 0; partition < topic.partitions; partition++) {
        if (topic.lossAllowed.has(partition)) continue
        await this.#within(readsWithinMs, `LIV3: ${topic.partitionName(partition)} is read whole`, () =>
          this.#whyNotRead(client, topic, partition),
        )
      }
    client.close()
    model.verify()
    // The way to a broker and back is not the cluster's.
    const tookMs = world.nowMs - startedMs - this.#fetches * 2 * model.options.linkSpreadMs
    if (tookMs > readsWithinMs) throw new ViolationError(`liveness: LIV3: reading everything took ${tookMs} ms`)
  }

  async #whyNotRead(client: ClusterClient, topic: ClusterTopic, partition: number): Promise<string | undefined> {
    const { model } = this
    const leader = client.leaderOf(topic, partition)
    const connection = leader === undefined ? undefined : await client.connectionTo(leader.leaderId)
    const start = connection && (await this.#offsetAt(connection, topic, partition, -2))
    const end = connection && (await this.#offsetAt(connection, topic, partition, -1))
    if (connection === undefined || start === undefined || end === undefined) {
      await client.refresh()
      return "no leader answers"
    }
    const reader = model.history.addReader(model.nextName("audit"), topic.numberOf(partition))
    model.history.positioned(reader, start)
    for (let offset = start; offset < end; ) {
      this.#fetches++
      const answer = await connection.send(
        fetch,
        fetch.maxVersion,
        {
          maxWaitMs: 500,
          minBytes: 1,
          maxBytes: 1 << 20,
          topics: [
            {
              topic: "",
              topicId: topic.topicId,
              partitions: [{ partition, fetchOffset: offset, partitionMaxBytes: this.random.magnitude(1, 1 << 18) }],
            },
          ],
          forgottenTopicsData: [],
        },
        3_000,
      )
      const data = answer.ok ? answer.value.responses[0]?.partitions[0] : undefined
      if (data === undefined || data.errorCode !== Errors.NONE) {
        await client.refresh()
        return `a fetch at ${offset} is answered ${answer.ok ? `error ${data?.errorCode}` : answer.why}`
      }
      const records = data.records as unknown as Buffer | null
      const part = takeIn(model, topic, partition, reader, offset, data.highWatermark, records)
      if (part.nextOffset <= offset) return `nothing at ${offset}, the log ends at ${end}`
      offset = part.nextOffset
    }
    model.history.drained(reader, start, end)
    return undefined
  }

  async #offsetAt(
    connection: SimulatedClient,
    topic: ClusterTopic,
    partition: number,
    timestamp: number,
  ): Promise<number | undefined> {
    const answer = await connection.send(
      listOffsets,
      listOffsets.maxVersion,
      {
        replicaId: -1,
        isolationLevel: 0,
        topics: [{ name: topic.name, partitions: [{ partitionIndex: partition, timestamp }] }],
        timeoutMs: 1000,
      } as RequestInputOf<typeof listOffsets>,
      3_000,
    )
    const result = answer.ok ? answer.value.topics[0]?.partitions[0] : undefined
    return result?.errorCode === Errors.NONE ? result.offset : undefined
  }

  /** What everyone says of topics and settings is what was acknowledged (R7). Nothing changes meanwhile. */
  async #checkFacts(client: ClusterClient): Promise<void> {
    const { model } = this
    const read = (fact: string, value: string) => model.facts.observe({ kind: "fact read", fact, value })
    for (const { spec } of this.lives.filter(({ spec }) => spec.isBroker)) {
      const connection = await client.connectionTo(spec.id)
      const all = await connection?.send(
        metadata,
        metadata.maxVersion,
        {
          topics: null,
          allowAutoTopicCreation: false,
          includeTopicAuthorizedOperations: false,
          includeClusterAuthorizedOperations: false,
        },
        5_000,
      )
      if (all === undefined || !all.ok) continue
      const found = new Map(all.value.topics.map((topic) => [topic.topicId, topic]))
      for (const topic of model.everyTopic) {
        const state = found.get(topic.topicId)
        read(`topic ${topic.topicId}`, state === undefined ? "is gone" : "exists")
        if (state !== undefined) read(`partitions of ${topic.topicId}`, String(state.partitions.length))
      }
      const live = model.liveTopics
      const configs = await connection!.send(
        describeConfigs,
        describeConfigs.maxVersion,
        { resources: live.map(({ name }) => ({ resourceType: 2, resourceName: name, configurationKeys: null })) },
        5_000,
      )
      if (!configs.ok) continue
      for (const topic of live) {
        const described = configs.value.results.find(({ resourceName }) => resourceName === topic.name)
        for (const key of Object.keys(topic.options.configs)) {
          const value = described?.configs.find(({ name }) => name === key)?.value
          if (value != null) read(`${key} of ${topic.topicId}`, value)
        }
      }
    }
  }
}
