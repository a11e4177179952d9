/**
 * What must be so once nothing is broken any more: groups settle, catch up with the records, and everything that was committed is told.
 *
 * Owns the questions of the end and the bounds on it. Members go on as they are meanwhile; nobody comes, goes or stalls.
 */
import { type ErrorCode, Errors } from "../../../protocol/errors.js"
import type { RequestInputOf } from "../../../protocol/message.js"
import { consumerGroupDescribe } from "../../../protocol/messages/consumer-group-describe.js"
import { describeGroups } from "../../../protocol/messages/describe-groups.js"
import { findCoordinator } from "../../../protocol/messages/find-coordinator.js"
import { listOffsets } from "../../../protocol/messages/list-offsets.js"
import { type Standing, whyNotSettled } from "../../checkers/group-settles.js"
import { answered, type SimulatedClient } from "../../client.js"
import { ViolationError } from "../../history.js"
import type { SeededRandom } from "../../random.js"
import { requestTimeoutMs } from "../lives/lives-model.js"
import { coordinatorErrors } from "./connections.js"
import type { GroupsModel, GroupTopic } from "./model.js"
import { fetchOffsets } from "./offsets.js"
import type { GroupOptions } from "./options.js"
import type { MemberSlot } from "./slot.js"

/** Connecting anew, finding the coordinator, looking for topics: what is not a time-out of the group. */
const slackMs = 60_000
const catchesUpWithinMs = 60_000
const lookAgainMs = 500

interface PartitionOf {
  readonly topic: GroupTopic
  readonly index: number
}

export class Ending {
  constructor(
    readonly model: GroupsModel,
    readonly slots: readonly MemberSlot[],
    readonly random: SeededRandom,
  ) {}

  /** G4. A session may have to run out first, a rebalance that waits for its member, and one more for what that changed. */
  boundMs({ sessionTimeoutMs, rebalanceTimeoutMs }: GroupOptions): number {
    return 2 * sessionTimeoutMs + 4 * rebalanceTimeoutMs + this.model.options.metadataAgeMs + slackMs
  }

  async settled(client: SimulatedClient): Promise<void> {
    const { model } = this
    const startMs = model.nowMs
    const waiting = new Set(model.options.groups)
    while (waiting.size > 0) {
      for (const group of [...waiting]) {
        const why = whyNotSettled(await this.#standing(client, group))
        model.history.verify()
        if (why === undefined) waiting.delete(group)
        else if (model.nowMs - startMs > this.boundMs(group))
          throw new ViolationError(
            `liveness: ${group.name} has not settled within ${this.boundMs(group)} ms since nothing is broken: ${why}`,
          )
      }
      await model.world.sleep(lookAgainMs)
    }
  }

  #membersOf(group: GroupOptions) {
    return this.slots.filter((slot) => slot.group === group && !slot.isRetired)
  }

  async #standing(client: SimulatedClient, group: GroupOptions): Promise<Standing> {
    const { state, members } = await this.#describe(client, group)
    const live = this.#membersOf(group)
    const topics = new Set(live.flatMap(({ topics }) => topics))
    return {
      state,
      membersDescribed: members,
      members: live.map(({ index, member }) => ({
        name: member?.name ?? `slot ${index} of ${group.name}`,
        isSettled: member?.isSettled === true,
        generation: member?.generation ?? -1,
        partitions: [...(member?.owned.keys() ?? [])],
      })),
      isOneGeneration: this.model.isClassicOnly(group),
      partitions: this.#partitions(topics).map(({ topic, index }) => topic.partitionName(index)),
    }
  }

  #partitions(names?: ReadonlySet<string>): PartitionOf[] {
    return this.model.liveTopics
      .filter(({ name }) => names === undefined || names.has(name))
      .flatMap((topic) => Array.from({ length: topic.partitions }, (_, index) => ({ topic, index })))
  }

  async #describe(client: SimulatedClient, group: GroupOptions): Promise<{ state: string; members: number }> {
    const consumer = answered(
      await client.send(
        consumerGroupDescribe,
        consumerGroupDescribe.maxVersion,
        { groupIds: [group.name], includeAuthorizedOperations: false },
        requestTimeoutMs,
      ),
      `a description of ${group.name}`,
    ).groups[0]!
    if (consumer.errorCode === Errors.NONE) return { state: consumer.groupState, members: consumer.members.length }
    const classic = answered(
      await client.send(
        describeGroups,
        5,
        { groups: [group.name], includeAuthorizedOperations: false },
        requestTimeoutMs,
      ),
      `a description of ${group.name}`,
    ).groups[0]!
    const { errorCode, groupState, members } = classic
    if (errorCode !== Errors.NONE && !coordinatorErrors.has(errorCode))
      this.model.violated(`errors are those of the protocol: ${group.name} is described with error ${errorCode}`)
    return { state: errorCode === Errors.NONE ? groupState : `error ${errorCode}`, members: members.length }
  }

  /** Every group that has members has processed and committed everything there is. */
  async caughtUp(client: SimulatedClient): Promise<void> {
    const { model } = this
    const startMs = model.nowMs
    for (const group of model.options.groups) {
      const topics = new Set(this.#membersOf(group).flatMap(({ topics }) => topics))
      for (const { topic, index } of this.#partitions(topics)) {
        const to = await this.#endOffset(client, topic, index)
        const partition = { topic, index }
        for (;;) {
          const found = await fetchOffsets(model, client, group.name, [partition], this.random)
          model.history.verify()
          if (found === undefined) throw new ViolationError("liveness: a fetch of offsets has no answer")
          const committed = found.offsets.get(partition) ?? -1
          if (Math.max(0, committed) >= to) break
          if (model.nowMs - startMs > catchesUpWithinMs)
            throw new ViolationError(
              `liveness: ${group.name} is at ${committed} of ${topic.partitionName(index)} after ${catchesUpWithinMs} ms, which ends at ${to}`,
            )
          await model.world.sleep(lookAgainMs)
        }
        model.history.observe({ kind: "caught up", group: group.name, partition: topic.partitionName(index), to })
      }
    }
  }

  async #endOffset(client: SimulatedClient, topic: GroupTopic, index: number): Promise<number> {
    const request = {
      replicaId: -1,
      isolationLevel: 0,
      topics: [{ name: topic.name, partitions: [{ partitionIndex: index, timestamp: -1 }] }],
      timeoutMs: 1000,
    } as RequestInputOf<typeof listOffsets>
    const name = topic.partitionName(index)
    const answer = answered(
      await client.send(listOffsets, listOffsets.maxVersion, request, requestTimeoutMs),
      `ListOffsets of ${name}`,
    )
    const result = answer.topics[0]!.partitions[0]!
    if (result.errorCode !== Errors.NONE)
      throw new ViolationError(`liveness: ${name} answers ListOffsets with error ${result.errorCode}`)
    return result.offset
  }

  /** What every group has committed is told. */
  async audit(client: SimulatedClient): Promise<void> {
    const { model } = this
    const names = [...model.options.groups.map(({ name }) => name), "standalone"]
    answered(
      await client.send(findCoordinator, 6, { key: "", coordinatorKeys: names }, requestTimeoutMs),
      "a question for coordinators",
    )
    for (const group of names) {
      const startMs = model.nowMs
      for (;;) {
        const found = await fetchOffsets(model, client, group, this.#partitions(), this.random)
        if (found === undefined) throw new ViolationError("liveness: a fetch of offsets has no answer")
        if (found.errorCode === Errors.NONE) break
        this.#mustBeLoading(group, found.errorCode, startMs)
        await model.world.sleep(lookAgainMs)
      }
    }
    model.history.verify()
  }

  #mustBeLoading(group: string, errorCode: ErrorCode, startMs: number): void {
    if (!coordinatorErrors.has(errorCode) || this.model.nowMs - startMs > slackMs)
      throw new ViolationError(`liveness: offsets of ${group} are answered with error ${errorCode}`)
  }
}
