import assert from "node:assert/strict"
import { test } from "node:test"
import { regexRefreshMinIntervalMs } from "./regular-expressions.js"
import { ConsumerTest, imageOf } from "./testing/consumer-test.js"

const atOnce = { settings: { consumerAssignmentIntervalMs: () => 0 } }

test("a member that subscribes to an expression is given the topics it stands for at once", () => {
  const group = new ConsumerTest({ ta: 1, tb: 1, u: 1 }, atOnce)
  assert.equal(group.join("a", { regex: "t." }), "NONE")
  assert.equal(group.holds("a"), "ta-0 tb-0")
  assert.deepEqual([...group.group.regexes.keys()], ["t."])
  group.join("b", { regex: "t.", topics: ["u"] })
  group.settle()
  assert.equal(group.holds("b").includes("u-0"), true)
})

test("an expression that is none is refused, and nothing happened", () => {
  const group = new ConsumerTest({ t: 1 }, atOnce)
  assert.equal(group.join("a", { regex: "(t" }), "INVALID_REGULAR_EXPRESSION")
  assert.equal(group.join("b"), "NONE")
  assert.equal(group.group.members.size, 1)
})

test("new topics are found within the interval, no sooner", () => {
  const group = new ConsumerTest({ ta: 1 }, atOnce)
  group.join("a", { regex: "t.*" })
  group.harness.reload()
  group.advance(0)
  group.setTopics({ ta: 1, tb: 1 })
  group.settle()
  assert.equal(group.holds("a"), "ta-0")
  group.advance(regexRefreshMinIntervalMs)
  group.settle()
  assert.equal(group.holds("a"), "ta-0 tb-0")
  group.setTopics({ tb: 1 })
  group.advance(regexRefreshMinIntervalMs)
  group.settle()
  assert.equal(group.holds("a"), "tb-0")
})

test("what nobody subscribes to any more is forgotten", () => {
  const group = new ConsumerTest({ ta: 1, u: 1 }, atOnce)
  group.join("a", { regex: "t.*" })
  group.join("b", { regex: "t.*" })
  group.settle()
  group.leave("a")
  assert.equal(group.group.regexes.size, 1)
  group.send("b", { subscribedTopicRegex: "u.*" }, "b subscribes to u.*")
  assert.deepEqual([...group.group.regexes.keys()], ["u.*"])
  group.settle(["b"])
  assert.equal(group.holds("b"), "u-0")
  group.send("b", { subscribedTopicRegex: "" }, "b subscribes to nothing")
  assert.equal(group.group.regexes.size, 0)
  group.settle(["b"])
  assert.equal(group.holds("b"), "")
})

test("among very many topics an expression is resolved in portions, while the broker goes on", () => {
  const group = new ConsumerTest({ t: 1 }, atOnce)
  group.harness.image = imageOf(Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`topic-${index}`, 1])))
  group.join("a", { regex: "topic-(1|2).*" })
  assert.equal(group.holds("a"), "")
  assert.equal(group.group.regexes.size, 0)
  group.advance(0)
  group.beat("a")
  assert.equal(group.client("a").holds.size, 2222)
})

test("topics that come while an expression is being resolved are found, too", () => {
  const group = new ConsumerTest({ t: 1 }, atOnce)
  const topics = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`topic-${index}`, 1]))
  group.harness.image = imageOf(topics)
  group.join("a", { regex: "topic-1|late" })
  assert.equal(group.group.regexes.size, 0)
  group.setTopics({ ...topics, late: 1 })
  group.advance(2 * regexRefreshMinIntervalMs)
  group.settle()
  assert.equal(group.holds("a"), "late-0 topic-1-0")
})

test("a static member that is replaced keeps its expression resolved", () => {
  const group = new ConsumerTest({ ta: 1 }, atOnce)
  group.join("s", { regex: "t.*", instanceId: "i" })
  group.leaveForAWhile("s")
  const epoch = group.group.groupEpoch
  group.join("s2", { regex: "t.*", instanceId: "i" })
  assert.equal(group.holds("s2"), "ta-0")
  assert.equal(group.group.groupEpoch, epoch)
  assert.equal(group.group.regexes.size, 1)
})
