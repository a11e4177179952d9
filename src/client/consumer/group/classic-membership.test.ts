import assert from "node:assert/strict"
import { test } from "node:test"
import { classicAssignorNamed } from "../../../assignment/classic-assignors.js"
import { type ErrorName, Errors } from "../../../protocol/errors.js"
import type { Api, RequestInputOf } from "../../../protocol/message.js"
import type { joinGroup } from "../../../protocol/messages/join-group.js"
import { ClassicMembership, type ClassicMembershipOptions } from "./classic-membership.js"
import { readMember, writeAssignments } from "./classic-payloads.js"
import type { Outgoing } from "./membership.js"

/** One member, the test being its coordinator. */
class MemberTest {
  readonly membership: ClassicMembership
  nowMs = 0
  #out: Outgoing | undefined

  constructor(
    readonly assignor: string,
    options: Partial<ClassicMembershipOptions> = {},
  ) {
    this.membership = new ClassicMembership({
      groupId: "g",
      topics: ["t"],
      instanceId: null,
      rackId: "",
      sessionTimeoutMs: 10_000,
      heartbeatIntervalMs: 3_000,
      rebalanceTimeoutMs: 60_000,
      requestTimeoutMs: 30_000,
      retryBackoffMs: 100,
      assignors: [classicAssignorNamed(assignor)!],
      ...options,
    })
  }

  /** The request it sends now. */
  sends<A extends Api>(name: string): RequestInputOf<A> {
    const next = this.membership.next(this.nowMs)
    assert.ok(typeof next !== "number", `nothing is sent before ${next}`)
    assert.equal(next.api.name, name)
    this.#out = next
    return next.request as RequestInputOf<A>
  }

  waitsUntil(ms: number): void {
    assert.equal(this.membership.next(this.nowMs), ms)
  }

  answer(error: ErrorName, fields: object = {}): void {
    const { api, answered } = this.#out!
    answered({ ...api.response.create({}), errorCode: Errors[error], ...fields } as never, this.nowMs)
  }

  /** What it does now: "revoke 0 1". Done at once. */
  does(): string | undefined {
    const work = this.membership.work()
    if (work === undefined) return undefined
    this.membership.done(new Map([["t", 4]]))
    const isLost = work.type === "revoke" && work.isLost
    const what = "partitions" in work ? work.partitions.map(({ partition }) => partition) : []
    return [isLost ? "lose" : work.type, ...what].join(" ")
  }

  /** Joins as a follower, and gets these. */
  join(generationId: number, partitions: readonly number[]): void {
    this.sends("JoinGroup")
    this.answer("NONE", { memberId: "m", generationId, leader: "other", protocolName: this.assignor, members: [] })
    this.sends("SyncGroup")
    const given = new Map(partitions.length === 0 ? [] : [["t", partitions] as const])
    this.answer("NONE", { assignment: writeAssignments(new Map([["m", given]]))[0]!.assignment })
  }

  beat(error: ErrorName): void {
    this.nowMs += 3_000
    this.sends("Heartbeat")
    this.answer(error)
  }
}

test("KIP-394: a member that is given an id joins again with it, at once", () => {
  const t = new MemberTest("range")
  assert.equal(t.sends<typeof joinGroup>("JoinGroup").memberId, "")
  t.answer("MEMBER_ID_REQUIRED", { memberId: "m" })
  assert.equal(t.sends<typeof joinGroup>("JoinGroup").memberId, "m")
})

test("the leader looks up the topics of all, and deals out what they have", () => {
  const t = new MemberTest("range")
  const { protocols } = t.sends<typeof joinGroup>("JoinGroup")
  const metadata = protocols![0]!.metadata
  t.answer("NONE", {
    memberId: "m",
    generationId: 1,
    leader: "m",
    protocolName: "range",
    members: ["m", "n"].map((memberId) => ({ memberId, groupInstanceId: null, metadata })),
  })
  assert.equal(t.does(), "look up")
  const request = t.sends("SyncGroup") as { assignments: { memberId: string }[] }
  assert.deepEqual(
    request.assignments.map(({ memberId }) => memberId),
    ["m", "n"],
  )
})

test("an eager member gives up everything before it joins again", () => {
  const t = new MemberTest("range")
  t.join(1, [0, 1])
  assert.equal(t.does(), "assign 0 1")
  t.waitsUntil(3_000)
  t.beat("REBALANCE_IN_PROGRESS")
  t.membership.next(t.nowMs)
  assert.equal(t.does(), "revoke 0 1")
  t.join(2, [1])
  assert.equal(t.does(), "assign 1")
})

test("KIP-429: a cooperative member keeps what it has, lets go of what it is not given again, and joins once more", () => {
  const t = new MemberTest("cooperative-sticky")
  t.join(1, [0, 1])
  assert.equal(t.does(), "assign 0 1")
  t.beat("REBALANCE_IN_PROGRESS")
  assert.equal(t.does(), undefined)
  t.join(2, [1])
  assert.equal(t.does(), "revoke 0")
  const { protocols } = t.sends<typeof joinGroup>("JoinGroup")
  const { owned, generationId } = readMember(
    classicAssignorNamed("cooperative-sticky")!,
    "m",
    null,
    protocols![0]!.metadata as Buffer,
  )
  assert.deepEqual([[...owned], generationId], [[["t", [1]]], 2])
})

test("a member that the group does not know any more has lost everything, and joins as a new one", () => {
  const t = new MemberTest("cooperative-sticky")
  t.join(1, [0])
  assert.equal(t.does(), "assign 0")
  t.beat("UNKNOWN_MEMBER_ID")
  t.waitsUntil(Number.POSITIVE_INFINITY)
  assert.equal(t.does(), "lose 0")
  assert.equal(t.sends<typeof joinGroup>("JoinGroup").memberId, "")
})

test("while partitions are being given up, heartbeats go on", () => {
  const t = new MemberTest("range")
  t.join(1, [0])
  assert.equal(t.does(), "assign 0")
  t.beat("REBALANCE_IN_PROGRESS")
  t.membership.next(t.nowMs)
  assert.equal(t.membership.work()?.type, "revoke")
  t.beat("REBALANCE_IN_PROGRESS")
  t.beat("REBALANCE_IN_PROGRESS")
  t.membership.done(new Map())
  t.sends("JoinGroup")
})

test("nobody comes for records: the member leaves, has lost everything, and joins when somebody does", () => {
  const t = new MemberTest("range")
  t.join(1, [0])
  assert.equal(t.does(), "assign 0")
  t.membership.overslept()
  t.sends("LeaveGroup")
  t.answer("NONE")
  assert.equal(t.does(), "lose 0")
  t.waitsUntil(Number.POSITIVE_INFINITY)
  assert.equal(t.membership.awoke(), true)
  t.sends("JoinGroup")
})

test("KIP-345: a static member does not leave", () => {
  const t = new MemberTest("range", { instanceId: "i" })
  t.join(1, [0])
  assert.equal(t.membership.leave("closed"), undefined)
})

test("a coordinator that is away is asked again after a while; what the group refuses for good ends the membership", () => {
  const t = new MemberTest("range")
  t.sends("JoinGroup")
  t.answer("COORDINATOR_LOAD_IN_PROGRESS")
  t.waitsUntil(100)
  t.nowMs = 100
  t.sends("JoinGroup")
  t.membership.unanswered(t.nowMs)
  t.waitsUntil(200)
  t.nowMs = 200
  t.sends("JoinGroup")
  t.answer("GROUP_MAX_SIZE_REACHED")
  assert.equal(t.membership.failure?.code, "GROUP_MAX_SIZE_REACHED")
  t.waitsUntil(Number.POSITIVE_INFINITY)
})
