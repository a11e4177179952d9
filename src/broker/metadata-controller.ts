/**
 * The controller's decisions, submitted and awaited.
 *
 * Owns the way from a handler to the metadata log and back: decide, append, commit, and wait until this broker acts on it. The decisions themselves are in
 * `controller/`. A refusal by the log is turned into the error Kafka clients retry.
 */
import type { BrokerId, Uuid } from "../base/ids.js"
import {
  registerBroker,
  allocateProducerIds,
  assignReplicasToDirs,
  fenceBroker,
  type RegistrationRequest,
  unfenceBroker,
} from "../controller/brokers.js"
import {
  alterConfigs,
  type ConfigChange,
  type ConfigResource,
  type ConfigRules,
  incrementalAlterConfigs,
} from "../controller/configs.js"
import { type ElectionResult, electLeaders } from "../controller/elections.js"
import {
  type CreatableTopic,
  type CreatedTopic,
  createPartitions,
  createTopics,
  deleteTopics,
  type Failure,
  failure,
  type Outcome,
  type PartitionsToCreate,
  type TopicDefaults,
} from "../controller/topics.js"
import type { Env } from "../env/env.js"
import type { DirectoryAssignment, MetadataImage, TopicImage } from "../metadata/image.js"
import type { MetadataRecord } from "../metadata/records.js"
import { Errors, type ErrorCode } from "../protocol/errors.js"
import type { Refusal, StateMachine } from "../rsm/state-machine.js"
import type { ProducerIdBlock } from "./producer-ids.js"

type Decide<T> = (image: MetadataImage, nextOffset: number) => { records: readonly MetadataRecord[]; response: T }

export interface ControllerOptions {
  readonly env: Env
  readonly nodeId: BrokerId
  readonly machine: StateMachine<MetadataImage, MetadataRecord>
  readonly topicDefaults: () => TopicDefaults
  readonly configRules: ConfigRules
  /** Resolves when this broker acts on all metadata committed so far. */
  readonly applied: () => Promise<void>
}

const refusalError: Record<Refusal, ErrorCode> = {
  "not-leader": Errors.NOT_CONTROLLER,
  "lost-leadership": Errors.NOT_CONTROLLER,
  "too-many-pending": Errors.REQUEST_TIMED_OUT,
}

const isRefusal = (result: unknown): result is Refusal => typeof result === "string" && result in refusalError

export class MetadataController {
  #brokerEpoch = -1

  constructor(private readonly options: ControllerOptions) {}

  get brokerEpoch(): number {
    return this.#brokerEpoch
  }

  async #submit<T>(decide: Decide<T>): Promise<T | { refused: Failure }> {
    const result = await this.options.machine.submit(decide, this.options.env.clock.wallMs())
    if (isRefusal(result))
      return { refused: failure(refusalError[result], "The metadata log takes no changes at the moment.").failure }
    return result as T
  }

  /** For requests whose items fail one by one: a refusal is the result of each. */
  async #submitEach<T>(
    count: number,
    decide: (image: MetadataImage) => { records: MetadataRecord[]; results: Outcome<T>[] },
    validateOnly = false,
  ): Promise<Outcome<T>[]> {
    const done = await this.#submit((image) => {
      const { records, results } = decide(image)
      return { records: validateOnly ? [] : records, response: { results } }
    })
    if ("refused" in done) return Array.from({ length: count }, () => ({ failure: done.refused }))
    if (!validateOnly) await this.options.applied()
    return done.results
  }

  createTopics(
    topics: readonly CreatableTopic[],
    { validateOnly }: { validateOnly: boolean },
  ): Promise<Outcome<CreatedTopic>[]> {
    return this.#submitEach(
      topics.length,
      (image) => createTopics(image, topics, this.options.topicDefaults()),
      validateOnly,
    )
  }

  /** Creates what is missing, with defaults. Resolves with the error of each name that is still missing. */
  async autoCreateTopics(names: readonly string[]): Promise<Map<string, ErrorCode>> {
    const topics = names.map((name) => ({
      name,
      numPartitions: -1,
      replicationFactor: -1,
      assignments: [],
      configs: [],
    }))
    const results = await this.createTopics(topics, { validateOnly: false })
    const failures = new Map<string, ErrorCode>()
    names.forEach((name, index) => {
      const result = results[index]!
      // Somebody else was faster: it exists, as it should.
      if ("failure" in result && result.failure.errorCode !== Errors.TOPIC_ALREADY_EXISTS)
        failures.set(name, result.failure.errorCode)
    })
    return failures
  }

  deleteTopics(topicIds: readonly Uuid[]): Promise<Outcome<TopicImage>[]> {
    return this.#submitEach(topicIds.length, (image) => deleteTopics(image, topicIds))
  }

  createPartitions(
    topics: readonly PartitionsToCreate[],
    { validateOnly }: { validateOnly: boolean },
  ): Promise<Outcome<void>[]> {
    return this.#submitEach(
      topics.length,
      (image) => createPartitions(image, topics, this.options.topicDefaults()),
      validateOnly,
    )
  }

  alterConfigs(
    resources: readonly (ConfigResource & {
      readonly configs: readonly { readonly name: string; readonly value: string | null }[]
    })[],
    { validateOnly }: { validateOnly: boolean },
  ): Promise<Outcome<void>[]> {
    return this.#submitEach(
      resources.length,
      (image) => alterConfigs(image, resources, this.options.configRules),
      validateOnly,
    )
  }

  incrementalAlterConfigs(
    resources: readonly (ConfigResource & { readonly configs: readonly ConfigChange[] })[],
    { validateOnly }: { validateOnly: boolean },
  ): Promise<Outcome<void>[]> {
    return this.#submitEach(
      resources.length,
      (image) => incrementalAlterConfigs(image, resources, this.options.configRules),
      validateOnly,
    )
  }

  async electLeaders(
    wanted: readonly { readonly topic: string; readonly partitions: readonly number[] }[],
    options: { unclean: boolean },
  ): Promise<ElectionResult[][]> {
    const done = await this.#submit((image) => {
      const { records, results } = electLeaders(image, wanted, options)
      return { records, response: { results } }
    })
    if ("refused" in done) return wanted.map(({ partitions }) => partitions.map(() => done.refused))
    await this.options.applied()
    return done.results
  }

  /** Registers this broker and lets it serve. Throws if the metadata log refuses, for then there is nothing to start. */
  async register(request: RegistrationRequest): Promise<void> {
    const registered = await this.#submit((_image, nextOffset) => registerBroker(request, nextOffset))
    if ("refused" in registered) throw new Error(`the broker could not register: ${registered.refused.errorMessage}`)
    this.#brokerEpoch = registered.brokerEpoch
    await this.options.applied()
  }

  async unfence(): Promise<void> {
    const done = await this.#submit((image) => ({
      records: unfenceBroker(image, this.options.nodeId, this.#brokerEpoch),
      response: {},
    }))
    if ("refused" in done) throw new Error(`the broker could not be unfenced: ${done.refused.errorMessage}`)
    await this.options.applied()
  }

  async fence(): Promise<void> {
    await this.#submit(() => ({ records: fenceBroker(this.options.nodeId, this.#brokerEpoch), response: {} }))
  }

  async assignReplicasToDirs(assignments: readonly DirectoryAssignment[]): Promise<void> {
    await this.#submit((image) => ({
      records: assignReplicasToDirs(image, this.options.nodeId, assignments),
      response: {},
    }))
  }

  /** Writes records that start a new cluster, or that a broker has to say about itself. */
  async write(records: readonly MetadataRecord[]): Promise<boolean> {
    const done = await this.#submit(() => ({ records, response: {} }))
    return !("refused" in done)
  }

  async allocateProducerIds(): Promise<ProducerIdBlock | undefined> {
    const done = await this.#submit((image) => allocateProducerIds(image, this.options.nodeId, this.#brokerEpoch))
    return "refused" in done ? undefined : done
  }
}
