/**
 * FindCoordinator: the broker that coordinates a group or a transactional id.
 *
 * Versions: 1 transactional ids (KIP-98), 4 several keys at once (KIP-699), 5 may answer TRANSACTION_ABORTABLE (KIP-890), 6 share groups, whose
 * keys are "groupId:topicId:partition" (KIP-932).
 */
import { array, int16, int32, int8, string } from "../field.js"
import { api } from "../message.js"

export const findCoordinator = api({
  name: "FindCoordinator",
  key: 10,
  versions: "0-6",
  flexible: "3+",
  request: {
    // group or transactional id
    key: string({ versions: "0-3" }),
    // 0 group, 1 transaction, 2 share
    keyType: int8({ versions: "1+", default: 0 }),
    // batched form, KIP-699
    coordinatorKeys: array(string(), { versions: "4+" }),
  },
  response: {
    throttleTimeMs: int32({ versions: "1+", default: 0, ignorable: true }),
    errorCode: int16({ versions: "0-3" }),
    errorMessage: string({ versions: "1-3", nullableVersions: "1-3", ignorable: true }),
    nodeId: int32({ versions: "0-3" }),
    host: string({ versions: "0-3" }),
    port: int32({ versions: "0-3" }),
    coordinators: array(
      {
        key: string(),
        nodeId: int32(),
        host: string(),
        port: int32(),
        errorCode: int16(),
        errorMessage: string({ nullableVersions: "4+", ignorable: true }),
      },
      { versions: "4+" },
    ),
  },
})
