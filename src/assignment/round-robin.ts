/**
 * The round-robin assignor: all partitions of all topics, in order, go around the table.
 *
 * Owns the turn. Who does not subscribe to a topic is passed over. The invariant: static members sit first, by instance id, as with the range assignor. Source: Kafka's RoundRobinAssignor.
 */
import type { Uuid } from "../base/ids.js"
import { type AssignorInput, compareText, type GroupAssignment } from "./assignor.js"
import { byInstance } from "./range.js"

export function assignRoundRobin({ members, partitionCounts }: AssignorInput): GroupAssignment {
  const seats = [...members].sort(byInstance).map(({ memberId, topicIds }) => ({
    memberId,
    topics: new Set(topicIds),
    assignment: new Map<Uuid, number[]>(),
  }))
  const wanted = [...new Set(members.flatMap(({ topicIds }) => topicIds))].sort(compareText)
  let turn = 0
  for (const topic of wanted) {
    const count = partitionCounts.get(topic) ?? 0
    for (let partition = 0; partition < count; partition++) {
      while (!seats[turn]!.topics.has(topic)) turn = (turn + 1) % seats.length
      const { assignment } = seats[turn]!
      const partitions = assignment.get(topic)
      if (partitions === undefined) assignment.set(topic, [partition])
      else partitions.push(partition)
      turn = (turn + 1) % seats.length
    }
  }
  return new Map(seats.map(({ memberId, assignment }) => [memberId, assignment]))
}
