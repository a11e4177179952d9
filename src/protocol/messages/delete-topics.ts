/**
 * DeleteTopics.
 *
 * Versions: 5 returns error messages and may be throttled (KIP-599), 6 deletes by name or by id (KIP-516).
 */
import { array, int16, int32, string, uuid } from "../field.js"
import { api } from "../message.js"

export const deleteTopics = api({
  name: "DeleteTopics",
  key: 20,
  versions: "1-6",
  flexible: "4+",
  listeners: ["broker", "controller"],
  request: {
    topics: array(
      {
        name: string({ nullableVersions: "6+", default: null }),
        topicId: uuid(),
      },
      { versions: "6+" },
    ),
    topicNames: array(string(), { versions: "1-5", ignorable: true }),
    timeoutMs: int32(),
  },
  response: {
    throttleTimeMs: int32({ default: 0, ignorable: true }),
    responses: array({
      name: string({ nullableVersions: "6+", mapKey: true }),
      topicId: uuid({ versions: "6+", ignorable: true }),
      errorCode: int16(),
      errorMessage: string({ versions: "5+", nullableVersions: "5+", default: null, ignorable: true }),
    }),
  },
})
