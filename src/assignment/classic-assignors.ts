/**
 * The assignors by which the leader of a classic group deals out partitions, under the names that members offer them.
 *
 * Owns the table and what the leader knows of a member. Pure, like all assignors here; topics go by their names. The invariant is theirs: every partition of a topic that somebody subscribes to goes to
 * exactly one subscriber, except what `cooperative-sticky` holds back until its owner has let go of it.
 */
import { type Assignment, type AssignorMember, emptyAssignment, type GroupAssignment } from "./assignor.js"
import { assignRange } from "./range.js"
import { assignRoundRobin } from "./round-robin.js"
import { assignSticky, withholdOwned } from "./sticky.js"

export interface ClassicAssignorMember {
  readonly memberId: string
  readonly instanceId: string | null
  readonly rackId: string | null
  /** Without duplicates. */
  readonly topics: readonly string[]
  /** What the member says it has. */
  readonly owned: Assignment
  /** In which generation it was given that; -1: it does not know. */
  readonly generationId: number
}

export interface ClassicAssignorInput {
  readonly members: readonly ClassicAssignorMember[]
  /** Of each topic that exists. */
  readonly partitionCounts: ReadonlyMap<string, number>
}

export interface ClassicAssignor {
  readonly name: string
  /** Members keep what they have while they join again, and let go only of what they are not given any more (KIP-429). */
  readonly isCooperative: boolean
  assign(input: ClassicAssignorInput): GroupAssignment
}

/** As the assignors of the consumer protocol see it. */
export const plainMembers = (members: readonly ClassicAssignorMember[]): AssignorMember[] =>
  members.map(({ memberId, instanceId, rackId, topics }) => ({
    memberId,
    instanceId,
    rackId,
    topicIds: topics,
    target: emptyAssignment,
  }))

const assignors: readonly ClassicAssignor[] = [
  {
    name: "range",
    isCooperative: false,
    assign: ({ members, partitionCounts }) => assignRange({ members: plainMembers(members), partitionCounts }),
  },
  {
    name: "roundrobin",
    isCooperative: false,
    assign: ({ members, partitionCounts }) => assignRoundRobin({ members: plainMembers(members), partitionCounts }),
  },
  { name: "sticky", isCooperative: false, assign: assignSticky },
  {
    name: "cooperative-sticky",
    isCooperative: true,
    assign: (input) => withholdOwned(input.members, assignSticky(input)),
  },
]

export const classicAssignorNames: readonly string[] = assignors.map(({ name }) => name)

export const classicAssignorNamed = (name: string): ClassicAssignor | undefined =>
  assignors.find((each) => each.name === name)
