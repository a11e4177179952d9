/**
 * A member of a classic group, and the offsets of any group, for tests over the wire.
 *
 * Owns the requests of one member and what it was told; the story decides when it makes them.
 */
import { consumerProtocolSubscription } from "../../protocol/messages/consumer-protocol.js"
import { heartbeat } from "../../protocol/messages/heartbeat.js"
import { joinGroup } from "../../protocol/messages/join-group.js"
import { leaveGroup } from "../../protocol/messages/leave-group.js"
import { offsetCommit } from "../../protocol/messages/offset-commit.js"
import { offsetFetch } from "../../protocol/messages/offset-fetch.js"
import { syncGroup } from "../../protocol/messages/sync-group.js"
import { Errors } from "../../protocol/errors.js"
import { Writer } from "../../base/writer.js"
import type { WireClient } from "../../net/wire-client.js"
import type { ResponseOf } from "../../protocol/message.js"

const zeroId = "AAAAAAAAAAAAAAAAAAAAAA"

/** What a consumer says it wants to read, version 0. */
export function subscription(topics: readonly string[]): Buffer {
  const writer = new Writer(64)
  writer.int16(0)
  consumerProtocolSubscription.encode(writer, { topics, userData: null, ownedPartitions: [] }, 0)
  return writer.finishBuffer()
}

export class GroupMember {
  memberId = ""
  generationId = -1
  leader = ""

  constructor(
    readonly client: WireClient,
    readonly groupId: string,
    readonly options: {
      readonly topics?: readonly string[]
      readonly instanceId?: string
      readonly sessionTimeoutMs?: number
      readonly rebalanceTimeoutMs?: number
    } = {},
  ) {}

  get isLeader(): boolean {
    return this.leader === this.memberId
  }

  /** Joins, with the id that the first answer gives. */
  async join(): Promise<ResponseOf<typeof joinGroup>> {
    const { topics = ["t"], instanceId = null, sessionTimeoutMs = 10_000, rebalanceTimeoutMs = 10_000 } = this.options
    for (;;) {
      const answer = await this.client.send(joinGroup, 9, {
        groupId: this.groupId,
        sessionTimeoutMs,
        rebalanceTimeoutMs,
        memberId: this.memberId,
        groupInstanceId: instanceId,
        protocolType: "consumer",
        protocols: [{ name: "range", metadata: subscription(topics) }],
      })
      this.memberId = answer.memberId
      if (answer.errorCode === Errors.MEMBER_ID_REQUIRED) continue
      this.generationId = answer.generationId
      this.leader = answer.leader
      return answer
    }
  }

  /** The leader hands in `assignments`, by member id. */
  sync(assignments: Readonly<Record<string, string>> = {}): Promise<ResponseOf<typeof syncGroup>> {
    return this.client.send(syncGroup, 5, {
      groupId: this.groupId,
      generationId: this.generationId,
      memberId: this.memberId,
      groupInstanceId: this.options.instanceId ?? null,
      protocolType: "consumer",
      protocolName: "range",
      assignments: Object.entries(assignments).map(([memberId, assignment]) => ({
        memberId,
        assignment: Buffer.from(assignment),
      })),
    })
  }

  async heartbeat(): Promise<number> {
    const { errorCode } = await this.client.send(heartbeat, 4, {
      groupId: this.groupId,
      generationId: this.generationId,
      memberId: this.memberId,
      groupInstanceId: this.options.instanceId ?? null,
    })
    return errorCode
  }

  async leave(): Promise<number> {
    const { errorCode, members } = await this.client.send(leaveGroup, 5, {
      groupId: this.groupId,
      memberId: "",
      members: [{ memberId: this.memberId, groupInstanceId: null }],
    })
    return errorCode === Errors.NONE ? members[0]!.errorCode : errorCode
  }

  commit(offset: number, options: { topic?: string; partition?: number; metadata?: string } = {}): Promise<number> {
    return commitOffset(this.client, this.groupId, offset, {
      ...options,
      memberId: this.memberId,
      generationId: this.generationId,
    })
  }
}

/** Commits one offset, from outside the group unless a member is given. Resolves with the error code. */
export async function commitOffset(
  client: WireClient,
  groupId: string,
  committedOffset: number,
  options: {
    topic?: string
    partition?: number
    metadata?: string
    memberId?: string
    generationId?: number
    retentionTimeMs?: number
    version?: number
  } = {},
): Promise<number> {
  const { topic = "t", partition = 0, memberId = "", generationId = -1, metadata = "" } = options
  const answer = await client.send(offsetCommit, options.version ?? 8, {
    groupId,
    generationIdOrMemberEpoch: generationId,
    memberId,
    ...(options.retentionTimeMs === undefined ? {} : { retentionTimeMs: options.retentionTimeMs }),
    topics: [
      {
        name: topic,
        topicId: zeroId,
        partitions: [{ partitionIndex: partition, committedOffset, committedMetadata: metadata }],
      },
    ],
  })
  return answer.topics[0]!.partitions[0]!.errorCode
}

/** The committed offset of one partition; -1: none. */
export async function committedOffset(
  client: WireClient,
  groupId: string,
  topic = "t",
  partition = 0,
): Promise<{ offset: number; metadata: string | null; errorCode: number }> {
  const { groups } = await client.send(offsetFetch, 8, {
    groupId: "",
    topics: [],
    groups: [{ groupId, topics: [{ name: topic, topicId: zeroId, partitionIndexes: [partition] }] }],
    requireStable: false,
  })
  const { errorCode, topics } = groups[0]!
  const answer = topics[0]?.partitions[0]
  return {
    offset: answer?.committedOffset ?? -1,
    metadata: answer?.metadata ?? null,
    errorCode: errorCode === Errors.NONE ? (answer?.errorCode ?? Errors.NONE) : errorCode,
  }
}
