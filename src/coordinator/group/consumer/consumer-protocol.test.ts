import assert from "node:assert/strict"
import { test } from "node:test"
import type { BrokerRegistration, MetadataImage } from "../../../metadata/image.js"
import { type ErrorName, errorByCode } from "../../../protocol/errors.js"
import { MetadataHashes } from "./metadata-hash.js"
import * as record from "./records.js"
import { ConsumerTest, groupId, imageOf, topicIdOf } from "./testing/consumer-test.js"

const metadataHash = (image: MetadataImage, topics: readonly string[]) => new MetadataHashes().of(image, topics)
const atOnce = { settings: { consumerAssignmentIntervalMs: () => 0 } }

function commit(
  group: ConsumerTest,
  memberId: string,
  generationIdOrMemberEpoch: number,
  partitions: readonly number[] = [],
  version = 9,
): ErrorName {
  const topics = [{ name: "t", partitions: partitions.map((partitionIndex) => ({ partitionIndex })) }]
  const identity = { memberId, groupInstanceId: null, generationIdOrMemberEpoch, version, topics }
  return errorByCode(group.harness.protocol.consumer.checkCommit(group.group, identity))!.name
}

const fetch = (group: ConsumerTest, memberId: string | null, epoch: number): ErrorName =>
  errorByCode(group.harness.protocol.consumer.checkFetch(group.group, memberId, epoch))!.name

test("commits: the epoch of the member, or an older one in which it had the partitions already", () => {
  const group = new ConsumerTest({ t: 4 }, atOnce)
  group.join("a")
  group.join("b")
  group.settle()
  const kept = [...group.client("a").holds].map((name) => Number(name.slice(2)))
  const lost = [0, 1, 2, 3].filter((partition) => !kept.includes(partition))
  assert.equal(group.client("a").epoch, 3)
  assert.equal(commit(group, "a", 3, lost), "NONE", "in the member's own epoch nothing is asked")
  assert.equal(commit(group, "a", 4), "STALE_MEMBER_EPOCH")
  assert.equal(commit(group, "a", 2, kept), "NONE", "given in epoch 2, and still there")
  assert.equal(commit(group, "a", 2, [...kept, lost[0]!]), "STALE_MEMBER_EPOCH", "one is gone")
  assert.equal(commit(group, "b", 2, lost), "STALE_MEMBER_EPOCH", "given in epoch 3")
  assert.equal(commit(group, "nobody", 2), "UNKNOWN_MEMBER_ID")
  assert.equal(commit(group, "", -1), "UNKNOWN_MEMBER_ID", "there are members")
  assert.equal(commit(group, "a", 3, [], 8), "UNSUPPORTED_VERSION")
  group.leave("a")
  group.leave("b")
  assert.equal(commit(group, "", -1), "NONE", "the group is empty")
})

test("commits: what is to be let go of may still be committed", () => {
  const group = new ConsumerTest({ t: 2 }, atOnce)
  group.join("a")
  group.beat("a")
  group.join("b")
  group.lag("a")
  assert.equal(group.member("a").pendingRevocation.size, 1)
  assert.equal(commit(group, "a", 2, [0, 1]), "NONE")
})

test("fetches: the epoch of the member, if one is said", () => {
  const group = new ConsumerTest()
  group.join("a")
  assert.equal(fetch(group, null, -1), "NONE")
  assert.equal(fetch(group, "a", -1), "STALE_MEMBER_EPOCH", "whoever says who it is must say when")
  assert.equal(fetch(group, "b", -1), "UNKNOWN_MEMBER_ID")
  assert.equal(fetch(group, "a", 2), "NONE")
  assert.equal(fetch(group, "a", 3), "STALE_MEMBER_EPOCH")
  assert.equal(fetch(group, "b", 1), "UNKNOWN_MEMBER_ID")
})

test("a group is described as it is", () => {
  const group = new ConsumerTest({ t: 2 }, atOnce)
  group.join("a", { rackId: "r", instanceId: "i" })
  group.join("b")
  group.lag("a")
  const { consumer } = group.harness.protocol
  const described = consumer.describeConsumer(group.group)
  assert.deepEqual(
    { ...described, members: described.members.length },
    {
      errorCode: 0,
      groupId,
      groupState: "Reconciling",
      groupEpoch: 3,
      assignmentEpoch: 3,
      assignorName: "uniform",
      members: 2,
    },
  )
  const [a] = described.members
  assert.deepEqual(a!.assignment.topicPartitions, [{ topicId: topicIdOf("t"), topicName: "t", partitions: [0, 1] }])
  assert.deepEqual([a!.memberId, a!.rackId, a!.instanceId, a!.memberType, a!.memberEpoch], ["a", "r", "i", 1, 2])
  assert.deepEqual(consumer.listed(group.group), {
    groupState: "Reconciling",
    protocolType: "consumer",
    groupType: "consumer",
  })
  assert.equal(errorByCode(consumer.describe(group.group).errorCode)!.name, "GROUP_ID_NOT_FOUND")
})

test("a group explains who is awaited", () => {
  const group = new ConsumerTest({ t: 2 }, atOnce)
  group.join("a")
  group.join("b")
  group.lag("a")
  group.advance(7000)
  const { members, state } = group.harness.protocol.consumer.explain(group.group, group.harness.now())
  assert.equal(state, "Reconciling")
  const [a, b] = members
  assert.equal(a!.state, "has to let go of t-1")
  assert.equal(a!.lateByMs, 7000 - 60_000)
  assert.deepEqual(a!.partitions, [{ topic: "t", partitions: [0] }])
  assert.equal(b!.state, "waits for partitions of a")
  assert.equal(b!.sinceLastHeartbeatMs, 7000)
})

test("only an empty group is deleted, and nothing of it is left", () => {
  const group = new ConsumerTest({ t: 2 }, atOnce)
  const { consumer } = group.harness.protocol
  group.join("a", { regex: "t.*" })
  assert.equal(errorByCode(consumer.checkDelete(group.group))!.name, "NON_EMPTY_GROUP")
  assert.ok(!consumer.isRemovable(group.group))
  group.leave("a")
  assert.equal(errorByCode(consumer.checkDelete(group.group))!.name, "NONE")
  assert.ok(consumer.isRemovable(group.group))
  group.harness.run(() => ({ records: consumer.tombstones(group.group) }))
  assert.equal(group.harness.groups.get(groupId), undefined)
  const kept = new Set<string>()
  for (const { type, key, value } of group.harness.committedRecords()) {
    const name = JSON.stringify({ type, key })
    if (value === null) kept.delete(name)
    else kept.add(name)
  }
  assert.deepEqual([...kept], [])
})

test("offsets of topics that members subscribe to do not expire", () => {
  const group = new ConsumerTest({ t: 1, u: 1, v: 1 }, atOnce)
  group.join("a", { topics: ["t"], regex: "u.*" })
  const expiration = group.harness.protocol.consumer.offsetExpiration(group.group)
  assert.deepEqual(
    ["t", "u", "v"].map((topic) => expiration.isSubscribedTo(topic)),
    [true, true, false],
  )
  assert.equal(expiration.baseTimestampMs(5), 5)
})

test("a log of Kafka's is read: no epochs of partitions, metadata of topics, a state of a later version", () => {
  const group = new ConsumerTest({ t: 2 }, atOnce)
  const member = { ...record.memberMetadata(groupId, memberOf("a")) }
  const topicId = topicIdOf("t")
  group.harness.writeDirectly([
    member,
    record.groupMetadata(groupId, 7, 0),
    {
      type: "ConsumerGroupPartitionMetadata",
      key: { groupId },
      value: { topics: [{ topicId, topicName: "t", numPartitions: 2, partitionMetadata: [] }] },
    },
    record.targetMember(groupId, "a", new Map([[topicId, [0, 1]]])),
    record.targetMetadata(groupId, 7, 0),
    {
      type: "ConsumerGroupCurrentMemberAssignment",
      key: { groupId, memberId: "a" },
      value: {
        memberEpoch: 7,
        previousMemberEpoch: 6,
        state: 99,
        assignedPartitions: [{ topicId, partitions: [0, 1], assignmentEpochs: null }],
        partitionsPendingRevocation: [],
      },
    },
  ])
  group.harness.reload()
  assert.equal(group.group.groupEpoch, 8, "its hash is another one")
  assert.ok(!group.group.hasPartitionMetadata, "what is not used any more is removed")
  assert.equal(group.group.ownerOf(topicId, 1), "a")
  assert.equal(group.member("a").assigned.get(topicId)!.get(0), 7)
  group.client("a").epoch = 7
  assert.equal(group.lag("a"), "FENCED_MEMBER_EPOCH")
  assert.equal(group.join("a"), "NONE")
  group.settle()
  assert.equal(group.holds("a"), "t-0 t-1")
})

const memberOf = (memberId: string) => ({
  memberId,
  instanceId: null,
  rackId: null,
  clientId: "c",
  clientHost: "/h",
  subscribedTopicNames: ["t"],
  subscribedTopicRegex: null,
  rebalanceTimeoutMs: 60_000,
  serverAssignor: null,
  classic: null,
  memberEpoch: 0,
  previousMemberEpoch: 0,
  state: 0 as const,
  assigned: new Map(),
  pendingRevocation: new Map(),
})

test("an older owner that is read again does not take a partition along when it goes", () => {
  const group = new ConsumerTest({ t: 1 }, atOnce)
  const topicId = topicIdOf("t")
  const position = (memberEpoch: number, partitions: readonly number[]) => ({
    ...memberOf(""),
    memberEpoch,
    assigned: partitions.length === 0 ? new Map() : new Map([[topicId, new Map([[0, memberEpoch]])]]),
  })
  group.harness.writeDirectly([
    record.memberMetadata(groupId, memberOf("a")),
    record.memberMetadata(groupId, memberOf("b")),
    record.groupMetadata(groupId, 2, metadataHash(group.harness.image, ["t"])),
    record.targetMetadata(groupId, 2, 1),
    record.currentAssignment(groupId, "a", position(1, [0])),
    record.currentAssignment(groupId, "b", position(2, [0])),
    record.currentAssignment(groupId, "a", position(2, [])),
  ])
  group.harness.reload()
  assert.equal(group.group.ownerOf(topicId, 0), "b")
})

test("the hash of metadata: equal for equal, other for whatever an assignment depends on", () => {
  const image = imageOf({ t: 2, u: 1 })
  const hash = metadataHash(image, ["t", "u"])
  assert.equal(metadataHash(imageOf({ u: 1, t: 2 }, 9), ["u", "t"]), hash)
  assert.ok(Number.isSafeInteger(hash) && hash > 0)
  assert.notEqual(metadataHash(imageOf({ t: 3, u: 1 }), ["t", "u"]), hash)
  assert.notEqual(metadataHash(image, ["t"]), hash)
  assert.equal(metadataHash(image, ["t", "u", "gone"]), hash)
  assert.equal(metadataHash(image, ["gone"]), 0)
  const brokers = new Map([[1, { ...brokerWithRack("r1") }]])
  assert.notEqual(metadataHash({ ...image, brokers }, ["t", "u"]), hash)
})

const brokerWithRack = (rack: string) =>
  ({
    brokerId: 1,
    incarnationId: topicIdOf("b"),
    brokerEpoch: 1,
    endPoints: [],
    features: [],
    rack,
    fenced: false,
    inControlledShutdown: false,
    logDirs: [],
    cordonedLogDirs: [],
    machineId: null,
  }) satisfies BrokerRegistration
