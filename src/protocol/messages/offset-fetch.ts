/**
 * OffsetFetch: read the committed offsets of groups.
 *
 * Versions: 2 null for all topics, and an error of the group (KIP-88), 5 leader epochs (KIP-320), 7 may refuse offsets of open transactions
 * (KIP-447), 8 several groups (KIP-709), 9 members of the consumer protocol (KIP-848), 10 topic ids in place of names (KIP-848).
 */
import { array, bool, int16, int32, int64, string, uuid } from "../field.js"
import { api } from "../message.js"

export const offsetFetch = api({
  name: "OffsetFetch",
  key: 9,
  versions: "1-10",
  flexible: "6+",
  request: {
    groupId: string({ versions: "0-7" }),
    // null: all topics
    topics: array(
      {
        name: string(),
        partitionIndexes: array(int32()),
      },
      { versions: "0-7", nullableVersions: "2-7" },
    ),
    // batched form, KIP-709
    groups: array(
      {
        groupId: string(),
        memberId: string({ versions: "9+", nullableVersions: "9+", default: null, ignorable: true }),
        memberEpoch: int32({ versions: "9+", default: -1, ignorable: true }),
        // null: all topics
        topics: array(
          {
            name: string({ versions: "8-9", ignorable: true }),
            topicId: uuid({ versions: "10+", ignorable: true }),
            partitionIndexes: array(int32()),
          },
          { nullableVersions: "8+" },
        ),
      },
      { versions: "8+" },
    ),
    // refuse what an open transaction may still change, KIP-447
    requireStable: bool({ versions: "7+", default: false }),
  },
  response: {
    throttleTimeMs: int32({ versions: "3+", default: 0, ignorable: true }),
    topics: array(
      {
        name: string(),
        partitions: array({
          partitionIndex: int32(),
          // -1: none
          committedOffset: int64(),
          committedLeaderEpoch: int32({ versions: "5-7", default: -1, ignorable: true }),
          metadata: string({ nullableVersions: "0-7" }),
          errorCode: int16(),
        }),
      },
      { versions: "0-7" },
    ),
    errorCode: int16({ versions: "2-7", default: 0, ignorable: true }),
    groups: array(
      {
        groupId: string(),
        topics: array({
          name: string({ versions: "8-9", ignorable: true }),
          topicId: uuid({ versions: "10+", ignorable: true }),
          partitions: array({
            partitionIndex: int32(),
            // -1: none
            committedOffset: int64(),
            committedLeaderEpoch: int32({ default: -1, ignorable: true }),
            metadata: string({ nullableVersions: "8+" }),
            errorCode: int16(),
          }),
        }),
        errorCode: int16({ default: 0 }),
      },
      { versions: "8+" },
    ),
  },
})
