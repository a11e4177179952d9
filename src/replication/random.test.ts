import assert from "node:assert/strict"
import { test } from "node:test"
import { SeededRandom } from "../sim/random.js"
import { inReplicationWorld, type ReplicationTest } from "./testing/replication-test.js"

const seeds = Number(process.env.OTTLA_REPLICATION_SEEDS ?? 30)

/** Producers that go on whatever happens; what they get acknowledged goes into the truth. */
function produceForEver(t: ReplicationTest, random: SeededRandom, stopped: () => boolean): Promise<unknown> {
  let number = 0
  const producer = async () => {
    while (!stopped()) {
      const partition = random.int(2)
      const values = Array.from({ length: 1 + random.int(3) }, () => `v${number++}`)
      const { leader } = t.controller.partition("t", partition)
      if (leader >= 0 && t.isAlive(leader)) {
        const sent = t
          .produce(values, { partition, acks: random.chance(0.8) ? -1 : 1, timeoutMs: 1000, to: leader })
          .catch(() => {})
        await Promise.race([sent, t.world.sleep(1500)])
      }
      await t.world.sleep(random.int(20))
    }
  }
  return Promise.all(Array.from({ length: 3 }, producer))
}

async function story(t: ReplicationTest, random: SeededRandom): Promise<void> {
  await t.createTopic("t", { partitions: 2 })
  let isOver = false
  const producing = produceForEver(t, random, () => isOver)
  const starting = new Map<number, Promise<void>>()
  const faults: (() => void | Promise<void>)[] = [
    () => {
      const id = random.int(3)
      if (!t.nodes[id]!.alive || starting.has(id)) return
      t.crash(id, random.chance(0.5) ? "kill" : "power", false)
      // Silence is noticed a little later; or the broker is back before that.
      const { brokerEpoch } = t.lives[id]!
      t.world.at(random.int(300), "fence", () => {
        if (t.controller.image.brokers.get(id)!.brokerEpoch === brokerEpoch) t.controller.fence(id)
      })
    },
    () => {
      for (const id of [0, 1, 2]) {
        if (t.nodes[id]!.alive || starting.has(id)) continue
        t.controller.fence(id)
        starting.set(
          id,
          t.start(id).then(() => void starting.delete(id)),
        )
      }
    },
    () => {
      const [a, b] = [random.int(3), random.int(3)]
      if (a !== b) t.cut(a, b)
    },
    () => t.heal(),
    () => t.heal(),
    () => {
      const partition = random.int(2)
      const { isr } = t.controller.partition("t", partition)
      const next = isr[random.int(Math.max(1, isr.length))]
      if (next !== undefined && t.isAlive(next)) t.controller.elect("t", partition, next)
    },
    () => {
      const id = random.int(3)
      if (t.nodes[id]!.alive) t.nodes[id]!.pause(random.int(400))
    },
    () => {
      t.controller.isReachable = !t.controller.isReachable
    },
    () => {
      const partition = random.int(2)
      const { isr, leader } = t.controller.partition("t", partition)
      const lazy = isr.find((id) => id !== leader)
      if (lazy !== undefined) t.controller.leaveIsr("t", partition, lazy)
    },
    () => {
      for (const id of [0, 1, 2]) if (t.nodes[id]!.alive && !starting.has(id)) t.crash(id, "power", false)
      for (const id of [2, 0, 1]) t.controller.fence(id)
    },
  ]
  for (let round = 0; round < 40; round++) {
    await faults[random.int(faults.length)]!()
    await t.pass(random.int(200))
  }
  isOver = true
  t.heal()
  t.controller.isReachable = true
  await Promise.all(starting.values())
  for (const id of [0, 1, 2]) {
    if (t.nodes[id]!.alive) continue
    t.controller.fence(id)
    await t.start(id)
  }
  await Promise.race([producing, t.pass(5000)])
  for (const partition of [0, 1]) {
    await producedAtLast(t, partition)
    await t.converged("t", partition, 30_000)
    await t.truth.acknowledgedIsThere("t", partition)
  }
}

/** As a producer that tries again, for ten seconds. */
async function producedAtLast(t: ReplicationTest, partition: number): Promise<void> {
  let last = -1
  for (let attempt = 0; attempt < 200; attempt++) {
    if (t.controller.partition("t", partition).leader >= 0) {
      last = (await t.produce("last", { partition, timeoutMs: 2000 })).errorCode
      if (last === 0) return
    }
    await t.pass(50)
  }
  assert.fail(`nothing is taken, the last error was ${last}`)
}

// L1, L2, L4, L5, L6 and LIV1-4 of reliability.md.
test("crashes, power cuts, partitions, pauses and elections in any order lose nothing that was acknowledged, and all replicas agree after", async () => {
  const first = Number(process.env.OTTLA_REPLICATION_SEED ?? 1)
  for (let seed = first; seed < first + seeds; seed++) {
    const random = new SeededRandom(`story ${seed}`)
    const slowest = 1 + random.int(100)
    try {
      await inReplicationWorld((t) => story(t, random), {
        seed,
        metadataDelayMs: () => random.int(slowest),
        cluster: {
          lagTimeMaxMs: 500 + random.int(5000),
          responseMaxBytes: 500 + random.int(20_000),
          readAheadBytesMin: random.chance(0.5) ? 1 : 1000,
          fetchMaxBytes: 200 + random.int(20_000),
        },
        virtualMsMax: 600_000,
      })
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
  }
})
