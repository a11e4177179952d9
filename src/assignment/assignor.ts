/**
 * What an assignor is given and what it answers.
 *
 * Owns the types, and the choice of an assignor by name. Assignors are pure: the same members, topics and targets give the same assignment, in whatever order
 * they come. The invariant: every partition of a topic that somebody subscribes to has exactly one owner, and that one subscribes to it.
 */
import type { Uuid } from "../base/ids.js"
import { assignRange } from "./range.js"
import { assignUniform } from "./uniform.js"

/** Partitions by topic, ascending, without empty lists. */
export type Assignment = ReadonlyMap<Uuid, readonly number[]>

export const emptyAssignment: Assignment = new Map()

export interface AssignorMember {
  readonly memberId: string
  readonly instanceId: string | null
  /** Not looked at by the assignors there are: neither are Kafka's. */
  readonly rackId: string | null
  /** Without duplicates. Members that subscribe to the same topics should share the list: that is noticed without comparing. */
  readonly topicIds: readonly Uuid[]
  /** What the member was last meant to have. */
  readonly target: Assignment
}

export interface AssignorInput {
  readonly members: readonly AssignorMember[]
  /** Partitions of each topic that exists. Subscriptions to others count for nothing. */
  readonly partitionCounts: ReadonlyMap<Uuid, number>
}

/** Of every member, by member id. */
export type GroupAssignment = ReadonlyMap<string, Assignment>

export type Assignor = (input: AssignorInput) => GroupAssignment

const assignors: ReadonlyMap<string, Assignor> = new Map([
  ["uniform", assignUniform],
  ["range", assignRange],
])

export const assignorNamed = (name: string): Assignor | undefined => assignors.get(name)

export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** Whether all members subscribe to the same topics. */
export function isHomogeneous(members: readonly AssignorMember[]): boolean {
  const first = members[0]?.topicIds
  if (first === undefined) return true
  let firstSet: Set<Uuid> | undefined
  for (const { topicIds } of members) {
    if (topicIds === first) continue
    if (topicIds.length !== first.length) return false
    firstSet ??= new Set(first)
    for (const topicId of topicIds) if (!firstSet.has(topicId)) return false
  }
  return true
}

/** Whether both say the same. */
export function sameAssignment(a: Assignment, b: Assignment): boolean {
  if (a === b) return true
  if (a.size !== b.size) return false
  for (const [topicId, partitions] of a) {
    const others = b.get(topicId)
    if (others === undefined || others.length !== partitions.length) return false
    for (let index = 0; index < partitions.length; index++) if (others[index] !== partitions[index]) return false
  }
  return true
}

export function partitionsIn(assignment: Assignment): number {
  let count = 0
  for (const partitions of assignment.values()) count += partitions.length
  return count
}
