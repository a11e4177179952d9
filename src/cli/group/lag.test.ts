import assert from "node:assert/strict"
import { test } from "node:test"
import { partitionsText } from "./groups.js"
import { type LagRow, lagOf, summary } from "./lag.js"

test("lag is what can still be read: not what was deleted, and never below none", () => {
  assert.equal(lagOf(5n, 0n, 20n), 15n)
  assert.equal(lagOf(5n, 12n, 20n), 8n)
  assert.equal(lagOf(25n, 0n, 20n), 0n)
  assert.equal(lagOf(null, 0n, 20n), null)
  assert.equal(lagOf(5n, null, null), null)
})

test("a look is summed up with the pace since the last one", () => {
  const row = (committed: bigint, lag: bigint): LagRow => ({
    groupId: "g",
    topic: "t",
    partition: 0,
    committed,
    end: committed + lag,
    lag,
    memberId: null,
    clientId: null,
    clientHost: null,
  })
  assert.equal(summary([row(5n, 10n)], new Map(), 2000), "lag 10")
  assert.equal(summary([row(205n, 3n)], new Map([["t-0", row(5n, 10n)]]), 2000), "lag 3, 100 records/s committed")
})

test("partitions are told as ranges by topic", () => {
  const of = (topic: string, ...partitions: number[]) => partitions.map((partition) => ({ topic, partition }))
  assert.equal(partitionsText([...of("a", 2, 0, 1, 5), ...of("b", 1)]), "a 0-2,5, b 1")
  assert.equal(partitionsText([]), "none")
})
