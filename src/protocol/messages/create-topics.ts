/**
 * CreateTopics.
 *
 * Versions: 4 makes partitions and replication factor optional (KIP-464), 5 returns the configs (KIP-525), 6 may be throttled with
 * THROTTLING_QUOTA_EXCEEDED (KIP-599), 7 returns the topic id (KIP-516).
 */
import { array, bool, int16, int32, int8, string, uuid } from "../field.js"
import { api } from "../message.js"

export const createTopics = api({
  name: "CreateTopics",
  key: 19,
  versions: "2-7",
  flexible: "5+",
  listeners: ["broker", "controller"],
  request: {
    topics: array({
      name: string({ mapKey: true }),
      // -1: the default of the broker, KIP-464
      numPartitions: int32(),
      // -1: the default of the broker, KIP-464
      replicationFactor: int16(),
      assignments: array({
        partitionIndex: int32({ mapKey: true }),
        brokerIds: array(int32()),
      }),
      configs: array({
        name: string({ mapKey: true }),
        value: string({ nullableVersions: "2+" }),
      }),
    }),
    timeoutMs: int32({ default: 60000 }),
    validateOnly: bool({ default: false }),
  },
  response: {
    throttleTimeMs: int32({ default: 0, ignorable: true }),
    topics: array({
      name: string({ mapKey: true }),
      topicId: uuid({ versions: "7+", ignorable: true }),
      errorCode: int16(),
      errorMessage: string({ nullableVersions: "2+", ignorable: true }),
      // why configs are missing though the topic was made
      topicConfigErrorCode: int16({ taggedVersions: "5+", tag: 0, ignorable: true }),
      numPartitions: int32({ versions: "5+", default: -1, ignorable: true }),
      replicationFactor: int16({ versions: "5+", default: -1, ignorable: true }),
      configs: array(
        {
          name: string(),
          value: string({ nullableVersions: "5+" }),
          readOnly: bool(),
          configSource: int8({ default: -1, ignorable: true }),
          isSensitive: bool(),
        },
        { versions: "5+", nullableVersions: "5+", ignorable: true },
      ),
    }),
  },
})
