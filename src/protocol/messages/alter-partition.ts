/**
 * AlterPartition: a leader proposes another in-sync set (KIP-497).
 *
 * Versions: 2 topic ids (KIP-841), 3 the broker epoch of each member (KIP-903).
 */
import { array, int16, int32, int64, int8, uuid } from "../field.js"
import { api } from "../message.js"

export const alterPartition = api({
  name: "AlterPartition",
  key: 56,
  versions: "2-3",
  flexible: "0+",
  listeners: ["controller"],
  request: {
    brokerId: int32(),
    brokerEpoch: int64({ default: -1 }),
    topics: array({
      topicId: uuid({ versions: "2+", ignorable: true }),
      partitions: array({
        partitionIndex: int32(),
        leaderEpoch: int32(),
        newIsr: array(int32(), { versions: "0-2" }),
        newIsrWithEpochs: array(
          {
            brokerId: int32({ versions: "3+" }),
            // -1: not to be checked
            brokerEpoch: int64({ versions: "3+", default: -1 }),
          },
          { versions: "3+" },
        ),
        // 1: recovering from an unclean election
        leaderRecoveryState: int8({ versions: "1+", default: 0 }),
        partitionEpoch: int32(),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    topics: array({
      topicId: uuid({ versions: "2+", ignorable: true }),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        leaderId: int32(),
        leaderEpoch: int32(),
        isr: array(int32()),
        leaderRecoveryState: int8({ versions: "1+", default: 0, ignorable: true }),
        partitionEpoch: int32(),
      }),
    }),
  },
})
