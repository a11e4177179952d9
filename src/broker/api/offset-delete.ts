/**
 * OffsetDelete.
 *
 * Behaviour: topics and partitions that do not exist are refused one by one; an error of the group as a whole takes the place of them.
 */
import { Errors, type ErrorCode } from "../../protocol/errors.js"
import type { ResponseInputOf } from "../../protocol/message.js"
import { offsetDelete } from "../../protocol/messages/offset-delete.js"
import { handler } from "../services.js"

type Partitions = ResponseInputOf<typeof offsetDelete>["topics"][number]["partitions"]

export const offsetDeleteHandler = handler(offsetDelete, async (services, request) => {
  const { groupId } = request
  if (groupId === "") return { errorCode: Errors.INVALID_GROUP_ID, topics: [] }
  const image = services.image()
  const answers = new Map<string, { readonly partitionIndex: number; readonly errorCode: ErrorCode | number }[]>()
  const answer = (name: string, partitions: Partitions) => {
    const before = answers.get(name)
    if (before === undefined) answers.set(name, [...partitions])
    else before.push(...partitions)
  }
  const known = request.topics.flatMap(({ name, partitions }) => {
    const exists = ({ partitionIndex }: { partitionIndex: number }) =>
      image.topics.get(name)?.partitions[partitionIndex] !== undefined
    const missing = partitions.filter((each) => !exists(each))
    if (missing.length > 0)
      answer(
        name,
        missing.map(({ partitionIndex }) => ({ partitionIndex, errorCode: Errors.UNKNOWN_TOPIC_OR_PARTITION })),
      )
    const present = partitions.filter(exists)
    return present.length === 0 && partitions.length > 0 ? [] : [{ name, partitions: present }]
  })
  const response = await services.groups.deleteOffsets({ groupId, topics: known })
  if (response.errorCode !== Errors.NONE) return { errorCode: response.errorCode, topics: [] }
  for (const { name, partitions } of response.topics) answer(name, partitions)
  return { errorCode: Errors.NONE, topics: [...answers].map(([name, partitions]) => ({ name, partitions })) }
})
