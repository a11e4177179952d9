/**
 * The sticky assignors of classic groups: balanced, and with as few moves as that takes, judged by what members say they have.
 *
 * Owns whose claim counts, and what has to wait. The dealing itself is the uniform assignor's. The invariant: of a partition that two members claim, the claim of the later generation counts, and none
 * of two of the same generation, for one of them must be wrong and nobody knows which. Source: Kafka's AbstractStickyAssignor, CooperativeStickyAssignor.
 */
import type { Uuid } from "../base/ids.js"
import { type Assignment, type AssignorMember, emptyAssignment, type GroupAssignment } from "./assignor.js"
import type { ClassicAssignorInput, ClassicAssignorMember } from "./classic-assignors.js"
import { assignUniform } from "./uniform.js"

export function assignSticky({ members, partitionCounts }: ClassicAssignorInput): GroupAssignment {
  const targets = validClaims(members)
  return assignUniform({
    members: members.map(
      ({ memberId, instanceId, rackId, topics }): AssignorMember => ({
        memberId,
        instanceId,
        rackId,
        topicIds: topics,
        target: targets.get(memberId) ?? emptyAssignment,
      }),
    ),
    partitionCounts,
  })
}

interface Claim {
  readonly memberId: string
  readonly generationId: number
  isDisputed: boolean
}

function validClaims(members: readonly ClassicAssignorMember[]): Map<string, Assignment> {
  const claims = new Map<Uuid, Map<number, Claim>>()
  for (const { memberId, owned, generationId } of members)
    for (const [topic, partitions] of owned) {
      let ofTopic = claims.get(topic)
      if (ofTopic === undefined) claims.set(topic, (ofTopic = new Map()))
      for (const partition of partitions) {
        const known = ofTopic.get(partition)
        if (known === undefined || known.generationId < generationId)
          ofTopic.set(partition, { memberId, generationId, isDisputed: false })
        else if (known.generationId === generationId && known.memberId !== memberId) known.isDisputed = true
      }
    }
  const targets = new Map<string, Map<Uuid, number[]>>()
  for (const [topic, ofTopic] of claims)
    for (const [partition, { memberId, isDisputed }] of ofTopic)
      if (!isDisputed) put(targets, memberId, topic, partition)
  for (const target of targets.values()) for (const partitions of target.values()) partitions.sort((a, b) => a - b)
  return targets
}

/**
 * Leaves out of an assignment what a member would be given while another one still says it has it: that one finds it gone, lets go of it and joins again, and then it is given away (KIP-429).
 * Errors: none.
 */
export function withholdOwned(members: readonly ClassicAssignorMember[], assigned: GroupAssignment): GroupAssignment {
  const owners = new Map<Uuid, Map<number, Set<string>>>()
  for (const { memberId, owned } of members)
    for (const [topic, partitions] of owned) {
      let ofTopic = owners.get(topic)
      if (ofTopic === undefined) owners.set(topic, (ofTopic = new Map()))
      for (const partition of partitions) {
        const known = ofTopic.get(partition)
        if (known === undefined) ofTopic.set(partition, new Set([memberId]))
        else known.add(memberId)
      }
    }
  const result = new Map<string, Assignment>()
  for (const [memberId, assignment] of assigned) {
    const given = new Map<Uuid, readonly number[]>()
    for (const [topic, partitions] of assignment) {
      const isFree = (partition: number) => {
        const claimants = owners.get(topic)?.get(partition)
        return claimants === undefined || claimants.has(memberId)
      }
      const free = partitions.filter(isFree)
      if (free.length > 0) given.set(topic, free)
    }
    result.set(memberId, given)
  }
  return result
}

function put(targets: Map<string, Map<Uuid, number[]>>, memberId: string, topic: Uuid, partition: number): void {
  let target = targets.get(memberId)
  if (target === undefined) targets.set(memberId, (target = new Map()))
  const partitions = target.get(topic)
  if (partitions === undefined) target.set(topic, [partition])
  else partitions.push(partition)
}
