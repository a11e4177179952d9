/**
 * Groups in kafkajs's words.
 *
 * Owns their shape. kafkajs gives a member's metadata and assignment as bytes; here the assignment is told as it is.
 */
import type { Admin } from "../client/admin/admin.js"
import { throwFirst, translated } from "./errors.js"

export interface MemberDescription {
  memberId: string
  clientId: string
  clientHost: string
  assignment: Record<string, number[]>
}

export interface GroupDescriptions {
  groups: { groupId: string; protocolType: string; protocol: string; state: string; members: MemberDescription[] }[]
}

/** Errors: KafkaJSError and its kinds. */
export async function describedGroups(admin: Admin, groupIds: readonly string[]): Promise<GroupDescriptions> {
  const results = await translated(admin.describeGroups(groupIds))
  throwFirst(results)
  return {
    groups: results.map((result) => {
      const group = "members" in result ? result : undefined
      return {
        ...{ groupId: result.groupId, protocolType: "consumer", protocol: group?.assignor ?? "" },
        state: group?.state ?? "Unknown",
        members: (group?.members ?? []).map(({ memberId, clientId, clientHost, assignment }) => ({
          ...{ memberId, clientId, clientHost, assignment: byTopic(assignment) },
        })),
      }
    }),
  }
}

function byTopic(
  partitions: readonly { readonly topic: string; readonly partition: number }[],
): Record<string, number[]> {
  const found: Record<string, number[]> = {}
  for (const { topic, partition } of partitions) (found[topic] ??= []).push(partition)
  return found
}
