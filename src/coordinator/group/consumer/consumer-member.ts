/**
 * A member of a group under the consumer protocol, as one immutable value.
 *
 * Owns its fields and how they come from records. The invariant: `assigned` and `pendingRevocation` have no partition in common; together they are what the
 * member may be working on, so nobody else is given any of it.
 */
import type { GroupRecordOf } from "../group-records.js"
import { nothingOwned, type OwnedPartitions, ownedFromRecord } from "./owned-partitions.js"

/** As records say it. */
export const memberStates = { stable: 0, unrevokedPartitions: 1, unreleasedPartitions: 2, unknown: 127 } as const
export type MemberState = (typeof memberStates)[keyof typeof memberStates]

/** Epochs of requests, and of static members that left for a while. */
export const joiningEpoch = 0
export const leavingEpoch = -1
export const leavingStaticEpoch = -2

export interface ClassicMemberMetadata {
  readonly sessionTimeoutMs: number
  /** In the order of the member's preference. */
  readonly supportedProtocols: readonly { readonly name: string; readonly metadata: Buffer }[]
}

/** How far a member is on its way to the target. */
export interface MemberPosition {
  readonly memberEpoch: number
  /** The epoch before, which a member still has that missed the answer. */
  readonly previousMemberEpoch: number
  readonly state: MemberState
  readonly assigned: OwnedPartitions
  /** Not assigned any more, but the member has not said that it stopped. */
  readonly pendingRevocation: OwnedPartitions
}

export interface ConsumerMember extends MemberPosition {
  readonly memberId: string
  readonly instanceId: string | null
  readonly rackId: string | null
  readonly clientId: string
  readonly clientHost: string
  /** Ascending, each once. */
  readonly subscribedTopicNames: readonly string[]
  /** Null and empty: none. */
  readonly subscribedTopicRegex: string | null
  readonly rebalanceTimeoutMs: number
  readonly serverAssignor: string | null
  /** Null: the member speaks the consumer protocol itself. */
  readonly classic: ClassicMemberMetadata | null
}

export const newMember = (memberId: string): ConsumerMember => ({
  memberId,
  instanceId: null,
  rackId: null,
  clientId: "",
  clientHost: "",
  subscribedTopicNames: [],
  subscribedTopicRegex: "",
  rebalanceTimeoutMs: -1,
  serverAssignor: null,
  classic: null,
  memberEpoch: 0,
  previousMemberEpoch: -1,
  state: memberStates.stable,
  assigned: nothingOwned,
  pendingRevocation: nothingOwned,
})

export const regexOf = ({ subscribedTopicRegex }: ConsumerMember): string | undefined =>
  subscribedTopicRegex === null || subscribedTopicRegex === "" ? undefined : subscribedTopicRegex

/** Whether the member has all of the target of this epoch, and nothing else. */
export const isReconciledTo = ({ state, memberEpoch }: MemberPosition, assignmentEpoch: number): boolean =>
  state === memberStates.stable && memberEpoch === assignmentEpoch

export const topicNames = (names: readonly string[]): readonly string[] => [...new Set(names)].sort()

/** Both lists are as `topicNames` makes them. */
export const hasSameTopics = (names: readonly string[], { subscribedTopicNames: others }: ConsumerMember): boolean =>
  names === others || (names.length === others.length && names.every((name, index) => name === others[index]))

export function withMetadata(
  member: ConsumerMember,
  value: NonNullable<GroupRecordOf<"ConsumerGroupMemberMetadata">["value"]>,
): ConsumerMember {
  const { classicMemberMetadata: classic } = value
  return {
    ...member,
    instanceId: value.instanceId,
    rackId: value.rackId,
    clientId: value.clientId,
    clientHost: value.clientHost,
    subscribedTopicNames: topicNames(value.subscribedTopicNames),
    subscribedTopicRegex: value.subscribedTopicRegex,
    rebalanceTimeoutMs: value.rebalanceTimeoutMs,
    serverAssignor: value.serverAssignor,
    classic:
      classic === null
        ? null
        : {
            sessionTimeoutMs: classic.sessionTimeoutMs,
            // The bytes are a view of memory that is used again.
            supportedProtocols: classic.supportedProtocols.map(({ name, metadata }) => ({
              name,
              metadata: Buffer.from(metadata),
            })),
          },
  }
}

export function withPosition(
  member: ConsumerMember,
  value: NonNullable<GroupRecordOf<"ConsumerGroupCurrentMemberAssignment">["value"]>,
): ConsumerMember {
  const { state, memberEpoch } = value
  return {
    ...member,
    memberEpoch,
    previousMemberEpoch: value.previousMemberEpoch,
    // A state of a later version: nothing is known of where the member stands.
    state: state === 0 || state === 1 || state === 2 ? state : memberStates.unknown,
    assigned: ownedFromRecord(value.assignedPartitions, memberEpoch),
    pendingRevocation: ownedFromRecord(value.partitionsPendingRevocation, memberEpoch),
  }
}
