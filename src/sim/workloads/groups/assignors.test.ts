import assert from "node:assert/strict"
import { test } from "node:test"
import { SeededRandom } from "../../random.js"
import {
  type Assignment,
  assignByRange,
  assignCooperatively,
  type Subscriber,
  type TopicPartition,
} from "./assignors.js"

const subscriber = (memberId: string, owned: readonly TopicPartition[] = [], topics = ["t"]): Subscriber => ({
  memberId,
  instanceId: null,
  topics,
  owned,
})
const t = (...partitions: number[]): TopicPartition[] => partitions.map((partition) => ({ topic: "t", partition }))
const of = (assignment: Assignment) =>
  [...assignment].map(([id, partitions]) => [id, partitions.map(({ topic, partition }) => `${topic}-${partition}`)])

test("by range each gets neighbours, and whoever subscribes to nothing gets nothing", () => {
  const members = [subscriber("a"), subscriber("b"), subscriber("c", [], ["u"])]
  assert.deepEqual(of(assignByRange(members, new Map([["t", 3]]))), [
    ["a", ["t-0"]],
    ["b", ["t-1", "t-2"]],
    ["c", []],
  ])
})

test("what somebody still claims is withheld from the one it is to go to, and handed over in the next generation", () => {
  const topics = new Map([["t", 4]])
  const first = assignCooperatively([subscriber("a", t(0, 1, 2, 3)), subscriber("b")], topics)
  assert.deepEqual(of(first), [
    ["a", ["t-0", "t-1"]],
    ["b", []],
  ])
  const second = assignCooperatively([subscriber("a", first.get("a")), subscriber("b", first.get("b"))], topics)
  assert.deepEqual(of(second), [
    ["a", ["t-0", "t-1"]],
    ["b", ["t-2", "t-3"]],
  ])
})

test("what two claim goes to neither", () => {
  const assignment = assignCooperatively([subscriber("a", t(0)), subscriber("b", t(0))], new Map([["t", 2]]))
  assert.deepEqual(
    [...assignment.values()].flat().map(({ partition }) => partition),
    [1],
  )
})

test("members that follow the assignments come to have every partition once, in three generations", () => {
  const random = new SeededRandom("assignors")
  for (let run = 0; run < 200; run++) {
    const topics = new Map(["t", "u"].map((name) => [name, random.between(1, 8)]))
    let members = Array.from({ length: random.between(1, 6) }, (_, index) =>
      subscriber(`m${index}`, [], random.chance(0.7) ? ["t", "u"] : [random.pick(["t", "u"])]),
    )
    let assignment: Assignment = new Map()
    for (let generation = 0; generation < 3; generation++) {
      assignment = assignCooperatively(members, topics)
      members = members.map((member) => ({ ...member, owned: assignment.get(member.memberId)! }))
      // In the first one a member comes and another goes.
      if (generation === 0) members = [...members.slice(1), subscriber(`late${run}`, [], ["t", "u"])]
    }
    const all = [...assignment.values()].flat().map(({ topic, partition }) => `${topic}-${partition}`)
    const total = [...topics.values()].reduce((sum, count) => sum + count, 0)
    assert.equal(new Set(all).size, all.length)
    assert.equal(all.length, total)
  }
})
