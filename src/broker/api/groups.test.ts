import assert from "node:assert/strict"
import { test } from "node:test"
import { zeroUuid } from "../../base/ids.js"
import { commitPartitionsMax } from "../../coordinator/group/offset-requests.js"
import { Errors } from "../../protocol/errors.js"
import type { RequestInputOf } from "../../protocol/message.js"
import { consumerGroupDescribe } from "../../protocol/messages/consumer-group-describe.js"
import { deleteGroups } from "../../protocol/messages/delete-groups.js"
import { describeConfigs } from "../../protocol/messages/describe-configs.js"
import { describeGroups } from "../../protocol/messages/describe-groups.js"
import { findCoordinator } from "../../protocol/messages/find-coordinator.js"
import { joinGroup } from "../../protocol/messages/join-group.js"
import { leaveGroup } from "../../protocol/messages/leave-group.js"
import { listGroups } from "../../protocol/messages/list-groups.js"
import { offsetCommit } from "../../protocol/messages/offset-commit.js"
import { offsetDelete } from "../../protocol/messages/offset-delete.js"
import { offsetFetch } from "../../protocol/messages/offset-fetch.js"
import { syncGroup } from "../../protocol/messages/sync-group.js"
import { batchOf, type BrokerWorld, inBrokerWorld } from "../testing/broker-world.js"

const unknownId = "AAAAAAAAAAAAAAAAAAAABA"
const groupOperations = 0b1101_0100_1000

const find = (t: BrokerWorld, key: string, version = 6, keyType = 0) =>
  t.client.send(findCoordinator, version, {
    key: version < 4 ? key : "",
    keyType,
    coordinatorKeys: version < 4 ? [] : [key],
  })

/** A world with a topic "t" of two partitions, whose groups have a coordinator. */
async function inGroupWorld(
  story: (t: BrokerWorld, topicId: string) => Promise<void>,
  settings: Record<string, string> = {},
): Promise<void> {
  await inBrokerWorld(
    async (t) => {
      const topicId = await t.createTopic("t", 2)
      await find(t, "g")
      await story(t, topicId)
      assert.deepEqual(t.fatal, [])
      assert.deepEqual(
        t.world.logLines.filter(({ level }) => level === "error"),
        [],
      )
    },
    { settings: { "offsets.topic.num.partitions": "3", "group.initial.rebalance.delay.ms": "0", ...settings } },
  )
}

type CommitTopics = RequestInputOf<typeof offsetCommit>["topics"]

const commit = (t: BrokerWorld, topics: CommitTopics, { groupId = "g", version = 9 } = {}) =>
  t.client.send(offsetCommit, version, { groupId, memberId: "", topics })

const place = (
  name: string,
  topicId: string,
  partitions: readonly number[],
  committedOffset = 5,
): CommitTopics[number] => ({
  name,
  topicId,
  partitions: partitions.map((partitionIndex) => ({ partitionIndex, committedOffset, committedMetadata: "m" })),
})

async function fetchByName(t: BrokerWorld, groupId: string, name: string, partitionIndexes: number[]) {
  const topics = [{ name, topicId: zeroUuid, partitionIndexes }]
  const { groups } = await t.client.send(offsetFetch, 9, { groupId: "", topics: [], groups: [{ groupId, topics }] })
  return groups[0]!.topics[0]!.partitions.map(({ committedOffset }) => committedOffset)
}

type JoinInput = Partial<RequestInputOf<typeof joinGroup>>

const join = (t: BrokerWorld, request: JoinInput = {}, version = 9) =>
  t.client.send(joinGroup, version, {
    groupId: "g",
    sessionTimeoutMs: 10_000,
    memberId: "",
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: Buffer.from("subscription") }],
    ...request,
  })

/** A member by its instance id, which joins at once; resolves with its member id. */
async function stableGroup(t: BrokerWorld, metadata = Buffer.from("subscription")): Promise<string> {
  const { errorCode, memberId, generationId } = await join(t, {
    groupInstanceId: "i",
    protocols: [{ name: "range", metadata }],
  })
  assert.equal(errorCode, Errors.NONE)
  const synced = await t.client.send(syncGroup, 5, {
    groupId: "g",
    generationId,
    memberId,
    groupInstanceId: "i",
    protocolType: "consumer",
    protocolName: "range",
    assignments: [{ memberId, assignment: Buffer.from("assignment") }],
  })
  assert.equal(synced.errorCode, Errors.NONE)
  return memberId
}

test("whoever asks first for a coordinator waits for the topic of offsets, which has Kafka's settings", async () => {
  await inBrokerWorld(async (t) => {
    const answers = await Promise.all(["a", "b", "c"].map((key) => find(t, key)))
    for (const { coordinators } of answers) {
      const { nodeId, errorCode, host } = coordinators[0]!
      assert.deepEqual({ nodeId, errorCode, host }, { nodeId: 1, errorCode: Errors.NONE, host: t.node.address })
    }
    const { topics } = await t.metadata(["__consumer_offsets"])
    assert.equal(topics[0]!.isInternal, true)
    assert.equal(topics[0]!.partitions.length, 50)
    assert.equal(topics[0]!.partitions[0]!.replicaNodes.length, 1)
    const { results } = await t.client.send(describeConfigs, 4, {
      resources: [
        {
          resourceType: 2,
          resourceName: "__consumer_offsets",
          configurationKeys: ["cleanup.policy", "compression.type", "segment.bytes"],
        },
      ],
    })
    const configs = results[0]!.configs.map(({ name, value, configSource }) => ({ name, value, configSource }))
    assert.deepEqual(
      new Set(configs),
      new Set([
        { name: "cleanup.policy", value: "compact", configSource: 1 },
        { name: "compression.type", value: "producer", configSource: 1 },
        { name: "segment.bytes", value: "104857600", configSource: 1 },
      ]),
    )
  })
})

test("a replication factor that was set is not lowered: without the brokers for it there is no coordinator", async () => {
  await inBrokerWorld(
    async (t) => {
      for (let round = 0; round < 3; round++) {
        const { coordinators } = await find(t, "g")
        const { nodeId, port, errorCode } = coordinators[0]!
        assert.deepEqual(
          { nodeId, port, errorCode },
          { nodeId: -1, port: -1, errorCode: Errors.COORDINATOR_NOT_AVAILABLE },
        )
      }
      const warnings = t.world.logLines.filter(({ message }) => message.startsWith("the topic of committed offsets"))
      assert.equal(warnings.length, 1)
    },
    { settings: { "offsets.topic.replication.factor": "3" } },
  )
})

test("FindCoordinator answers in the form of each version, with Kafka's words where there is no error", async () => {
  await inGroupWorld(async (t) => {
    for (let version = 0; version <= 3; version++) {
      const answer = await t.client.send(findCoordinator, version, { key: "g", coordinatorKeys: [] })
      assert.equal(answer.nodeId, 1)
      assert.equal(answer.errorMessage, version === 0 ? "" : "NONE")
    }
    assert.equal((await find(t, "", 3)).nodeId, 1)
    assert.equal((await find(t, "g", 3, 9)).errorCode, Errors.INVALID_REQUEST)
    assert.equal((await find(t, "g", 3, 2)).errorCode, Errors.INVALID_REQUEST)
    assert.equal((await find(t, "tx", 3, 1)).errorCode, Errors.COORDINATOR_NOT_AVAILABLE)
    assert.equal((await find(t, "g", 5, 2)).coordinators[0]!.errorCode, Errors.INVALID_REQUEST)
    assert.equal((await find(t, "g", 6, 2)).coordinators[0]!.errorCode, Errors.INVALID_REQUEST)
    assert.equal((await find(t, `g:${unknownId}:0`, 6, 2)).coordinators[0]!.errorCode, Errors.COORDINATOR_NOT_AVAILABLE)
    const many = await t.client.send(findCoordinator, 4, { key: "", keyType: 0, coordinatorKeys: ["g", "g", ""] })
    assert.deepEqual(
      many.coordinators.map(({ key, nodeId, errorMessage }) => [key, nodeId, errorMessage]),
      [
        ["g", 1, ""],
        ["g", 1, ""],
        ["", 1, ""],
      ],
    )
  })
})

test("a commit refuses what does not exist, partition by partition, and stores the rest", async () => {
  await inGroupWorld(async (t) => {
    const { topics } = await commit(t, [
      place("nope", zeroUuid, [0]),
      place("t", zeroUuid, [7, 0]),
      place("t", zeroUuid, [1, -1]),
    ])
    assert.deepEqual(
      topics.map(({ name, partitions }) => [name, partitions.map((each) => [each.partitionIndex, each.errorCode])]),
      [
        ["nope", [[0, Errors.UNKNOWN_TOPIC_OR_PARTITION]]],
        [
          "t",
          [
            [7, Errors.UNKNOWN_TOPIC_OR_PARTITION],
            [-1, Errors.UNKNOWN_TOPIC_OR_PARTITION],
            [0, Errors.NONE],
            [1, Errors.NONE],
          ],
        ],
      ],
    )
    assert.deepEqual(await fetchByName(t, "g", "t", [0, 1, 7]), [5, 5, -1])
  })
})

test("a commit to very many partitions, half of which are not there, is refused partition by partition without delay", async () => {
  await inGroupWorld(async (t) => {
    const indexes = Array.from({ length: 2 * commitPartitionsMax + 2 }, (_, index) =>
      index % 2 === 0 ? 0 : index + 100,
    )
    const { topics } = await commit(t, [place("t", zeroUuid, indexes)])
    const count = (errorCode: number) => topics[0]!.partitions.filter((each) => each.errorCode === errorCode).length
    assert.equal(count(Errors.UNKNOWN_TOPIC_OR_PARTITION), commitPartitionsMax + 1)
    assert.equal(count(Errors.INVALID_COMMIT_OFFSET_SIZE), commitPartitionsMax + 1)
  })
})

test("a commit by topic id answers by topic id, and an id nobody has is unknown as an id", async () => {
  await inGroupWorld(async (t, topicId) => {
    const { topics } = await commit(
      t,
      [place("", unknownId, [0]), place("", zeroUuid, [0]), place("", topicId, [7, 0])],
      { version: 10 },
    )
    assert.deepEqual(
      topics.map((topic) => [topic.topicId, topic.partitions.map((each) => [each.partitionIndex, each.errorCode])]),
      [
        [unknownId, [[0, Errors.UNKNOWN_TOPIC_ID]]],
        [zeroUuid, [[0, Errors.UNKNOWN_TOPIC_ID]]],
        [
          topicId,
          [
            [7, Errors.UNKNOWN_TOPIC_OR_PARTITION],
            [0, Errors.NONE],
          ],
        ],
      ],
    )
    assert.deepEqual(await fetchByName(t, "g", "t", [0]), [5])
  })
})

test("a commit of nothing is answered without asking the group", async () => {
  await inGroupWorld(async (t) => {
    assert.deepEqual((await commit(t, [])).topics, [])
    assert.deepEqual((await t.client.send(listGroups, 5, { statesFilter: [], typesFilter: [] })).groups, [])
  })
})

test("commits that one connection sends without waiting are stored in their order", async () => {
  await inGroupWorld(async (t) => {
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, offset) => commit(t, [place("t", zeroUuid, [0], offset)])),
    )
    for (const { topics } of answers) assert.equal(topics[0]!.partitions[0]!.errorCode, Errors.NONE)
    assert.deepEqual(await fetchByName(t, "g", "t", [0]), [39])
  })
})

test("OffsetFetch answers one group at the top before version 8, and many from there on", async () => {
  await inGroupWorld(async (t) => {
    await commit(t, [place("t", zeroUuid, [1])])
    const wanted = [{ name: "t", partitionIndexes: [1, 0, 9] }]
    for (let version = 1; version < 8; version++) {
      const answer = await t.client.send(offsetFetch, version, { groupId: "g", topics: wanted, groups: [] })
      assert.equal(answer.errorCode, Errors.NONE)
      assert.deepEqual(
        answer.topics.map(({ name, partitions }) => [name, partitions.map((each) => each.committedOffset)]),
        [["t", [5, -1, -1]]],
      )
      assert.deepEqual(answer.groups, [])
    }
    const all = await t.client.send(offsetFetch, 2, { groupId: "g", topics: null, groups: [] })
    assert.deepEqual(
      all.topics.map(({ name, partitions }) => [name, partitions.map((each) => each.partitionIndex)]),
      [["t", [1]]],
    )
    const many = await t.client.send(offsetFetch, 8, {
      groupId: "",
      topics: [],
      groups: [
        { groupId: "nope", topics: null },
        { groupId: "g", topics: null },
        { groupId: "g", topics: wanted.map((topic) => ({ ...topic, topicId: zeroUuid })) },
        { groupId: "g", topics: [] },
      ],
    })
    assert.deepEqual(
      many.groups.map(({ groupId, errorCode, topics }) => [
        groupId,
        errorCode,
        topics.map(({ partitions }) => partitions.map((each) => each.committedOffset)),
      ]),
      [
        ["nope", Errors.NONE, []],
        ["g", Errors.NONE, [[5]]],
        ["g", Errors.NONE, [[5, -1, -1]]],
        ["g", Errors.NONE, []],
      ],
    )
  })
})

test("offsets are fetched by topic id: an unknown one is an error of its partitions, and those of a topic that is gone are not among all", async () => {
  await inGroupWorld(async (t, topicId) => {
    const otherId = await t.createTopic("other", 1)
    await commit(t, [place("t", zeroUuid, [0]), place("other", zeroUuid, [0], 8)])
    const fetchAll = async () => {
      const { groups } = await t.client.send(offsetFetch, 10, {
        groupId: "",
        topics: [],
        groups: [{ groupId: "g", topics: null }],
      })
      return groups[0]!.topics.map((topic) => [topic.topicId, topic.partitions[0]!.committedOffset])
    }
    assert.deepEqual(
      new Map((await fetchAll()) as [string, number][]),
      new Map([
        [topicId, 5],
        [otherId, 8],
      ]),
    )
    const { groups } = await t.client.send(offsetFetch, 10, {
      groupId: "",
      topics: [],
      groups: [
        {
          groupId: "g",
          topics: [unknownId, topicId].map((id) => ({ name: "", topicId: id, partitionIndexes: [0] })),
        },
      ],
    })
    assert.deepEqual(
      groups[0]!.topics.map((topic) => [
        topic.topicId,
        topic.partitions[0]!.committedOffset,
        topic.partitions[0]!.errorCode,
      ]),
      [
        [topicId, 5, Errors.NONE],
        [unknownId, -1, Errors.UNKNOWN_TOPIC_ID],
      ],
    )
    await t.deleteTopic("other")
    assert.deepEqual(await fetchAll(), [[topicId, 5]])
  })
})

test("JoinGroup says no protocol as null from version 7, and as nothing before", async () => {
  await inGroupWorld(async (t) => {
    for (let version = 0; version <= 9; version++) {
      const answer = await join(t, { groupId: "", memberId: "m" }, version)
      assert.equal(answer.errorCode, Errors.INVALID_GROUP_ID)
      assert.equal(answer.protocolName, version >= 7 ? null : "")
      assert.equal(answer.memberId, "m")
      assert.equal(answer.generationId, -1)
    }
  })
})

test("a member of version 0 has its session timeout to rejoin", async () => {
  await inGroupWorld(async (t) => {
    const first = await join(t, {}, 0)
    assert.equal(first.errorCode, Errors.NONE)
    // The first member stays away; the second waits for it as long as it may take to rejoin.
    const client = await t.connect()
    let joined = false
    const second = client
      .send(joinGroup, 0, {
        groupId: "g",
        sessionTimeoutMs: 30_000,
        memberId: "",
        protocolType: "consumer",
        protocols: [{ name: "range", metadata: Buffer.from("subscription") }],
      })
      .then((answer) => {
        joined = true
        return answer
      })
    await t.passTime(5000)
    assert.ok(!joined)
    assert.equal((await second).errorCode, Errors.NONE)
  })
})

test("what a member says of itself outlives the memory of its request", async () => {
  await inGroupWorld(async (t) => {
    // Large enough for memory that is used again, and followed by requests of that size.
    const metadata = Buffer.alloc(100_000, "m")
    await stableGroup(t, metadata)
    for (let round = 0; round < 8; round++) await t.produce(batchOf(["x".repeat(100_000)]))
    const { groups } = await t.client.send(describeGroups, 6, { groups: ["g"], includeAuthorizedOperations: false })
    assert.ok(groups[0]!.members[0]!.memberMetadata.equals(metadata))
    assert.deepEqual(groups[0]!.members[0]!.memberAssignment, Buffer.from("assignment"))
  })
})

test("SyncGroup must name protocol type and protocol from version 5", async () => {
  await inGroupWorld(async (t) => {
    const request = { groupId: "g", generationId: 1, memberId: "m", assignments: [] }
    assert.equal((await t.client.send(syncGroup, 4, request)).errorCode, Errors.UNKNOWN_MEMBER_ID)
    assert.equal((await t.client.send(syncGroup, 5, request)).errorCode, Errors.INCONSISTENT_GROUP_PROTOCOL)
  })
})

test("LeaveGroup answers for its one member at the top before version 3, and for each member from there on", async () => {
  await inGroupWorld(async (t) => {
    for (let version = 0; version < 3; version++) {
      const answer = await t.client.send(leaveGroup, version, { groupId: "g", memberId: "m", members: [] })
      assert.equal(answer.errorCode, Errors.UNKNOWN_MEMBER_ID)
    }
    const memberId = await stableGroup(t)
    const left = await t.client.send(leaveGroup, 3, {
      groupId: "g",
      memberId: "",
      members: [
        { memberId: "", groupInstanceId: "i" },
        { memberId, groupInstanceId: null },
      ],
    })
    assert.equal(left.errorCode, Errors.NONE)
    assert.deepEqual(
      left.members.map(({ groupInstanceId, errorCode }) => [groupInstanceId, errorCode]),
      [
        ["i", Errors.NONE],
        [null, Errors.UNKNOWN_MEMBER_ID],
      ],
    )
    const empty = await t.client.send(leaveGroup, 2, { groupId: "", memberId: "m", members: [] })
    assert.equal(empty.errorCode, Errors.INVALID_GROUP_ID)
  })
})

test("a group that is not there is described as dead, which is an error from version 6", async () => {
  await inGroupWorld(async (t) => {
    const memberId = await stableGroup(t)
    for (let version = 0; version <= 6; version++) {
      const { groups } = await t.client.send(describeGroups, version, {
        groups: ["g", "nope"],
        includeAuthorizedOperations: version >= 3,
      })
      const [known, unknown] = groups
      assert.deepEqual([known!.groupState, known!.protocolData, known!.errorCode], ["Stable", "range", Errors.NONE])
      const { clientHost, groupInstanceId } = known!.members[0]!
      assert.deepEqual([known!.members[0]!.memberId, clientHost], [memberId, `/${t.clients.address}`])
      assert.equal(groupInstanceId, version >= 4 ? "i" : null)
      assert.deepEqual(
        [unknown!.groupState, unknown!.errorCode, unknown!.errorMessage],
        version >= 6 ? ["Dead", Errors.GROUP_ID_NOT_FOUND, "Group nope not found."] : ["Dead", Errors.NONE, null],
      )
      const none = -(2 ** 31)
      assert.deepEqual(
        [known!.authorizedOperations, unknown!.authorizedOperations],
        version < 3 ? [none, none] : version < 6 ? [groupOperations, groupOperations] : [groupOperations, none],
      )
    }
  })
})

test("the description of a consumer group says why there is none", async () => {
  await inGroupWorld(async (t) => {
    await stableGroup(t)
    const { groups } = await t.client.send(consumerGroupDescribe, 1, {
      groupIds: ["g", "nope", ""],
      includeAuthorizedOperations: true,
    })
    assert.deepEqual(
      groups.map(({ groupId, errorCode, errorMessage }) => [groupId, errorCode, errorMessage]),
      [
        ["g", Errors.GROUP_ID_NOT_FOUND, "Group g is not a consumer group."],
        ["nope", Errors.GROUP_ID_NOT_FOUND, "Group nope not found."],
        ["", Errors.INVALID_GROUP_ID, null],
      ],
    )
  })
})

test("groups are listed by state and type, without regard to case", async () => {
  await inGroupWorld(async (t) => {
    await stableGroup(t)
    await commit(t, [place("t", zeroUuid, [0])], { groupId: "offsets only" })
    const list = async (statesFilter: string[], typesFilter: string[]) => {
      const { groups } = await t.client.send(listGroups, 5, { statesFilter, typesFilter })
      return groups.map(({ groupId }) => groupId).sort()
    }
    assert.deepEqual(await list([], []), ["g", "offsets only"])
    assert.deepEqual(await list([" STABLE "], []), ["g"])
    assert.deepEqual(await list(["empty"], ["Classic"]), ["offsets only"])
    assert.deepEqual(await list([], ["consumer"]), [])
    assert.deepEqual(await list(["nonsense"], []), [])
    assert.deepEqual(await list([], ["nonsense"]), [])
    for (let version = 0; version < 4; version++) {
      const { groups } = await t.client.send(listGroups, version, { statesFilter: [], typesFilter: [] })
      assert.deepEqual(
        new Map(groups.map(({ groupId, protocolType, groupState }) => [groupId, [protocolType, groupState]])),
        new Map([
          ["g", ["consumer", ""]],
          ["offsets only", ["", ""]],
        ]),
      )
    }
  })
})

test("each group is deleted or not by itself, and one named twice is answered once", async () => {
  await inGroupWorld(async (t) => {
    await stableGroup(t)
    await commit(t, [place("t", zeroUuid, [0])], { groupId: "empty" })
    const { results } = await t.client.send(deleteGroups, 2, { groupsNames: ["g", "empty", "nope", "g", ""] })
    assert.deepEqual(
      results.map(({ groupId, errorCode }) => [groupId, errorCode]),
      [
        ["g", Errors.NON_EMPTY_GROUP],
        ["empty", Errors.NONE],
        ["nope", Errors.GROUP_ID_NOT_FOUND],
        ["", Errors.GROUP_ID_NOT_FOUND],
      ],
    )
    assert.deepEqual(await fetchByName(t, "empty", "t", [0]), [-1])
  })
})

test("offsets of partitions that do not exist are not deleted, those of others are, and a refused group refuses all", async () => {
  await inGroupWorld(async (t) => {
    await commit(t, [place("t", zeroUuid, [0, 1])])
    const remove = (groupId: string) =>
      t.client.send(offsetDelete, 0, {
        groupId,
        topics: [
          { name: "nope", partitions: [{ partitionIndex: 0 }] },
          { name: "t", partitions: [{ partitionIndex: 1 }, { partitionIndex: 7 }] },
        ],
      })
    const { errorCode, topics } = await remove("g")
    assert.equal(errorCode, Errors.NONE)
    assert.deepEqual(
      topics.map(({ name, partitions }) => [name, partitions.map((each) => [each.partitionIndex, each.errorCode])]),
      [
        ["nope", [[0, Errors.UNKNOWN_TOPIC_OR_PARTITION]]],
        [
          "t",
          [
            [7, Errors.UNKNOWN_TOPIC_OR_PARTITION],
            [1, Errors.NONE],
          ],
        ],
      ],
    )
    assert.deepEqual(await fetchByName(t, "g", "t", [0, 1]), [5, -1])
    const unknown = await remove("nope")
    assert.deepEqual([unknown.errorCode, unknown.topics], [Errors.GROUP_ID_NOT_FOUND, []])
    assert.equal((await remove("")).errorCode, Errors.INVALID_GROUP_ID)
  })
})
