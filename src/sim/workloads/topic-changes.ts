/**
 * Changes of topics that administrators of several workloads ask for in the same words.
 *
 * Owns the requests and the facts that follow from them: what was asked for may be so from then on, what was answered is so. When to ask, and again, is the administrator's.
 */
import { Errors } from "../../protocol/errors.js"
import type { Api, RequestInputOf, ResponseOf } from "../../protocol/message.js"
import { createPartitions } from "../../protocol/messages/create-partitions.js"
import { createTopics } from "../../protocol/messages/create-topics.js"
import { deleteTopics } from "../../protocol/messages/delete-topics.js"
import { incrementalAlterConfigs } from "../../protocol/messages/incremental-alter-configs.js"
import type { History } from "../history.js"

/** One try. Undefined: no answer. */
export type Ask = <A extends Api>(api: A, request: RequestInputOf<A>) => Promise<ResponseOf<A> | undefined>

export interface ChangedTopic {
  readonly name: string
  readonly topicId: string
  partitions: number
}

interface NewTopic {
  readonly partitions: number
  readonly configs: Readonly<Record<string, string>>
}

const topicResource = 2
const timeoutMs = 5000

export class TopicChanges {
  constructor(
    private readonly ask: Ask,
    private readonly facts: Pick<History, "observe">,
  ) {}

  /** The topic's id. Undefined: refused, or no answer; it may be there all the same. */
  async create(name: string, replicationFactor: number, options: NewTopic): Promise<string | undefined> {
    const { partitions: numPartitions } = options
    const configs = Object.entries(options.configs).map(([key, value]) => ({ name: key, value }))
    const topics = [{ name, numPartitions, replicationFactor, assignments: [], configs }]
    const result = (await this.ask(createTopics, { topics, timeoutMs }))?.topics[0]
    return result?.errorCode === Errors.NONE ? result.topicId : undefined
  }

  made(topicId: string, { partitions, configs }: NewTopic): void {
    this.#acknowledged(`topic ${topicId}`, "exists")
    this.#acknowledged(`partitions of ${topicId}`, String(partitions))
    for (const [key, value] of Object.entries(configs)) this.#acknowledged(`${key} of ${topicId}`, value)
  }

  /** Asks until it is gone; false: `pause` said that there is no time for that. */
  async delete({ topicId }: ChangedTopic, pause: () => Promise<boolean>): Promise<boolean> {
    const fact = `topic ${topicId}`
    this.#written(fact, "is gone")
    for (;;) {
      const answer = await this.ask(deleteTopics, { topics: [{ name: null, topicId }], topicNames: [], timeoutMs })
      const errorCode = answer?.responses[0]?.errorCode
      if (errorCode === Errors.NONE || errorCode === Errors.UNKNOWN_TOPIC_ID) break
      if (!(await pause())) return false
    }
    this.#acknowledged(fact, "is gone")
    return true
  }

  async addPartition(topic: ChangedTopic): Promise<void> {
    const count = topic.partitions + 1
    const fact = `partitions of ${topic.topicId}`
    this.#written(fact, String(count))
    const topics = [{ name: topic.name, count, assignments: null }]
    const answer = await this.ask(createPartitions, { topics, timeoutMs, validateOnly: false })
    if (answer?.results[0]?.errorCode !== Errors.NONE) return
    this.#acknowledged(fact, String(count))
    topic.partitions = count
  }

  /** True: the answer said that it is so. */
  async changeConfig({ name: resourceName, topicId }: ChangedTopic, name: string, value: string): Promise<boolean> {
    const fact = `${name} of ${topicId}`
    this.#written(fact, value)
    const configs = [{ name, configOperation: 0, value }]
    const resources = [{ resourceType: topicResource, resourceName, configs }]
    const answer = await this.ask(incrementalAlterConfigs, { resources, validateOnly: false })
    if (answer?.responses[0]?.errorCode !== Errors.NONE) return false
    this.#acknowledged(fact, value)
    return true
  }

  #acknowledged(fact: string, value: string): void {
    this.facts.observe({ kind: "fact acknowledged", fact, value })
  }

  #written(fact: string, value: string): void {
    this.facts.observe({ kind: "fact written", fact, value })
  }
}
