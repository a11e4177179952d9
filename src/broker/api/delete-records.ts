/**
 * DeleteRecords: moves a partition's log start offset up.
 *
 * Behaviour: -1 means the high watermark. Refused for topics whose cleanup policy does not delete (POLICY_VIOLATION) and beyond the high watermark
 * (OFFSET_OUT_OF_RANGE). Answered when the new start is on the medium, so that no restart brings the records back, and every live replica has it (KIP-107); KAFKA_STORAGE_ERROR
 * where it could not be written, REQUEST_TIMED_OUT where a replica did not follow in time: the records are gone here all the same. Versions: alike.
 */
import { Errors, type ErrorCode } from "../../protocol/errors.js"
import { deleteRecords } from "../../protocol/messages/delete-records.js"
import { isInternalTopic } from "../internal-topics.js"
import type { Partition } from "../../replication/partition.js"
import { handler, type Services } from "../services.js"

const highWatermark = -1

export const deleteRecordsHandler = handler(deleteRecords, async (services, request) => ({
  topics: await Promise.all(
    request.topics.map(async ({ name, partitions }) => ({
      name,
      partitions: await Promise.all(
        partitions.map(async ({ partitionIndex, offset }) => ({
          partitionIndex,
          ...(await moveStart(services, name, partitionIndex, offset, request.timeoutMs)),
        })),
      ),
    })),
  ),
}))

async function moveStart(
  services: Services,
  name: string,
  index: number,
  offset: number,
  timeoutMs: number,
): Promise<{ lowWatermark: number; errorCode: ErrorCode }> {
  const failed = (errorCode: ErrorCode) => ({ lowWatermark: -1, errorCode })
  const topic = services.image().topics.get(name)
  if (topic === undefined) return failed(Errors.UNKNOWN_TOPIC_OR_PARTITION)
  if (isInternalTopic(name)) return failed(Errors.INVALID_TOPIC_EXCEPTION)
  const partition = services.replicas.partition(name, index)
  if (partition === undefined) return failed(services.replicas.absenceOf(topic, index).errorCode)
  const refused = partition.checkLeader(-1)
  if (refused !== Errors.NONE) return failed(refused)
  // Between its last look at the old copy and the new one's name, a move would not notice.
  if (partition.appendsResumed !== undefined) return failed(Errors.NOT_LEADER_OR_FOLLOWER)
  if (!partition.log.config.cleanupPolicy.delete) return failed(Errors.POLICY_VIOLATION)
  const wanted = offset === highWatermark ? partition.highWatermark : offset
  if (wanted < 0 || !partition.deleteRecordsBefore(wanted)) return failed(Errors.OFFSET_OUT_OF_RANGE)
  const lowWatermark = partition.logStartOffset
  // Many partitions of one request share a write.
  if (!(await services.replicas.checkpointLogStartOffset(partition))) return failed(Errors.KAFKA_STORAGE_ERROR)
  // Whoever no longer leads cannot know what the others have deleted.
  const deposed = partition.checkLeader(-1)
  if (deposed !== Errors.NONE) return failed(deposed)
  const error = await deletedEverywhere(services, partition, Math.min(wanted, lowWatermark), timeoutMs)
  return error === Errors.NONE ? { lowWatermark: partition.lowWatermark, errorCode: Errors.NONE } : failed(error)
}

function deletedEverywhere(
  services: Services,
  partition: Partition,
  offset: number,
  timeoutMs: number,
): ErrorCode | Promise<ErrorCode> {
  if (partition.lowWatermark >= offset) return Errors.NONE
  return new Promise((resolve) => {
    const deadline = services.env.timers.after(timeoutMs, () => {
      parked.cancel()
      resolve(Errors.REQUEST_TIMED_OUT)
    })
    const parked = partition.deletedEverywhere.park(offset, (error) => {
      deadline.cancel()
      resolve(error ?? Errors.NONE)
    })
  })
}
