import assert from "node:assert/strict"
import { test } from "node:test"
import { seededInt } from "../protocol/testdata/random.js"
import { type Assignment, emptyAssignment, type GroupAssignment, partitionsIn } from "./assignor.js"
import {
  type ClassicAssignorInput,
  type ClassicAssignorMember,
  classicAssignorNamed,
  classicAssignorNames,
} from "./classic-assignors.js"

type Int = (below: number) => number

const member = (
  memberId: string,
  topics: readonly string[],
  more: Partial<ClassicAssignorMember> = {},
): ClassicAssignorMember => ({
  memberId,
  instanceId: null,
  rackId: null,
  topics,
  owned: emptyAssignment,
  generationId: -1,
  ...more,
})

function randomInput(int: Int, alike: boolean): ClassicAssignorInput {
  const topics = Array.from({ length: 1 + int(5) }, (_, index) => `topic-${index}`)
  const partitionCounts = new Map(topics.map((topic) => [topic, int(8) === 0 ? 0 : 1 + int(12)]))
  const members = Array.from({ length: 1 + int(8) }, (_, index) =>
    member(`m${index}`, alike ? topics : topics.filter(() => int(3) > 0), {
      instanceId: int(4) === 0 ? `i${index}` : null,
    }),
  )
  return { members, partitionCounts }
}

/** The next generation: some go, some come, some topics grow; who stays owns what it was given. */
function changed(
  int: Int,
  { members, partitionCounts }: ClassicAssignorInput,
  given: GroupAssignment,
  generationId: number,
) {
  const counts = new Map([...partitionCounts].map(([topic, count]) => [topic, count + (int(4) === 0 ? 1 + int(3) : 0)]))
  const next = members
    .filter(() => int(4) > 0)
    .map((each) => ({ ...each, owned: given.get(each.memberId)!, generationId }))
  for (let count = int(3); count > 0 || next.length === 0; count--)
    next.push(member(`n${int(1e9)}`, members[int(members.length)]!.topics))
  return { members: next, partitionCounts: counts }
}

function ownersOf(assignments: GroupAssignment): Map<string, string> {
  const owners = new Map<string, string>()
  for (const [memberId, assignment] of assignments)
    for (const [topic, partitions] of assignment)
      for (const partition of partitions) {
        const name = `${topic}:${partition}`
        assert.equal(owners.get(name), undefined, `${name} has two owners`)
        owners.set(name, memberId)
      }
  return owners
}

function wantedPartitions({ members, partitionCounts }: ClassicAssignorInput): string[] {
  const wanted = new Set<string>()
  for (const { topics } of members)
    for (const topic of topics)
      for (let partition = 0; partition < (partitionCounts.get(topic) ?? 0); partition++)
        wanted.add(`${topic}:${partition}`)
  return [...wanted].sort()
}

const plain = (assignments: GroupAssignment) =>
  [...assignments]
    .map(([memberId, assignment]) => [memberId, [...assignment].sort()] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))

const loadsOf = ({ members }: ClassicAssignorInput, assignments: GroupAssignment) =>
  members.map(({ memberId }) => partitionsIn(assignments.get(memberId)!))

for (const name of classicAssignorNames) {
  const { assign, isCooperative } = classicAssignorNamed(name)!

  test(`${name}: every partition of a subscribed topic has exactly one owner, who subscribes to it, whatever changes`, () => {
    const int = seededInt(11)
    for (let round = 0; round < 300; round++) {
      let input = randomInput(int, int(2) === 0)
      for (let generation = 1; generation < 5; generation++) {
        let assignments = assign(input)
        ownersOf(assignments)
        // What was held back is given away once everybody has let go.
        for (let rounds = 0; isCooperative && ownersOf(assignments).size < wantedPartitions(input).length; rounds++) {
          assert.ok(rounds < 10)
          const { partitionCounts } = input
          const members = input.members.map((each) => ({
            ...each,
            owned: assignments.get(each.memberId)!,
            generationId: 10 * generation + rounds,
          }))
          assignments = assign({ members, partitionCounts })
        }
        assert.deepEqual([...ownersOf(assignments).keys()].sort(), wantedPartitions(input))
        for (const { memberId, topics } of input.members)
          for (const topic of assignments.get(memberId)!.keys()) assert.ok(topics.includes(topic))
        input = changed(int, input, assignments, 10 * generation + 10)
      }
    }
  })

  test(`${name}: the order of members does not matter`, () => {
    const int = seededInt(12)
    for (let round = 0; round < 200; round++) {
      const input = randomInput(int, int(2) === 0)
      const again = assign({ ...input, members: [...input.members].reverse() })
      assert.deepEqual(plain(again), plain(assign(input)))
    }
  })
}

for (const name of ["roundrobin", "sticky", "cooperative-sticky"]) {
  test(`${name}: with equal subscriptions nobody has two more than another`, () => {
    const int = seededInt(13)
    const { assign } = classicAssignorNamed(name)!
    for (let round = 0; round < 300; round++) {
      const input = randomInput(int, true)
      const loads = loadsOf(input, assign(input))
      assert.ok(Math.max(...loads) - Math.min(...loads) <= 1, `loads ${loads}`)
    }
  })
}

for (const name of ["sticky", "cooperative-sticky"]) {
  const { assign } = classicAssignorNamed(name)!

  test(`${name}: what is balanced stays where it is, and when a member leaves the others keep what they have`, () => {
    const int = seededInt(14)
    for (let round = 0; round < 300; round++) {
      const input = randomInput(int, true)
      const first = assign(input)
      const members = input.members.map((each) => ({ ...each, owned: first.get(each.memberId)!, generationId: 1 }))
      const { partitionCounts } = input
      assert.deepEqual(plain(assign({ members, partitionCounts })), plain(first))
      const left = members.slice(1)
      if (left.length === 0) continue
      const second = ownersOf(assign({ members: left, partitionCounts }))
      for (const { memberId, owned } of left)
        for (const [topic, partitions] of owned)
          for (const partition of partitions) assert.equal(second.get(`${topic}:${partition}`), memberId)
    }
  })

  test(`${name}: of two that claim a partition the later generation has it, and of the same generation neither by its claim`, () => {
    const owned: Assignment = new Map([["t", [0, 1]]])
    const partitionCounts = new Map([["t", 4]])
    const later = assign({
      members: [member("a", ["t"], { owned, generationId: 3 }), member("b", ["t"], { owned, generationId: 4 })],
      partitionCounts,
    })
    assert.deepEqual(later.get("b")!.get("t"), [0, 1])
    const same = assign({
      members: [member("a", ["t"], { owned, generationId: 4 }), member("b", ["t"], { owned, generationId: 4 })],
      partitionCounts,
    })
    assert.equal(ownersOf(same).size, 4)
  })
}

test("cooperative-sticky: nobody is given what another one still says it has", () => {
  const int = seededInt(15)
  const { assign } = classicAssignorNamed("cooperative-sticky")!
  for (let round = 0; round < 300; round++) {
    let input = randomInput(int, int(2) === 0)
    for (let generation = 1; generation < 4; generation++) {
      const assignments = assign(input)
      const owners = ownersOf(assignments)
      for (const { memberId, owned } of input.members)
        for (const [topic, partitions] of owned)
          for (const partition of partitions)
            assert.ok([undefined, memberId].includes(owners.get(`${topic}:${partition}`)))
      input = changed(int, input, assignments, generation)
    }
  }
})

test("roundrobin: all partitions go around the table, past those who do not want them", () => {
  const { assign } = classicAssignorNamed("roundrobin")!
  const given = assign({
    members: [member("c", ["t1", "t2"]), member("a", ["t0"]), member("b", ["t0", "t1"])],
    partitionCounts: new Map([
      ["t0", 1],
      ["t1", 2],
      ["t2", 3],
    ]),
  })
  assert.deepEqual(plain(given), [
    ["a", [["t0", [0]]]],
    ["b", [["t1", [0]]]],
    [
      "c",
      [
        ["t1", [1]],
        ["t2", [0, 1, 2]],
      ],
    ],
  ])
})
