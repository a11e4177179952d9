/**
 * ExplainGroup: what happened to a group and why, and how far behind it is. Ottla's own.
 *
 * Kafka's clients are not told of it: its key is far beyond theirs, and ApiVersions leaves it out. Asked of the group's coordinator.
 */
import { array, int16, int32, int64, string } from "../field.js"
import { api } from "../message.js"

export const explainGroup = api({
  name: "ExplainGroup",
  key: 20_000,
  versions: "0",
  flexible: "0+",
  request: {
    groupId: string(),
  },
  response: {
    errorCode: int16(),
    // classic or consumer
    groupType: string(),
    groupState: string(),
    // of the assignment: the chosen protocol of a classic group, the assignor of a consumer group
    protocol: string(),
    // generation of a classic group, epoch of a consumer group
    generation: int32(),
    members: array({
      memberId: string(),
      groupInstanceId: string({ nullableVersions: "0+", default: null }),
      clientId: string(),
      clientHost: string(),
      // what it is doing, or what is waited for
      state: string(),
      epoch: int32(),
      sinceLastHeartbeatMs: int64(),
      // negative: so much time is left; the smallest int64: nothing is awaited of it
      lateByMs: int64(),
      topics: array({
        name: string(),
        partitions: array(int32()),
      }),
    }),
    // the last ones, oldest first
    events: array({
      timestampMs: int64(),
      type: string(),
      memberId: string({ nullableVersions: "0+", default: null }),
      groupInstanceId: string({ nullableVersions: "0+", default: null }),
      clientId: string({ nullableVersions: "0+", default: null }),
      clientHost: string({ nullableVersions: "0+", default: null }),
      reason: string({ nullableVersions: "0+", default: null }),
      // session, rebalance, sync, join or revocation
      deadline: string({ nullableVersions: "0+", default: null }),
      // -1: does not apply, as below
      generation: int32({ default: -1 }),
      lateByMs: int64({ default: -1 }),
      tookMs: int64({ default: -1 }),
      members: int32({ default: -1 }),
      partitions: int32({ default: -1 }),
    }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        committedOffset: int64(),
        commitTimestampMs: int64(),
        // end of what consumers see; -1: not known here, as below
        endOffset: int64(),
        lag: int64(),
        // how long the first record that was not committed has been there
        lagMs: int64(),
      }),
    }),
  },
})

/** `lateByMs` of a member of which nothing is awaited. */
export const notAwaited = -(2 ** 63)
