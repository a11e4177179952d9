import assert from "node:assert/strict"
import { before, test } from "node:test"
import { prepareCompression } from "../../protocol/compression/compression.js"
import { Inode } from "../inode.js"
import { brokerWorkload } from "./broker-workload.js"
import { runSeed } from "./workload.js"

before(() => prepareCompression())

test("seeds of the broker workload pass, and two runs of a seed have one trace", async () => {
  for (let seed = 1; seed <= 4; seed++) {
    const first = await runSeed(brokerWorkload, String(seed))
    const second = await runSeed(brokerWorkload, String(seed))
    assert.equal(first.error, undefined, `seed ${seed}`)
    assert.equal(first.traceHash, second.traceHash)
    assert.deepEqual(first.counts, second.counts)
  }
})

test("a disk that forgets what it synced is found out by clients", async () => {
  const { finishSync } = Inode.prototype
  let found = 0
  try {
    Inode.prototype.finishSync = () => {}
    for (let seed = 1; seed <= 6; seed++)
      if ((await runSeed(brokerWorkload, String(seed))).error !== undefined) found += 1
  } finally {
    Inode.prototype.finishSync = finishSync
  }
  assert.ok(found >= 3, `found in ${found} of 6 seeds`)
})
