import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { PersistentMap } from "./persistent-map.js"

test("behaves as a Map, and no change is seen through an older version", () => {
  const change = fc.record({
    key: fc.integer({ min: 0, max: 400 }).map(String),
    value: fc.option(fc.integer(), { nil: undefined }),
  })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 800 }), (changes) => {
      const model = new Map<string, number>()
      let map = PersistentMap.empty<number>()
      let kept: { map: PersistentMap<number>; model: Map<string, number> } | undefined
      changes.forEach(({ key, value }, index) => {
        if (value === undefined) {
          map = map.delete(key)
          model.delete(key)
        } else {
          map = map.set(key, value)
          model.set(key, value)
        }
        if (index === changes.length >> 1) kept = { map, model: new Map(model) }
      })
      const sorted = (entries: Iterable<[string, number]>) => [...entries].sort(([a], [b]) => (a < b ? -1 : 1))
      assert.equal(map.size, model.size)
      assert.deepEqual(sorted(map), sorted(model))
      if (kept === undefined) return
      assert.deepEqual(sorted(kept.map), sorted(kept.model))
      const before = kept.model
      const differing = [...new Set([...before.keys(), ...model.keys()])].filter(
        (key) => before.get(key) !== model.get(key),
      )
      assert.deepEqual([...map.changedKeys(kept.map)].sort(), differing.sort())
    }),
    { numRuns: 50, seed: 3 },
  )
})
