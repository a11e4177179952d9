/**
 * CreatePartitions: more partitions for existing topics.
 *
 * Versions: 3 may be throttled with THROTTLING_QUOTA_EXCEEDED (KIP-599).
 */
import { array, bool, int16, int32, string } from "../field.js"
import { api } from "../message.js"

export const createPartitions = api({
  name: "CreatePartitions",
  key: 37,
  versions: "0-3",
  flexible: "2+",
  listeners: ["broker", "controller"],
  request: {
    topics: array({
      name: string({ mapKey: true }),
      // of all partitions, not of those to add
      count: int32(),
      // null: the controller chooses
      assignments: array(
        {
          brokerIds: array(int32()),
        },
        { nullableVersions: "0+" },
      ),
    }),
    timeoutMs: int32(),
    validateOnly: bool(),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    results: array({
      name: string(),
      errorCode: int16(),
      errorMessage: string({ nullableVersions: "0+", default: null }),
    }),
  },
})
