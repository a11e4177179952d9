/** What every workload promises: good seeds pass, a seed has one trace, and a disk that lies is found out. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { Inode } from "../inode.js"
import { runSeed, type Workload } from "./workload.js"

export function workloadConformance(
  name: string,
  workload: Workload,
  seeds: { readonly good: number; readonly lying: number },
): void {
  test(`seeds of the ${name} workload pass, and two runs of a seed have one trace`, async () => {
    for (let seed = 1; seed <= seeds.good; seed++) {
      const first = await runSeed(workload, String(seed))
      const second = await runSeed(workload, String(seed))
      assert.equal(first.error, undefined, `seed ${seed}`)
      assert.equal(first.traceHash, second.traceHash)
      assert.deepEqual(first.counts, second.counts)
    }
  })

  test(`a disk that forgets what it synced is found out by the ${name} workload`, async () => {
    const { finishSync } = Inode.prototype
    let found = 0
    try {
      Inode.prototype.finishSync = () => {}
      for (let seed = 1; seed <= seeds.lying; seed++)
        if ((await runSeed(workload, String(seed))).error !== undefined) found += 1
    } finally {
      Inode.prototype.finishSync = finishSync
    }
    assert.ok(found >= 3, `found in ${found} of ${seeds.lying} seeds`)
  })
}
