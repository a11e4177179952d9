import assert from "node:assert/strict"
import { test } from "node:test"
import { type ClusterWorld, inClusterWorld } from "./testing/cluster-world.js"

const ids = [1, 2, 3]

/** How long it takes. */
async function stopping(t: ClusterWorld, stop: () => Promise<unknown>): Promise<number> {
  const fromMs = t.world.nowMs
  await stop()
  return t.world.nowMs - fromMs
}

for (const seed of [1, 2, 3, 4])
  test(`all nodes of a cluster stop at once without waiting for each other's decisions, ${seed}`, () =>
    inClusterWorld(
      ids,
      async (t) => {
        await t.startAll({ "controller.quorum.voters": t.voters(ids) })
        const tookMs = await stopping(t, () => Promise.all(ids.map((id) => t.stop(id))))
        assert.ok(tookMs < 1500, `${tookMs} ms`)
      },
      { seed },
    ))

test("nodes that stop one after the other do not wait for a quorum that is gone", () =>
  inClusterWorld(ids, async (t) => {
    await t.startAll({ "controller.quorum.voters": t.voters(ids) })
    for (const id of ids) {
      const tookMs = await stopping(t, () => t.stop(id))
      assert.ok(tookMs < 1500, `${tookMs} ms`)
    }
  }))

test("a stop waits for a quorum that listens, and elects", () =>
  inClusterWorld(ids, async (t) => {
    await t.startAll({ "controller.quorum.voters": t.voters(ids) })
    // Two of three hear nobody: nothing is decided, but they are there.
    t.world.network.partition([[t.of(1).machine.name], [t.of(2).machine.name], [t.of(3).machine.name]])
    const tookMs = await stopping(t, async () => {
      const stopped = t.stop(1)
      await t.passTime(3000)
      t.world.network.heal()
      await stopped
    })
    assert.ok(tookMs >= 3000, `${tookMs} ms`)
  }))
