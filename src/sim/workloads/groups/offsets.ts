/**
 * Committed offsets over the wire: what answers mean, and fetches as the history is told of them.
 *
 * Owns the reading of answers to OffsetCommit and OffsetFetch, for members, administrators and the audit alike.
 */
import { type ErrorCode, Errors } from "../../../protocol/errors.js"
import { offsetFetch } from "../../../protocol/messages/offset-fetch.js"
import type { SimulatedClient } from "../../client.js"
import type { SeededRandom } from "../../random.js"
import { requestTimeoutMs } from "../lives/lives-model.js"
import type { GroupsModel, GroupTopic } from "./model.js"

/** Answers after which nothing was written, and never will be. */
const surelyRefused = new Set<number>([
  Errors.ILLEGAL_GENERATION,
  Errors.UNKNOWN_MEMBER_ID,
  Errors.FENCED_INSTANCE_ID,
  Errors.REBALANCE_IN_PROGRESS,
  Errors.STALE_MEMBER_EPOCH,
  Errors.FENCED_MEMBER_EPOCH,
  Errors.GROUP_ID_NOT_FOUND,
  Errors.UNKNOWN_TOPIC_OR_PARTITION,
  Errors.UNKNOWN_TOPIC_ID,
  Errors.UNSUPPORTED_VERSION,
])

const retriable = new Set<number>([
  Errors.COORDINATOR_LOAD_IN_PROGRESS,
  Errors.COORDINATOR_NOT_AVAILABLE,
  Errors.NOT_COORDINATOR,
  Errors.KAFKA_STORAGE_ERROR,
  Errors.REQUEST_TIMED_OUT,
])

export function commitOutcome(model: GroupsModel, what: string, errorCode: ErrorCode): "done" | "refused" | "open" {
  if (errorCode === Errors.NONE) return "done"
  if (surelyRefused.has(errorCode)) return "refused"
  if (!retriable.has(errorCode))
    model.violated(`errors are those of the protocol: ${what} answers a commit with error ${errorCode}`)
  return "open"
}

interface PartitionOf {
  readonly topic: GroupTopic
  readonly index: number
}

export interface FoundOffsets<P extends PartitionOf> {
  readonly errorCode: ErrorCode
  /** -1: none. */
  readonly offsets: ReadonlyMap<P, number>
}

/** Asks for the offsets of these partitions, and has what is told judged. Undefined: no answer. */
export async function fetchOffsets<P extends PartitionOf>(
  model: GroupsModel,
  client: SimulatedClient,
  group: string,
  partitions: readonly P[],
  random: SeededRandom,
  identity?: { readonly memberId: string; readonly memberEpoch: number },
): Promise<FoundOffsets<P> | undefined> {
  const version = random.between(identity === undefined ? 1 : 9, offsetFetch.maxVersion)
  const isByName = version < 10
  const asksForAll = version >= 2 && random.chance(0.3)
  const topics = [...new Set(partitions.map(({ topic }) => topic))]
  const asked = asksForAll
    ? null
    : topics.map((topic) => ({
        name: topic.name,
        topicId: topic.topicId,
        partitionIndexes: partitions.filter((each) => each.topic === topic).map(({ index }) => index),
      }))
  const fetch = model.nextName("fetch of offsets")
  const { life } = model
  model.history.observe({ kind: "offsets asked", fetch })
  const wereLive = new Set(topics.filter(({ isLive }) => isLive))
  const answer = await client.send(
    offsetFetch,
    version,
    version < 8
      ? { groupId: group, topics: asked, groups: [], requireStable: false }
      : {
          groupId: "",
          topics: [],
          requireStable: version >= 7,
          groups: [{ groupId: group, memberId: null, memberEpoch: -1, ...identity, topics: asked }],
        },
    requestTimeoutMs,
  )
  if (!answer.ok) return undefined
  const result = version < 8 ? answer.value : answer.value.groups[0]!
  const offsets = new Map<P, number>()
  let errorCode = result.errorCode as ErrorCode
  if (errorCode !== Errors.NONE) return { errorCode, offsets }
  model.noteWallTime()
  for (const partition of partitions) {
    const { topic, index } = partition
    const found = result.topics
      .find((each) => (isByName ? each.name === topic.name : "topicId" in each && each.topicId === topic.topicId))
      ?.partitions.find(({ partitionIndex }) => partitionIndex === index)
    if (found === undefined && !asksForAll) {
      model.violated(
        `answers are to what was asked: ${group} ${topic.partitionName(index)} is missing in an OffsetFetch`,
      )
      continue
    }
    if (found !== undefined && found.errorCode !== Errors.NONE) {
      errorCode = found.errorCode as ErrorCode
      continue
    }
    const offset = found?.committedOffset ?? -1
    offsets.set(partition, offset)
    model.counts.fetchedOffsets += 1
    // A name may be that of another topic by now, and what a broker says of a topic that dies is nobody's business.
    if (!wereLive.has(topic) || !topic.isLive || life !== model.life) continue
    model.history.observe({
      kind: "offset read",
      fetch,
      group,
      partition: topic.partitionName(index),
      byName: `${topic.name}-${index}`,
      topic: topic.name,
      write: offset === -1 ? undefined : (found?.metadata ?? ""),
      offset,
      atMs: model.nowMs,
      wallMsMax: model.wallMsMax,
    })
  }
  return { errorCode, offsets }
}
