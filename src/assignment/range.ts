/**
 * The range assignor: each topic is cut into ranges of neighbouring partitions, one for each subscriber.
 *
 * Owns the cut. Topics with the same number of partitions and the same subscribers are cut alike, so that whoever joins them partition by partition
 * finds both sides at one member. The invariant: static members come first, by instance id, so that a restarted one gets its range again.
 */
import type { Uuid } from "../base/ids.js"
import {
  type Assignment,
  type AssignorInput,
  type AssignorMember,
  compareText,
  type GroupAssignment,
} from "./assignor.js"

interface Cut {
  readonly partitions: number
  subscribers: number
  /** How many of the next subscribers get one partition more. */
  extra: number
  next: number
}

/** Static members first, by instance id, so that their places do not change with their member ids. */
export function byInstance(a: AssignorMember, b: AssignorMember): number {
  if (a.instanceId !== null && b.instanceId !== null) return compareText(a.instanceId, b.instanceId)
  if (a.instanceId !== null) return -1
  if (b.instanceId !== null) return 1
  return compareText(a.memberId, b.memberId)
}

export function assignRange({ members, partitionCounts }: AssignorInput): GroupAssignment {
  const ordered = [...members].sort(byInstance)
  const cuts = new Map<Uuid, Cut>()
  for (const { topicIds } of ordered) {
    for (const topicId of topicIds) {
      const cut = cuts.get(topicId)
      if (cut !== undefined) cut.subscribers++
      else {
        const partitions = partitionCounts.get(topicId)
        if (partitions !== undefined) cuts.set(topicId, { partitions, subscribers: 1, extra: 0, next: 0 })
      }
    }
  }
  for (const cut of cuts.values()) cut.extra = cut.partitions % cut.subscribers
  const result = new Map<string, Assignment>()
  for (const { memberId, topicIds } of ordered) {
    const assignment = new Map<Uuid, readonly number[]>()
    for (const topicId of topicIds) {
      const cut = cuts.get(topicId)
      if (cut === undefined) continue
      const count = Math.floor(cut.partitions / cut.subscribers) + (cut.extra > 0 ? 1 : 0)
      if (cut.extra > 0) cut.extra--
      if (count === 0) continue
      const start = cut.next
      cut.next += count
      assignment.set(
        topicId,
        Array.from({ length: count }, (_, index) => start + index),
      )
    }
    result.set(memberId, assignment)
  }
  return result
}
