/**
 * Produce: append record batches.
 *
 * Behaviour: each partition succeeds or fails by itself. What is appended is decided before the connection's next request starts, so that a pipelining producer keeps its
 * order; the answer follows when the records are safe (acks 1: on this replica, -1: on all in sync), both under the topic's flush policy. acks 0 has no answer; after an
 * error its connection is closed, which is all such a producer can notice.
 * Versions: v3+ batches of magic 2 only, v7+ zstd, v8+ which records are at fault (KIP-467), v10+ the leader to go to (KIP-951), v13+ topics by id (KIP-516).
 * Not implemented: transactions; a transactional batch is refused.
 */
import type { TopicImage } from "../../metadata/image.js"
import { topicById } from "../../metadata/image.js"
import { validateBatches } from "../../protocol/batch-validator.js"
import { Errors, type ErrorCode } from "../../protocol/errors.js"
import type { RequestOf, ResponseInputOf } from "../../protocol/message.js"
import { produce } from "../../protocol/messages/produce.js"
import type { Partition } from "../../replication/partition.js"
import { isInternalTopic } from "../internal-topics.js"
import { RefusedPipelines } from "../refused-pipelines.js"
import {
  endpointFor,
  type Handled,
  handler,
  type RequestContext,
  type ResponseOrEnd,
  type Services,
} from "../services.js"

type Response = ResponseInputOf<typeof produce>
type PartitionAnswer = Response["responses"][number]["partitionResponses"][number]

/** What became of one partition: its answer now, or once its records are safe. */
type Appended = PartitionAnswer | Promise<PartitionAnswer>

export const produceHandler = handler(produce, (services, request, context) => {
  if (services.replicas.appendsHeld === undefined) return handleProduce(services, request, context)
  return whenAppendsResume(services, request, context)
})

/** While a partition changes its directory nothing is refused: what the connection sends later waits behind this, so its order stays. */
async function whenAppendsResume(
  services: Services,
  request: RequestOf<typeof produce>,
  context: RequestContext,
): Promise<ResponseOrEnd<typeof produce>> {
  while (services.replicas.appendsHeld !== undefined) await services.replicas.appendsHeld
  const handled = handleProduce(services, request, context)
  return typeof handled === "object" && "accepted" in handled ? handled.reply : handled
}

function handleProduce(
  services: Services,
  request: RequestOf<typeof produce>,
  context: RequestContext,
): Exclude<Handled<typeof produce>, Promise<unknown>> {
  const lease = new FrameLease(context)
  const image = services.image()
  const pipelines = RefusedPipelines.of(context.connection)
  const answers = request.topicData.map(({ name, topicId, partitionData }) => {
    const byId = context.version >= 13
    const topic = byId ? topicById(image, topicId) : image.topics.get(name)
    const said = byId ? topicId : name
    const decide = (index: number, records: Buffer | null): Appended => {
      const refused = refusal(request.acks, request.transactionalId, topic, byId)
      const partition = topic === undefined ? undefined : services.replicas.partition(topic.name, index)
      if (partition === undefined) services.replicas.earlyProducers.refused(said, index, records)
      if (refused !== undefined) return failed(index, refused)
      if (partition === undefined) return failed(index, services.replicas.absenceOf(topic!, index))
      return append(services, partition, index, records, request.acks, request.timeoutMs, context, lease)
    }
    return partitionData.map(({ index, records }): Appended => {
      const decided = decide(index, records)
      if (decided instanceof Promise || decided.errorCode === Errors.NONE) {
        pipelines.taken(said, index, records!)
        return decided
      }
      const isAhead =
        decided.errorCode === Errors.OUT_OF_ORDER_SEQUENCE_NUMBER &&
        services.replicas.partition(topic!.name, index)!.isAheadOfTurn(records!)
      const errorCode = pipelines.refused(said, index, records, decided.errorCode, isAhead)
      if (errorCode === decided.errorCode) return decided
      return { ...decided, errorCode, errorMessage: `What came before it was refused: ${decided.errorMessage}` }
    })
  })
  lease.release()
  const response = (settled: PartitionAnswer[][]): Response => ({
    responses: request.topicData.map(({ name, topicId }, index) => ({
      name,
      topicId,
      partitionResponses: settled[index]!,
    })),
    nodeEndpoints: context.version >= 10 ? leaderEndpoints(services, settled, context.listenerName) : [],
  })
  if (request.acks === 0) {
    const isFailed = (answer: Appended) => answer instanceof Promise || answer.errorCode !== Errors.NONE
    return answers.some((partitions) => partitions.some(isFailed)) ? "close" : "none"
  }
  if (answers.every((partitions) => partitions.every((answer) => !(answer instanceof Promise))))
    return response(answers as PartitionAnswer[][])
  return { accepted: true, reply: Promise.all(answers.map((partitions) => Promise.all(partitions))).then(response) }
}

function refusal(
  acks: number,
  transactionalId: string | null,
  topic: TopicImage | undefined,
  byId: boolean,
): { errorCode: ErrorCode; errorMessage?: string } | undefined {
  if (topic === undefined) return { errorCode: byId ? Errors.UNKNOWN_TOPIC_ID : Errors.UNKNOWN_TOPIC_OR_PARTITION }
  if (acks !== 0 && acks !== 1 && acks !== -1) return { errorCode: Errors.INVALID_REQUIRED_ACKS }
  if (isInternalTopic(topic.name)) {
    return { errorCode: Errors.INVALID_TOPIC_EXCEPTION, errorMessage: `Cannot append to internal topic ${topic.name}` }
  }
  if (transactionalId !== null) {
    return { errorCode: Errors.INVALID_TXN_STATE, errorMessage: "This version of Ottla has no transactions." }
  }
  return undefined
}

const failed = (index: number, failure: { errorCode: ErrorCode; errorMessage?: string | null }): PartitionAnswer => ({
  index,
  baseOffset: -1,
  errorMessage: null,
  recordErrors: [],
  ...failure,
})

function append(
  services: Services,
  partition: Partition,
  index: number,
  records: Buffer | null,
  acks: number,
  timeoutMs: number,
  context: RequestContext,
  lease: FrameLease,
): Appended {
  const { config } = partition.log
  const valid = validateBatches(records, {
    produceVersion: context.version,
    maxMessageBytes: config.maxMessageBytes,
    segmentBytes: config.segmentBytes,
    isCompacted: config.cleanupPolicy.compact,
    timestampType: config.timestampType,
    beforeMaxMs: config.timestampBeforeMaxMs,
    afterMaxMs: config.timestampAfterMaxMs,
    compressionType: config.compressionType,
    ...compressionLevel(config),
    nowMs: context.nowMs,
  })
  if (!valid.ok) {
    const recordErrors = (valid.recordErrors ?? []).map((each) => ({
      batchIndex: each.index,
      batchIndexErrorMessage: each.message,
    }))
    return { ...failed(index, { errorCode: valid.error as ErrorCode, errorMessage: valid.message }), recordErrors }
  }
  if (valid.isTransactional) {
    return failed(index, {
      errorCode: Errors.INVALID_TXN_STATE,
      errorMessage: "This version of Ottla has no transactions.",
    })
  }
  const result = partition.appendAsLeader(valid.bytes, {
    origin: "client",
    requiredAcks: acks,
    nowMs: context.nowMs,
    ...(!valid.rebuilt && context.frame.isReusable && { release: lease.take() }),
  })
  if (!result.ok) {
    const answer = failed(index, { errorCode: result.error as ErrorCode, errorMessage: result.message })
    return withLeaderIfMoved(answer, partition, context)
  }
  const answer: PartitionAnswer = {
    index,
    errorCode: Errors.NONE,
    baseOffset: result.baseOffset,
    logAppendTimeMs: result.logAppendTimeMs,
    logStartOffset: partition.logStartOffset,
    recordErrors: [],
  }
  const safeOffset = result.lastOffset + 1
  const isSafe = safeOffset <= (acks === -1 ? partition.highWatermark : partition.locallySafeOffset)
  if (acks === 0 || isSafe) return answer
  const waiters = acks === -1 ? partition.acknowledged : partition.safeHere
  return new Promise((resolve) => {
    const deadline = services.env.timers.after(timeoutMs, () => {
      parked.cancel()
      // The records may yet become safe: the outcome is open, as the code says.
      resolve(failed(index, { errorCode: Errors.REQUEST_TIMED_OUT }))
    })
    const parked = waiters.park(safeOffset, (error) => {
      deadline.cancel()
      resolve(error === undefined ? answer : withLeaderIfMoved(failed(index, { errorCode: error }), partition, context))
    })
  })
}

function compressionLevel(config: Partition["log"]["config"]): { compressionLevel?: number } {
  switch (config.compressionType) {
    case "gzip":
      return { compressionLevel: config.compressionGzipLevel }
    case "lz4":
      return { compressionLevel: config.compressionLz4Level }
    case "zstd":
      return { compressionLevel: config.compressionZstdLevel }
    default:
      return {}
  }
}

/** Where the client should go instead (KIP-951). */
function withLeaderIfMoved(answer: PartitionAnswer, partition: Partition, context: RequestContext): PartitionAnswer {
  if (answer.errorCode !== Errors.NOT_LEADER_OR_FOLLOWER || context.version < 10) return answer
  return { ...answer, currentLeader: { leaderId: partition.leaderId, leaderEpoch: partition.leaderEpoch } }
}

function leaderEndpoints(
  services: Services,
  answers: PartitionAnswer[][],
  listenerName: string,
): NonNullable<Response["nodeEndpoints"]> {
  const image = services.image()
  const leaders = new Set(
    answers.flat().flatMap(({ currentLeader }) => (currentLeader === undefined ? [] : [currentLeader.leaderId ?? -1])),
  )
  return [...leaders].flatMap((nodeId) => {
    const endpoint = endpointFor(image, nodeId, listenerName)
    return endpoint === undefined
      ? []
      : [{ nodeId, host: endpoint.host, port: endpoint.port, rack: image.brokers.get(nodeId)!.rack }]
  })
}

/** The request's memory, given back when the last batch in it has been written and dropped from the cache. */
class FrameLease {
  #holders = 1

  constructor(private readonly context: RequestContext) {
    context.keepFrame()
  }

  take(): () => void {
    this.#holders++
    return () => this.release()
  }

  release(): void {
    if (--this.#holders === 0) this.context.frame.release()
  }
}
