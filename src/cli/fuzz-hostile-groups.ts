/**
 * Groups built to hurt: enormous ids, subscriptions, assignments and commits, many groups, expressions that explode.
 *
 * Owns each attack with the error that is due. Whoever runs them looks at stalls, at memory, and at members that are well behaved.
 */
import { zeroUuid } from "../base/ids.js"
import { Errors } from "../protocol/errors.js"
import type { Fields, InputOf } from "../protocol/field.js"
import type { Api } from "../protocol/message.js"
import { consumerGroupHeartbeat } from "../protocol/messages/consumer-group-heartbeat.js"
import { deleteTopics } from "../protocol/messages/delete-topics.js"
import { createTopics } from "../protocol/messages/create-topics.js"
import { describeGroups } from "../protocol/messages/describe-groups.js"
import { heartbeat } from "../protocol/messages/heartbeat.js"
import { joinGroup } from "../protocol/messages/join-group.js"
import { leaveGroup } from "../protocol/messages/leave-group.js"
import { offsetCommit } from "../protocol/messages/offset-commit.js"
import { offsetDelete } from "../protocol/messages/offset-delete.js"
import { syncGroup } from "../protocol/messages/sync-group.js"
import { Caller, type Called } from "./fuzz-caller.js"
import type { Address, Attack } from "./fuzz-exchange.js"

const longId = "i".repeat(30_000)
const rebalanceMs = 2000
const largeMs = 30_000

const joining = (
  groupId: string,
  memberId: string,
  other: Partial<InputOf<typeof consumerGroupHeartbeat.request.fields>>,
) => ({
  groupId,
  memberId,
  memberEpoch: 0,
  rebalanceTimeoutMs: 60_000,
  topicPartitions: [],
  subscribedTopicNames: [] as readonly string[],
  ...other,
})

const classicJoin = (groupId: string, metadata: Buffer, memberId = "") => ({
  groupId,
  sessionTimeoutMs: 10_000,
  rebalanceTimeoutMs: rebalanceMs,
  memberId,
  protocolType: "consumer",
  protocols: [{ name: "range", metadata }],
})

/** A subscription of version 0 to so many topics. */
function subscriptionTo(count: number): Buffer {
  const names = Buffer.alloc(count * 9)
  for (let index = 0; index < count; index++) {
    names.writeInt16BE(7, index * 9)
    names.write(index.toString(36).padStart(7, "t"), index * 9 + 2, "latin1")
  }
  const head = Buffer.alloc(6)
  head.writeInt32BE(count, 2)
  return Buffer.concat([head, names, Buffer.alloc(4, 255)])
}

async function withCaller(
  address: Address,
  attack: (caller: Caller) => Promise<string | undefined>,
  clientId?: string,
) {
  const caller = await Caller.open(address, clientId)
  try {
    return await attack(caller)
  } finally {
    caller.close()
  }
}

/** What is wrong with an answer, if it must have one of these errors at its top. */
function unless<S extends Fields>(what: string, called: Called<S>, errors: readonly number[]): string | undefined {
  if (called.outcome !== "answered") return `${what}: ${called.outcome}`
  const { errorCode } = called.answer as unknown as { readonly errorCode: number }
  return errors.includes(errorCode) ? undefined : `${what}: error ${errorCode} where ${errors.join(" or ")} was due`
}

const enormousIds: Attack = (address) =>
  withCaller(
    address,
    async (caller) => {
      const unknown = [Errors.UNKNOWN_MEMBER_ID]
      const requests: readonly (readonly [Api, object, readonly number[]])[] = [
        [heartbeat, { groupId: longId, generationId: 1, memberId: longId, groupInstanceId: longId }, unknown],
        [
          syncGroup,
          {
            ...syncGroup.request.create(),
            groupId: longId,
            generationId: 1,
            memberId: longId,
            groupInstanceId: longId,
            protocolType: longId,
            protocolName: longId,
            assignments: [],
          },
          unknown,
        ],
        [
          joinGroup,
          { ...classicJoin(longId, Buffer.alloc(0), longId), groupInstanceId: longId, reason: longId },
          unknown,
        ],
        // 30 KB of name and a UUID: more than a string can have.
        [joinGroup, classicJoin(longId, Buffer.alloc(0)), [Errors.MEMBER_ID_REQUIRED]],
        [
          consumerGroupHeartbeat,
          joining(longId, longId, { instanceId: longId, rackId: longId }),
          [Errors.NONE, Errors.UNRELEASED_INSTANCE_ID],
        ],
        [
          consumerGroupHeartbeat,
          { ...joining(longId, longId, { instanceId: longId }), memberEpoch: -1 },
          [Errors.NONE],
        ],
        [
          offsetDelete,
          { groupId: `${longId}?`, topics: [{ name: longId, partitions: [] }] },
          [Errors.GROUP_ID_NOT_FOUND],
        ],
      ]
      for (const [api, body, errors] of requests) {
        const wrong = unless(
          `${api.name} with long ids`,
          await caller.call(api, api.maxVersion, body as InputOf<Fields>),
          errors,
        )
        if (wrong !== undefined) return wrong
      }
      const described = await caller.call(describeGroups, 6, {
        groups: Array.from({ length: 100 }, () => longId),
        includeAuthorizedOperations: false,
      })
      return described.outcome === "answered" ? undefined : `DescribeGroups with long ids: ${described.outcome}`
    },
    "c".repeat(2000),
  )

const manyTopics: Attack = (address) =>
  withCaller(address, async (caller) => {
    const subscribedTopicNames = Array.from({ length: 200_000 }, (_, index) => `topic-${index}`)
    const refused = await caller.call(
      consumerGroupHeartbeat,
      1,
      joining("many-topics", "m", { subscribedTopicNames }),
      largeMs,
    )
    const wrong = unless("a subscription to 200,000 topics", refused, [Errors.INVALID_REQUEST])
    if (wrong !== undefined) return wrong
    const first = await caller.call(
      joinGroup,
      5,
      classicJoin("many-topics-classic", subscriptionTo(1_000_000)),
      largeMs,
    )
    if (first.outcome !== "answered") return `a classic subscription to a million topics: ${first.outcome}`
    const { memberId } = first.answer
    const joined = await caller.call(
      joinGroup,
      5,
      classicJoin("many-topics-classic", subscriptionTo(1_000_000), memberId),
      largeMs,
    )
    const notJoined = unless("a classic subscription to a million topics", joined, [Errors.NONE])
    if (notJoined !== undefined) return notJoined
    await caller.call(offsetDelete, 0, {
      groupId: "many-topics-classic",
      topics: [{ name: "healthy", partitions: [{ partitionIndex: 0 }] }],
    })
    await caller.call(consumerGroupHeartbeat, 1, joining("many-topics-classic", "m", {}))
    await caller.call(leaveGroup, 5, {
      groupId: "many-topics-classic",
      memberId: "",
      members: [{ memberId, groupInstanceId: null }],
    })
    const beyond = Array.from({ length: 1_000_000 }, () => "t")
    const { outcome } = await caller.call(
      consumerGroupHeartbeat,
      1,
      joining("many-topics", "m", { subscribedTopicNames: beyond }),
      largeMs,
    )
    return outcome === "closed" ? undefined : `a subscription to a million topics: ${outcome}`
  })

/** Members that fill memory and wait. Others must be served meanwhile: by whoever watches the healthy ones. */
const parkedJoins: Attack = async (address) => {
  const metadata = Buffer.alloc(1 << 20, 1)
  const callers: Caller[] = []
  try {
    for (let index = 0; index < 256; index++) callers.push(await Caller.open(address))
    const answers = await Promise.all(
      callers.map((caller) => caller.call(joinGroup, 3, classicJoin("parked", metadata), largeMs)),
    )
    const bad = answers.find(
      (called) =>
        unless("a join with a megabyte", called, [
          Errors.NONE,
          Errors.REBALANCE_IN_PROGRESS,
          Errors.GROUP_MAX_SIZE_REACHED,
          Errors.UNKNOWN_MEMBER_ID,
        ]) !== undefined,
    )
    const members = answers.flatMap((called) =>
      called.outcome === "answered" ? [{ memberId: called.answer.memberId, groupInstanceId: null }] : [],
    )
    await callers[0]!.call(leaveGroup, 5, { groupId: "parked", memberId: "", members }, largeMs)
    return bad && unless("a join with a megabyte", bad, [Errors.NONE])
  } finally {
    for (const caller of callers) caller.close()
  }
}

const largeAssignment: Attack = (address) =>
  withCaller(address, async (caller) => {
    const groupId = "large-assignment"
    const joined = await caller.call(joinGroup, 3, classicJoin(groupId, Buffer.alloc(10)), largeMs)
    const notJoined = unless("the join of a leader", joined, [Errors.NONE])
    if (notJoined !== undefined || joined.outcome !== "answered") return notJoined
    const { memberId, generationId, leader } = joined.answer
    if (leader !== memberId) return undefined
    const sync = (assignment: Buffer) =>
      caller.call(syncGroup, 3, { groupId, generationId, memberId, assignments: [{ memberId, assignment }] }, largeMs)
    const wrong = unless("an assignment of 5 MB", await sync(Buffer.alloc(5 << 20)), [Errors.UNKNOWN_SERVER_ERROR])
    await caller.call(leaveGroup, 5, { groupId, memberId: "", members: [{ memberId, groupInstanceId: null }] })
    return wrong
  })

const nonsenseAssignment: Attack = (address, nextInt) =>
  withCaller(address, async (caller) => {
    const groupId = "nonsense"
    const bytes = Buffer.from(Array.from({ length: 200 }, () => nextInt(256)))
    const joined = await caller.call(joinGroup, 3, classicJoin(groupId, bytes), largeMs)
    const notJoined = unless("a join that makes no sense", joined, [Errors.NONE])
    if (notJoined !== undefined || joined.outcome !== "answered") return notJoined
    const { memberId, generationId } = joined.answer
    const synced = await caller.call(syncGroup, 3, {
      groupId,
      generationId,
      memberId,
      assignments: [{ memberId, assignment: bytes }],
    })
    const wrong = unless("an assignment that makes no sense", synced, [Errors.NONE])
    if (wrong !== undefined) return wrong
    if (synced.outcome === "answered" && !synced.answer.assignment.equals(bytes))
      return "an assignment came back as another"
    const visited = await caller.call(consumerGroupHeartbeat, 1, joining(groupId, "visitor", {}))
    await caller.call(leaveGroup, 5, { groupId, memberId: "", members: [{ memberId, groupInstanceId: null }] })
    return unless("a consumer that comes to it", visited, [Errors.GROUP_ID_NOT_FOUND, Errors.NONE])
  })

interface PartitionAnswers {
  readonly topics: readonly { readonly partitions: readonly { readonly errorCode: number }[] }[]
}

const errorsOf = ({ topics }: PartitionAnswers): readonly number[] => [
  ...new Set(topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode))),
]

const largeCommits: Attack = (address) =>
  withCaller(address, async (caller) => {
    const commit = async (
      what: string,
      name: string,
      partitionIndexes: readonly number[],
      metadata: string,
      due: readonly number[],
    ) => {
      const partitions = partitionIndexes.map((partitionIndex) => ({
        partitionIndex,
        committedOffset: 1,
        committedMetadata: metadata,
      }))
      const called = await caller.call(
        offsetCommit,
        9,
        {
          groupId: "large-commits",
          generationIdOrMemberEpoch: -1,
          memberId: "",
          topics: [{ name, topicId: zeroUuid, partitions }],
        },
        largeMs,
      )
      if (called.outcome !== "answered") return `${what}: ${called.outcome}`
      const errors = errorsOf(called.answer)
      return errors.length === due.length && due.every((each) => errors.includes(each))
        ? undefined
        : `${what}: errors ${errors} where ${due} were due`
    }
    const many = Array.from({ length: 100_000 }, (_, index) => index)
    const same = many.map(() => 0)
    const half = many.map((index) => (index % 2 === 0 ? 0 : index))
    return (
      (await commit("a commit to 100,000 partitions that are not there", "gone", many, "", [
        Errors.UNKNOWN_TOPIC_OR_PARTITION,
      ])) ??
      (await commit("a commit of one partition 100,000 times", "healthy", same, "", [
        Errors.INVALID_COMMIT_OFFSET_SIZE,
      ])) ??
      (await commit("a commit half of which is not there", "healthy", half, "", [
        Errors.UNKNOWN_TOPIC_OR_PARTITION,
        Errors.INVALID_COMMIT_OFFSET_SIZE,
      ])) ??
      (await commit("metadata at the limit", "healthy", [0], "m".repeat(4096), [Errors.NONE])) ??
      (await commit("metadata above the limit", "healthy", [0], "m".repeat(4097), [
        Errors.OFFSET_METADATA_TOO_LARGE,
      ])) ??
      (await commit("metadata far above the limit", "healthy", same.slice(0, 500), "m".repeat(30_000), [
        Errors.OFFSET_METADATA_TOO_LARGE,
      ]))
    )
  })

const goneTopic: Attack = (address) =>
  withCaller(address, async (caller) => {
    const name = "to-be-deleted"
    const topic = { name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }
    await caller.call(createTopics, 5, { topics: [topic] })
    const commit = () =>
      caller.call(offsetCommit, 9, {
        groupId: "gone-topic",
        generationIdOrMemberEpoch: -1,
        memberId: "",
        topics: [
          { name, topicId: zeroUuid, partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: "" }] },
        ],
      })
    await commit()
    await caller.call(deleteTopics, 5, { topics: [], topicNames: [name], timeoutMs: 5000 })
    const called = await commit()
    if (called.outcome !== "answered") return `a commit to a topic that is gone: ${called.outcome}`
    const errors = errorsOf(called.answer)
    return errors.includes(Errors.UNKNOWN_TOPIC_OR_PARTITION)
      ? undefined
      : `a commit to a topic that is gone: ${errors}`
  })

/** The same groups each time: what they leave behind does not add up. */
const manyGroups: Attack = (address, nextInt) =>
  withCaller(address, async (caller) => {
    // All of them take ten seconds.
    const count = nextInt(4) === 0 ? 10_000 : 1000
    const atOnce = 100
    for (let first = 0; first < count; first += atOnce) {
      const answers = await Promise.all(
        Array.from({ length: atOnce }, (_, index) =>
          caller.call(
            consumerGroupHeartbeat,
            1,
            joining(`one-of-many-${first + index}`, "m", { subscribedTopicNames: ["healthy"] }),
            largeMs,
          ),
        ),
      )
      for (const called of answers) {
        const wrong = unless("one group of many", called, [Errors.NONE])
        if (wrong !== undefined) return wrong
      }
    }
    return undefined
  })

const manyOwned: Attack = (address) =>
  withCaller(address, async (caller) => {
    const groupId = "many-owned"
    const joined = await caller.call(
      consumerGroupHeartbeat,
      1,
      joining(groupId, "m", { subscribedTopicNames: ["healthy"] }),
    )
    const notJoined = unless("a member", joined, [Errors.NONE])
    if (notJoined !== undefined || joined.outcome !== "answered") return notJoined
    const owning = (count: number, memberEpoch: number) =>
      caller.call(
        consumerGroupHeartbeat,
        1,
        {
          groupId,
          memberId: "m",
          memberEpoch,
          rebalanceTimeoutMs: 60_000,
          topicPartitions: [{ topicId: zeroUuid, partitions: Array.from({ length: count }, (_, index) => index) }],
        },
        largeMs,
      )
    const { memberEpoch } = joined.answer
    const wrong =
      unless("200,000 owned partitions", await owning(200_000, memberEpoch), [Errors.NONE]) ??
      unless("200,000 owned partitions in an epoch before", await owning(200_000, memberEpoch - 1), [
        Errors.FENCED_MEMBER_EPOCH,
      ])
    if (wrong !== undefined) return wrong
    const { outcome } = await owning(1_000_000, memberEpoch)
    return outcome === "closed" ? undefined : `a million owned partitions: ${outcome}`
  })

const explosive = [
  "(a*)*$",
  "(a|a)*b",
  "(.*)*x",
  "((a+)+)+$",
  "a{1000}{1000}",
  "((a{100}){100}){100}",
  "(x+x+)+y",
  ".*.*.*.*.*.*.*.*.*.*=.*",
  "(".repeat(4000),
  `${"(".repeat(1000)}a${")*".repeat(1000)}`,
  "a?".repeat(1300) + "a".repeat(1300),
  "[a-z]{500}".repeat(100),
  "\\pL{1000}",
  "(a|b|c|d|e|f|g|h|i|j)*".repeat(100),
  "x".repeat(30_000),
]

const explosiveExpressions: Attack = (address) =>
  withCaller(address, async (caller) => {
    for (const subscribedTopicRegex of explosive) {
      const request = joining("explosive", "m", { subscribedTopicNames: null, subscribedTopicRegex })
      const wrong = unless(
        `the expression ${subscribedTopicRegex.slice(0, 40)}`,
        await caller.call(consumerGroupHeartbeat, 1, request),
        [Errors.NONE, Errors.INVALID_REGULAR_EXPRESSION],
      )
      if (wrong !== undefined) return wrong
    }
    return undefined
  })

export const hostileGroups: Readonly<Record<string, Attack>> = {
  "enormous ids": enormousIds,
  "many topics": manyTopics,
  "parked joins": parkedJoins,
  "large assignment": largeAssignment,
  "nonsense assignment": nonsenseAssignment,
  "large commits": largeCommits,
  "gone topic": goneTopic,
  "many groups": manyGroups,
  "many owned": manyOwned,
  "explosive expressions": explosiveExpressions,
}
