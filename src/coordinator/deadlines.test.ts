import assert from "node:assert/strict"
import { test } from "node:test"
import { SeededRandom } from "../sim/random.js"
import { World } from "../sim/world.js"
import { Deadlines } from "./deadlines.js"

async function inWorld(story: (world: World, deadlines: Deadlines) => Promise<void>): Promise<void> {
  const world = new World("deadlines")
  const { env } = world.addNode("node", {})
  await world.run(() => story(world, new Deadlines(env.clock, env.timers)))
}

test("what is scheduled runs once, in the order of the deadlines", () =>
  inWorld(async (world, deadlines) => {
    const ran: string[] = []
    deadlines.schedule("b", 200, () => ran.push("b"))
    deadlines.schedule("a", 100, () => ran.push("a"))
    await world.sleep(99)
    assert.deepEqual(ran, [])
    await world.sleep(2)
    assert.deepEqual(ran, ["a"])
    await world.sleep(1000)
    assert.deepEqual(ran, ["a", "b"])
    assert.equal(deadlines.size, 0)
  }))

test("a deadline that is moved later does not run at its old time", () =>
  inWorld(async (world, deadlines) => {
    let ran = 0
    for (let i = 0; i < 10; i++) {
      deadlines.schedule("session", 100, () => ran++)
      await world.sleep(90)
    }
    assert.equal(ran, 0)
    await world.sleep(11)
    assert.equal(ran, 1)
  }))

test("a deadline that is moved forward runs then, and not again", () =>
  inWorld(async (world, deadlines) => {
    let ran = 0
    deadlines.schedule("session", 1000, () => assert.fail("the old deadline ran"))
    deadlines.schedule("session", 10, () => ran++)
    await world.sleep(11)
    assert.equal(ran, 1)
    await world.sleep(2000)
    assert.equal(ran, 1)
  }))

test("what is cancelled does not run, and its key may be used again", () =>
  inWorld(async (world, deadlines) => {
    let ran = 0
    deadlines.schedule("session", 10, () => assert.fail("it was cancelled"))
    deadlines.cancel("session")
    deadlines.schedule("session", 50, () => ran++)
    await world.sleep(51)
    assert.equal(ran, 1)
  }))

test("thousands of deadlines that move at random each run once, at the last one set", () =>
  inWorld(async (world, deadlines) => {
    const random = new SeededRandom("moves")
    const due = new Map<string, number>()
    let ran = 0
    const startMs = world.nowMs
    for (let step = 0; step < 20; step++) {
      for (let i = 0; i < 500; i++) {
        const key = String(random.int(1000))
        const delayMs = 1 + random.int(300)
        due.set(key, world.nowMs + delayMs)
        deadlines.schedule(key, delayMs, () => {
          ran++
          assert.ok(Math.abs(world.nowMs - due.get(key)!) < 1, `${key} ran at ${world.nowMs - startMs}`)
          due.delete(key)
        })
      }
      await world.sleep(10)
    }
    await world.sleep(1000)
    assert.equal(due.size, 0)
    assert.ok(ran > 1000)
  }))
