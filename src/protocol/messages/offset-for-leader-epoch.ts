/**
 * OffsetForLeaderEpoch: where the log of an epoch ends, so that readers find out about truncation (KIP-101, KIP-320).
 */
import { array, int16, int32, int64, string } from "../field.js"
import { api } from "../message.js"

export const offsetForLeaderEpoch = api({
  name: "OffsetForLeaderEpoch",
  key: 23,
  versions: "2-4",
  flexible: "4+",
  request: {
    // -2: a debugging consumer, which sees past the high watermark
    replicaId: int32({ versions: "3+", default: -2, ignorable: true }),
    topics: array({
      topic: string({ mapKey: true }),
      partitions: array({
        partition: int32(),
        currentLeaderEpoch: int32({ default: -1, ignorable: true }),
        leaderEpoch: int32(),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32({ default: 0, ignorable: true }),
    topics: array({
      topic: string({ mapKey: true }),
      partitions: array({
        errorCode: int16(),
        partition: int32(),
        leaderEpoch: int32({ default: -1, ignorable: true }),
        endOffset: int64({ default: -1 }),
      }),
    }),
  },
})
