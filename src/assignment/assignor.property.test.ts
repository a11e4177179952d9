import assert from "node:assert/strict"
import { test } from "node:test"
import type { Uuid } from "../base/ids.js"
import { seededInt } from "../protocol/testdata/random.js"
import {
  type Assignment,
  type AssignorInput,
  type AssignorMember,
  assignorNamed,
  emptyAssignment,
  type GroupAssignment,
  isHomogeneous,
  partitionsIn,
} from "./assignor.js"

const uniform = assignorNamed("uniform")!
const range = assignorNamed("range")!
type Int = (below: number) => number

const member = (memberId: string, topicIds: readonly Uuid[], more: Partial<AssignorMember> = {}): AssignorMember => ({
  memberId,
  instanceId: null,
  rackId: null,
  topicIds,
  target: emptyAssignment,
  ...more,
})

function randomInput(int: Int, alike: boolean): AssignorInput {
  const topics = Array.from({ length: 1 + int(6) }, (_, index) => `topic-${index}`)
  const partitionCounts = new Map(topics.map((topic) => [topic, 1 + int(12)]))
  const members = Array.from({ length: 1 + int(9) }, (_, index) =>
    member(`m${index}`, alike ? topics : topics.filter(() => int(3) > 0), {
      instanceId: int(4) === 0 ? `i${index}` : null,
    }),
  )
  return { members, partitionCounts }
}

/** Members come and go, topics grow, subscriptions change; who stays has the target it was given. */
function changed(int: Int, { members, partitionCounts }: AssignorInput, targets: GroupAssignment, alike: boolean) {
  const counts = new Map([...partitionCounts].map(([topic, count]) => [topic, count + (int(4) === 0 ? 1 + int(3) : 0)]))
  const topics = [...counts.keys()]
  const next = members
    .filter(() => int(4) > 0)
    .map((each) => ({
      ...each,
      target: targets.get(each.memberId)!,
      topicIds: alike ? topics : int(4) === 0 ? topics.filter(() => int(3) > 0) : each.topicIds,
    }))
  for (let count = int(3); count > 0 || next.length === 0; count--) next.push(member(`n${int(1e9)}`, topics))
  return { members: next, partitionCounts: counts }
}

function ownersOf(assignments: GroupAssignment): Map<string, string> {
  const owners = new Map<string, string>()
  for (const [memberId, assignment] of assignments) {
    for (const [topicId, partitions] of assignment) {
      assert.ok(partitions.length > 0)
      assert.deepEqual(
        partitions,
        [...partitions].sort((a, b) => a - b),
      )
      for (const partition of partitions) {
        const name = `${topicId}:${partition}`
        assert.equal(owners.get(name), undefined, `${name} has two owners`)
        owners.set(name, memberId)
      }
    }
  }
  return owners
}

function checkOwners({ members, partitionCounts }: AssignorInput, assignments: GroupAssignment): void {
  const owners = ownersOf(assignments)
  const expected = new Set<string>()
  for (const { topicIds } of members)
    for (const topicId of topicIds)
      for (let partition = 0; partition < (partitionCounts.get(topicId) ?? 0); partition++)
        expected.add(`${topicId}:${partition}`)
  assert.deepEqual([...owners.keys()].sort(), [...expected].sort())
  assert.deepEqual([...assignments.keys()].sort(), members.map(({ memberId }) => memberId).sort())
  for (const { memberId, topicIds } of members)
    for (const topicId of assignments.get(memberId)!.keys()) assert.ok(topicIds.includes(topicId))
}

const plain = (assignments: GroupAssignment) =>
  [...assignments]
    .map(([memberId, assignment]) => [memberId, [...assignment].sort()] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))

for (const [name, assign] of [
  ["uniform", uniform],
  ["range", range],
] as const) {
  test(`${name}: every partition of a subscribed topic has exactly one owner, who subscribes to it, whatever changes`, () => {
    const int = seededInt(1)
    for (let round = 0; round < 400; round++) {
      const alike = int(2) === 0
      let input = randomInput(int, alike)
      for (let step = 0; step < 4; step++) {
        const assignments = assign(input)
        checkOwners(input, assignments)
        input = changed(int, input, assignments, alike)
      }
    }
  })

  test(`${name}: the order of members does not matter`, () => {
    const int = seededInt(2)
    for (let round = 0; round < 200; round++) {
      const input = randomInput(int, int(2) === 0)
      const again = assign({ ...input, members: [...input.members].reverse() })
      assert.deepEqual(plain(again), plain(assign(input)))
    }
  })
}

test("uniform: with equal subscriptions nobody has two more than another, and no more is moved than that takes", () => {
  const int = seededInt(3)
  for (let round = 0; round < 300; round++) {
    let input = randomInput(int, true)
    for (let step = 0; step < 4; step++) {
      const assignments = uniform(input)
      const loads = input.members.map(({ memberId }) => partitionsIn(assignments.get(memberId)!))
      assert.ok(Math.max(...loads) - Math.min(...loads) <= 1, `loads ${loads}`)
      const total = loads.reduce((sum, load) => sum + load, 0)
      const least = Math.floor(total / loads.length)
      let extras = total % loads.length
      let keepable = 0
      const had = input.members.map(({ target }) => {
        let count = 0
        for (const [topicId, partitions] of target)
          count += partitions.filter((partition) => partition < (input.partitionCounts.get(topicId) ?? 0)).length
        return count
      })
      for (const count of had) keepable += Math.min(count, least) + (count > least && extras-- > 0 ? 1 : 0)
      const owners = ownersOf(assignments)
      let kept = 0
      for (const { memberId, target } of input.members)
        for (const [topicId, partitions] of target)
          for (const partition of partitions) if (owners.get(`${topicId}:${partition}`) === memberId) kept++
      assert.equal(kept, keepable)
      input = changed(int, input, assignments, true)
    }
  }
})

test("uniform: with different subscriptions no single move brings two members closer together", () => {
  const int = seededInt(4)
  for (let round = 0; round < 300; round++) {
    let input = randomInput(int, false)
    for (let step = 0; step < 3; step++) {
      const assignments = uniform(input)
      for (const giver of input.members) {
        for (const taker of input.members) {
          const given = assignments.get(giver.memberId)!
          const isPossible = [...given.keys()].some((topicId) => taker.topicIds.includes(topicId))
          const difference = partitionsIn(given) - partitionsIn(assignments.get(taker.memberId)!)
          assert.ok(!isPossible || difference < 2, `${giver.memberId} could give to ${taker.memberId}`)
        }
      }
      input = changed(int, input, assignments, false)
    }
  }
})

test("uniform: what is balanced stays as it is", () => {
  const int = seededInt(5)
  for (let round = 0; round < 200; round++) {
    const input = randomInput(int, int(2) === 0)
    const first = uniform(input)
    const members = input.members.map((each) => ({ ...each, target: first.get(each.memberId)! }))
    assert.deepEqual(plain(uniform({ ...input, members })), plain(first))
  }
})

test("uniform: a target that two members claim stays with one of them", () => {
  const target: Assignment = new Map([["t", [0, 1]]])
  const members = [member("a", ["t"], { target }), member("b", ["t"], { target })]
  const assignments = uniform({ members, partitionCounts: new Map([["t", 4]]) })
  assert.equal(ownersOf(assignments).size, 4)
  assert.deepEqual(assignments.get("a")!.get("t"), [0, 1])
})

test("range: topics with as many partitions are cut alike for the same subscribers", () => {
  const partitionCounts = new Map([
    ["a", 5],
    ["b", 5],
  ])
  const members = ["m1", "m2", "m3"].map((memberId) => member(memberId, ["a", "b"]))
  const assignments = range({ members, partitionCounts })
  for (const { memberId } of members) {
    const assignment = assignments.get(memberId)!
    assert.deepEqual(assignment.get("a"), assignment.get("b"))
  }
  assert.deepEqual(assignments.get("m1")!.get("a"), [0, 1])
  assert.deepEqual(assignments.get("m3")!.get("a"), [4])
})

test("range: static members come first and keep their range under another member id", () => {
  const partitionCounts = new Map([["a", 4]])
  const first = range({
    members: [member("x", ["a"]), member("y", ["a"], { instanceId: "i" })],
    partitionCounts,
  })
  const second = range({ members: [member("x", ["a"]), member("z", ["a"], { instanceId: "i" })], partitionCounts })
  assert.deepEqual(first.get("y")!.get("a"), [0, 1])
  assert.deepEqual(second.get("z")!.get("a"), [0, 1])
})

test("subscriptions are compared as sets", () => {
  assert.ok(isHomogeneous([member("a", ["x", "y"]), member("b", ["y", "x"])]))
  assert.ok(!isHomogeneous([member("a", ["x", "y"]), member("b", ["x"])]))
  assert.ok(!isHomogeneous([member("a", ["x"]), member("b", ["y"])]))
})
