/**
 * A classic group as DescribeGroups shows it.
 *
 * Owns which fields are filled in which state. Invariant: metadata are shown of a stable group only, where there is a protocol that all of them are for.
 */
import { Errors } from "../../../protocol/errors.js"
import { type ClassicGroup, noBytes } from "./classic-group.js"

export function describeGroup(group: ClassicGroup) {
  const isStable = group.state === "Stable"
  return {
    errorCode: Errors.NONE,
    errorMessage: null,
    groupId: group.groupId,
    groupState: group.state,
    protocolType: group.protocolType ?? "",
    protocolData: (isStable ? group.protocolName : null) ?? "",
    members: [...group.members.values()].map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      memberMetadata: (isStable ? member.metadata(group.protocolName) : undefined) ?? noBytes,
      memberAssignment: group.assignmentOf(member.memberId),
    })),
  }
}
