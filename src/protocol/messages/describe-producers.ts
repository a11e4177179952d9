/**
 * DescribeProducers: the producers a partition knows (KIP-664).
 */
import { array, int16, int32, int64, string } from "../field.js"
import { api } from "../message.js"

export const describeProducers = api({
  name: "DescribeProducers",
  key: 61,
  versions: "0",
  flexible: "0+",
  request: {
    topics: array({
      name: string(),
      partitionIndexes: array(int32()),
    }),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        errorMessage: string({ nullableVersions: "0+", default: null }),
        activeProducers: array({
          producerId: int64(),
          producerEpoch: int32(),
          lastSequence: int32({ default: -1 }),
          lastTimestamp: int64({ default: -1 }),
          coordinatorEpoch: int32(),
          // -1: no open transaction
          currentTxnStartOffset: int64({ default: -1 }),
        }),
      }),
    }),
  },
})
