/**
 * Looks at the wires and the disks of a cluster while it runs, and holds up a message now and then.
 *
 * Owns what is believed of what nodes tell each other, and feeds the checkers of `checkers/cluster`. Asks no node and shares no state with any. What a message says is compared with the sender's disk at the moment it goes out.
 */
import { decodeRecord } from "../../../metadata/records.js"
import { batchChecksum, isControlBatch } from "../../../protocol/batch-header.js"
import { Errors } from "../../../protocol/errors.js"
import type { RequestOf, ResponseOf } from "../../../protocol/message.js"
import { beginQuorumEpoch } from "../../../protocol/messages/begin-quorum-epoch.js"
import { fetch } from "../../../protocol/messages/fetch.js"
import { produce } from "../../../protocol/messages/produce.js"
import { vote } from "../../../protocol/messages/vote.js"
import { batchesIn, recordsOf } from "../../../protocol/record-batch.js"
import { CommittedRecords } from "../../checkers/cluster/committed-records.js"
import { whyMisshapen } from "../../checkers/cluster/log-shape.js"
import { PartitionStates } from "../../checkers/cluster/partition-states.js"
import { QuorumElections } from "../../checkers/cluster/quorum-elections.js"
import { DiskLogs, isDurable, metadataTopic, type StoredLog } from "../../disk-logs.js"
import type { SeededRandom } from "../../random.js"
import type { FrameWatcher, WireFrame } from "../../wire-tap.js"
import type { ClusterModel, ClusterTopic } from "./model.js"
import type { NodeLife } from "./node-life.js"
import { whyLeftOver, whyNotAlike } from "./replicas-in-the-end.js"
import { Replays } from "./replays.js"
import { CopiesWatch, metadataKey } from "./watch-copies.js"
import { decodeRequest, decodeResponse, RequestsWatch } from "./watch-requests.js"
import { VotesWatch } from "./watch-votes.js"

const metadataTopicId = "AAAAAAAAAAAAAAAAAAAAAQ"

type FetchRequest = RequestOf<typeof fetch>
type FetchedPartition = ResponseOf<typeof fetch>["responses"][number]["partitions"][number]

/** Where a fetch session of a follower stands in each partition, and since which request. */
type SessionPositions = Map<string, { offset: number; since: number }>

export class ClusterWatch implements FrameWatcher {
  readonly committed: CommittedRecords
  readonly elections: QuorumElections
  readonly states: PartitionStates
  readonly #disks = new Map<string, DiskLogs>()
  readonly #lives = new Map<string, NodeLife>()
  readonly #sessions = new Map<number, SessionPositions>()
  readonly #fetches = new WeakMap<WireFrame, FetchRequest>()
  /** By follower and partition: up to where its log was the leader's, and committed. */
  readonly #agreed = new Map<string, Map<string, number>>()
  readonly #random: SeededRandom
  readonly #votes: VotesWatch
  /** By partition: what is below has been looked for on all disks. */
  /** Topics that were deleted: the record's offset, and who was down. */
  readonly #removals = new Map<string, { readonly offset: number; readonly missedBy: ReadonlySet<string> }>()
  readonly #copiesSeen = new Map<string, number>()
  readonly copies: CopiesWatch
  readonly replays: Replays
  readonly requests: RequestsWatch
  /** Until then a message may be on its way. */
  heldUpUntilMs = 0

  constructor(
    readonly model: ClusterModel,
    lives: readonly NodeLife[],
    readonly holdsUpMessages: () => boolean,
  ) {
    this.#random = model.world.random.fork("watch")
    for (const life of lives) {
      this.#disks.set(life.name, new DiskLogs(life.node.disk))
      this.#lives.set(life.name, life)
      this.#agreed.set(life.name, new Map())
    }
    const controllers = lives.filter(({ spec }) => spec.isController).map(({ node }) => node)
    this.replays = new Replays(controllers, model.world.random.fork("replays"))
    const report = (what: string) => model.violated(what)
    this.committed = new CommittedRecords(
      (what) => report(`committed records are the same everywhere (L2 L6 R3 R4): ${what}`),
      (key) => this.#nameOf(key),
    )
    this.elections = new QuorumElections((what) => report(`elections of the quorum: ${what}`))
    this.#votes = new VotesWatch(this.elections, this.#disks, this.#lives)
    this.states = new PartitionStates(
      (what) => report(`elections of partitions: ${what}`),
      {
        minInsyncReplicas: (topicId) => this.#topic(topicId)?.options.minInsyncReplicas ?? Number.POSITIVE_INFINITY,
        mayBeUnclean: (topicId) => this.#topic(topicId)?.flushPolicy !== "flush" || this.copies.hasNewDisk,
      },
      (topicId, partition, leaderEpoch, leaderId) => {
        const topic = this.#topic(topicId)
        if (topic !== undefined) model.history.leader(topic.numberOf(partition), leaderEpoch, leaderId)
      },
      (brokerId, brokerEpoch) => {
        const life = lives.find(({ spec }) => spec.id === brokerId)
        if (life?.spec.isController === false) this.requests.unfenced(brokerId, brokerEpoch)
      },
    )
    this.requests = new RequestsWatch(
      model,
      this.states,
      () => lives.find(({ spec }) => spec.id === this.quorumLeaderId)?.name,
    )
    this.copies = new CopiesWatch(model, this.#disks, this.#lives, this.states, this.committed)
  }

  get quorumLeaderId(): number {
    return this.elections.leaderId
  }

  /** Its machine has an empty disk. */
  newDisk(name: string): void {
    this.copies.newDisk(name)
    this.#agreed.get(name)!.clear()
  }

  passes(frame: WireFrame): number {
    const { api, from, to, connection, correlationId, bytes } = frame
    this.model.remark(
      () =>
        `${from} ${frame.request === undefined ? "asks" : "answers"} ${to}: ${api.name} ${correlationId} on ${connection}, ${bytes.length} bytes`,
    )
    try {
      this.#look(frame)
    } catch (error) {
      this.model.violated(
        `messages can be read: ${frame.api.name} v${frame.version} from ${frame.from}: ${String(error)}`,
      )
    }
    this.replays.passed(frame)
    const { options, world } = this.model
    if (!this.holdsUpMessages() || !(options.delayedApis as readonly string[]).includes(frame.api.name)) return 0
    if (!this.#random.chance(options.delayChance)) return 0
    this.model.counts.delayed += 1
    const delayNs = this.#random.between(100, options.delayMsMax) * 1e6
    this.heldUpUntilMs = Math.max(this.heldUpUntilMs, world.nowMs + delayNs / 1e6)
    world.scheduler.note("wires", `hold up ${frame.api.name}`, delayNs)
    return delayNs
  }

  #look(frame: WireFrame): void {
    const { request } = frame
    switch (frame.api.key) {
      case vote.key:
        if (this.#disks.has(frame.from)) this.#votes.vote(frame)
        return
      case beginQuorumEpoch.key:
        if (request === undefined) this.#votes.begin(frame)
        return
      case fetch.key:
        if (request === undefined) this.#fetchAsked(frame)
        else this.#fetchAnswered(frame, request)
        return
      case produce.key:
        if (request !== undefined) this.#produceAnswered(frame, request)
        return
      default:
        this.requests.look(frame)
    }
  }

  // Replicas.

  #followerOf(request: FetchRequest): number {
    return request.replicaState.replicaId >= 0 ? request.replicaState.replicaId : request.replicaId
  }

  #fetchAsked(frame: WireFrame): void {
    if (!this.#disks.has(frame.from)) return
    const request = decodeRequest(fetch, frame)
    this.#fetches.set(frame, request)
    if (this.#followerOf(request) < 0) return
    let session = this.#sessions.get(frame.connection)
    if (session === undefined || request.sessionEpoch <= 0) this.#sessions.set(frame.connection, (session = new Map()))
    for (const { topicId, partitions } of request.forgottenTopicsData)
      for (const partition of partitions) session.delete(keyOf(topicId, partition))
    for (const { topicId, partitions } of request.topics)
      for (const { partition, fetchOffset, logStartOffset, currentLeaderEpoch, ...more } of partitions) {
        const key = keyOf(topicId, partition)
        session.set(key, { offset: fetchOffset, since: frame.correlationId })
        // What waited for its connection tells of another time, and the leader it was meant for refuses it.
        const { leaderEpoch = currentLeaderEpoch } = this.states.epochsOf(key) ?? {}
        if (currentLeaderEpoch !== leaderEpoch) continue
        const flushedOffset = (more as { flushedOffset?: number }).flushedOffset ?? -1
        this.#positionTold(frame.from, key, flushedOffset >= 0 ? flushedOffset : fetchOffset)
        if (logStartOffset > 0) this.#startTold(frame.from, key, logStartOffset)
      }
  }

  /** A follower's position acknowledges what is below it: under `flush` it is on the medium (L8, R6). */
  #positionTold(name: string, key: string, position: number): void {
    const life = this.#lives.get(name)!
    const topic = this.#topicOf(key)
    if (topic !== undefined && topic.flushPolicy !== "memory") this.copies.positionTold(name, key, topic, position)
    if (key === metadataKey ? !life.spec.isController : topic?.flushPolicy !== "flush") return
    const log = this.#log(name, key)
    if (log === undefined || log.batches.length === 0 || position <= log.startOffset) return
    const last = log.batches[log.indexOf(position - 1)]
    if (last === undefined)
      this.model.violated(
        `positions are on the medium (L8 R6): ${name} tells ${position} of ${this.#nameOf(key)}, and its file ends at ${log.endOffset}`,
      )
    else if (last.nextOffset <= position && !isDurable(last))
      this.model.violated(
        `positions are on the medium (L8 R6): ${name} tells ${position} of ${this.#nameOf(key)}, and the batch at ${last.baseOffset} is not synced`,
      )
  }

  /** Where a follower's log starts is what its leader answers a deletion with (M1). */
  #startTold(name: string, key: string, logStartOffset: number): void {
    const topic = this.#topicOf(key)
    if (topic === undefined) return
    const start = this.#disks.get(name)!.durableStartOf(topic.name, partitionOf(key))
    if (start < logStartOffset)
      this.model.violated(
        `deletions are on the medium (M1): ${name} tells that ${this.#nameOf(key)} starts at ${logStartOffset}, and a start would find ${start}`,
      )
  }

  #fetchAnswered(frame: WireFrame, asked: WireFrame): void {
    if (!this.#disks.has(frame.from)) return
    const request = this.#fetches.get(asked) ?? decodeRequest(fetch, asked)
    const answer = decodeResponse(fetch, frame)
    const follower = this.#followerOf(request)
    const session = this.#sessions.get(frame.connection)
    for (const { topicId, partitions } of answer.responses)
      for (const data of partitions) {
        const key = keyOf(topicId, data.partitionIndex)
        if (key === metadataKey) this.elections.leads(data.currentLeader.leaderEpoch, data.currentLeader.leaderId)
        if (data.errorCode !== Errors.NONE || data.divergingEpoch.epoch >= 0 || data.snapshotId.endOffset >= 0) continue
        const isByLeader = follower >= 0
        if (isByLeader || this.#leads(frame.from, key)) this.#toldCommitted(frame.from, key, data)
        const position = session?.get(key)
        if (follower < 0 || position === undefined || position.since > asked.correlationId) continue
        const agreed = this.#agreed.get(frame.to)
        const to = Math.min(position.offset, data.highWatermark)
        if (agreed !== undefined && to > (agreed.get(key) ?? 0)) agreed.set(key, to)
      }
  }

  #leads(name: string, key: string): boolean {
    return this.states.leaderOf(key) === this.#lives.get(name)!.spec.id
  }

  #toldCommitted(name: string, key: string, { highWatermark }: FetchedPartition): void {
    if (highWatermark <= this.committed.endOf(key)) return
    const topic = this.#topicOf(key)
    if (key !== metadataKey && (topic === undefined || topic.flushPolicy === "memory")) return
    if (topic?.lossAllowed.has(partitionOf(key))) {
      this.committed.forget(key)
      return
    }
    const log = this.#log(name, key)
    if (log === undefined) return
    const news = this.committed.told(key, name, highWatermark, log)
    if (key === metadataKey) {
      this.copies.metadataCommitted(name, highWatermark)
      for (const batch of news) this.#metadataCommitted(log, batch.baseOffset)
    }
    const newest = news.at(-1)
    if (
      topic?.flushPolicy === "flush" &&
      topic.isLive &&
      newest !== undefined &&
      !this.#areCopiesSeen(key, newest.nextOffset)
    )
      this.copies.promised(
        key,
        topic,
        newest,
        () => `${name} says that ${this.#nameOf(key)} is committed up to ${newest.nextOffset}`,
      )
  }

  #metadataCommitted(log: StoredLog, baseOffset: number): void {
    const batch = log.at(baseOffset)
    if (batch === undefined) return
    const bytes = log.bytes(batch)
    if (isControlBatch(bytes)) return
    for (const { value, offset } of recordsOf(bytes, 0)) {
      if (value === null) continue
      const record = decodeRecord(value)
      this.model.remark(() => `metadata ${offset}: ${record.type} ${JSON.stringify(record.value)}`)
      this.states.committed(record)
      if (record.type === "RemoveTopicRecord") this.#removed(record.value.topicId, offset)
    }
  }

  #removed(topicId: string, offset: number): void {
    const missedBy = [...this.#lives.values()]
      .filter(({ isUp, diskFailed }) => !isUp || diskFailed)
      .map(({ name }) => name)
    this.#removals.set(topicId, { offset, missedBy: new Set(missedBy) })
  }

  /** It was down when the topic was deleted, or its directory offline, and then read a snapshot in place of the record that says so: whose the log is it cannot know. */
  #mayKeep(name: string, topicId: string): boolean {
    const removal = this.#removals.get(topicId)
    const log = this.#log(name, metadataKey)
    return removal?.missedBy.has(name) === true && (log === undefined || log.startOffset > removal.offset)
  }

  /** An acknowledgement of all in-sync replicas means so many synced copies as the topic asks for (L1, L8). */
  #produceAnswered(frame: WireFrame, asked: WireFrame): void {
    const { model } = this
    const request = decodeRequest(produce, asked)
    if (request.acks !== -1) return
    const answer = decodeResponse(produce, frame)
    for (const { topicId, partitionResponses } of answer.responses) {
      const topic = this.#topic(topicId)
      if (topic === undefined || !topic.isLive || topic.flushPolicy !== "flush") continue
      for (const { index, errorCode, baseOffset, logStartOffset } of partitionResponses) {
        if (errorCode !== Errors.NONE || topic.lossAllowed.has(index) || baseOffset < logStartOffset) continue
        const records = request.topicData
          .find((each) => each.topicId === topicId)
          ?.partitionData.find((each) => each.index === index)?.records as unknown as Buffer | undefined
        const batch = records === undefined ? undefined : [...batchesIn(records)][0]
        if (batch === undefined) continue
        model.counts.ackChecks += 1
        const key = keyOf(topicId, index)
        if (this.#areCopiesSeen(key, baseOffset + 1)) continue
        this.copies.promised(
          key,
          topic,
          { baseOffset, checksum: batchChecksum(records!, batch.start) },
          () => `${topic.partitionName(index)} offset ${baseOffset} is acknowledged by ${frame.from}`,
        )
      }
    }
  }

  /** Whoever holds a batch holds what is before it. */
  #areCopiesSeen(key: string, end: number): boolean {
    if (end <= (this.#copiesSeen.get(key) ?? 0)) return true
    this.#copiesSeen.set(key, end)
    return false
  }

  // Looking at all disks.

  inspect(): void {
    const { model } = this
    model.counts.inspections += 1
    for (const topic of model.everyTopic)
      for (const partition of topic.lossAllowed) this.committed.forget(keyOf(topic.topicId, partition))
    for (const [name, disk] of this.#disks) {
      const life = this.#lives.get(name)!
      // Before it serves, a torn tail is still there.
      if (!life.isUp) continue
      for (const [key, [log, ...others]] of disk.logs()) {
        if (log === undefined || others.length > 0) continue
        if (key !== metadataKey && this.#topicOf(key) === undefined) continue
        // What is left of a replica in a directory that failed is no replica once that has moved on and was taken from the node.
        if (key !== metadataKey && !this.states.replicasOf(key).includes(life.spec.id)) continue
        const misshapen = whyMisshapen(log.batches)
        if (misshapen !== undefined)
          model.violated(`logs are well-formed: ${this.#nameOf(key)} on ${name}: ${misshapen}`)
        this.committed.follows(key, name, this.#agreed.get(name)!.get(key) ?? 0, log)
        if (key !== metadataKey && this.states.leaderOf(key) === life.spec.id) this.committed.leads(key, name, log)
      }
    }
  }

  /** Why disks are not yet as they are to be in the end (LIV4, M1). */
  whyNotConverged(): string | undefined {
    const { model, states } = this
    return (
      whyNotAlike(model, states, this.#lives, this.#disks) ??
      whyLeftOver(model, states, this.#lives, this.#disks, (name, topicId) => this.#mayKeep(name, topicId))
    )
  }

  #log(name: string, key: string): StoredLog | undefined {
    const topic = key === metadataKey ? metadataTopic : this.#topicOf(key)?.name
    return topic === undefined ? undefined : this.#disks.get(name)!.log(key, topic)
  }

  #topic(topicId: string): ClusterTopic | undefined {
    return this.model.everyTopic.find((topic) => topic.topicId === topicId)
  }

  #topicOf(key: string): ClusterTopic | undefined {
    return this.#topic(key.slice(0, key.indexOf("/")))
  }

  #nameOf(key: string): string {
    return key === metadataKey ? "the metadata log" : (this.#topicOf(key)?.partitionName(partitionOf(key)) ?? key)
  }
}

const keyOf = (topicId: string, partition: number): string =>
  topicId === metadataTopicId ? metadataKey : `${topicId}/${partition}`
const partitionOf = (key: string): number => Number(key.slice(key.indexOf("/") + 1))
