import assert from "node:assert/strict"
import { test } from "node:test"
import { Errors } from "../../../protocol/errors.js"
import type { ClassicGroupState } from "./classic-group.js"
import {
  errorName,
  GroupTest,
  type IdentityOptions,
  type JoinOptions,
  rebalanceTimeoutMs,
} from "./testing/group-test.js"

const states: readonly ClassicGroupState[] = ["Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead"]
const instance = "i-static"
const names = ["leader", "follower", "static"]

/** A group of three in the state, at least one generation old. */
function groupIn(state: ClassicGroupState): GroupTest {
  const group = GroupTest.stable(names, {}, (name) => (name === "static" ? { instanceId: instance } : {}))
  switch (state) {
    case "Empty":
      group.leaveAs(names.map((name) => ({ memberId: group.memberId(name), groupInstanceId: null })))
      break
    case "PreparingRebalance":
      group.join("leader")
      break
    case "CompletingRebalance":
      for (const name of names) group.join(name)
      break
    case "Stable":
      break
    case "Dead":
      group.harness.protocol.unloaded(group.group, Errors.NOT_COORDINATOR)
  }
  assert.equal(group.state, state)
  return group
}

const identities: Readonly<Record<string, (group: GroupTest) => IdentityOptions & { name: string }>> = {
  "a member": () => ({ name: "follower" }),
  "a static member": () => ({ name: "static", instanceId: instance }),
  "an unknown member": () => ({ name: "follower", memberId: "nobody" }),
  "an unknown instance": () => ({ name: "follower", instanceId: "i-other" }),
  "a fenced member": () => ({ name: "static", instanceId: instance, memberId: "static-before" }),
  "a stale generation": (group) => ({ name: "follower", generation: group.group.generationId - 1 }),
  "a future generation": (group) => ({ name: "follower", generation: group.group.generationId + 1 }),
  "no member id": () => ({ name: "follower", memberId: "" }),
  "no member id, no generation": () => ({ name: "follower", memberId: "", generation: -1 }),
  "a member without generation": () => ({ name: "follower", generation: -1 }),
}

/** Rows by what is asked, columns by state. */
function check(table: string, ask: (group: GroupTest, row: string) => string): void {
  const lines = table
    .trim()
    .split("\n")
    .map((line) => line.split("|").map((cell) => cell.trim()))
  const [head, ...rows] = lines
  assert.deepEqual(head!.slice(1), states)
  const actual = rows.map(([row]) => [row!, ...states.map((state) => ask(groupIn(state), row!))])
  assert.deepEqual(actual, rows)
}

const answerOf = (asked: { readonly isAnswered: boolean; readonly answer: { readonly errorCode: number } }): string =>
  asked.isAnswered ? errorName(asked.answer) : "parked"

function identityOf(group: GroupTest, row: string) {
  const { name, ...options } = identities[row]!(group)
  return { name, options: { instanceId: null, ...options } }
}

test("a heartbeat, in each state from each identity", () => {
  check(
    `
    heartbeat                   | Empty             | PreparingRebalance    | CompletingRebalance | Stable             | Dead
    a member                    | UNKNOWN_MEMBER_ID | REBALANCE_IN_PROGRESS | NONE                | NONE               | COORDINATOR_NOT_AVAILABLE
    a static member             | UNKNOWN_MEMBER_ID | REBALANCE_IN_PROGRESS | NONE                | NONE               | COORDINATOR_NOT_AVAILABLE
    an unknown member           | UNKNOWN_MEMBER_ID | UNKNOWN_MEMBER_ID     | UNKNOWN_MEMBER_ID   | UNKNOWN_MEMBER_ID  | COORDINATOR_NOT_AVAILABLE
    an unknown instance         | UNKNOWN_MEMBER_ID | UNKNOWN_MEMBER_ID     | UNKNOWN_MEMBER_ID   | UNKNOWN_MEMBER_ID  | COORDINATOR_NOT_AVAILABLE
    a fenced member             | UNKNOWN_MEMBER_ID | FENCED_INSTANCE_ID    | FENCED_INSTANCE_ID  | FENCED_INSTANCE_ID | COORDINATOR_NOT_AVAILABLE
    a stale generation          | UNKNOWN_MEMBER_ID | ILLEGAL_GENERATION    | ILLEGAL_GENERATION  | ILLEGAL_GENERATION | COORDINATOR_NOT_AVAILABLE
    a future generation         | UNKNOWN_MEMBER_ID | ILLEGAL_GENERATION    | ILLEGAL_GENERATION  | ILLEGAL_GENERATION | COORDINATOR_NOT_AVAILABLE
    no member id                | UNKNOWN_MEMBER_ID | UNKNOWN_MEMBER_ID     | UNKNOWN_MEMBER_ID   | UNKNOWN_MEMBER_ID  | COORDINATOR_NOT_AVAILABLE
    `,
    (group, row) => {
      const { name, options } = identityOf(group, row)
      return group.heartbeat(name, options)
    },
  )
})

test("a sync, in each state from each identity", () => {
  check(
    `
    sync                        | Empty             | PreparingRebalance    | CompletingRebalance | Stable             | Dead
    a member                    | UNKNOWN_MEMBER_ID | REBALANCE_IN_PROGRESS | parked              | NONE               | COORDINATOR_NOT_AVAILABLE
    a static member             | UNKNOWN_MEMBER_ID | REBALANCE_IN_PROGRESS | parked              | NONE               | COORDINATOR_NOT_AVAILABLE
    an unknown member           | UNKNOWN_MEMBER_ID | UNKNOWN_MEMBER_ID     | UNKNOWN_MEMBER_ID   | UNKNOWN_MEMBER_ID  | COORDINATOR_NOT_AVAILABLE
    an unknown instance         | UNKNOWN_MEMBER_ID | UNKNOWN_MEMBER_ID     | UNKNOWN_MEMBER_ID   | UNKNOWN_MEMBER_ID  | COORDINATOR_NOT_AVAILABLE
    a fenced member             | UNKNOWN_MEMBER_ID | FENCED_INSTANCE_ID    | FENCED_INSTANCE_ID  | FENCED_INSTANCE_ID | COORDINATOR_NOT_AVAILABLE
    a stale generation          | UNKNOWN_MEMBER_ID | ILLEGAL_GENERATION    | ILLEGAL_GENERATION  | ILLEGAL_GENERATION | COORDINATOR_NOT_AVAILABLE
    a future generation         | UNKNOWN_MEMBER_ID | ILLEGAL_GENERATION    | ILLEGAL_GENERATION  | ILLEGAL_GENERATION | COORDINATOR_NOT_AVAILABLE
    no member id                | UNKNOWN_MEMBER_ID | UNKNOWN_MEMBER_ID     | UNKNOWN_MEMBER_ID   | UNKNOWN_MEMBER_ID  | COORDINATOR_NOT_AVAILABLE
    `,
    (group, row) => {
      const { name, options } = identityOf(group, row)
      return answerOf(group.sync(name, {}, options))
    },
  )
})

test("a commit, in each state from each identity", () => {
  check(
    `
    commit                      | Empty             | PreparingRebalance | CompletingRebalance   | Stable             | Dead
    a member                    | UNKNOWN_MEMBER_ID | NONE               | REBALANCE_IN_PROGRESS | NONE               | COORDINATOR_NOT_AVAILABLE
    a static member             | UNKNOWN_MEMBER_ID | NONE               | REBALANCE_IN_PROGRESS | NONE               | COORDINATOR_NOT_AVAILABLE
    an unknown member           | UNKNOWN_MEMBER_ID | UNKNOWN_MEMBER_ID  | UNKNOWN_MEMBER_ID     | UNKNOWN_MEMBER_ID  | COORDINATOR_NOT_AVAILABLE
    an unknown instance         | UNKNOWN_MEMBER_ID | UNKNOWN_MEMBER_ID  | UNKNOWN_MEMBER_ID     | UNKNOWN_MEMBER_ID  | COORDINATOR_NOT_AVAILABLE
    a fenced member             | UNKNOWN_MEMBER_ID | FENCED_INSTANCE_ID | FENCED_INSTANCE_ID    | FENCED_INSTANCE_ID | COORDINATOR_NOT_AVAILABLE
    a stale generation          | UNKNOWN_MEMBER_ID | ILLEGAL_GENERATION | ILLEGAL_GENERATION    | ILLEGAL_GENERATION | COORDINATOR_NOT_AVAILABLE
    a future generation         | UNKNOWN_MEMBER_ID | ILLEGAL_GENERATION | ILLEGAL_GENERATION    | ILLEGAL_GENERATION | COORDINATOR_NOT_AVAILABLE
    no member id                | UNKNOWN_MEMBER_ID | UNKNOWN_MEMBER_ID  | UNKNOWN_MEMBER_ID     | UNKNOWN_MEMBER_ID  | COORDINATOR_NOT_AVAILABLE
    no member id, no generation | NONE              | UNKNOWN_MEMBER_ID  | UNKNOWN_MEMBER_ID     | UNKNOWN_MEMBER_ID  | COORDINATOR_NOT_AVAILABLE
    a member without generation | NONE              | ILLEGAL_GENERATION | ILLEGAL_GENERATION    | ILLEGAL_GENERATION | COORDINATOR_NOT_AVAILABLE
    `,
    (group, row) => {
      const { name, options } = identityOf(group, row)
      return group.commit(name, options)
    },
  )
})

test("a leave, in each state from each identity", () => {
  check(
    `
    leave                       | Empty             | PreparingRebalance | CompletingRebalance | Stable             | Dead
    a member                    | UNKNOWN_MEMBER_ID | NONE               | NONE                | NONE               | COORDINATOR_NOT_AVAILABLE
    a static member             | UNKNOWN_MEMBER_ID | NONE               | NONE                | NONE               | COORDINATOR_NOT_AVAILABLE
    an unknown member           | UNKNOWN_MEMBER_ID | UNKNOWN_MEMBER_ID  | UNKNOWN_MEMBER_ID   | UNKNOWN_MEMBER_ID  | COORDINATOR_NOT_AVAILABLE
    an unknown instance         | UNKNOWN_MEMBER_ID | UNKNOWN_MEMBER_ID  | UNKNOWN_MEMBER_ID   | UNKNOWN_MEMBER_ID  | COORDINATOR_NOT_AVAILABLE
    a fenced member             | UNKNOWN_MEMBER_ID | FENCED_INSTANCE_ID | FENCED_INSTANCE_ID  | FENCED_INSTANCE_ID | COORDINATOR_NOT_AVAILABLE
    no member id                | UNKNOWN_MEMBER_ID | UNKNOWN_MEMBER_ID  | UNKNOWN_MEMBER_ID   | UNKNOWN_MEMBER_ID  | COORDINATOR_NOT_AVAILABLE
    an instance                 | UNKNOWN_MEMBER_ID | NONE               | NONE                | NONE               | COORDINATOR_NOT_AVAILABLE
    `,
    (group, row) => {
      const { name, options } =
        row === "an instance"
          ? { name: "static", options: { memberId: "", instanceId: instance } }
          : identityOf(group, row)
      const { answer } = group.leave(name, options)
      return errorName(answer.errorCode === Errors.NONE ? answer.members[0]! : answer)
    },
  )
})

const joins: Readonly<Record<string, JoinOptions & { name: string }>> = {
  "a newcomer": { name: "newcomer" },
  "a newcomer of old (v3)": { name: "newcomer", version: 3 },
  "a new instance": { name: "newcomer", instanceId: "i-new" },
  "the leader": { name: "leader" },
  "a member": { name: "follower" },
  "a member that changed": { name: "follower", protocols: { range: "other topics" } },
  "a static member": { name: "static" },
  "a restarted static member": { name: "static", memberId: "" },
  "a fenced member": { name: "static", memberId: "static-before" },
  "an unknown instance": { name: "follower", instanceId: "i-other" },
  "an unknown member": { name: "follower", memberId: "nobody" },
  "another protocol type": { name: "newcomer", protocolType: "connect" },
  "another protocol": { name: "newcomer", protocols: { sticky: "" } },
  "no protocol": { name: "newcomer", protocols: {} },
  "no protocol type": { name: "newcomer", protocolType: "" },
  "too short a session": { name: "newcomer", sessionTimeoutMs: 5999 },
  "too long a session": { name: "newcomer", sessionTimeoutMs: 1_800_001 },
}

test("a join, in each state from each identity", () => {
  check(
    `
    join                       | Empty                       | PreparingRebalance          | CompletingRebalance         | Stable                      | Dead
    a newcomer                 | MEMBER_ID_REQUIRED          | MEMBER_ID_REQUIRED          | MEMBER_ID_REQUIRED          | MEMBER_ID_REQUIRED          | COORDINATOR_NOT_AVAILABLE
    a newcomer of old (v3)     | parked                      | parked                      | parked                      | parked                      | COORDINATOR_NOT_AVAILABLE
    a new instance             | parked                      | parked                      | parked                      | parked                      | COORDINATOR_NOT_AVAILABLE
    the leader                 | UNKNOWN_MEMBER_ID           | parked                      | NONE                        | parked                      | COORDINATOR_NOT_AVAILABLE
    a member                   | UNKNOWN_MEMBER_ID           | parked                      | NONE                        | NONE                        | COORDINATOR_NOT_AVAILABLE
    a member that changed      | UNKNOWN_MEMBER_ID           | parked                      | parked                      | parked                      | COORDINATOR_NOT_AVAILABLE
    a static member            | UNKNOWN_MEMBER_ID           | parked                      | NONE                        | NONE                        | COORDINATOR_NOT_AVAILABLE
    a restarted static member  | parked                      | parked                      | parked                      | NONE                        | COORDINATOR_NOT_AVAILABLE
    a fenced member            | UNKNOWN_MEMBER_ID           | FENCED_INSTANCE_ID          | FENCED_INSTANCE_ID          | FENCED_INSTANCE_ID          | COORDINATOR_NOT_AVAILABLE
    an unknown instance        | UNKNOWN_MEMBER_ID           | UNKNOWN_MEMBER_ID           | UNKNOWN_MEMBER_ID           | UNKNOWN_MEMBER_ID           | COORDINATOR_NOT_AVAILABLE
    an unknown member          | UNKNOWN_MEMBER_ID           | UNKNOWN_MEMBER_ID           | UNKNOWN_MEMBER_ID           | UNKNOWN_MEMBER_ID           | COORDINATOR_NOT_AVAILABLE
    another protocol type      | MEMBER_ID_REQUIRED          | INCONSISTENT_GROUP_PROTOCOL | INCONSISTENT_GROUP_PROTOCOL | INCONSISTENT_GROUP_PROTOCOL | COORDINATOR_NOT_AVAILABLE
    another protocol           | MEMBER_ID_REQUIRED          | INCONSISTENT_GROUP_PROTOCOL | INCONSISTENT_GROUP_PROTOCOL | INCONSISTENT_GROUP_PROTOCOL | COORDINATOR_NOT_AVAILABLE
    no protocol                | INCONSISTENT_GROUP_PROTOCOL | INCONSISTENT_GROUP_PROTOCOL | INCONSISTENT_GROUP_PROTOCOL | INCONSISTENT_GROUP_PROTOCOL | COORDINATOR_NOT_AVAILABLE
    no protocol type           | INCONSISTENT_GROUP_PROTOCOL | INCONSISTENT_GROUP_PROTOCOL | INCONSISTENT_GROUP_PROTOCOL | INCONSISTENT_GROUP_PROTOCOL | COORDINATOR_NOT_AVAILABLE
    too short a session        | INVALID_SESSION_TIMEOUT     | INVALID_SESSION_TIMEOUT     | INVALID_SESSION_TIMEOUT     | INVALID_SESSION_TIMEOUT     | INVALID_SESSION_TIMEOUT
    too long a session         | INVALID_SESSION_TIMEOUT     | INVALID_SESSION_TIMEOUT     | INVALID_SESSION_TIMEOUT     | INVALID_SESSION_TIMEOUT     | INVALID_SESSION_TIMEOUT
    `,
    (group, row) => {
      const { name, ...options } = joins[row]!
      return answerOf(group.join(name, options))
    },
  )
})

test("administration, in each state", () => {
  check(
    `
    administration             | Empty               | PreparingRebalance  | CompletingRebalance | Stable              | Dead
    fetch                      | NONE                | NONE                | NONE                | NONE                | GROUP_ID_NOT_FOUND
    delete                     | NONE                | NON_EMPTY_GROUP     | NON_EMPTY_GROUP     | NON_EMPTY_GROUP     | GROUP_ID_NOT_FOUND
    delete offsets             | NONE                | NONE                | NONE                | NONE                | GROUP_ID_NOT_FOUND
    `,
    (group, row) => {
      const { protocol } = group.harness
      const errorCode =
        row === "fetch"
          ? protocol.checkFetch(group.group)
          : row === "delete"
            ? protocol.checkDelete(group.group)
            : protocol.checkOffsetDelete(group.group)
      return errorName({ errorCode })
    },
  )
})

test("requests to a group that does not exist", () => {
  const group = new GroupTest()
  assert.equal(group.heartbeat("a", { memberId: "a-1", generation: 1 }), "UNKNOWN_MEMBER_ID")
  assert.equal(errorName(group.sync("a", {}, { memberId: "a-1", generation: 1 }).answer), "UNKNOWN_MEMBER_ID")
  assert.equal(errorName(group.join("a", { memberId: "a-1" }).answer), "UNKNOWN_MEMBER_ID")
  assert.equal(errorName(group.leave("a", { memberId: "a-1" }).answer.members[0]!), "UNKNOWN_MEMBER_ID")
  assert.equal(errorName(group.join("a", { memberId: "", protocols: {} }).answer), "INCONSISTENT_GROUP_PROTOCOL")
  assert.equal(group.harness.groups.byId.size, 0, "nothing of it is left behind")
})

test("a group needs a name", () => {
  const group = new GroupTest()
  const nowhere = { groupId: "" }
  assert.equal(errorName(group.join("a", nowhere).answer), "INVALID_GROUP_ID")
  assert.equal(errorName(group.sync("a", {}, nowhere).answer), "INVALID_GROUP_ID")
  assert.equal(group.heartbeat("a", nowhere), "INVALID_GROUP_ID")
  assert.equal(errorName(group.leave("a", nowhere).answer), "INVALID_GROUP_ID")
})

test("whatever is parked in whatever state is answered when the coordinator moves", () => {
  for (const state of states) {
    const group = groupIn(state)
    const asked = [
      group.join("leader"),
      group.join("follower"),
      group.sync("static"),
      group.join("newcomer", { version: 3 }),
    ]
    group.harness.protocol.unloaded(group.group, Errors.NOT_COORDINATOR)
    assert.ok(
      asked.every(({ isAnswered }) => isAnswered),
      state,
    )
    assert.deepEqual(group.harness.timerKeys(), [], "no timer is left")
    group.advance(rebalanceTimeoutMs)
  }
})
