import assert from "node:assert/strict"
import { test } from "node:test"
import { topFunctions } from "./profile.js"

test("own time is summed over all places a function was called from, and waiting is nobody's", () => {
  const frame = (functionName: string) => ({ functionName, url: "file:///a/b.js", lineNumber: 9 })
  const profile = {
    nodes: [
      { id: 1, callFrame: frame("read") },
      { id: 2, callFrame: frame("write") },
      { id: 3, callFrame: frame("read") },
      { id: 4, callFrame: frame("(idle)") },
    ],
    samples: [1, 2, 3, 4],
    timeDeltas: [1000, 1000, 2000, 9000],
  }
  assert.deepEqual(topFunctions(profile, 1), [{ name: "read b.js:10", ms: 3, share: 0.75 }])
})
