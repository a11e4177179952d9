/**
 * The next step of a member from what it has to what it shall have.
 *
 * Owns the steps, as a pure function; whoever calls it writes the result down. The invariant: a partition is added only when nobody else has it, and leaves the
 * member only when the member says it let go: it is never given to another in the round in which it is taken away.
 * Source: KIP-848; KIP-1251 for the epochs of partitions.
 */
import type { Uuid } from "../../../base/ids.js"
import type { Assignment } from "../../../assignment/assignor.js"
import { type MemberPosition, memberStates } from "./consumer-member.js"
import { nothingOwned, type OwnedPartitions, ownsAnyOf, type ReportedPartitions } from "./owned-partitions.js"

export interface ReconcileInput {
  readonly position: MemberPosition
  /** The group epoch of the target. */
  readonly targetEpoch: number
  readonly target: Assignment
  /** What the member says it has. Null: it did not say. */
  readonly reported: ReportedPartitions | null
  readonly isSubscribedTo: (topicId: Uuid) => boolean
  /** The subscription has changed: topics that went are taken away even if no new target is there yet. */
  readonly hasSubscriptionChanged: boolean
  /** Whether a member other than this one has the partition. */
  readonly isTaken: (topicId: Uuid, partition: number) => boolean
}

/** The same object if nothing changes. */
export function reconcile(input: ReconcileInput): MemberPosition {
  const { position, targetEpoch, reported } = input
  switch (position.state) {
    case memberStates.stable:
      if (position.memberEpoch !== targetEpoch) return towardsTarget(input)
      return input.hasSubscriptionChanged ? withoutUnsubscribed(input) : position
    case memberStates.unrevokedPartitions:
      if (reported === null || ownsAnyOf(reported, position.pendingRevocation))
        return input.hasSubscriptionChanged ? withoutUnsubscribed(input) : position
      return towardsTarget(input)
    case memberStates.unreleasedPartitions:
      return towardsTarget(input)
    case memberStates.unknown:
      // A later version's state: only a member that says it has nothing comes here, and it has nothing.
      return towardsTarget(input)
  }
}

function towardsTarget(input: ReconcileInput): MemberPosition {
  const { position, target, targetEpoch, reported } = input
  const kept = new Map<Uuid, Map<number, number>>()
  const revoked = new Map<Uuid, Map<number, number>>()
  for (const [topicId, epochs] of position.assigned) {
    const wanted = new Set(input.isSubscribedTo(topicId) ? target.get(topicId) : undefined)
    for (const [partition, epoch] of epochs) put(wanted.has(partition) ? kept : revoked, topicId, partition, epoch)
  }
  if (revoked.size > 0 && (reported === null || ownsAnyOf(reported, revoked)))
    return moved(position, memberStates.unrevokedPartitions, position.memberEpoch, kept, revoked)
  let isWaiting = false
  for (const [topicId, partitions] of target) {
    if (!input.isSubscribedTo(topicId)) continue
    for (const partition of partitions) {
      if (kept.get(topicId)?.has(partition)) continue
      if (input.isTaken(topicId, partition)) isWaiting = true
      else put(kept, topicId, partition, targetEpoch)
    }
  }
  const state = isWaiting ? memberStates.unreleasedPartitions : memberStates.stable
  return moved(position, state, targetEpoch, kept, nothingOwned)
}

/** Takes away what is not subscribed to any more; the rest has to wait for the next target. */
function withoutUnsubscribed({ position, reported, isSubscribedTo }: ReconcileInput): MemberPosition {
  const kept = new Map<Uuid, ReadonlyMap<number, number>>()
  const revoked = new Map<Uuid, ReadonlyMap<number, number>>(position.pendingRevocation)
  for (const [topicId, epochs] of position.assigned) {
    if (isSubscribedTo(topicId)) kept.set(topicId, epochs)
    else revoked.set(topicId, new Map([...(revoked.get(topicId) ?? []), ...epochs]))
  }
  if (kept.size === position.assigned.size) return position
  if (reported === null || ownsAnyOf(reported, revoked))
    return moved(position, memberStates.unrevokedPartitions, position.memberEpoch, kept, revoked)
  return moved(position, position.state, position.memberEpoch, kept, position.pendingRevocation)
}

function moved(
  position: MemberPosition,
  state: MemberPosition["state"],
  memberEpoch: number,
  assigned: OwnedPartitions,
  pendingRevocation: OwnedPartitions,
): MemberPosition {
  const sameAssigned = isSame(assigned, position.assigned)
  const samePending = isSame(pendingRevocation, position.pendingRevocation)
  if (sameAssigned && samePending && state === position.state && memberEpoch === position.memberEpoch) return position
  return {
    memberEpoch,
    // A member that missed several answers of one epoch still has the epoch before.
    previousMemberEpoch: memberEpoch === position.memberEpoch ? position.previousMemberEpoch : position.memberEpoch,
    state,
    assigned: sameAssigned ? position.assigned : assigned,
    pendingRevocation: samePending ? position.pendingRevocation : pendingRevocation,
  }
}

function put(partitions: Map<Uuid, Map<number, number>>, topicId: Uuid, partition: number, epoch: number): void {
  const epochs = partitions.get(topicId)
  if (epochs === undefined) partitions.set(topicId, new Map([[partition, epoch]]))
  else epochs.set(partition, epoch)
}

function isSame(a: OwnedPartitions, b: OwnedPartitions): boolean {
  if (a === b) return true
  if (a.size !== b.size) return false
  for (const [topicId, epochs] of a) {
    const others = b.get(topicId)
    if (others === undefined || others.size !== epochs.size) return false
    for (const [partition, epoch] of epochs) if (others.get(partition) !== epoch) return false
  }
  return true
}
