import assert from "node:assert/strict"
import { test } from "node:test"
import { type Entry, parseEntry } from "./journal.js"
import { judge, judgeLog, type LoggedRecords } from "./judge.js"

const log = (...counts: number[]): LoggedRecords =>
  counts.map((count, partition) =>
    Array.from({ length: count }, (_, offset) => ({ key: `k${partition}`, value: `${partition}.${offset}` })),
  )

/** `a gained 0 1`, `a sees 0 3-5`, one millisecond each unless a line begins with its time. */
function entries(...lines: string[]): Entry[] {
  return lines.flatMap((line, index) => {
    const timed = /^(\d+) (.*)/.exec(line)
    const [member, ...words] = (timed?.[2] ?? line).split(" ")
    const atMs = timed?.[1] ?? String(index * 10)
    if (words[0] === "sees") {
      const [first, last] = words[2]!.split("-").map(Number) as [number, number]
      return Array.from({ length: last - first + 1 }, (_, i) => {
        const offset = first + i
        return parseEntry(member!, `${atMs} seen ${words[1]} ${offset} k${words[1]} ${words[1]}.${offset}`)!
      })
    }
    if (words[0] === "killed") return [{ kind: "ended", how: "killed", atMs: Number(atMs), member: member! } as const]
    return [parseEntry(member!, `${atMs} ${words.join(" ")}`)!]
  })
}

const faultsOf = (records: LoggedRecords, ...lines: string[]) => judge(records, entries(...lines)).faults

test("a group that hands over at its commits is without fault", () => {
  const verdict = judge(
    log(6, 3),
    entries(
      "a gained 0 1",
      "a sees 0 0-3",
      "a sees 1 0-2",
      "a committed 0:2 1:3",
      "a lost 0",
      "b gained 0",
      "b sees 0 2-5",
      "b committed 0:6",
      "b left",
    ),
  )
  assert.deepEqual(verdict, { faults: [], faultCount: 0, seen: 11, redelivered: 2, late: 0 })
})

test("a record nobody saw is a fault", () => {
  assert.deepEqual(faultsOf(log(3), "a gained 0", "a sees 0 0-1"), ["nobody saw partition 0 offset 2 of 3"])
})

test("a record below the committed offset is not seen again", () => {
  const faults = faultsOf(
    log(3),
    "a gained 0",
    "a sees 0 0-2",
    "a committed 0:3",
    "a left",
    "b gained 0",
    "b sees 0 2-2",
  )
  assert.match(faults[0]!, /b saw partition 0 offset 2 again, committed up to 3/)
})

test("an owner begins at the commit and skips nothing", () => {
  assert.match(
    faultsOf(log(3), "a gained 0", "a sees 0 0-0", "a sees 0 2-2", "b sees 0 0-1")[0]!,
    /a saw partition 0 offset 2, after 0 and a commit at 0/,
  )
})

test("two owners of a partition at a time are a fault, in the order of times rather than arrival", () => {
  assert.deepEqual(faultsOf(log(0), "20 b gained 0", "10 a gained 0", "15 a lost 0"), [])
  assert.deepEqual(faultsOf(log(0), "20 b gained 0", "10 a gained 0", "25 a lost 0"), [
    "b owns partition 0 while a does",
  ])
})

test("a killed member owns nothing", () => {
  assert.deepEqual(faultsOf(log(1), "a gained 0", "a killed", "b gained 0", "b sees 0 0-0"), [])
})

test("after the broker was killed, what members had before is no ownership", () => {
  const killed: Entry = { kind: "brokerKilled", atMs: 5, member: "broker" }
  const before = entries("0 a gained 0", "10 b gained 0")
  assert.deepEqual(judge(log(0), [...before, killed]).faults, [])
  assert.equal(judge(log(0), before).faultCount, 1)
})

test("a record of another's partition is a fault", () => {
  const lines = ["a gained 0", "a sees 0 0-0", "b sees 0 0-0"]
  assert.deepEqual(faultsOf(log(1), ...lines), ["b saw partition 0 offset 0, which is a's"])
  const { faultCount, late } = judge(log(1), entries(...lines), { deliversLate: true })
  assert.deepEqual([faultCount, late], [0, 1])
})

test("a log keeps each value once and each key in order in one partition", () => {
  const keyOf = (value: number) => `k${value % 2}`
  const records = (...values: number[]) => values.map((value) => ({ key: keyOf(value), value: String(value) }))
  assert.deepEqual(judgeLog([records(0, 2), records(1, 3)], 4, keyOf), [])
  assert.match(judgeLog([records(2, 0), records(1, 3)], 4, keyOf)[0]!, /k0 goes back to 0/)
  assert.match(judgeLog([records(0), records(1, 2)], 3, keyOf)[0]!, /k0 has two partitions/)
  assert.match(judgeLog([records(0, 0)], 1, keyOf)[0]!, /0 is there twice/)
  assert.match(judgeLog([records(0)], 2, keyOf)[0]!, /the log has 1 of 2/)
})
