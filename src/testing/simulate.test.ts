import assert from "node:assert/strict"
import { setTimeout as realSleep } from "node:timers/promises"
import { test } from "node:test"
import { simulate, type SimulatedWorld, SimulationError } from "./index.js"

const numbered = (count: number) => Array.from({ length: count }, (_, index) => `v${index}`)

/** Sends while things go wrong, and reads back what was acknowledged. */
async function acknowledgedIsRead(world: SimulatedWorld, count: number): Promise<void> {
  const producer = world.client().producer()
  const acknowledged: string[] = []
  world.faults.begin()
  for (const value of numbered(count)) {
    await producer.send({ topic: "t", value })
    acknowledged.push(value)
    await new Promise((resolve) => setTimeout(resolve, 1 + Math.random() * 500))
  }
  await world.faults.end()
  const read = (await world.broker.records("t")).map(({ value }) => String(value))
  assert.deepEqual(read, acknowledged)
}

test("what an idempotent producer was told is stored is there once and in order, whatever befalls a single broker", async () => {
  const { seeds } = await simulate({ seeds: 8, topics: { t: 1 } }, (world) => acknowledgedIsRead(world, 30))
  assert.equal(seeds, 8)
})

test("and whatever befalls three", async () => {
  await simulate({ seeds: 3, brokers: 3, topics: { t: 1 } }, (world) => acknowledgedIsRead(world, 20))
})

test("a failure names its seed, says how to run it alone, and what had gone wrong", async () => {
  const failing = simulate({ seeds: 50 }, async ({ seed, faults, sleep }) => {
    faults.begin({ powerCuts: false, partitions: false, delays: false, resets: false })
    await sleep("20 s")
    await faults.end()
    if (seed === 3) throw new Error("three is too many")
  })
  await assert.rejects(failing, (error: SimulationError) => {
    assert.ok(error instanceof SimulationError)
    assert.equal(error.seed, 3)
    assert.match(error.message, /^seed 3: three is too many\nRun it alone: OTTLA_SEED=3 before/)
    assert.match(error.message, /\n {2}\d+\.\d+ s {2}broker-1: killed, back after \d+ ms/)
    assert.equal((error.cause as Error).message, "three is too many")
    return true
  })
})

test("a seed goes the same way every time, by the globals too", async () => {
  const seen: unknown[] = []
  for (let round = 0; round < 2; round++)
    await simulate({ seed: 7, topics: { t: 2 } }, async ({ client, random, broker }) => {
      await client()
        .producer()
        .send({ topic: "t", value: `${Math.random()} ${random.int(1000)} ${new Date().toISOString()}` })
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 1000))
      const records = await broker.records("t")
      seen.push([Date.now(), performance.now(), records.map(({ partition, value }) => `${partition} ${value}`)])
    })
  assert.deepEqual(seen[0], seen[1])
})

test("hours pass in no time, for timers and dates alike", async () => {
  await simulate({ seed: 1 }, async ({ sleep }) => {
    const before = Date.now()
    let ticks = 0
    const interval = setInterval(() => ticks++, 600_000)
    await sleep("30 minutes 1 s")
    clearInterval(interval)
    assert.equal(ticks, 3)
    assert.ok(Date.now() - before >= 1_801_000)
  })
  assert.ok(
    Math.abs(Date.now() - performance.now() - performance.timeOrigin) < 60_000,
    "the process has its own clock again",
  )
})

test("waiting for real time fails, and the failure says why", async () => {
  const waiting = simulate({ seed: 1, virtualTimeMax: "1 minute" }, () => realSleep(60_000, undefined, { ref: false }))
  await assert.rejects(
    waiting,
    /^SimulationError: seed 1: not finished at .*\n.*node:timers\/promises and AbortSignal.timeout never do/,
  )
})

test("a scenario that is not repeatable is told apart", async () => {
  let runs = 0
  const failing = simulate({ seed: 1 }, async ({ sleep }) => {
    runs += 1
    await sleep(runs)
    throw new Error("now and then")
  })
  await assert.rejects(failing, /It did not go the same way when it was run again/)
})

test("minutes end it, after one seed at least", async () => {
  const { seeds } = await simulate({ minutes: 0.0001 }, async ({ sleep }) => sleep(1))
  assert.ok(seeds >= 1)
})
