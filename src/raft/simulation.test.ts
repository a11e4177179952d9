import assert from "node:assert/strict"
import { test } from "node:test"
import { SeededRandom } from "../sim/random.js"
import { drawLife, liveOnce } from "./testing/quorum-life.js"
import { inQuorumWorld } from "./testing/quorum-world.js"

const seeds = Number(process.env.OTTLA_RAFT_SEEDS ?? 200)
const firstSeed = Number(process.env.OTTLA_RAFT_FIRST_SEED ?? 1)

test("in random lives of a quorum the invariants of Raft hold, and it heals", async () => {
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    const options = drawLife(new SeededRandom(`raft ${seed}`))
    try {
      await liveOnce(`raft ${seed}`, options)
    } catch (error) {
      throw new Error(`seed ${seed}: ${JSON.stringify(options)}`, { cause: error })
    }
  }
})

test("no election at 100 +- 50 ms of delay and 2 % of loss", async () => {
  const network = { delayMs: { least: 50, spread: 100 }, lossChance: 0.02 }
  await inQuorumWorld({ voters: 3, observers: 1, network }, async (quorum) => {
    await quorum.start()
    await quorum.elected(20_000)
    await quorum.replicate(20_000)
    const { elections } = quorum.invariants.elections
    const epoch = quorum.leader!.log!.epoch
    for (let minute = 0; minute < 60; minute++) {
      await quorum.world.sleep(60_000)
      await quorum.replicate()
    }
    assert.equal(quorum.invariants.elections.elections, elections)
    assert.deepEqual(
      quorum.running.map(({ log }) => log!.epoch),
      quorum.running.map(() => epoch),
    )
  })
})
