/**
 * What may be done with committed offsets: commit, fetch, delete, expire.
 *
 * Owns the rules for offsets; who is a valid member is the group protocol's to say. Invariant: an offset is answered as committed only when its record is.
 * Source: Kafka's OffsetMetadataManager; KIP-98 (metadata), KIP-211 (expiry), KIP-447 (requireStable: nothing is unstable as long as there are no transactions), KIP-496 (delete).
 */
import { zeroUuid } from "../../base/ids.js"
import { Errors, type ErrorCode } from "../../protocol/errors.js"
import type { RequestOf, ResponseInputOf } from "../../protocol/message.js"
import type { offsetCommit } from "../../protocol/messages/offset-commit.js"
import type { offsetDelete } from "../../protocol/messages/offset-delete.js"
import type { offsetFetch } from "../../protocol/messages/offset-fetch.js"
import type { GroupBase, GroupProtocol, GroupRecord, Now, Outcome, Respond, ShardContext } from "./contract.js"
import { type CommittedOffset, type OffsetStore, offsetTombstone, offsetTombstones } from "./offset-store.js"

export type CommitRequest = RequestOf<typeof offsetCommit>
export type CommitResponse = ResponseInputOf<typeof offsetCommit>
export type FetchGroupRequest = RequestOf<typeof offsetFetch>["groups"][number]
export type FetchGroupResponse = NonNullable<ResponseInputOf<typeof offsetFetch>["groups"]>[number]
export type DeleteRequest = RequestOf<typeof offsetDelete>
export type DeleteResponse = ResponseInputOf<typeof offsetDelete>

/** A group with the rules of its protocol. */
export interface GroupWithRules {
  readonly group: GroupBase
  readonly rules: GroupProtocol<GroupBase>
}

type CommittedPartition = CommitRequest["topics"][number]["partitions"][number]

const answerEach = (request: CommitRequest, errorOf: (partition: CommittedPartition) => ErrorCode): CommitResponse => ({
  topics: request.topics.map(({ name, topicId, partitions }) => ({
    name,
    topicId,
    partitions: partitions.map((each) => ({ partitionIndex: each.partitionIndex, errorCode: errorOf(each) })),
  })),
})

const answerAll = (request: CommitRequest, errorCode: ErrorCode): CommitResponse => answerEach(request, () => errorCode)

/** What a commit gets for an append that did not happen. Source: Kafka's OffsetMetadataManager, through GroupCoordinatorService. */
function commitError(error: ErrorCode): ErrorCode {
  return error === Errors.RECORD_LIST_TOO_LARGE || error === Errors.MESSAGE_TOO_LARGE
    ? Errors.INVALID_COMMIT_OFFSET_SIZE
    : error
}

/** Of one commit. Its records are one batch, which by default holds less than half as many. */
export const commitPartitionsMax = 30_000

export class OffsetRequests {
  constructor(
    private readonly context: ShardContext,
    private readonly offsets: OffsetStore,
    private readonly find: (groupId: string) => GroupWithRules | undefined,
  ) {}

  commit(request: CommitRequest, version: number, respond: Respond<CommitResponse>, now: Now): Outcome {
    const refused = this.#checkCommit(request, version, now)
    if (refused !== Errors.NONE) {
      respond(answerAll(request, refused))
      return { records: [] }
    }
    const { groupId, topics } = request
    if (topics.reduce((count, { partitions }) => count + partitions.length, 0) > commitPartitionsMax) {
      respond(answerAll(request, Errors.INVALID_COMMIT_OFFSET_SIZE))
      return { records: [] }
    }
    const expireTimestamp = request.retentionTimeMs < 0 ? -1 : now.wallMs + request.retentionTimeMs
    const records: GroupRecord[] = []
    let hasTooLarge = false
    for (const { name, topicId, partitions } of topics)
      for (const partition of partitions) {
        if (this.#isTooLarge(partition)) {
          hasTooLarge = true
          continue
        }
        records.push({
          type: "OffsetCommit",
          key: { group: groupId, topic: name, partition: partition.partitionIndex },
          value: {
            offset: partition.committedOffset,
            leaderEpoch: partition.committedLeaderEpoch,
            metadata: partition.committedMetadata ?? "",
            commitTimestamp: now.wallMs,
            expireTimestamp,
            topicId,
          },
        })
      }
    // Made when it is needed: a commit waits for the medium among thousands of others.
    const answer = (error: ErrorCode): CommitResponse =>
      hasTooLarge
        ? answerEach(request, (each) => (this.#isTooLarge(each) ? Errors.OFFSET_METADATA_TOO_LARGE : error))
        : answerAll(request, error)
    if (records.length === 0) {
      respond(answer(Errors.NONE))
      return { records }
    }
    return {
      records,
      onWritten: (error) => respond(error === Errors.NONE ? answer(error) : answerAll(request, commitError(error))),
    }
  }

  #isTooLarge({ committedMetadata }: CommittedPartition): boolean {
    return committedMetadata !== null && committedMetadata.length > this.context.settings.offsetMetadataMaxBytes
  }

  #checkCommit(request: CommitRequest, version: number, now: Now): ErrorCode {
    const { groupId, generationIdOrMemberEpoch, memberId, groupInstanceId, topics } = request
    const found = this.find(groupId)
    if (found === undefined) {
      // A consumer that manages its partitions itself, or an administrator: the group comes into being with the offset.
      if (generationIdOrMemberEpoch < 0) return Errors.NONE
      return version >= 9 ? Errors.GROUP_ID_NOT_FOUND : Errors.ILLEGAL_GENERATION
    }
    const commit = { memberId, groupInstanceId, generationIdOrMemberEpoch, version, topics }
    return found.rules.checkCommit(found.group, commit, now)
  }

  /** One group of an OffsetFetch; `topics` null asks for all. */
  fetch(request: FetchGroupRequest, respond: Respond<FetchGroupResponse>): Outcome {
    const { groupId, memberId, memberEpoch, topics } = request
    const found = this.find(groupId)
    const errorCode = found === undefined ? Errors.NONE : found.rules.checkFetch(found.group, memberId, memberEpoch)
    if (errorCode !== Errors.NONE) {
      respond({ groupId, topics: [], errorCode })
      return { records: [] }
    }
    const response: FetchGroupResponse = {
      groupId,
      topics: topics === null ? this.#all(groupId) : topics.map((topic) => this.#some(groupId, topic)),
      errorCode: Errors.NONE,
    }
    // What was read may have been committed by a record that is on its way: it is told once that is safe.
    return {
      records: [],
      onWritten: (error) => respond(error === Errors.NONE ? response : { groupId, topics: [], errorCode: error }),
    }
  }

  #all(groupId: string): FetchGroupResponse["topics"] {
    const { topics } = this.context.image()
    return [...this.offsets.of(groupId)].flatMap(([name, partitions]) => {
      const topicId = topics.get(name)?.topicId ?? zeroUuid
      const own = [...partitions].filter(([, offset]) => !isForeign(offset, topicId))
      if (own.length === 0) return []
      return { name, topicId, partitions: own.map(([index, offset]) => answered(index, offset)) }
    })
  }

  #some(
    groupId: string,
    { name, topicId, partitionIndexes }: NonNullable<FetchGroupRequest["topics"]>[number],
  ): FetchGroupResponse["topics"][number] {
    return {
      name,
      topicId,
      partitions: partitionIndexes.map((partitionIndex) => {
        const offset = this.offsets.get(groupId, name, partitionIndex)
        return answered(partitionIndex, offset === undefined || isForeign(offset, topicId) ? undefined : offset)
      }),
    }
  }

  delete(request: DeleteRequest, respond: Respond<DeleteResponse>, now: Now): Outcome {
    const { groupId, topics } = request
    const refuse = (errorCode: ErrorCode): Outcome => {
      respond({ errorCode, topics: [] })
      return { records: [] }
    }
    const found = this.find(groupId)
    if (found === undefined) return refuse(Errors.GROUP_ID_NOT_FOUND)
    const { group, rules } = found
    const refused = rules.checkOffsetDelete(group)
    if (refused !== Errors.NONE) return refuse(refused)
    const records: GroupRecord[] = []
    const answers = topics.map(({ name, partitions }) => {
      const errorCode = rules.isSubscribedTo(group, name) ? Errors.GROUP_SUBSCRIBED_TO_TOPIC : Errors.NONE
      return {
        name,
        partitions: partitions.map(({ partitionIndex }) => {
          if (errorCode === Errors.NONE && this.offsets.get(groupId, name, partitionIndex) !== undefined)
            records.push(offsetTombstone(groupId, name, partitionIndex))
          return { partitionIndex, errorCode: errorCode as ErrorCode }
        }),
      }
    })
    if (records.length > 0)
      this.context.note(groupId, { type: "offsets-deleted", partitions: records.length, reason: "by request" }, now)
    return {
      records,
      mayBeSplit: true,
      onWritten: (errorCode) => respond({ errorCode, topics: errorCode === Errors.NONE ? answers : [] }),
    }
  }

  /** The records that remove a group and its offsets, or why it may not be removed. */
  deleteGroup(groupId: string): ErrorCode | readonly GroupRecord[] {
    const found = this.find(groupId)
    if (found === undefined) return Errors.GROUP_ID_NOT_FOUND
    const refused = found.rules.checkDelete(found.group)
    if (refused !== Errors.NONE) return refused
    return [...offsetTombstones(groupId, this.offsets.of(groupId)), ...found.rules.tombstones(found.group)]
  }

  /** The records that remove what of a group has expired, and the group itself when nothing of it is left. */
  expire(groupId: string, now: Now): readonly GroupRecord[] {
    const found = this.find(groupId)
    if (found === undefined) return []
    const { group, rules } = found
    const expiration = rules.offsetExpiration(group)
    const records: GroupRecord[] = []
    let kept = 0
    for (const [topic, partitions] of this.offsets.of(groupId)) {
      const isInUse = expiration === undefined || expiration.isSubscribedTo(topic)
      for (const [partition, offset] of partitions) {
        if (isInUse || !this.#hasExpired(offset, expiration.baseTimestampMs(offset.commitTimestamp), now)) kept++
        else records.push(offsetTombstone(groupId, topic, partition))
      }
    }
    if (records.length > 0)
      this.context.note(
        groupId,
        { type: "offsets-expired", partitions: records.length, reason: "nothing was committed for offsets.retention" },
        now,
      )
    if (kept === 0 && rules.isRemovable(group)) records.push(...rules.tombstones(group))
    return records
  }

  #hasExpired({ expireTimestamp }: CommittedOffset, baseTimestampMs: number, { wallMs }: Now): boolean {
    // A commit of an old client may say itself when it expires.
    return expireTimestamp >= 0
      ? wallMs >= expireTimestamp
      : wallMs - baseTimestampMs >= this.context.settings.offsetsRetentionMs
  }
}

/** Committed for another topic that had this name. What removes it when that is deleted may not have been written: a full disk, a crash. */
const isForeign = (offset: CommittedOffset, topicId: string): boolean =>
  topicId !== zeroUuid && offset.topicId !== zeroUuid && offset.topicId !== topicId

const answered = (
  partitionIndex: number,
  offset: CommittedOffset | undefined,
): FetchGroupResponse["topics"][number]["partitions"][number] => ({
  partitionIndex,
  committedOffset: offset?.offset ?? -1,
  committedLeaderEpoch: offset?.leaderEpoch ?? -1,
  metadata: offset?.metadata ?? "",
  errorCode: Errors.NONE,
})
