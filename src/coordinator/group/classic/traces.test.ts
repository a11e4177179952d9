import assert from "node:assert/strict"
import { test } from "node:test"
import { Errors } from "../../../protocol/errors.js"
import { GroupTest } from "./testing/group-test.js"

const testdata = (name: string): string => `src/coordinator/group/classic/testdata/${name}.txt`

test("trace: an eager rebalance", () => {
  const group = new GroupTest()
  const { trace } = group.harness
  trace.rule(
    "A consumer that comes without an id is given one, and asked to join with it. What was parked and never heard of again can so be told from a new member.",
  )
  group.join("a")
  trace.rule("The first member of an empty group waits for others, who start at about the same time.")
  group.join("a")
  group.advance(2000)
  group.enter("b")
  trace.rule(
    "Somebody came, so it waits once more. Then the generation begins: only the leader is told who the members are.",
  )
  group.advance(1000)
  group.advance(3000)
  trace.rule(
    "Everybody syncs. The leader hands in the assignment; it is told to the members when the log has it, not before.",
  )
  group.sync("b")
  group.harness.holdWrites()
  group.sync("a", { a: "orders-0", b: "orders-1" })
  group.harness.completeWrites()
  trace.rule("Stable: heartbeats and commits of this generation, of no other.")
  group.heartbeat("a")
  group.commit("a")
  group.commit("b", { generation: 0 })
  trace.rule(
    "A third member: the others learn of it by heartbeat. What they own, they give up before they rejoin: so they may still commit.",
  )
  group.enter("c")
  group.heartbeat("a")
  group.commit("a")
  group.join("a")
  group.heartbeat("b")
  trace.rule("The last one in ends the join phase; nobody waits for the timer.")
  group.join("b")
  trace.rule("From here on a commit would be of partitions that may be somebody else's.")
  group.commit("b")
  group.sync("c")
  group.sync("b")
  group.sync("a", { a: "orders-0", b: "orders-1", c: "orders-2" })
  trace.rule("A member that leaves says so, and the others share what it had.")
  group.leave("b")
  group.join("a")
  group.heartbeat("c")
  group.join("c")
  group.sync("a", { a: "orders-0 orders-1", c: "orders-2" })
  group.sync("c")
  trace.rule("The last ones leave. That nobody is left is written too: from now on retention of the offsets counts.")
  group.leave(["a", "c"])
  trace.compare(testdata("eager-rebalance"))
})

test("trace: a cooperative rebalance", () => {
  const group = new GroupTest()
  const { trace } = group.harness
  const owning = (owned: string) => ({ protocols: { "cooperative-sticky": `orders, owns ${owned}` } })
  trace.rule(
    "Cooperative consumers keep what they own while they rejoin, and say in their subscription what that is. The coordinator does not look into it: two ordinary rebalances are all it takes.",
  )
  group.enter("a", owning("nothing"))
  group.advance(3000)
  group.advance(3000)
  group.sync("a", { a: "orders-0 orders-1" })
  trace.rule("A second member. The first one rejoins and goes on with its partitions.")
  group.enter("b", owning("nothing"))
  group.heartbeat("a")
  group.join("a", owning("orders-0 orders-1"))
  trace.rule("The leader withholds orders-1, for its owner has not given it up yet.")
  group.sync("b")
  group.sync("a", { a: "orders-0", b: "" })
  trace.rule("The first one gives it up, and rejoins to say so: its subscription has changed, and it leads besides.")
  group.join("a", owning("orders-0"))
  group.heartbeat("b")
  group.join("b")
  trace.rule("Now it is nobody's, and can be given away.")
  group.sync("a", { a: "orders-0", b: "orders-1" })
  group.sync("b")
  trace.rule("A follower that joins again without a change disturbs nobody.")
  group.join("b")
  group.sync("b")
  trace.compare(testdata("cooperative-rebalance"))
})

test("trace: a static member restarts", () => {
  const group = new GroupTest()
  const { trace } = group.harness
  trace.rule(
    "Static members are known by their instance id. They are not asked to join twice: the instance id tells a second try from a second member.",
  )
  group.join("a", { instanceId: "i-1" })
  group.join("b", { instanceId: "i-2" })
  group.advance(3000)
  group.advance(3000)
  group.sync("b")
  group.sync("a", { a: "orders-0", b: "orders-1" })
  trace.rule(
    "A static member that closes does not leave. When it comes again it gets a new id and its old place: no rebalance, the same generation.",
  )
  group.restart("b")
  group.join("b")
  group.sync("b")
  group.heartbeat("a")
  trace.rule("If it is still there under the old id as well, that one is fenced, whatever it asks.")
  const old = group.memberId("b")
  group.restart("b")
  group.join("b")
  group.heartbeat("b", { memberId: old })
  group.commit("b", { memberId: old, instanceId: "i-2" })
  trace.rule(
    "The leader restarts. It finds itself leader, and is told to skip the assignment: nothing has changed for which there had to be another one (KIP-814).",
  )
  group.restart("a")
  group.join("a")
  group.sync("a")
  trace.rule("A leader that does not know of this is shown its former self as leader, so that it does not assign.")
  group.restart("a")
  group.join("a", { version: 8 })
  group.sync("a")
  trace.rule("All this is in the log: the coordinator moves, and the members are who they were.")
  group.harness.reload()
  group.heartbeat("a")
  group.heartbeat("b")
  trace.rule("A static member is removed when its session is over, or by an administrator who knows its instance id.")
  group.leaveAs([{ memberId: "", groupInstanceId: "i-2", reason: "scaled down" }])
  group.join("a")
  group.sync("a", { a: "orders-0 orders-1" })
  trace.compare(testdata("static-restart"))
})

test("trace: a member misses its deadline", () => {
  const group = GroupTest.stable(["a", "b", "c"])
  const { trace } = group.harness
  trace.rule("Nothing is heard of a member for its session timeout: it is out, and the others share what it had.")
  group.advance(40_000)
  group.heartbeat("a")
  group.heartbeat("b")
  group.advance(5000)
  group.join("a")
  group.join("b")
  group.syncAll(["a", "b"])
  trace.rule("It is back. It does not know that it was out, until it asks.")
  group.heartbeat("c")
  group.commit("c")
  group.restart("c")
  group.enter("c")
  trace.rule(
    "One that sends heartbeats but does not rejoin holds up the others no longer than the rebalance timeout. Its session would go on: this is how a consumer is noticed that hangs in its own processing.",
  )
  group.join("a")
  group.advance(30_000)
  group.heartbeat("b")
  group.advance(30_000)
  group.syncAll(["a", "c"])
  trace.rule("One that joined and then does not ask for its assignment is given the rebalance timeout as well.")
  group.restart("b")
  group.enter("b")
  group.join("a")
  group.join("c")
  group.sync("b")
  group.sync("a", { a: "1", b: "2", c: "3" })
  group.advance(30_000)
  for (const name of ["a", "b", "c"]) group.heartbeat(name)
  group.advance(30_000)
  trace.rule(
    "An id that was given out and never used is forgotten after the session timeout; a rebalance that waited for it goes on.",
  )
  group.join("d")
  group.join("a")
  group.join("b")
  group.advance(45_000)
  assert.equal(group.state, "CompletingRebalance")
  trace.compare(testdata("missed-deadline"))
})

test("trace: the leader fails before it syncs", () => {
  const group = new GroupTest()
  const { trace } = group.harness
  for (const name of ["a", "b", "c"]) group.enter(name)
  group.advance(3000)
  group.advance(3000)
  trace.rule(
    "The leader is gone before it has handed in an assignment. The others wait for it; as long as they are made to wait they need not send heartbeats.",
  )
  group.sync("b")
  group.sync("c")
  trace.rule("Its session ends. Who waits is told to join again, and somebody else leads.")
  group.advance(45_000)
  group.join("b")
  group.join("c")
  group.sync("c")
  trace.rule(
    "The new leader hands in its assignment, and the log loses it: nobody has been told of it, and all begin anew.",
  )
  group.harness.holdWrites()
  group.sync("b", { b: "orders-0", c: "orders-1" })
  group.harness.failWrites(Errors.NOT_COORDINATOR)
  trace.rule("The log has no generation yet, so the coordinator that takes over knows no members.")
  group.heartbeat("b")
  group.restart("b")
  group.enter("b")
  group.advance(3000)
  group.sync("b", { b: "orders-0 orders-1" })
  trace.compare(testdata("leader-fails"))
})
