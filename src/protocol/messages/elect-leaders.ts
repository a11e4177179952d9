/**
 * ElectLeaders: gives partitions to their preferred leader, or to any replica that is alive (KIP-460).
 */
import { array, int16, int32, int8, string } from "../field.js"
import { api } from "../message.js"

export const electLeaders = api({
  name: "ElectLeaders",
  key: 43,
  versions: "0-2",
  flexible: "2+",
  listeners: ["broker", "controller"],
  request: {
    // 0 preferred, 1 unclean
    electionType: int8({ versions: "1+" }),
    // null: all
    topicPartitions: array(
      {
        topic: string({ mapKey: true }),
        partitions: array(int32()),
      },
      { nullableVersions: "0+" },
    ),
    timeoutMs: int32({ default: 60000 }),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16({ versions: "1+" }),
    replicaElectionResults: array({
      topic: string(),
      partitionResult: array({
        partitionId: int32(),
        errorCode: int16(),
        errorMessage: string({ nullableVersions: "0+" }),
      }),
    }),
  },
})
