/**
 * Produce: append record batches to partitions.
 *
 * Versions: 7 may carry zstd batches (KIP-110), 8 names the bad records (KIP-467), 10 tells the new leader (KIP-951), 11 may answer
 * TRANSACTION_ABORTABLE (KIP-890), 12 adds partitions to the transaction by itself (KIP-890), 13 names topics by id (KIP-516).
 */
import { array, int16, int32, int64, records, string, struct, uuid } from "../field.js"
import { api } from "../message.js"

export const produce = api({
  name: "Produce",
  key: 0,
  versions: "3-13",
  // librdkafka takes a broker without version 0 for one without Produce (KAFKA-18659). Versions 0 to 2 are refused all the same.
  advertised: "0-13",
  flexible: "9+",
  request: {
    // null: not transactional
    transactionalId: string({ nullableVersions: "3+", default: null }),
    // 0 no answer at all, 1 the leader has it, -1 all in-sync replicas have it
    acks: int16(),
    timeoutMs: int32(),
    topicData: array({
      name: string({ versions: "3-12", ignorable: true, mapKey: true }),
      topicId: uuid({ versions: "13+", ignorable: true, mapKey: true }),
      partitionData: array({
        index: int32(),
        records: records({ nullableVersions: "3+" }),
      }),
    }),
  },
  response: {
    responses: array({
      name: string({ versions: "3-12", ignorable: true, mapKey: true }),
      topicId: uuid({ versions: "13+", ignorable: true, mapKey: true }),
      partitionResponses: array({
        index: int32(),
        errorCode: int16(),
        baseOffset: int64(),
        // -1 where the producer's timestamps count
        logAppendTimeMs: int64({ default: -1, ignorable: true }),
        logStartOffset: int64({ versions: "5+", default: -1, ignorable: true }),
        // records that made the batch fail, KIP-467
        recordErrors: array(
          {
            batchIndex: int32(),
            batchIndexErrorMessage: string({ nullableVersions: "8+", default: null }),
          },
          { versions: "8+", ignorable: true },
        ),
        errorMessage: string({ versions: "8+", nullableVersions: "8+", default: null, ignorable: true }),
        // after NOT_LEADER_OR_FOLLOWER, KIP-951
        currentLeader: struct(
          {
            leaderId: int32({ default: -1 }),
            leaderEpoch: int32({ default: -1 }),
          },
          { taggedVersions: "10+", tag: 0 },
        ),
      }),
    }),
    throttleTimeMs: int32({ default: 0, ignorable: true }),
    nodeEndpoints: array(
      {
        nodeId: int32({ mapKey: true }),
        host: string(),
        port: int32(),
        rack: string({ nullableVersions: "10+", default: null }),
      },
      { taggedVersions: "10+", tag: 0 },
    ),
  },
})
