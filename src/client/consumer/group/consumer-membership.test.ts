import assert from "node:assert/strict"
import { test } from "node:test"
import { type ErrorName, Errors } from "../../../protocol/errors.js"
import type { RequestInputOf } from "../../../protocol/message.js"
import { consumerGroupHeartbeat } from "../../../protocol/messages/consumer-group-heartbeat.js"
import { ConsumerMembership } from "./consumer-membership.js"
import type { Outgoing } from "./membership.js"

const topicId = "AAAAAAAAAAAAAAAAAAAAAQ"

class MemberTest {
  nowMs = 0
  isTopicKnown = true
  readonly membership: ConsumerMembership
  #out: Outgoing | undefined

  constructor(instanceId: string | null = null) {
    this.membership = new ConsumerMembership({
      groupId: "g",
      topics: ["t"],
      instanceId,
      rackId: "",
      sessionTimeoutMs: 45_000,
      heartbeatIntervalMs: 3_000,
      rebalanceTimeoutMs: 60_000,
      requestTimeoutMs: 30_000,
      retryBackoffMs: 100,
      memberId: "m",
      serverAssignor: null,
      topicNamed: (id) => (this.isTopicKnown && id === topicId ? "t" : undefined),
    })
  }

  sends(): RequestInputOf<typeof consumerGroupHeartbeat> {
    const next = this.membership.next(this.nowMs)
    assert.ok(typeof next !== "number", `nothing is sent before ${next}`)
    this.#out = next
    return next.request as RequestInputOf<typeof consumerGroupHeartbeat>
  }

  /** The epoch, what it says of itself ("all" or nothing), and what it says it has. */
  says(): string {
    const { memberEpoch, subscribedTopicNames, topicPartitions } = this.sends()
    const has = topicPartitions?.flatMap(({ partitions }) => partitions ?? []) ?? "as before"
    return `${memberEpoch}${subscribedTopicNames == null ? "" : " all"} has ${has.length === 0 ? "nothing" : has}`
  }

  answer(error: ErrorName, memberEpoch = 0, partitions?: readonly number[]): void {
    const assignment = partitions && {
      topicPartitions: partitions.length === 0 ? [] : [{ topicId, partitions: [...partitions] }],
    }
    this.#out!.answered(
      {
        ...consumerGroupHeartbeat.response.create({}),
        errorCode: Errors[error],
        memberEpoch,
        heartbeatIntervalMs: 5_000,
        ...(assignment && { assignment }),
      } as never,
      this.nowMs,
    )
  }

  does(): string | undefined {
    const work = this.membership.work()
    if (work === undefined) return undefined
    this.membership.done()
    const isLost = work.type === "revoke" && work.isLost
    const what = "partitions" in work ? work.partitions.map(({ partition }) => partition) : []
    return [isLost ? "lose" : work.type, ...what].join(" ")
  }

  waitsUntil(ms: number): void {
    assert.equal(this.membership.next(this.nowMs), ms)
  }
}

test("a heartbeat says everything once, then only what is new, and what is new at once", () => {
  const t = new MemberTest()
  assert.equal(t.says(), "0 all has nothing")
  t.answer("NONE", 1, [0, 1])
  t.waitsUntil(5_000)
  assert.equal(t.does(), "assign 0 1")
  assert.equal(t.says(), "1 has 0,1")
  t.answer("NONE", 1)
  t.nowMs = 5_000
  assert.equal(t.says(), "1 has as before")
  t.answer("NONE", 1)
  t.waitsUntil(10_000)
})

test("what is to go is let go of, then told, and only then is there something new", () => {
  const t = new MemberTest()
  t.sends()
  t.answer("NONE", 1, [0, 1])
  t.does()
  t.sends()
  t.answer("NONE", 1, [1])
  assert.equal(t.does(), "revoke 0")
  assert.equal(t.says(), "1 has 1")
  t.answer("NONE", 2, [1, 2])
  assert.equal(t.does(), "assign 2")
  assert.equal(t.says(), "2 has 1,2")
})

test("what has got no answer is said again, all of it", () => {
  const t = new MemberTest()
  t.sends()
  t.answer("NONE", 1, [0])
  t.does()
  t.sends()
  t.membership.unanswered(t.nowMs)
  t.waitsUntil(100)
  t.nowMs = 100
  assert.equal(t.says(), "1 all has 0")
})

for (const error of ["FENCED_MEMBER_EPOCH", "UNKNOWN_MEMBER_ID", "GROUP_ID_NOT_FOUND"] as const)
  test(`${error}: a member loses everything, and then joins as the same`, () => {
    const t = new MemberTest()
    t.sends()
    t.answer("NONE", 7, [0])
    t.does()
    t.sends()
    t.answer(error)
    t.waitsUntil(Number.POSITIVE_INFINITY)
    assert.equal(t.membership.identity.epoch, -1)
    assert.equal(t.does(), "lose 0")
    const request = t.sends()
    assert.deepEqual([request.memberId, request.memberEpoch, request.topicPartitions], ["m", 0, []])
  })

test("a topic that is not known by its id is looked for, and taken when it is", () => {
  const t = new MemberTest()
  t.isTopicKnown = false
  t.sends()
  t.answer("NONE", 1, [0])
  assert.equal(t.does(), "refresh")
  t.isTopicKnown = true
  assert.equal(t.does(), "assign 0")
})

test("a dynamic member leaves for good, a static one for a while", () => {
  for (const [instanceId, epoch] of [
    [null, -1],
    ["i", -2],
  ] as const) {
    const t = new MemberTest(instanceId)
    assert.equal(t.membership.leave(), undefined, "nobody knows it yet")
    t.sends()
    t.answer("NONE", 1, [])
    const { request } = t.membership.leave()!
    assert.equal((request as RequestInputOf<typeof consumerGroupHeartbeat>).memberEpoch, epoch)
  }
})

test("an instance id that is held is waited for, as long as the holder may be dead", () => {
  const t = new MemberTest("i")
  for (; t.membership.failure === undefined; t.nowMs += 1_000) {
    t.sends()
    t.answer("UNRELEASED_INSTANCE_ID")
  }
  assert.equal(t.membership.failure.code, "UNRELEASED_INSTANCE_ID")
  assert.ok(t.nowMs >= 90_000 && t.nowMs < 93_000)
})
