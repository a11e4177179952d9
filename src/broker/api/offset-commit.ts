/**
 * OffsetCommit.
 *
 * Behaviour: topics and partitions that do not exist are refused one by one, the others go to the coordinator together. The connection's next request is taken up as soon as the
 * commit is in order, so that commits of one connection reach the medium together.
 * Versions: v10+ topics by id (KIP-848).
 */
import { zeroUuid } from "../../base/ids.js"
import { topicById, type TopicImage } from "../../metadata/image.js"
import { Errors, type ErrorCode } from "../../protocol/errors.js"
import type { RequestOf, ResponseInputOf } from "../../protocol/message.js"
import { offsetCommit } from "../../protocol/messages/offset-commit.js"
import { handler } from "../services.js"

type Topic = RequestOf<typeof offsetCommit>["topics"][number]
type Answer = ResponseInputOf<typeof offsetCommit>["topics"][number]

const topicIdsSince = 10

export const offsetCommitHandler = handler(offsetCommit, (services, request, { version }) => {
  const image = services.image()
  const known: Topic[] = []
  const refused: Answer[] = []
  for (const topic of request.topics) {
    const found = version >= topicIdsSince ? topicById(image, topic.topicId) : image.topics.get(topic.name)
    const missing = partitionsMissing(topic, found)
    if (missing.length > 0) {
      const isUnknownId = found === undefined && version >= topicIdsSince
      const errorCode = isUnknownId ? Errors.UNKNOWN_TOPIC_ID : Errors.UNKNOWN_TOPIC_OR_PARTITION
      refused.push(refusal(topic, missing, errorCode))
    }
    if (found === undefined || missing.length === topic.partitions.length) continue
    const partitions =
      missing.length === 0
        ? topic.partitions
        : topic.partitions.filter(({ partitionIndex }) => found.partitions[partitionIndex] !== undefined)
    known.push({ name: found.name, topicId: found.topicId, partitions })
  }
  if (known.length === 0) return { topics: refused }
  const reply = services.groups
    .commitOffsets({ ...request, topics: known }, version)
    .then((response) => (refused.length === 0 ? response : { topics: merged(refused, response.topics, version) }))
  return { accepted: true, reply }
})

const partitionsMissing = ({ partitions }: Topic, found: TopicImage | undefined): Topic["partitions"] =>
  found === undefined
    ? partitions
    : partitions.filter(({ partitionIndex }) => found.partitions[partitionIndex] === undefined)

const refusal = ({ name, topicId }: Topic, partitions: Topic["partitions"], errorCode: ErrorCode): Answer => ({
  name,
  topicId,
  partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
})

/** One answer for each topic: refused partitions first, as in Kafka. */
function merged(refused: readonly Answer[], answered: readonly Answer[], version: number): Answer[] {
  const keyOf = ({ name = "", topicId = zeroUuid }: Answer) => (version >= topicIdsSince ? topicId : name)
  const topics = new Map<string, Answer>()
  for (const topic of [...refused, ...answered]) {
    const before = topics.get(keyOf(topic))
    topics.set(
      keyOf(topic),
      before === undefined ? topic : { ...before, partitions: [...before.partitions, ...topic.partitions] },
    )
  }
  return [...topics.values()]
}
