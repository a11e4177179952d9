/**
 * AlterPartitionReassignments: other replicas for partitions, or as they were (KIP-455).
 *
 * Versions: 1 may insist on the replication factor that is (KIP-860).
 */
import { array, bool, int16, int32, string } from "../field.js"
import { api } from "../message.js"

export const alterPartitionReassignments = api({
  name: "AlterPartitionReassignments",
  key: 45,
  versions: "0-1",
  flexible: "0+",
  listeners: ["broker", "controller"],
  request: {
    timeoutMs: int32({ default: 60000 }),
    allowReplicationFactorChange: bool({ versions: "1+", default: true }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        // null: cancel
        replicas: array(int32(), { nullableVersions: "0+", default: null }),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32(),
    allowReplicationFactorChange: bool({ versions: "1+", default: true, ignorable: true }),
    errorCode: int16(),
    errorMessage: string({ nullableVersions: "0+" }),
    responses: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        errorMessage: string({ nullableVersions: "0+" }),
      }),
    }),
  },
})
