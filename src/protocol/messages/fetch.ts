/**
 * Fetch: read record batches, by consumers and by followers.
 *
 * Versions: 4 isolation level, 5 log start offset, 7 sessions (KIP-227), 9 leader epoch fencing (KIP-320), 10 zstd (KIP-110), 11 rack
 * (KIP-392), 12 divergence (KIP-595), 13 topic ids (KIP-516), 15 replica state (KIP-903), 16 endpoints of new leaders (KIP-951), 17
 * directory id (KIP-853), 18 the follower's high watermark (KIP-1166).
 */
import { array, bool, int16, int32, int64, int8, records, string, struct, uuid } from "../field.js"
import { api } from "../message.js"

export const fetch = api({
  name: "Fetch",
  key: 1,
  versions: "4-18",
  flexible: "12+",
  listeners: ["broker", "controller"],
  request: {
    clusterId: string({ taggedVersions: "12+", tag: 0, nullableVersions: "12+", default: null, ignorable: true }),
    // -1 for consumers
    replicaId: int32({ versions: "4-14", default: -1 }),
    // where replicaId and the registration of the follower went, KIP-903
    replicaState: struct(
      {
        replicaId: int32({ default: -1 }),
        replicaEpoch: int64({ default: -1 }),
      },
      { taggedVersions: "15+", tag: 1 },
    ),
    maxWaitMs: int32(),
    minBytes: int32(),
    maxBytes: int32({ default: 0x7fffffff, ignorable: true }),
    // 0 read uncommitted, 1 read committed
    isolationLevel: int8({ default: 0, ignorable: true }),
    // 0 without a session, KIP-227
    sessionId: int32({ versions: "7+", default: 0, ignorable: true }),
    // -1 full fetch without a session, 0 full fetch that makes one, above 0 continues it
    sessionEpoch: int32({ versions: "7+", default: -1, ignorable: true }),
    topics: array({
      topic: string({ versions: "4-12", ignorable: true }),
      topicId: uuid({ versions: "13+", ignorable: true }),
      partitions: array({
        partition: int32(),
        // -1 unknown; fences readers with old metadata, KIP-320
        currentLeaderEpoch: int32({ versions: "9+", default: -1, ignorable: true }),
        fetchOffset: int64(),
        // -1 unknown; the leader answers where it diverges, KIP-595
        lastFetchedEpoch: int32({ versions: "12+", default: -1 }),
        logStartOffset: int64({ versions: "5+", default: -1, ignorable: true }),
        partitionMaxBytes: int32(),
        // of the follower, KIP-853
        replicaDirectoryId: uuid({ taggedVersions: "17+", tag: 0, ignorable: true }),
        // of the follower, so that the leader can wait for a change of it, KIP-1166
        highWatermark: int64({ taggedVersions: "18+", tag: 1, default: 2 ** 63, ignorable: true }),
        // Ottla's own: the follower has this much on its medium and reads on from fetchOffset; -1 both are the same
        flushedOffset: int64({ taggedVersions: "17+", tag: 10_000, default: -1, ignorable: true }),
      }),
    }),
    // partitions to drop from the session
    forgottenTopicsData: array(
      {
        topic: string({ versions: "7-12", ignorable: true }),
        topicId: uuid({ versions: "13+", ignorable: true }),
        partitions: array(int32()),
      },
      { versions: "7+" },
    ),
    rackId: string({ versions: "11+", default: "", ignorable: true }),
  },
  response: {
    throttleTimeMs: int32({ default: 0, ignorable: true }),
    errorCode: int16({ versions: "7+", ignorable: true }),
    sessionId: int32({ versions: "7+", default: 0 }),
    responses: array({
      topic: string({ versions: "4-12", ignorable: true }),
      topicId: uuid({ versions: "13+", ignorable: true }),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        highWatermark: int64(),
        lastStableOffset: int64({ default: -1, ignorable: true }),
        logStartOffset: int64({ versions: "5+", default: -1, ignorable: true }),
        // the largest epoch, and its end, up to which both logs agree
        divergingEpoch: struct(
          {
            epoch: int32({ default: -1 }),
            endOffset: int64({ default: -1 }),
          },
          { taggedVersions: "12+", tag: 0 },
        ),
        currentLeader: struct(
          {
            leaderId: int32({ default: -1 }),
            leaderEpoch: int32({ default: -1 }),
          },
          { taggedVersions: "12+", tag: 1 },
        ),
        // the offset is below the log start: read this snapshot, KIP-630
        snapshotId: struct(
          {
            endOffset: int64({ default: -1 }),
            epoch: int32({ default: -1 }),
          },
          { taggedVersions: "12+", tag: 2 },
        ),
        // for read committed only, else null
        abortedTransactions: array(
          {
            producerId: int64(),
            firstOffset: int64(),
          },
          { nullableVersions: "4+", ignorable: true },
        ),
        preferredReadReplica: int32({ versions: "11+", default: -1 }),
        records: records({ nullableVersions: "4+" }),
      }),
    }),
    // of the leaders named in currentLeader, KIP-951
    nodeEndpoints: array(
      {
        nodeId: int32({ mapKey: true }),
        host: string(),
        port: int32(),
        rack: string({ nullableVersions: "16+", default: null }),
      },
      { taggedVersions: "16+", tag: 0 },
    ),
    // Ottla's own: flushedOffset is understood, so a follower may read ahead of it
    readsAhead: bool({ taggedVersions: "17+", tag: 10_000, default: false, ignorable: true }),
  },
})
