/**
 * ListOffsets: the offset for a time.
 *
 * Behaviour: exact to the record inside batches. -1 the end that the isolation level shows, -2 and -4 the log start (nothing is tiered, so both are the same), -3 the record with
 * the largest timestamp, -5 the end of the tier: none. A partition named twice fails, as in Kafka. A follower is told the log's end. A leader that does not know yet how far its predecessor had committed says
 * OFFSET_NOT_AVAILABLE rather than an earlier end than was told before (KIP-207; before v5 LEADER_NOT_AVAILABLE).
 * Versions: v2+ isolation, v4+ leader epochs, v7+ -3 (KIP-734), v8+ -4 (KIP-405), v9+ -5 (KIP-1005), v11+ -6 (KIP-1023: none either).
 */
import { Errors, type ErrorCode } from "../../protocol/errors.js"
import { listOffsets } from "../../protocol/messages/list-offsets.js"
import type { Partition } from "../../replication/partition.js"
import type { Isolation } from "../../replication/partition-reads.js"
import { handler, type Services } from "../services.js"

type Answer = { partitionIndex: number; errorCode: ErrorCode; timestamp: number; offset: number; leaderEpoch: number }

const latest = -1
const earliest = -2
const maxTimestamp = -3
const earliestLocal = -4
const latestTiered = -5
const earliestPendingUpload = -6
/** From which version each special timestamp is known. */
const sinceVersion = new Map([
  [latest, 0],
  [earliest, 0],
  [maxTimestamp, 7],
  [earliestLocal, 8],
  [latestTiered, 9],
  [earliestPendingUpload, 11],
])

export const listOffsetsHandler = handler(listOffsets, async (services, request, { version }) => {
  const seen = new Set<string>()
  const doubled = new Set<string>()
  for (const { name, partitions } of request.topics) {
    for (const { partitionIndex } of partitions) {
      const key = `${partitionIndex}:${name}`
      if (seen.has(key)) doubled.add(key)
      seen.add(key)
    }
  }
  const topics: { name: string; partitions: Answer[] }[] = []
  for (const { name, partitions } of request.topics) {
    const answers: Answer[] = []
    for (const { partitionIndex, currentLeaderEpoch, timestamp } of partitions) {
      const key = `${partitionIndex}:${name}`
      if (doubled.has(key)) {
        // Answered once.
        if (seen.delete(key)) answers.push(failed(partitionIndex, Errors.INVALID_REQUEST))
      } else if (timestamp < 0 && version < (sinceVersion.get(timestamp) ?? Number.POSITIVE_INFINITY)) {
        answers.push(failed(partitionIndex, Errors.UNSUPPORTED_VERSION))
      } else {
        const found = locate(services, name, partitionIndex, currentLeaderEpoch)
        answers.push(
          "error" in found
            ? failed(partitionIndex, found.error)
            : await lookUp(found.partition, partitionIndex, timestamp, readerOf(request)),
        )
      }
    }
    topics.push({ name, partitions: answers })
  }
  if (version < 5)
    for (const { partitions } of topics)
      for (const answer of partitions)
        if (answer.errorCode === Errors.OFFSET_NOT_AVAILABLE) answer.errorCode = Errors.LEADER_NOT_AVAILABLE
  // Version 4 is the first that can say in which epoch.
  if (version < 4) for (const { partitions } of topics) for (const answer of partitions) answer.leaderEpoch = -1
  return { topics }
})

const readerOf = ({ replicaId, isolationLevel }: { replicaId: number; isolationLevel: number }): Isolation =>
  replicaId >= 0 ? "written" : isolationLevel === 1 ? "read_committed" : "read_uncommitted"

const failed = (partitionIndex: number, errorCode: ErrorCode): Answer => ({
  partitionIndex,
  errorCode,
  timestamp: -1,
  offset: -1,
  leaderEpoch: -1,
})

function locate(
  services: Services,
  name: string,
  index: number,
  currentLeaderEpoch: number,
): { partition: Partition } | { error: ErrorCode } {
  const topic = services.image().topics.get(name)
  if (topic === undefined) return { error: Errors.UNKNOWN_TOPIC_OR_PARTITION }
  const partition = services.replicas.partition(name, index)
  if (partition === undefined) return { error: services.replicas.absenceOf(topic, index).errorCode }
  const refused = partition.checkLeader(currentLeaderEpoch)
  return refused === Errors.NONE ? { partition } : { error: refused }
}

async function lookUp(
  partition: Partition,
  partitionIndex: number,
  timestamp: number,
  isolation: Isolation,
): Promise<Answer> {
  const { log } = partition
  const end =
    isolation === "written"
      ? log.logEndOffset
      : isolation === "read_committed"
        ? partition.lastStableOffset
        : partition.highWatermark
  const isEndKnown = isolation === "written" || partition.knowsCommitted
  const answer = (offset: number, leaderEpoch: number, at = -1): Answer => ({
    partitionIndex,
    errorCode: Errors.NONE,
    timestamp: at,
    offset,
    leaderEpoch,
  })
  switch (timestamp) {
    case latest:
      return isEndKnown ? answer(end, partition.leaderEpoch) : failed(partitionIndex, Errors.OFFSET_NOT_AVAILABLE)
    case earliest:
    case earliestLocal: {
      const { logStartOffset } = partition
      // Where nothing is, the next record will be of the present leadership.
      const isEmpty = logStartOffset === log.logEndOffset
      return answer(logStartOffset, isEmpty ? partition.leaderEpoch : log.epochs.epochAt(logStartOffset))
    }
    case latestTiered:
    case earliestPendingUpload:
      return answer(-1, -1)
  }
  const found = await (timestamp === maxTimestamp ? log.maxTimestampOffset() : log.offsetForTimestamp(timestamp))
  // Only what a consumer may see counts.
  if (found === undefined) return answer(-1, -1)
  if (found.offset >= end) return isEndKnown ? answer(-1, -1) : failed(partitionIndex, Errors.OFFSET_NOT_AVAILABLE)
  return answer(found.offset, found.leaderEpoch, found.timestamp)
}
