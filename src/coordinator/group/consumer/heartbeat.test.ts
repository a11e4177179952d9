import assert from "node:assert/strict"
import { test } from "node:test"
import { Errors } from "../../../protocol/errors.js"
import type { RequestInputOf } from "../../../protocol/message.js"
import type { consumerGroupHeartbeat } from "../../../protocol/messages/consumer-group-heartbeat.js"
import { ConsumerTest, errorName, groupId, rebalanceTimeoutMs, topicIdOf } from "./testing/consumer-test.js"
import { subscribedTopicsMax } from "./heartbeat-request.js"

type Input = Partial<RequestInputOf<typeof consumerGroupHeartbeat>>
const atOnce = { settings: { consumerAssignmentIntervalMs: () => 0 } }
const joining: Input = {
  memberEpoch: 0,
  rebalanceTimeoutMs,
  subscribedTopicNames: ["t"],
  topicPartitions: [],
}

const refusedRequests: readonly (readonly [string, Input, number?])[] = [
  ["a group must be named", { ...joining, groupId: " " }],
  ["an instance id must not be blank", { ...joining, instanceId: "" }],
  ["a rack must not be blank", { ...joining, rackId: "" }],
  ["a member names itself since version 1", { ...joining, memberId: "" }],
  ["a member that stays must be named in version 0, too", { memberId: "", memberEpoch: 1 }, 0],
  ["a member that leaves must be named in version 0, too", { memberId: "", memberEpoch: -1 }, 0],
  ["whoever joins says how long it may take to let go", { ...joining, rebalanceTimeoutMs: -1 }],
  ["whoever joins says that it has nothing", { ...joining, topicPartitions: null }],
  ["whoever joins has nothing", { ...joining, topicPartitions: [{ topicId: topicIdOf("t"), partitions: [0] }] }],
  ["whoever joins says what it subscribes to", { ...joining, subscribedTopicNames: null }],
  ["only a static member leaves for a while", { memberEpoch: -2 }],
  ["there are no epochs below -2", { memberEpoch: -3 }],
]

test("what a heartbeat must say", () => {
  for (const [rule, input, version] of refusedRequests) {
    const group = new ConsumerTest()
    const { answer } = group.send("a", input, "a asks", version)
    assert.equal(errorName(answer), "INVALID_REQUEST", rule)
    assert.ok(answer.errorMessage, rule)
    assert.equal(group.harness.groups.get(groupId), undefined)
  }
})

test("a subscription to more topics than could be written is refused before it is looked at", () => {
  const group = new ConsumerTest()
  const names = (count: number) => Array.from({ length: count }, (_, index) => `n${index}`)
  const send = (count: number) =>
    errorName(group.send("a", { ...joining, subscribedTopicNames: names(count) }, "a asks").answer)
  assert.equal(send(subscribedTopicsMax + 1), "INVALID_REQUEST")
  assert.equal(send(subscribedTopicsMax), "NONE")
})

test("in version 0 the coordinator names a member that does not", () => {
  const group = new ConsumerTest()
  const { answer } = group.send("a", { ...joining, memberId: "" }, "a joins", 0)
  assert.equal(errorName(answer), "NONE")
  assert.ok(group.group.members.has(answer.memberId!))
})

test("an assignor that is not offered is refused", () => {
  const group = new ConsumerTest()
  assert.equal(group.join("a", { assignor: "magic" }), "UNSUPPORTED_ASSIGNOR")
  assert.equal(group.join("a", { assignor: "range" }), "NONE")
})

test("the protocol can be off", () => {
  const group = new ConsumerTest({ t: 1 }, { settings: { isConsumerProtocolEnabled: false } })
  assert.equal(group.join("a"), "UNSUPPORTED_VERSION")
})

test("a group or member that is not there is not known", () => {
  const group = new ConsumerTest()
  assert.equal(errorName(group.send("a", { memberEpoch: 3 }, "a asks").answer), "GROUP_ID_NOT_FOUND")
  assert.equal(errorName(group.send("a", { memberEpoch: -1 }, "a leaves").answer), "GROUP_ID_NOT_FOUND")
  group.join("b")
  assert.equal(errorName(group.send("a", { memberEpoch: 3 }, "a asks").answer), "UNKNOWN_MEMBER_ID")
  assert.equal(errorName(group.send("a", { memberEpoch: -1 }, "a leaves").answer), "UNKNOWN_MEMBER_ID")
})

test("a group takes no more members than it may have", () => {
  const group = new ConsumerTest({ t: 4 }, { settings: { consumerMaxSize: 2 } })
  assert.equal(group.join("a"), "NONE")
  assert.equal(group.join("b"), "NONE")
  assert.equal(group.join("c"), "GROUP_MAX_SIZE_REACHED")
  assert.equal(group.join("b"), "NONE", "a member may start over")
})

test("the first member is given everything at once", () => {
  const group = new ConsumerTest({ t: 3 })
  assert.equal(group.join("a"), "NONE")
  assert.equal(group.holds("a"), "t-0 t-1 t-2")
  assert.equal(group.client("a").epoch, 2)
  assert.equal(group.state, "Stable")
})

test("a partition is given to another only after its owner said that it let go", () => {
  const group = new ConsumerTest({ t: 4 }, atOnce)
  group.join("a")
  group.join("b")
  assert.equal(group.holds("b"), "")
  assert.equal(group.beat("a"), "NONE")
  assert.equal(group.client("a").assigned.length, 2)
  assert.equal(group.client("a").epoch, 2)
  group.beat("b")
  assert.equal(group.holds("b"), "", "a has been told, but has not said that it let go")
  group.lag("a")
  group.beat("b")
  assert.equal(group.holds("b"), "")
  group.beat("a")
  assert.equal(group.client("a").epoch, 3)
  group.beat("b")
  assert.equal(group.client("b").holds.size, 2)
  group.settle()
})

test("a heartbeat that says nothing new writes nothing, and is answered without an assignment", () => {
  const group = new ConsumerTest()
  group.join("a")
  group.beat("a")
  const written = group.harness.committedRecords().length
  for (let round = 0; round < 10; round++) {
    group.advance(5000)
    const { answer } = group.send("a", {}, "a sends a heartbeat")
    assert.equal(errorName(answer), "NONE")
    assert.equal(answer.assignment, null)
    assert.equal(answer.heartbeatIntervalMs, 5000)
  }
  assert.equal(group.harness.committedRecords().length, written)
})

test("a heartbeat that says everything is answered with the assignment, though nothing has changed", () => {
  const group = new ConsumerTest({ t: 2 })
  group.join("a")
  group.beat("a")
  const written = group.harness.committedRecords().length
  const partitions = [{ topicId: topicIdOf("t"), partitions: [0, 1] }]
  const { answer } = group.send(
    "a",
    { rebalanceTimeoutMs, subscribedTopicNames: ["t", "t"], topicPartitions: partitions },
    "a sends a heartbeat in full",
  )
  assert.deepEqual(answer.assignment, { topicPartitions: partitions })
  assert.equal(group.harness.committedRecords().length, written)
})

test("an answer waits until what it says is safe", () => {
  const group = new ConsumerTest()
  group.harness.holdWrites()
  const asked = group.joinAsked("a")
  assert.ok(!asked.isAnswered)
  const second = group.send("a", { memberEpoch: 2 }, "a sends a heartbeat")
  assert.ok(!second.isAnswered)
  group.harness.completeWrites()
  assert.equal(errorName(asked.answer), "NONE")
  assert.equal(errorName(second.answer), "NONE")
})

test("a join that cannot be written did not happen", () => {
  const group = new ConsumerTest()
  group.harness.refuseNextWrite(Errors.RECORD_LIST_TOO_LARGE)
  assert.equal(group.join("a"), "UNKNOWN_SERVER_ERROR")
  assert.equal(group.harness.groups.get(groupId), undefined)
  group.advance(60_000)
  assert.equal(group.join("a"), "NONE")
})

test("epochs: too new is fenced; the one before is taken if the member has no more than it was given", () => {
  const group = new ConsumerTest({ t: 4 }, atOnce)
  group.join("a")
  group.beat("a")
  group.losesNextAnswer = true
  group.beatInFull("a", ["t", "other"])
  assert.equal(group.member("a").memberEpoch, 3)
  assert.equal(group.client("a").epoch, 2)
  const owned = (partitions: number[]): Input => ({ topicPartitions: [{ topicId: topicIdOf("t"), partitions }] })
  const ask = (input: Input) => errorName(group.send("b", { memberId: "a", ...input }, "a asks").answer)
  assert.equal(ask({ memberEpoch: 4 }), "FENCED_MEMBER_EPOCH")
  assert.equal(ask({ memberEpoch: 2 }), "FENCED_MEMBER_EPOCH", "it does not say what it has")
  assert.equal(ask({ memberEpoch: 2, ...owned([0, 7]) }), "FENCED_MEMBER_EPOCH", "it has what it was not given")
  assert.equal(ask({ memberEpoch: 2, ...owned([0, 1]) }), "NONE")
  group.beatInFull("a", ["t"])
  assert.equal(ask({ memberEpoch: 2, ...owned([0]) }), "FENCED_MEMBER_EPOCH", "two epochs old")
  assert.equal(group.harness.notes.filter(({ event }) => event.type === "member-fenced").length, 1, "told once")
})

test("a member that starts over keeps what it had and is told all of it", () => {
  const group = new ConsumerTest({ t: 2 })
  group.join("a")
  group.client("a").forgetAll()
  const written = group.harness.committedRecords().length
  assert.equal(group.join("a"), "NONE")
  assert.equal(group.holds("a"), "t-0 t-1")
  assert.equal(group.client("a").epoch, 2)
  assert.equal(group.harness.committedRecords().length, written)
})

test("who does not let go in time is removed, and the next one gets it", () => {
  const group = new ConsumerTest({ t: 4 }, atOnce)
  group.join("a", { rebalanceTimeoutMs: 10_000 })
  group.join("b")
  group.beat("a")
  for (let passed = 0; passed < 10_000; passed += 1000) {
    assert.equal(group.lag("a"), "NONE")
    group.beat("b")
    group.advance(1000)
  }
  assert.equal(group.lag("a"), "UNKNOWN_MEMBER_ID")
  group.beat("b")
  assert.equal(group.client("b").holds.size, 4)
  const missed = group.harness.notes.find(({ event }) => event.type === "member-missed-deadline")
  assert.equal(missed?.event.deadline, "revocation")
  assert.equal(missed?.event.lateByMs, 0)
})

test("the time to let go does not start anew with each heartbeat, nor with a move of the coordinator it is forgotten", () => {
  const group = new ConsumerTest({ t: 4 }, atOnce)
  group.join("a", { rebalanceTimeoutMs: 10_000 })
  group.join("b")
  group.beat("a")
  group.harness.reload()
  group.advance(9999)
  assert.equal(group.lag("a"), "NONE")
  group.advance(1)
  assert.equal(group.lag("a"), "UNKNOWN_MEMBER_ID")
})

test("who is not heard of for a session is removed", () => {
  const group = new ConsumerTest({ t: 2 }, atOnce)
  group.join("a")
  group.join("b")
  group.settle()
  for (let passed = 0; passed < 44_000; passed += 4000) {
    group.advance(4000)
    group.beat("b")
  }
  assert.equal(group.group.members.size, 2)
  group.advance(2000)
  assert.equal(group.group.members.size, 1)
  group.beat("b")
  assert.equal(group.holds("b"), "t-0 t-1")
  assert.equal(group.beat("a"), "UNKNOWN_MEMBER_ID")
})

test("a commit is no sign of life", () => {
  const group = new ConsumerTest({ t: 2 }, atOnce)
  group.join("a")
  group.beat("a")
  const commit = {
    memberId: "a",
    groupInstanceId: null,
    generationIdOrMemberEpoch: group.client("a").epoch,
    version: 9,
  }
  group.advance(44_000)
  assert.equal(group.harness.protocol.consumer.checkCommit(group.group, commit), Errors.NONE)
  group.advance(1000)
  assert.equal(group.beat("a"), "UNKNOWN_MEMBER_ID")
})

test("whoever leaves is gone at once, and the last one leaves an empty group", () => {
  const group = new ConsumerTest({ t: 2 }, atOnce)
  group.join("a")
  group.join("b")
  group.settle()
  assert.equal(group.leave("a"), "NONE")
  group.advance(0)
  group.beat("b")
  assert.equal(group.holds("b"), "t-0 t-1")
  assert.equal(group.leave("b"), "NONE")
  assert.equal(group.state, "Empty")
  assert.equal(group.harness.timerKeys().length, 0)
  assert.equal(group.join("c"), "NONE")
  group.advance(1000)
  group.beat("c")
  assert.equal(group.holds("c"), "t-0 t-1")
})

test("other topics: what is not subscribed to any more goes, what is new comes", () => {
  const group = new ConsumerTest({ t: 2, u: 2 }, atOnce)
  group.join("a", { topics: ["t"] })
  group.beat("a")
  group.beatInFull("a", ["u"])
  assert.deepEqual(group.client("a").assigned, [])
  assert.equal(group.holds("a"), "t-0 t-1", "it is told first")
  group.beat("a")
  assert.equal(group.holds("a"), "u-0 u-1")
})

test("within the assignment interval topics that are not subscribed to any more go all the same", () => {
  const group = new ConsumerTest({ t: 2, u: 2 })
  group.join("a", { topics: ["t"] })
  group.beat("a")
  group.beatInFull("a", ["u"])
  assert.deepEqual(group.client("a").assigned, [])
  group.beat("a")
  assert.equal(group.holds("a"), "")
  group.advance(1000)
  group.beat("a")
  assert.equal(group.holds("a"), "u-0 u-1")
})

test("a target is made at most once per interval, and without a heartbeat too", () => {
  const group = new ConsumerTest({ t: 6 })
  group.join("a")
  assert.equal(group.group.assignmentEpoch, 2)
  for (const name of ["b", "c", "d"]) {
    group.advance(100)
    group.join(name)
    assert.equal(group.state, "Assigning")
    assert.equal(group.client(name).epoch, 2)
  }
  assert.equal(group.group.groupEpoch, 5)
  group.advance(699)
  assert.equal(group.group.assignmentEpoch, 2)
  group.advance(1)
  assert.equal(group.group.assignmentEpoch, 5)
  assert.equal(group.group.assignmentTimestampMs, group.harness.now().wallMs)
  group.settle()
  assert.deepEqual(["a", "b", "c", "d"].map((name) => group.client(name).holds.size).sort(), [1, 1, 2, 2])
})

test("a pending target is made by the next coordinator", () => {
  const group = new ConsumerTest({ t: 2 })
  group.join("a")
  group.join("b")
  assert.equal(group.state, "Assigning")
  group.harness.reload()
  group.advance(1000)
  assert.equal(group.group.assignmentEpoch, 3)
  group.settle()
})

test("the target of a very large group is made in a decision of its own, which may be split", () => {
  const group = new ConsumerTest({ t: 100_000 }, atOnce)
  group.join("a")
  assert.equal(group.client("a").holds.size, 100_000, "the first one cannot wait")
  group.join("b")
  assert.equal(group.state, "Assigning")
  assert.equal(group.client("b").epoch, 2)
  group.advance(0)
  assert.equal(group.state, "Reconciling")
  assert.equal(group.group.target("b").get(topicIdOf("t"))!.length, 50_000)
})

test("most members choose the assignor", () => {
  const group = new ConsumerTest({ t: 2, u: 2 }, atOnce)
  group.join("a", { topics: ["t", "u"], assignor: "range" })
  group.join("b", { topics: ["t", "u"], assignor: "range" })
  group.join("c", { topics: ["t", "u"], assignor: "uniform" })
  assert.equal(group.harness.protocol.consumer.describeConsumer(group.group).assignorName, "range")
  group.settle()
  assert.equal(group.holds("a"), "t-0 u-0")
  assert.equal(group.holds("b"), "t-1 u-1")
  assert.equal(group.holds("c"), "")
})

test("more partitions, and topics that come and go, reach the members", () => {
  const group = new ConsumerTest({ t: 1 }, atOnce)
  group.join("a", { topics: ["t", "later"] })
  group.setTopics({ t: 2 })
  group.settle()
  assert.equal(group.holds("a"), "t-0 t-1")
  group.setTopics({ t: 2, later: 1, other: 5 })
  group.settle()
  assert.equal(group.holds("a"), "later-0 t-0 t-1")
  const epoch = group.group.groupEpoch
  group.setTopics({ t: 2, later: 1 })
  group.settle()
  assert.equal(group.group.groupEpoch, epoch, "nobody subscribes to it")
  group.setTopics({ later: 1 })
  group.settle()
  assert.equal(group.holds("a"), "later-0")
})

test("what changed while no coordinator was there is noticed", () => {
  const group = new ConsumerTest({ t: 1 }, atOnce)
  group.join("a")
  group.beat("a")
  const epoch = group.group.groupEpoch
  group.harness.reload()
  assert.equal(group.group.groupEpoch, epoch)
  group.harness.image = new ConsumerTest({ t: 3 }).harness.image
  group.harness.reload()
  assert.equal(group.group.groupEpoch, epoch + 1)
  group.settle()
  assert.equal(group.holds("a"), "t-0 t-1 t-2")
})

test("a member may subscribe to nothing, or to what is not there", () => {
  const group = new ConsumerTest({ t: 2 }, atOnce)
  assert.equal(group.join("a", { topics: [] }), "NONE")
  assert.equal(group.join("b", { topics: ["gone"] }), "NONE")
  assert.equal(group.join("c", { topics: ["t"] }), "NONE")
  group.settle()
  assert.equal(group.holds("c"), "t-0 t-1")
  assert.equal(group.holds("a") + group.holds("b"), "")
})

test("a subscription to very many topics that are not there is bounded work", () => {
  const group = new ConsumerTest({ t: 1 }, atOnce)
  const topics = Array.from({ length: 100_000 }, (_, index) => `gone-${index}`)
  assert.equal(group.join("a", { topics: [...topics, "t"] }), "NONE")
  assert.equal(group.holds("a"), "t-0")
})
