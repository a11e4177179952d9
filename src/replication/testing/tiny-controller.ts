/**
 * A controller small enough to be seen through, for tests of replication: it keeps the image, takes proposals of in-sync sets, fences and elects.
 *
 * Owns the rules that replication relies on (epochs, eligible leaders of KIP-966), and when each broker hears of a new image. No log, no quorum.
 */
import { type BrokerId, zeroUuid } from "../../base/ids.js"
import {
  type BrokerRegistration,
  configKey,
  type DirectoryAssignment,
  emptyImage,
  lostDirectory,
  type MetadataImage,
  type PartitionImage,
  resourceTypes,
  type TopicImage,
} from "../../metadata/image.js"
import { Errors } from "../../protocol/errors.js"
import type { RequestInputOf, ResponseOf } from "../../protocol/message.js"
import { alterPartition } from "../../protocol/messages/alter-partition.js"

export type AlterRequest = RequestInputOf<typeof alterPartition>
export type AlterResponse = ResponseOf<typeof alterPartition>

export interface Subscriber {
  /** There is a newer image. */
  imageChanged(): void
}

type PartitionChange = Partial<Omit<PartitionImage, "leaderEpoch" | "partitionEpoch">>

export class TinyController {
  image: MetadataImage = emptyImage
  readonly subscribers = new Map<BrokerId, Subscriber>()
  #offset = 0
  /** Who led in which epoch: at most one, ever (L4). */
  readonly leaders = new Map<string, BrokerId>()
  /** Answers the next proposals with this error, once each. */
  readonly refuseNext: number[] = []
  isReachable = true
  asked = 0

  constructor(readonly minIsrOf: (topic: string) => number) {}

  #publish(change: Partial<MetadataImage>): void {
    this.image = { ...this.image, ...change, offset: ++this.#offset }
    for (const subscriber of this.subscribers.values()) subscriber.imageChanged()
  }

  topic(name: string): TopicImage {
    const topic = this.image.topics.get(name)
    if (topic === undefined) throw new Error(`there is no topic ${name}`)
    return topic
  }

  partition(name: string, index = 0): PartitionImage {
    return this.topic(name).partitions[index]!
  }

  createTopic(
    name: string,
    topicId: string,
    assignments: readonly (readonly BrokerId[])[],
    configs: Record<string, string>,
  ) {
    const partitions = assignments.map((replicas, index) => {
      const leader = replicas[0]!
      this.#noteLeader(topicId, index, 0, leader)
      const state: PartitionImage = {
        replicas,
        isr: replicas,
        removingReplicas: [],
        addingReplicas: [],
        leader,
        leaderRecoveryState: 0,
        leaderEpoch: 0,
        partitionEpoch: 0,
        directories: replicas.map(() => zeroUuid),
        elr: [],
        lastKnownElr: [],
      }
      return state
    })
    this.#publish({
      topics: this.image.topics.set(name, { name, topicId, partitions }),
      topicNames: this.image.topicNames.set(topicId, name),
      configs: this.image.configs.set(configKey(resourceTypes.topic, name), new Map(Object.entries(configs))),
    })
  }

  deleteTopic(name: string): void {
    const { topicId } = this.topic(name)
    this.#publish({ topics: this.image.topics.delete(name), topicNames: this.image.topicNames.delete(topicId) })
  }

  alterTopic(name: string, configs: Record<string, string>): void {
    this.#publish({
      configs: this.image.configs.set(configKey(resourceTypes.topic, name), new Map(Object.entries(configs))),
    })
  }

  #noteLeader(topicId: string, index: number, leaderEpoch: number, leader: BrokerId): void {
    const key = `${topicId}:${index}:${leaderEpoch}`
    const other = this.leaders.get(key)
    if (other !== undefined && other !== leader) throw new Error(`two leaders in one epoch: ${key}`)
    this.leaders.set(key, leader)
  }

  /** A new state of one partition; a leader, named or changed, begins a new epoch. */
  change(name: string, index: number, change: PartitionChange): void {
    const topic = this.topic(name)
    const before = topic.partitions[index]!
    const isNewLeadership = "leader" in change
    const after: PartitionImage = {
      ...before,
      ...change,
      leaderEpoch: before.leaderEpoch + (isNewLeadership ? 1 : 0),
      partitionEpoch: before.partitionEpoch + 1,
    }
    if (isNewLeadership) this.#noteLeader(topic.topicId, index, after.leaderEpoch, after.leader)
    const partitions = topic.partitions.map((each, at) => (at === index ? after : each))
    this.#publish({ topics: this.image.topics.set(name, { ...topic, partitions }) })
  }

  /** The broker gets a new epoch, and is fenced until it has caught up with the metadata. */
  register(brokerId: BrokerId, rack: string | null, logDirs: readonly string[]): number {
    const registration: BrokerRegistration = {
      brokerId,
      incarnationId: zeroUuid,
      brokerEpoch: ++this.#offset,
      endPoints: [{ name: "PLAINTEXT", host: `10.0.0.${brokerId + 1}`, port: 9092, securityProtocol: 0 }],
      features: [],
      rack,
      machineId: null,
      fenced: true,
      inControlledShutdown: false,
      logDirs,
      cordonedLogDirs: [],
    }
    this.#setBroker(registration)
    return registration.brokerEpoch
  }

  #setBroker(registration: BrokerRegistration): void {
    this.#publish({ brokers: new Map(this.image.brokers).set(registration.brokerId, registration) })
  }

  isAlive(brokerId: BrokerId): boolean {
    return this.image.brokers.get(brokerId)?.fenced === false
  }

  unfence(brokerId: BrokerId): void {
    this.#setBroker({ ...this.image.brokers.get(brokerId)!, fenced: false })
    this.#each((name, index, state) => {
      if (state.leader < 0) this.#electCleanly(name, index)
    })
  }

  setShuttingDown(brokerId: BrokerId): void {
    this.#setBroker({ ...this.image.brokers.get(brokerId)!, inControlledShutdown: true })
  }

  /** Silence: it leads nothing and is in sync nowhere. */
  fence(brokerId: BrokerId): void {
    const broker = this.image.brokers.get(brokerId)
    if (broker === undefined || broker.fenced) return
    this.#setBroker({ ...broker, fenced: true })
    this.#each((name, index, state) => {
      if (state.isr.includes(brokerId)) this.leaveIsr(name, index, brokerId)
    })
  }

  /** Whoever leaves while too few are left stays eligible to lead: nothing is committed without it from here on (KIP-966). */
  leaveIsr(name: string, index: number, brokerId: BrokerId): void {
    const state = this.partition(name, index)
    const isr = state.isr.filter((each) => each !== brokerId)
    const elr = isr.length < this.#minIsr(name, state) ? [...state.elr, brokerId] : []
    this.change(name, index, { isr, elr })
    if (state.leader === brokerId) this.#electCleanly(name, index)
  }

  #minIsr(name: string, { replicas }: PartitionImage): number {
    return Math.min(this.minIsrOf(name), replicas.length)
  }

  #electCleanly(name: string, index: number): void {
    const { isr, elr, leader } = this.partition(name, index)
    const next = [...isr, ...elr].find((brokerId) => this.isAlive(brokerId)) ?? -1
    if (next === leader) return
    this.elect(name, index, next)
  }

  elect(name: string, index: number, leader: BrokerId): void {
    const { isr, elr } = this.partition(name, index)
    if (leader < 0 || isr.includes(leader)) this.change(name, index, { leader })
    else this.change(name, index, { leader, isr: [...isr, leader], elr: elr.filter((each) => each !== leader) })
  }

  /** Someone who was in sync with nobody: what it lacks is lost. */
  electUncleanly(name: string, index: number, leader: BrokerId): void {
    this.change(name, index, { leader, isr: [leader], elr: [], leaderRecoveryState: 0 })
  }

  #each(visit: (name: string, index: number, state: PartitionImage) => void): void {
    for (const topic of [...this.image.topics.values()])
      topic.partitions.forEach((_, index) => {
        visit(topic.name, index, this.partition(topic.name, index))
      })
  }

  assign(brokerId: BrokerId, assignments: readonly DirectoryAssignment[]): void {
    for (const { topicId, partition, directoryId } of assignments) {
      const name = this.image.topicNames.get(topicId)
      if (name === undefined) continue
      const { replicas, directories } = this.partition(name, partition)
      const slot = replicas.indexOf(brokerId)
      if (directoryId === lostDirectory) this.leaveIsr(name, partition, brokerId)
      if (slot >= 0)
        this.change(name, partition, {
          directories: replicas.map((_, at) => (at === slot ? directoryId : (directories[at] ?? zeroUuid))),
        })
    }
  }

  alterPartition(request: AlterRequest): AlterResponse {
    this.asked++
    const broker = this.image.brokers.get(request.brokerId)
    const refused = this.refuseNext.shift()
    if (broker?.brokerEpoch !== request.brokerEpoch)
      return { throttleTimeMs: 0, errorCode: Errors.STALE_BROKER_EPOCH, topics: [] }
    return alterPartition.response.create({
      errorCode: Errors.NONE,
      topics: request.topics.map(({ topicId, partitions }) => ({
        topicId: topicId!,
        partitions: partitions.map((partition) => {
          const errorCode = refused ?? this.#alter(topicId!, request.brokerId, partition)
          const name = this.image.topicNames.get(topicId!)
          const state = name === undefined ? undefined : this.partition(name, partition.partitionIndex)
          return {
            partitionIndex: partition.partitionIndex,
            errorCode,
            leaderId: state?.leader ?? -1,
            leaderEpoch: state?.leaderEpoch ?? -1,
            isr: [...(state?.isr ?? [])],
            leaderRecoveryState: 0,
            partitionEpoch: state?.partitionEpoch ?? -1,
          }
        }),
      })),
    })
  }

  #alter(topicId: string, brokerId: BrokerId, wanted: AlterRequest["topics"][number]["partitions"][number]): number {
    const name = this.image.topicNames.get(topicId)
    if (name === undefined) return Errors.UNKNOWN_TOPIC_ID
    const state = this.partition(name, wanted.partitionIndex)
    if (state.leader !== brokerId || state.leaderEpoch !== wanted.leaderEpoch) return Errors.FENCED_LEADER_EPOCH
    if (state.partitionEpoch !== wanted.partitionEpoch) return Errors.INVALID_UPDATE_VERSION
    const members = wanted.newIsrWithEpochs ?? []
    for (const { brokerId: member, brokerEpoch } of members) {
      const broker = this.image.brokers.get(member)
      const isOld = brokerEpoch !== -1 && brokerEpoch !== broker?.brokerEpoch
      if (broker === undefined || broker.fenced || broker.inControlledShutdown || isOld)
        return Errors.INELIGIBLE_REPLICA
    }
    const isr = members.map((member) => member.brokerId!)
    const left = state.isr.filter((each) => !isr.includes(each))
    const elr =
      isr.length < this.#minIsr(name, state) ? [...state.elr, ...left].filter((each) => !isr.includes(each)) : []
    this.change(name, wanted.partitionIndex, { isr, elr })
    return Errors.NONE
  }
}
