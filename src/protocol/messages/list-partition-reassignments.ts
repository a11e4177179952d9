/**
 * ListPartitionReassignments: which partitions are on their way to other replicas (KIP-455).
 */
import { array, int16, int32, string } from "../field.js"
import { api } from "../message.js"

export const listPartitionReassignments = api({
  name: "ListPartitionReassignments",
  key: 46,
  versions: "0",
  flexible: "0+",
  listeners: ["broker", "controller"],
  request: {
    timeoutMs: int32({ default: 60000 }),
    // null: all
    topics: array(
      {
        name: string(),
        partitionIndexes: array(int32()),
      },
      { nullableVersions: "0+", default: null },
    ),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullableVersions: "0+" }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        replicas: array(int32()),
        addingReplicas: array(int32()),
        removingReplicas: array(int32()),
      }),
    }),
  },
})
