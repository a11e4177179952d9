/**
 * ExplainGroup: what happened to a group and why, who is late, and how far behind it is. Ottla's own.
 *
 * Behaviour: answered by the group's coordinator, which knows the timeline since it began to coordinate the group. Lag is told for partitions whose leader it is as well.
 */
import type { GroupExplanation } from "../../coordinator/group/group-shard.js"
import { Errors } from "../../protocol/errors.js"
import type { ResponseInputOf } from "../../protocol/message.js"
import { explainGroup, notAwaited } from "../../protocol/messages/explain-group.js"
import { lagOf } from "../group-lag.js"
import { handler, type Services } from "../services.js"

type Answer = ResponseInputOf<typeof explainGroup>

export const explainGroupHandler = handler(explainGroup, async (services, { groupId }, { nowMs }) => {
  const explained = await services.groups.explainGroup(groupId)
  if (typeof explained === "number")
    return {
      errorCode: explained,
      groupType: "",
      groupState: "",
      protocol: "",
      generation: -1,
      members: [],
      events: [],
      topics: [],
    }
  return answer(explained, await topicsOf(services, explained, nowMs))
})

function answer(explained: GroupExplanation, topics: Answer["topics"]): Answer {
  return {
    errorCode: Errors.NONE,
    groupType: explained.kind,
    groupState: explained.state,
    protocol: explained.protocol,
    generation: explained.generation,
    members: explained.members.map(({ instanceId, lateByMs, partitions, ...member }) => ({
      ...member,
      groupInstanceId: instanceId ?? null,
      lateByMs: lateByMs === undefined ? notAwaited : Math.round(lateByMs),
      sinceLastHeartbeatMs: Math.round(member.sinceLastHeartbeatMs),
      topics: partitions.map(({ topic, partitions: indexes }) => ({ name: topic, partitions: indexes })),
    })),
    events: explained.events.map(({ instanceId, lateByMs, tookMs, ...event }) => ({
      ...event,
      groupInstanceId: instanceId ?? null,
      lateByMs: lateByMs === undefined ? -1 : Math.round(lateByMs),
      tookMs: tookMs === undefined ? -1 : Math.round(tookMs),
    })),
    topics,
  }
}

async function topicsOf(services: Services, { offsets }: GroupExplanation, nowMs: number): Promise<Answer["topics"]> {
  const topics: Answer["topics"][number][] = []
  for (const [name, partitions] of offsets) {
    const answers = []
    for (const [partitionIndex, { offset, commitTimestamp }] of [...partitions].sort(([a], [b]) => a - b)) {
      const lag = await lagOf(services.replicas.partition(name, partitionIndex), offset, nowMs)
      answers.push({
        partitionIndex,
        committedOffset: offset,
        commitTimestampMs: commitTimestamp,
        endOffset: lag.endOffset,
        lag: lag.records,
        lagMs: lag.ms,
      })
    }
    topics.push({ name, partitions: answers })
  }
  return topics
}
