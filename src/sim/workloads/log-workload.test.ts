import assert from "node:assert/strict"
import { test } from "node:test"
import { Inode } from "../inode.js"
import { logWorkload } from "./log-workload.js"
import { runSeed } from "./workload.js"

test("seeds of the log workload pass, and two runs of a seed have one trace", async () => {
  for (let seed = 1; seed <= 8; seed++) {
    const first = await runSeed(logWorkload, String(seed))
    const second = await runSeed(logWorkload, String(seed))
    assert.equal(first.error, undefined, `seed ${seed}`)
    assert.equal(first.traceHash, second.traceHash)
    assert.deepEqual(first.counts, second.counts)
  }
})

test("a disk that forgets what it synced is found out", async () => {
  const { finishSync } = Inode.prototype
  let found = 0
  try {
    Inode.prototype.finishSync = () => {}
    for (let seed = 1; seed <= 10; seed++)
      if ((await runSeed(logWorkload, String(seed))).error !== undefined) found += 1
  } finally {
    Inode.prototype.finishSync = finishSync
  }
  assert.ok(found >= 3, `found in ${found} of 40 seeds`)
})
