/**
 * ListOffsets: the offset for a timestamp.
 *
 * Negative timestamps ask for -1 latest, -2 earliest, -3 of the largest timestamp (7, KIP-734), -4 earliest local (8, KIP-405), -5 latest
 * tiered (9, KIP-1005), -6 earliest pending upload (11, KIP-1023).
 */
import { array, int16, int32, int64, int8, string } from "../field.js"
import { api } from "../message.js"

export const listOffsets = api({
  name: "ListOffsets",
  key: 2,
  versions: "1-11",
  flexible: "6+",
  request: {
    // -1 for consumers
    replicaId: int32(),
    // 0 read uncommitted, 1 read committed
    isolationLevel: int8({ versions: "2+" }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        currentLeaderEpoch: int32({ versions: "4+", default: -1, ignorable: true }),
        timestamp: int64(),
      }),
    }),
    // for offsets that lie in remote storage, KIP-1075
    timeoutMs: int32({ versions: "10+", ignorable: true }),
  },
  response: {
    throttleTimeMs: int32({ versions: "2+", default: 0, ignorable: true }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        timestamp: int64({ default: -1 }),
        offset: int64({ default: -1 }),
        leaderEpoch: int32({ versions: "4+", default: -1 }),
      }),
    }),
  },
})
