/**
 * Members of groups under the consumer protocol: all they do is send heartbeats, and do what the answers say at once.
 *
 * Owns the requests of such a member as Kafka's consumer makes them: everything when it joins, then only what has changed. One heartbeat of a member at a time.
 */
import { randomBytes } from "node:crypto"
import { Errors } from "../../src/protocol/errors.js"
import { consumerGroupDescribe } from "../../src/protocol/messages/consumer-group-describe.js"
import { consumerGroupHeartbeat } from "../../src/protocol/messages/consumer-group-heartbeat.js"
import { BrokerError, type Client } from "../client.js"
import { errorName } from "../error-name.js"
import { isEarly } from "./coordinator.js"

const versions = { heartbeat: 1, describe: 1 } as const
const rebalanceTimeoutMs = 300_000
const memberIdBytes = 16
const leavingEpoch = -1

type TopicPartitions = readonly { readonly topicId: string; readonly partitions: readonly number[] }[]

export class ConsumerMember {
  readonly memberId = randomBytes(memberIdBytes).toString("base64url")
  /** 0: has not joined. */
  epoch = 0
  #assigned: TopicPartitions = []
  #hasToReport = false

  constructor(
    readonly groupId: string,
    private readonly topic: string,
  ) {}

  get partitions(): number {
    return this.#assigned.reduce((sum, { partitions }) => sum + partitions.length, 0)
  }

  /** False: the coordinator is not there yet, and nothing has happened. */
  async beat(client: Client): Promise<boolean> {
    const { groupId, memberId, epoch } = this
    const isJoining = epoch === 0
    const response = await client.call(consumerGroupHeartbeat, versions.heartbeat, {
      groupId,
      memberId,
      memberEpoch: epoch,
      rebalanceTimeoutMs: isJoining ? rebalanceTimeoutMs : -1,
      subscribedTopicNames: isJoining ? [this.topic] : null,
      topicPartitions: isJoining || this.#hasToReport ? owned(this.#assigned) : null,
    })
    if (isEarly(response.errorCode)) return false
    if (response.errorCode !== Errors.NONE)
      throw new BrokerError(`heartbeat of ${memberId}: ${errorName(response.errorCode)} ${response.errorMessage ?? ""}`)
    this.epoch = response.memberEpoch
    this.#hasToReport = response.assignment !== null
    if (response.assignment !== null) this.#assigned = response.assignment.topicPartitions
    return true
  }

  async leave(client: Client): Promise<void> {
    const { groupId, memberId } = this
    const request = { groupId, memberId, memberEpoch: leavingEpoch }
    const { errorCode } = await client.call(consumerGroupHeartbeat, versions.heartbeat, request)
    if (errorCode !== Errors.NONE) throw new BrokerError(`${memberId} cannot leave: ${errorName(errorCode)}`)
  }
}

const owned = (assigned: TopicPartitions) =>
  assigned.map(({ topicId, partitions }) => ({ topicId, partitions: [...partitions] }))

/** The state of groups as the broker tells it. */
export async function groupStates(client: Client, groupIds: readonly string[]): Promise<string[]> {
  const request = { groupIds: [...groupIds], includeAuthorizedOperations: false }
  const { groups } = await client.call(consumerGroupDescribe, versions.describe, request)
  return groups.map(({ groupState, errorCode }) => (errorCode === Errors.NONE ? groupState : errorName(errorCode)))
}
