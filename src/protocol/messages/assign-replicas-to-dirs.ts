/**
 * AssignReplicasToDirs: a broker says in which of its log directories replicas are (KIP-858).
 */
import { array, int16, int32, int64, uuid } from "../field.js"
import { api } from "../message.js"

export const assignReplicasToDirs = api({
  name: "AssignReplicasToDirs",
  key: 73,
  versions: "0",
  flexible: "0+",
  listeners: ["controller"],
  request: {
    brokerId: int32(),
    brokerEpoch: int64({ default: -1 }),
    directories: array({
      id: uuid(),
      topics: array({
        topicId: uuid(),
        partitions: array({
          partitionIndex: int32(),
        }),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    directories: array({
      id: uuid(),
      topics: array({
        topicId: uuid(),
        partitions: array({
          partitionIndex: int32(),
          errorCode: int16(),
        }),
      }),
    }),
  },
})
