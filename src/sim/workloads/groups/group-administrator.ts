/**
 * Who looks at groups from outside, and does to them what is only allowed while nobody is in them.
 *
 * Owns list, describe, deletion of offsets and of groups, resets, and a consumer that commits without being a member. All of it is asked at any time: the broker is to refuse what must not be.
 */
import type { Env } from "../../../env/env.js"
import { type ErrorCode, Errors } from "../../../protocol/errors.js"
import { consumerGroupDescribe } from "../../../protocol/messages/consumer-group-describe.js"
import { deleteGroups } from "../../../protocol/messages/delete-groups.js"
import { describeGroups } from "../../../protocol/messages/describe-groups.js"
import { listGroups } from "../../../protocol/messages/list-groups.js"
import { offsetCommit } from "../../../protocol/messages/offset-commit.js"
import { offsetDelete } from "../../../protocol/messages/offset-delete.js"
import { Asking } from "./asking.js"
import type { GroupsModel, GroupTopic, OffsetWrite } from "./model.js"
import { commitOutcome, fetchOffsets } from "./offsets.js"

/** A group of its own, which nobody ever joins. */
const standaloneGroup = "standalone"

export class GroupAdministrator {
  readonly #asking: Asking

  constructor(
    readonly model: GroupsModel,
    env: Env,
  ) {
    this.#asking = new Asking(model, env, "administrator of groups")
  }

  async run(): Promise<void> {
    const { model } = this
    const { env, random } = this.#asking
    const { options } = model
    for (let left = options.administrations; left > 0 && !model.isEnding; left--) {
      await model.pause(env, random.magnitude(1, options.lifeMs))
      if (model.isEnding) break
      await this.#something(random.pick(options.groups).name)
    }
    this.#asking.close()
  }

  #something(group: string): Promise<void> {
    const topic = this.model.liveTopics.length > 0 ? this.#asking.random.pick(this.model.liveTopics) : undefined
    switch (this.#asking.random.int(8)) {
      case 0:
        return this.#deleteGroup(group)
      case 1:
      case 2:
        return topic === undefined ? Promise.resolve() : this.#reset(group, topic)
      case 3:
        return topic === undefined ? Promise.resolve() : this.#deleteOffsets(group, topic)
      case 4:
        return this.#read(this.model.options.standalone ? standaloneGroup : group)
      case 5:
        return topic === undefined || !this.model.options.standalone
          ? Promise.resolve()
          : this.#reset(standaloneGroup, topic)
      default:
        return this.#describe(group)
    }
  }

  #doneFromOutside(group: string, what: string, topic: string | undefined, sentMs: number): void {
    const atMs = this.model.nowMs
    this.model.history.observe({ kind: "done from outside", group, what, topic, sentMs, atMs })
  }

  async #describe(group: string): Promise<void> {
    const { random } = this.#asking
    const { model } = this
    model.counts.descriptions += 1
    const sentMs = model.nowMs
    const { life } = model
    if (random.chance(0.3)) {
      await this.#asking.ask(listGroups, random.between(0, listGroups.maxVersion), {
        statesFilter: [],
        typesFilter: [],
      })
      return
    }
    if (random.chance(0.5)) {
      await this.#asking.ask(describeGroups, random.between(0, describeGroups.maxVersion), {
        groups: [group],
        includeAuthorizedOperations: false,
      })
      return
    }
    const answer = await this.#asking.ask(consumerGroupDescribe, random.between(0, consumerGroupDescribe.maxVersion), {
      groupIds: [group],
      includeAuthorizedOperations: false,
    })
    const described = answer?.groups[0]
    if (described?.errorCode === Errors.NONE && life === model.life)
      model.history.observe({ kind: "group epoch", group, epoch: described.groupEpoch, sentMs, atMs: model.nowMs })
  }

  #everyPartition(): { topic: GroupTopic; index: number }[] {
    return this.model.liveTopics.flatMap((topic) =>
      Array.from({ length: topic.partitions }, (_, index) => ({ topic, index })),
    )
  }

  async #read(group: string): Promise<void> {
    const client = await this.#asking.connected()
    if (client !== undefined) await fetchOffsets(this.model, client, group, this.#everyPartition(), this.#asking.random)
  }

  /** As `kafka-consumer-groups --reset-offsets`: a commit by nobody. */
  async #reset(group: string, topic: GroupTopic): Promise<void> {
    const { model } = this
    const { random } = this.#asking
    const client = await this.#asking.connected()
    if (client === undefined) return
    const index = random.int(topic.partitions)
    const partition = { topic, index }
    const before = await fetchOffsets(model, client, group, [partition], random)
    if (before === undefined || !topic.isLive) return
    // Never beyond what somebody has read: the log may not go further.
    const offset = random.int(Math.max(0, before.offsets.get(partition) ?? 0) + 1)
    const version = random.between(2, offsetCommit.maxVersion)
    model.history.observe({
      kind: "skippable",
      group,
      partition: topic.partitionName(index),
      below: offset,
    })
    const sentMs = model.nowMs
    const { life } = model
    const write = model.offsetSent(group, topic, index, offset, version < 10)
    const answer = await this.#asking.ask(offsetCommit, version, {
      groupId: group,
      generationIdOrMemberEpoch: -1,
      memberId: "",
      topics: [
        {
          name: topic.name,
          topicId: topic.topicId,
          partitions: [{ partitionIndex: index, committedOffset: offset, committedMetadata: write.write }],
        },
      ],
    })
    this.#settle(write, answer?.topics[0]?.partitions[0]?.errorCode as ErrorCode | undefined, life)
    if (answer?.topics[0]?.partitions[0]?.errorCode !== Errors.NONE) return
    model.counts.resets += 1
    this.#doneFromOutside(group, "its offsets were reset", undefined, sentMs)
  }

  #settle(write: OffsetWrite, errorCode: ErrorCode | undefined, life: number): void {
    const { model } = this
    const outcome =
      errorCode === undefined ? "open" : commitOutcome(model, `${write.group} ${write.partition}`, errorCode)
    if (life === model.life || outcome === "done") model.offsetSettled(write, outcome)
  }

  async #deleteOffsets(group: string, topic: GroupTopic): Promise<void> {
    const { model } = this
    const index = this.#asking.random.int(topic.partitions)
    const sentMs = model.nowMs
    const { life } = model
    const write = model.offsetSent(group, topic, index, undefined, true)
    const removed = model.removalSent(group)
    const answer = await this.#asking.ask(offsetDelete, offsetDelete.maxVersion, {
      groupId: group,
      topics: [{ name: topic.name, partitions: [{ partitionIndex: index }] }],
    })
    if (answer === undefined) return
    const errorCode = answer.errorCode === Errors.NONE ? answer.topics[0]?.partitions[0]?.errorCode : answer.errorCode
    const isRefused = errorCode === Errors.NON_EMPTY_GROUP || errorCode === Errors.GROUP_SUBSCRIBED_TO_TOPIC
    if (isRefused) {
      if (life === model.life) model.offsetSettled(write, "refused")
    } else this.#settle(write, errorCode as ErrorCode, life)
    if (isRefused || errorCode === Errors.NONE || errorCode === Errors.GROUP_ID_NOT_FOUND) removed()
    if (errorCode !== Errors.NONE) return
    model.counts.deletedOffsets += 1
    this.#doneFromOutside(group, `offsets of ${topic.name} were deleted`, topic.name, sentMs)
  }

  async #deleteGroup(group: string): Promise<void> {
    const { model } = this
    const sentMs = model.nowMs
    const { life } = model
    const writes = this.#everyPartition().map(({ topic, index }) =>
      model.offsetSent(group, topic, index, undefined, true),
    )
    const removed = model.removalSent(group)
    const answer = await this.#asking.ask(deleteGroups, deleteGroups.maxVersion, { groupsNames: [group] })
    if (answer === undefined) return
    const errorCode = answer.results[0]?.errorCode as ErrorCode
    const isRefused = errorCode === Errors.NON_EMPTY_GROUP || errorCode === Errors.GROUP_ID_NOT_FOUND
    for (const write of writes)
      if (!isRefused) this.#settle(write, errorCode, life)
      else if (life === model.life) model.offsetSettled(write, "refused")
    if (isRefused || errorCode === Errors.NONE) removed()
    if (errorCode !== Errors.NONE) return
    model.counts.deletedGroups += 1
    this.#doneFromOutside(group, "it was deleted", undefined, sentMs)
  }
}
