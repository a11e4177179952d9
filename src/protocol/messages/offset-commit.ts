/**
 * OffsetCommit: store how far a group has read.
 *
 * Versions: 5 drops the retention time (KIP-211), 6 leader epochs (KIP-320), 7 static members (KIP-345), 9 members of the consumer protocol,
 * whose epoch travels as generation (KIP-848), 10 topic ids in place of names (KIP-848).
 */
import { array, int16, int32, int64, string, uuid } from "../field.js"
import { api } from "../message.js"

export const offsetCommit = api({
  name: "OffsetCommit",
  key: 8,
  versions: "2-10",
  flexible: "8+",
  request: {
    groupId: string(),
    // -1 for a commit from outside the group
    generationIdOrMemberEpoch: int32({ default: -1, ignorable: true }),
    memberId: string({ ignorable: true }),
    groupInstanceId: string({ versions: "7+", nullableVersions: "7+", default: null }),
    // -1: the broker's setting
    retentionTimeMs: int64({ versions: "2-4", default: -1, ignorable: true }),
    topics: array({
      name: string({ versions: "0-9", ignorable: true }),
      topicId: uuid({ versions: "10+", ignorable: true }),
      partitions: array({
        partitionIndex: int32(),
        committedOffset: int64(),
        committedLeaderEpoch: int32({ versions: "6+", default: -1, ignorable: true }),
        committedMetadata: string({ nullableVersions: "0+" }),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32({ versions: "3+", default: 0, ignorable: true }),
    topics: array({
      name: string({ versions: "0-9", ignorable: true }),
      topicId: uuid({ versions: "10+", ignorable: true }),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
      }),
    }),
  },
})
