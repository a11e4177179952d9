/**
 * One process of a member of a group, whatever protocol it speaks: what it owns, reading and committing.
 *
 * Owns positions, and what the history is told of membership. How it comes into the group and stays there is the protocol's (`classic-member.ts`, `consumer-member.ts`). Invariant: it tells
 * that it gives up a partition before it tells the broker, and that it owns one when the broker has told it.
 */
import type { Env } from "../../../env/env.js"
import { batchLastOffset } from "../../../protocol/batch-header.js"
import { type ErrorCode, Errors } from "../../../protocol/errors.js"
import type { RequestInputOf } from "../../../protocol/message.js"
import { fetch } from "../../../protocol/messages/fetch.js"
import { offsetCommit } from "../../../protocol/messages/offset-commit.js"
import { batchesIn } from "../../../protocol/record-batch.js"
import { requestTimeoutMs } from "../lives/lives-model.js"
import { coordinatorErrors, MemberConnections } from "./connections.js"
import type { GroupsModel, GroupTopic, OffsetWrite } from "./model.js"
import { commitOutcome, fetchOffsets } from "./offsets.js"
import type { GroupOptions } from "./options.js"

export interface OwnedPartition {
  readonly topic: GroupTopic
  readonly index: number
  /** Undefined: the committed offset is not known yet. */
  position: number | undefined
  committed: number
}

/** What a member says of itself in a commit. */
export interface Identity {
  readonly memberId: string
  /** Of a classic group, or the epoch of the member. */
  readonly generation: number
}

export interface MemberOptions {
  readonly instanceId: string | null
  /** Names of topics. */
  readonly topics: readonly string[]
}

export abstract class GroupMember extends MemberConnections {
  readonly instanceId: string | null
  topics: readonly string[]
  readonly owned = new Map<string, OwnedPartition>()
  memberId = ""
  generation = -1
  /** Another process has its instance id: it is over. */
  isFenced = false
  #untilMs = 0
  /** What it was, and had, before: for a commit that comes too late, and must be refused if somebody else has it. */
  #former: { identity: Identity; partitions: readonly OwnedPartition[] } | undefined
  constructor(model: GroupsModel, group: GroupOptions, env: Env, { instanceId, topics }: MemberOptions) {
    super(model, group, env)
    this.instanceId = instanceId
    this.topics = topics
    model.counts.members += 1
  }

  /** As the history knows it: the instance where there is one. */
  get owner(): string {
    return this.instanceId === null ? this.name : `instance ${this.instanceId}`
  }

  /** A step and the pause after it take no longer than heartbeats allow. */
  get paceMs(): number {
    return Math.min(this.model.options.thinkMsMax, this.group.heartbeatIntervalMs / 2)
  }

  /** In the group, with nothing left to do for its assignment. */
  abstract get isSettled(): boolean
  protected abstract get isClassicOnly(): boolean
  /** From then on commits carry what it has to say of itself. */
  protected abstract get commitVersionMin(): number
  /** Comes into the group, or stays in it, as it is time for; */
  protected abstract stay(): Promise<void>
  abstract resubscribe(topics: readonly string[]): void
  /** Gives up everything and tells the broker. */
  abstract leave(): Promise<void>

  /** Something to do, once. */
  async step(): Promise<void> {
    await this.stay()
    if (this.owned.size > 0 && !this.isFenced) {
      await this.#consume()
      if (this.random.chance(this.model.isEnding ? 1 : 0.5)) await this.commit()
    }
    if (this.#former !== undefined && this.random.chance(0.5)) await this.#commitLate(this.#former)
  }

  // Membership, as the history is told.

  /** The broker answered what was sent at `sentMs`: so long it will wait for the next. */
  protected wasAnswered(sentMs: number, leaseMs: number, topics: readonly string[]): void {
    const untilMs = Math.max(this.#untilMs, sentMs + leaseMs)
    this.#untilMs = untilMs
    const { model, group, name: member, owner } = this
    model.history.observe({ kind: "in group", group: group.name, member, owner, atMs: model.nowMs, topics, untilMs })
  }

  protected wasAssigned(partitions: ReadonlyMap<string, OwnedPartition>, sentMs: number, leaseMs: number): void {
    const { model, group, name: member, owner, generation, isClassicOnly: isClassic } = this
    model.counts.assignments += 1
    model.history.observe({
      kind: "assigned",
      group: group.name,
      member,
      owner,
      isClassic,
      generation,
      partitions: [...partitions.keys()],
      sentMs,
      atMs: model.nowMs,
      untilMs: Math.max(this.#untilMs, sentMs + leaseMs),
    })
  }

  /** Owns these from now on; what it owned before keeps its position. */
  protected own(partitions: ReadonlyMap<string, OwnedPartition>): void {
    for (const key of [...this.owned.keys()]) if (!partitions.has(key)) this.owned.delete(key)
    for (const [key, partition] of partitions) if (!this.owned.has(key)) this.owned.set(key, partition)
    const { model, group, name: member, owner } = this
    model.history.observe({
      kind: "owns",
      group: group.name,
      member,
      owner,
      partitions: [...this.owned.keys()],
      atMs: model.nowMs,
    })
  }

  /** A former process of the instance, which may not know yet, owns nothing any more. */
  protected takesOver(): void {
    const { model, group, name: member, owner } = this
    model.history.observe({ kind: "takes over", group: group.name, member, owner, atMs: model.nowMs })
  }

  protected giveUpAll(): void {
    this.own(new Map())
  }

  /** It is no member any more: by its own will, or because it was told so. */
  protected isOut(wasTold: boolean): void {
    const { model, group, name: member } = this
    if (this.random.chance(0.4)) this.commitLate(this.generation, [...this.owned.values()])
    this.giveUpAll()
    this.#untilMs = 0
    model.history.observe({ kind: "out of group", group: group.name, member, atMs: model.nowMs, wasTold })
    if (wasTold) model.counts.lost += 1
  }

  protected accepted(what: "heartbeat" | "commit", identity: Identity, partitions: readonly string[], sentMs: number) {
    const { model, group, name: member, owner, isClassicOnly: isClassic } = this
    const { generation } = identity
    const atMs = model.nowMs
    const facts = { group: group.name, member, owner, isClassic, generation, partitions, sentMs, atMs }
    model.history.observe({ kind: "accepted", what, ...facts })
  }

  // Reading.

  /** Which version of OffsetFetch the member may speak, and what it says of itself in it. */
  protected abstract get fetchIdentity(): { readonly memberId: string; readonly memberEpoch: number } | undefined

  async #consume(): Promise<void> {
    const unknown = [...this.owned.values()].filter(({ position }) => position === undefined)
    if (unknown.length > 0 && !(await this.#findPositions(unknown))) return
    const { model } = this
    const ready = [...this.owned.values()].filter(({ position, topic }) => position !== undefined && topic.isLive)
    if (ready.length === 0) return
    const topics = [...new Set(ready.map(({ topic }) => topic))]
    const answer = await this.askBroker(fetch, fetch.maxVersion, {
      maxWaitMs: this.random.int(this.paceMs),
      minBytes: 1,
      maxBytes: 1 << 20,
      topics: topics.map((topic) => ({
        topic: "",
        topicId: topic.topicId,
        partitions: ready
          .filter((each) => each.topic === topic)
          .map(({ index, position }) => ({ partition: index, fetchOffset: position!, partitionMaxBytes: 1 << 16 })),
      })),
      forgottenTopicsData: [],
    })
    if (answer === undefined || answer.errorCode !== Errors.NONE) return
    for (const { topicId, partitions } of answer.responses)
      for (const { partitionIndex, errorCode, records } of partitions) {
        const topic = model.topicById(topicId)
        // It may have been revoked while the answer was on its way; then nobody processes it here.
        const partition = topic === undefined ? undefined : this.owned.get(topic.partitionName(partitionIndex))
        if (errorCode === Errors.OFFSET_OUT_OF_RANGE && partition?.topic.isLive)
          model.violated(
            `positions are within the log: ${this.name} is at ${partition.position} of ${topicId}-${partitionIndex}`,
          )
        if (partition === undefined || errorCode !== Errors.NONE) continue
        this.#process(partition, records as unknown as Buffer | null)
      }
  }

  #process(partition: OwnedPartition, records: Buffer | null): void {
    const from = partition.position!
    let to = from
    for (const { start } of records === null ? [] : batchesIn(records)) to = batchLastOffset(records!, start) + 1
    if (to <= from) return
    partition.position = to
    const { model, group } = this
    model.counts.processed += to - from
    const name = partition.topic.partitionName(partition.index)
    model.history.observe({ kind: "processed", group: group.name, partition: name, from, to })
  }

  async #findPositions(partitions: readonly OwnedPartition[]): Promise<boolean> {
    const client = await this.coordinator()
    if (client === undefined) return false
    const found = await fetchOffsets(this.model, client, this.group.name, partitions, this.random, this.fetchIdentity)
    if (found === undefined) return false
    if (coordinatorErrors.has(found.errorCode)) await this.seekCoordinator()
    for (const [partition, offset] of found.offsets) {
      const owned = this.owned.get(partition.topic.partitionName(partition.index))
      if (owned === partition) {
        partition.position = Math.max(0, offset)
        partition.committed = offset
      }
    }
    return found.errorCode === Errors.NONE
  }

  // Committing.

  async commit(partitions: Iterable<OwnedPartition> = this.owned.values()): Promise<void> {
    const changed = [...partitions].filter(
      ({ position, committed, topic }) => position !== undefined && position !== committed && topic.isLive,
    )
    if (changed.length > 0) await this.commitAs({ memberId: this.memberId, generation: this.generation }, changed)
  }

  /** As a commit would that was sent in that generation, and was on its way for long. */
  protected commitLate(generation: number, partitions: readonly OwnedPartition[]): void {
    if (partitions.length > 0 && generation > 0)
      this.#former = { identity: { memberId: this.memberId, generation }, partitions }
  }

  async #commitLate(former: { identity: Identity; partitions: readonly OwnedPartition[] }): Promise<void> {
    this.#former = undefined
    // A group that vanished counts its epochs anew: what was said in the former one cannot be told from what is said now.
    const { memberId, generation } = former.identity
    if (memberId === this.memberId && generation === this.generation) return
    const partitions = former.partitions.filter(({ topic, position }) => topic.isLive && position !== undefined)
    if (partitions.length > 0) await this.commitAs(former.identity, partitions)
  }

  /** What follows for a member from a refused commit. */
  protected abstract commitRefused(errorCode: ErrorCode): Promise<void>

  /** Somebody looks while the commit is on its way: what is told must be there after a crash too. */
  #peek(partitions: readonly OwnedPartition[]): void {
    const { model, random } = this
    if (!this.data?.isOpen) return
    void fetchOffsets(model, this.data, this.group.name, partitions, random)
    if (model.options.crashAtOperation && random.chance(0.05)) model.endLifeIn(random.int(20))
  }

  async commitAs(identity: Identity, partitions: readonly OwnedPartition[]): Promise<void> {
    const { model, group, random, instanceId } = this
    const client = await this.coordinator()
    if (client === undefined) return
    const least = Math.max(this.commitVersionMin, instanceId === null ? 2 : 7)
    const version = random.between(least, offsetCommit.maxVersion)
    const isByName = version < 10
    const sentMs = model.nowMs
    const life = model.life
    const offsets = partitions.map(({ position }) => position!)
    const writes = new Map<OffsetWrite, OwnedPartition>()
    const topics = [...new Set(partitions.map(({ topic }) => topic))]
    const request: RequestInputOf<typeof offsetCommit> = {
      groupId: group.name,
      generationIdOrMemberEpoch: identity.generation,
      memberId: identity.memberId,
      groupInstanceId: instanceId,
      topics: topics.map((topic) => ({
        name: topic.name,
        topicId: topic.topicId,
        partitions: partitions
          .filter((each) => each.topic === topic)
          .map((each) => {
            const write = model.offsetSent(group.name, topic, each.index, each.position!, isByName)
            writes.set(write, each)
            return { partitionIndex: each.index, committedOffset: each.position!, committedMetadata: write.write }
          }),
      })),
    }
    const sent = client.send(offsetCommit, version, request, requestTimeoutMs)
    if (random.chance(0.2)) this.#peek(partitions)
    const answer = await sent
    if (!answer.ok) {
      for (const write of writes.keys()) if (life === model.life) model.offsetSettled(write, "open")
      // Some go on from where they are, others ask how far they came.
      if (random.chance(0.5)) for (const partition of partitions) partition.position = undefined
      return
    }
    let refused: ErrorCode = Errors.NONE
    const done: string[] = []
    for (const [write, partition] of writes) {
      const result = answer.value.topics
        .find(({ name, topicId }) => (isByName ? name === partition.topic.name : topicId === partition.topic.topicId))
        ?.partitions.find(({ partitionIndex }) => partitionIndex === partition.index)
      const errorCode = (result?.errorCode ?? Errors.UNKNOWN_SERVER_ERROR) as ErrorCode
      const outcome = commitOutcome(model, `${group.name} ${write.partition}`, errorCode)
      // What the answer of a broker that died says was true when it died.
      if (life === model.life || outcome === "done") model.offsetSettled(write, outcome)
      if (outcome === "done") {
        model.counts.commits += 1
        done.push(write.partition)
        partition.committed = offsets[partitions.indexOf(partition)]!
      } else {
        model.counts.refusedCommits += 1
        if (errorCode !== Errors.UNKNOWN_TOPIC_OR_PARTITION && errorCode !== Errors.UNKNOWN_TOPIC_ID)
          refused = errorCode
      }
    }
    if (done.length > 0) this.accepted("commit", identity, done, sentMs)
    const isPresent = identity.memberId === this.memberId && identity.generation === this.generation
    if (refused !== Errors.NONE && isPresent) await this.commitRefused(refused)
  }
}
