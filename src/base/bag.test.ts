import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { Bag, type BagEntry } from "./bag.js"

const members = (bag: Bag<number>): number[] => {
  const found: number[] = []
  bag.each((value) => found.push(value))
  return found.toSorted((a, b) => a - b)
}

test("holds what was put in and not taken out, however it is mixed", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(9), { maxLength: 60 }), (steps) => {
      const bag = new Bag<number>()
      const entries: BagEntry<number>[] = []
      const expected = new Set<number>()
      steps.forEach((step, value) => {
        if (step < 5) {
          entries.push(bag.add(value))
          expected.add(value)
        } else if (entries.length > 0) {
          const entry = entries[(step * 7) % entries.length]!
          bag.remove(entry)
          expected.delete(entry.value)
        }
        assert.equal(bag.size, expected.size)
        assert.deepEqual(members(bag), [...expected])
      })
    }),
  )
})

test("a visit may take out its member and put in others, which are not visited", () => {
  const bag = new Bag<number>()
  const entries = [1, 2, 3].map((value) => bag.add(value))
  const visited: number[] = []
  bag.each((value) => {
    visited.push(value)
    bag.remove(entries[value - 1]!)
    bag.add(10 * value)
  })
  assert.deepEqual(visited.toSorted(), [1, 2, 3])
  assert.deepEqual(members(bag), [10, 20, 30])
})

test("an emptied bag takes its old entries for gone", () => {
  const bag = new Bag<number>()
  const entry = bag.add(1)
  bag.clear()
  bag.add(2)
  bag.remove(entry)
  assert.deepEqual(members(bag), [2])
})
