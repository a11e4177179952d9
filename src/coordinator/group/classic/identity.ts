/**
 * Who a request says it comes from, and whether that is so.
 *
 * Owns member ids: how they are made, and the checks that requests of members share. Invariant: of one instance id, only the newest member is let in.
 */
import { type ErrorCode, Errors } from "../../../protocol/errors.js"
import type { Random } from "../../../env/env.js"
import type { Now, ShardContext } from "../contract.js"
import type { ClassicGroup } from "./classic-group.js"

/** Of the name of a client no more goes into a member id: with a longer one the id would not fit into a message, and the leader, who is told of all members, would pay for it. */
export const namedCharactersMax = 1000

/** As Kafka makes them: who it is for people, and a random UUID in Java's text form. */
export function newMemberId(name: string, random: Random): string {
  const bytes = random.bytes(16)
  bytes[6] = (bytes[6]! & 0x0f) | 0x40
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = bytes.toString("hex")
  return `${name.slice(0, namedCharactersMax)}-${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** NONE, UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID. */
export function checkMember(group: ClassicGroup, memberId: string, groupInstanceId: string | null): ErrorCode {
  if (groupInstanceId !== null) {
    const known = group.staticMembers.get(groupInstanceId)
    if (known === undefined) return Errors.UNKNOWN_MEMBER_ID
    if (known !== memberId) return Errors.FENCED_INSTANCE_ID
  }
  return group.members.has(memberId) ? Errors.NONE : Errors.UNKNOWN_MEMBER_ID
}

/** As `checkMember`, and tells the timeline of one that is fenced, once. */
export function checkAndNoteMember(
  context: ShardContext,
  group: ClassicGroup,
  memberId: string,
  groupInstanceId: string | null,
  request: string,
  now: Now,
): ErrorCode {
  const error = checkMember(group, memberId, groupInstanceId)
  if (error === Errors.FENCED_INSTANCE_ID && group.lastFencedMemberId !== memberId) {
    group.lastFencedMemberId = memberId
    const reason = `its ${request} came after another member had taken the instance id`
    context.note(group.groupId, { type: "member-fenced", memberId, instanceId: groupInstanceId!, reason }, now)
  }
  return error
}
