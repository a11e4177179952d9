/**
 * AlterReplicaLogDirs: moves replicas between the log directories of a broker (KIP-113).
 */
import { array, int16, int32, string } from "../field.js"
import { api } from "../message.js"

export const alterReplicaLogDirs = api({
  name: "AlterReplicaLogDirs",
  key: 34,
  versions: "1-2",
  flexible: "2+",
  request: {
    dirs: array({
      path: string({ mapKey: true }),
      topics: array({
        name: string({ mapKey: true }),
        partitions: array(int32()),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    results: array({
      topicName: string(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
      }),
    }),
  },
})
