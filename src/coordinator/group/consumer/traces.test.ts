import { test } from "node:test"
import { ConsumerTest } from "./testing/consumer-test.js"
import { initialDelayMs, MigrationTest } from "./testing/migration-test.js"

const testdata = "src/coordinator/group/consumer/testdata"
const atOnce = { settings: { consumerAssignmentIntervalMs: () => 0 } }

test("trace: a second member joins", () => {
  const group = new ConsumerTest({ t: 4 }, atOnce)
  const { trace } = group.harness
  trace.rule("The first member of a group is given all partitions, in the answer to its first heartbeat.")
  group.join("a")
  trace.rule("A heartbeat says what the member has if that has changed. If nothing has changed nothing is written.")
  group.beat("a")
  group.beat("a")
  trace.rule(
    "A second member raises the group epoch, and the coordinator makes a new target for everybody. Partitions of others are not free yet: the new member is at the target's epoch and waits.",
  )
  group.join("b")
  trace.rule(
    "The first member learns what it has to let go of. It stays in the old epoch until it says that it did; until then nobody else is given those partitions.",
  )
  group.beat("a")
  group.beat("b")
  group.beat("a")
  trace.rule("What was let go of is given in the answer to the next heartbeat of the one that waits.")
  group.beat("b")
  group.beat("b")
  trace.compare(`${testdata}/second-member.txt`)
})

test("trace: members that go", () => {
  const group = new ConsumerTest({ t: 2 }, atOnce)
  const { trace } = group.harness
  group.join("a")
  group.join("b")
  group.settle()
  trace.rule("Whoever leaves says so, and the others are given its partitions.")
  group.leave("b")
  group.advance(0)
  group.beat("a")
  group.beat("a")
  trace.rule("Whoever says nothing for a session is removed. The last one leaves an empty group.")
  group.advance(45_000)
  trace.rule("When it comes back it is not known, and joins anew.")
  group.beat("a")
  group.join("a")
  trace.compare(`${testdata}/leaving.txt`)
})

test("trace: a member that does not let go", () => {
  const group = new ConsumerTest({ t: 2 }, atOnce)
  const { trace } = group.harness
  group.join("a", { rebalanceTimeoutMs: 10_000 })
  group.join("b")
  trace.rule("The member is told to let go of a partition, and has its rebalance timeout for it.")
  group.lag("a")
  group.advance(5000)
  group.lag("a")
  trace.rule("When the time is over it is removed, and what it had is free: it must not use any of it any more.")
  group.advance(5000)
  group.beat("b")
  group.lag("a")
  trace.compare(`${testdata}/revocation-timeout.txt`)
})

test("trace: a static member restarts", () => {
  const group = new ConsumerTest({ t: 2 }, atOnce)
  const { trace } = group.harness
  group.join("s", { instanceId: "i" })
  group.join("a")
  group.settle()
  trace.rule("A static member that will be back keeps its partitions for a session; no epoch is raised.")
  group.leaveForAWhile("s")
  group.beat("a")
  trace.rule("The same instance under another member id takes its place.")
  group.join("s2", { instanceId: "i" })
  trace.rule("Another one may not, while it is there.")
  group.join("s3", { instanceId: "i" })
  trace.compare(`${testdata}/static-member.txt`)
})

test("trace: many members join within the assignment interval", () => {
  const group = new ConsumerTest({ t: 4 })
  const { trace } = group.harness
  group.join("a")
  trace.rule("Within the interval of the last target no other is made: new members get its epoch, and nothing.")
  group.advance(200)
  group.join("b")
  group.advance(200)
  group.join("c")
  trace.rule("Then there is one for all of them.")
  group.advance(600)
  group.beat("a")
  group.beat("a")
  group.beat("b")
  group.beat("c")
  trace.compare(`${testdata}/assignment-interval.txt`)
})

test("trace: a subscription by expression", () => {
  const group = new ConsumerTest({ orders: 1, payments: 1 }, atOnce)
  const { trace } = group.harness
  trace.rule("The expression is resolved by the coordinator, and what it stands for is in the log.")
  group.join("a", { regex: "orders.*" })
  trace.rule("A new topic that it matches raises the epoch. Topics are looked at again at most every ten seconds.")
  group.setTopics({ orders: 1, "orders-eu": 1, payments: 1 })
  group.advance(10_000)
  group.beat("a")
  trace.rule("When nobody subscribes to the expression any more, it is forgotten.")
  group.leave("a")
  trace.compare(`${testdata}/expression.txt`)
})

test("trace: from the classic protocol to the new one and back", () => {
  const group = MigrationTest.classicGroup({ a: ["t-0", "t-1"], b: ["t-2", "t-3"] }, { t: 4 })
  const { trace } = group.harness
  trace.rule(
    "A member of the consumer protocol joins a classic group: the group is converted with all its members, and they keep what they have. The new member is at the new epoch and waits.",
  )
  group.join("c")
  trace.rule(
    "A classic member learns by its heartbeat that there is something to come for, and joins. The new epoch is its generation.",
  )
  group.classicTurn("a")
  trace.rule(
    "Whoever has something to let go of finds it missing in its assignment, stays in its generation, and is told to join again.",
  )
  group.classicTurn("b")
  group.classicTurn("b")
  group.beat("c")
  group.beat("c")
  trace.rule(
    "When the last member of the consumer protocol leaves, the group is a classic one again, and rebalances by the classic rules.",
  )
  group.leave("c")
  group.classicTurn("a")
  group.classicTurn("b")
  group.advance(initialDelayMs)
  trace.compare(`${testdata}/migration.txt`)
})
