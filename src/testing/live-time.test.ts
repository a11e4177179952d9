import assert from "node:assert/strict"
import { test } from "node:test"
import type { Timer } from "../env/env.js"
import { World } from "../sim/world.js"
import { LiveTime, stepsMax } from "./live-time.js"
import { createRealWorld, type RealWorld } from "./real-world.js"
import { TimerQueue } from "./timer-queue.js"

/** A real world whose clock stands still, and whose timers the test fires. */
function stillWorld(): RealWorld & {
  nowMs: number
  readonly armed: { delayMs: number; run: () => void; keepsAlive: boolean }[]
} {
  const armed: { delayMs: number; run: () => void; keepsAlive: boolean }[] = []
  const real = createRealWorld()
  return {
    ...real,
    nowMs: 0,
    armed,
    monotonicMs() {
      return this.nowMs
    },
    after(delayMs, run, keepsAlive): Timer {
      const entry = { delayMs, run, keepsAlive }
      armed.push(entry)
      return { cancel: () => void (armed.includes(entry) && armed.splice(armed.indexOf(entry), 1)) }
    },
  }
}

function inLiveTime(isManual = true) {
  const real = stillWorld()
  const world = new World(1, { interleaveChance: 0 })
  const live = new LiveTime(world.scheduler, real, isManual, false)
  const node = world.addNode("node")
  const { timers, clock } = live.envOf(node)
  return { real, world, live, node, timers, clock }
}

test("a timer that is set for the last fraction of a deadline does not stop time", async () => {
  const { live, timers, clock } = inLiveTime()
  const deadlineMs = 1133.205855000001
  let looks = 0
  const look = () => {
    looks += 1
    if (clock.monotonicMs() < deadlineMs) timers.after(deadlineMs - clock.monotonicMs(), look)
  }
  timers.after(0, look)
  await live.advance(2000)
  assert.ok(looks < 10, `${looks} looks`)
})

test("what a timer causes, promises and further timers included, has happened when advance resolves", async () => {
  const { live, timers } = inLiveTime()
  const order: string[] = []
  timers.after(10, () => {
    order.push("10")
    void Promise.resolve().then(async () => {
      await undefined
      order.push("after 10")
      timers.after(5, () => order.push("15"))
    })
  })
  timers.after(12, () => order.push("12"))
  timers.after(21, () => order.push("too late"))
  await live.advance(20)
  assert.deepEqual(order, ["10", "after 10", "12", "15"])
})

test("on a short way a recurring timer runs each time, on a long one once in each step", async () => {
  const { live, timers } = inLiveTime()
  let count = 0
  const again = () => {
    count += 1
    timers.after(1000, again)
  }
  timers.after(1000, again)
  await live.advance(60_000)
  assert.equal(count, 60)
  count = 0
  await live.advance(8 * 86_400_000)
  assert.equal(count, stepsMax)
})

test("two who advance at once go one after the other", async () => {
  const { live, clock } = inLiveTime()
  await Promise.all([live.advance(100), live.advance(200)])
  assert.ok(Math.abs(clock.monotonicMs() - 300) < 0.1)
})

test("a process that is dead runs no timer, and its next life none of the last", async () => {
  const { live, timers, node } = inLiveTime()
  let ran = 0
  timers.after(10, () => ran++)
  node.crash("kill")
  node.restart()
  live.envOf(node).timers.after(20, () => ran++)
  await live.advance(100)
  assert.equal(ran, 1)
})

test("real time arms one timer for what is next, and keeps the process alive only for whom it should", () => {
  const { live, timers, real, node } = inLiveTime(false)
  timers.after(50, () => {})
  assert.deepEqual(
    real.armed.map(({ delayMs, keepsAlive }) => [delayMs, keepsAlive]),
    [[50, false]],
  )
  live.keepAliveFor([node.incarnation])
  timers.after(20, () => {})
  assert.deepEqual(
    real.armed.map(({ delayMs, keepsAlive }) => [delayMs, keepsAlive]),
    [[20, true]],
  )
  live.close()
  assert.deepEqual(real.armed, [])
})

test("timers that are cancelled again and again take no room", () => {
  const queue = new TimerQueue()
  const owner = { name: "o", alive: true, pausedUntilNs: 0 }
  const order: number[] = []
  for (let round = 0; round < 10_000; round++) queue.add(1e9 + round, owner, () => order.push(round)).cancel()
  queue.add(2, owner, () => order.push(2))
  queue.add(1, owner, () => order.push(1))
  queue.add(1, owner, () => order.push(11))
  assert.equal(queue.waitingOf(owner), 3)
  while (queue.nextNs !== undefined) queue.runNext()
  assert.deepEqual(order, [1, 11, 2])
  assert.equal(queue.waitingOf(owner), 0)
})
