import assert from "node:assert/strict"
import { test } from "node:test"
import { InvariantError } from "../base/assert.js"
import { includesVersion, parseVersions, versionMax } from "./versions.js"

test("Kafka's notation of ranges", () => {
  assert.deepEqual(parseVersions("3-13"), { min: 3, max: 13 })
  assert.deepEqual(parseVersions("9+"), { min: 9, max: versionMax })
  assert.deepEqual(parseVersions("4"), { min: 4, max: 4 })
  assert.equal(includesVersion(parseVersions("none"), 0), false)
})

test("what is no range is refused", () => {
  for (const text of ["", "-", "3-", "5-3", "a", "1-2+", "99999"])
    assert.throws(() => parseVersions(text), InvariantError)
})
