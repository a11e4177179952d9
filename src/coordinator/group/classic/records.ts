/**
 * Classic groups as records of the log.
 *
 * Owns how a group is written; how it is read is the group's `replay`. Invariant: records are complete, for they are replayed as they are.
 */
import type { GroupRecordOf } from "../group-records.js"
import { type ClassicGroup, noBytes } from "./classic-group.js"

/** The group as it is, with assignments by member id. */
export const groupRecord = (
  group: ClassicGroup,
  wallMs: number,
  assignmentOf: (memberId: string) => Uint8Array,
): GroupRecordOf<"GroupMetadata"> => ({
  type: "GroupMetadata",
  key: { group: group.groupId },
  value: {
    protocolType: group.protocolType ?? "",
    generation: group.generationId,
    protocol: group.protocolName,
    leader: group.leaderId ?? null,
    currentStateTimestamp: group.stateTimestampMs ?? wallMs,
    members: [...group.members.values()].map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      rebalanceTimeout: member.rebalanceTimeoutMs,
      sessionTimeout: member.sessionTimeoutMs,
      subscription: member.metadata(group.protocolName) ?? noBytes,
      assignment: asBuffer(assignmentOf(member.memberId)),
    })),
  },
})

/** That there is such a group, before it has its first generation. */
export const newGroupRecord = (groupId: string, wallMs: number): GroupRecordOf<"GroupMetadata"> => ({
  type: "GroupMetadata",
  key: { group: groupId },
  value: {
    protocolType: "",
    generation: 0,
    protocol: null,
    leader: null,
    currentStateTimestamp: wallMs,
    members: [],
  },
})

export const groupTombstone = (groupId: string): GroupRecordOf<"GroupMetadata"> => ({
  type: "GroupMetadata",
  key: { group: groupId },
  value: null,
})

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
