import assert from "node:assert/strict"
import { test } from "node:test"
import type { Connection } from "../env/env.js"
import { drainWorks } from "./drain.js"
import { SeededRandom } from "./random.js"
import { StuckError } from "./scheduler.js"
import { simulate, World } from "./world.js"

/** A little of everything: files, sockets, timers, interleaving, a crash. */
async function busy(world: World): Promise<string[]> {
  const seen: string[] = []
  const server = world.addNode("server")
  const client = world.addNode("client", { clock: { wallSkewMs: 500, driftPpm: 200 } })
  await server.env.disk.makeDirectory("/data")
  const file = await server.env.disk.open("/data/log", { create: true })
  let position = 0
  await server.env.network.listen({ host: "0.0.0.0", port: 9092 }, (connection) => {
    const buffer = Buffer.alloc(512)
    connection.receive({
      buffer: () => buffer,
      received: (count) => {
        const bytes = Buffer.from(buffer.subarray(0, count))
        const at = position
        position += count
        void (async () => {
          await server.env.interleave?.("append")
          await file.write([bytes], at)
          await file.sync()
          seen.push(`${server.env.clock.wallMs()} ${at}`)
          connection.send([Buffer.from("ok")])
        })()
      },
      ended: () => {},
      closed: () => seen.push("closed"),
    })
  })
  const connection = await client.env.network.connect({ host: "server", port: 9092 })
  const answer = Buffer.alloc(16)
  connection.receive({ buffer: () => answer, received: () => {}, ended: () => {}, closed: () => {} })
  for (let i = 0; i < 20; i++) {
    connection.send([client.env.random.bytes(300)])
    await new Promise<void>((resolve) => client.env.timers.after(5, resolve))
  }
  server.crash(world.random.chance(0.5) ? "kill" : "power")
  await world.sleep(100)
  const disk = server.restart().disk
  seen.push(String((await disk.stat("/data/log"))?.size))
  return seen
}

test("promises of an event drain inside the event (canary for the internal of Node it rests on)", async () => {
  assert.equal(await new Promise((resolve) => setImmediate(() => resolve(drainWorks()))), true)
})

test("the same seed gives the same trace and the same result; another seed another", async () => {
  const hashes = new Set<string>()
  for (let seed = 1; seed <= 20; seed++) {
    const [first, second] = [await simulate(seed, busy), await simulate(seed, busy)]
    assert.equal(first.world.traceHash, second.world.traceHash)
    assert.deepEqual(first.result, second.result)
    hashes.add(first.world.traceHash)
  }
  assert.equal(hashes.size, 20)
})

test("events of one instant run in an order drawn from the seed", async () => {
  const orders = new Set<string>()
  for (let seed = 0; seed < 20; seed++) {
    const { result } = await simulate(seed, async (world) => {
      const order: number[] = []
      for (let i = 0; i < 4; i++) world.at(10, "tick", () => order.push(i))
      await world.sleep(11)
      return order.join("")
    })
    orders.add(result)
  }
  assert.ok(orders.size > 5, [...orders].join(" "))
})

test("pending calls of a crashed incarnation neither resolve nor reject, and its timers do not run", async () => {
  await simulate("crash", async (world) => {
    const node = world.addNode("a")
    const { env } = node
    const heard: string[] = []
    const hear = (what: string) => () => void heard.push(what)
    env.disk.open("/file", { create: true }).then(hear("open"), hear("open failed"))
    env.network.connect({ host: "nobody", port: 1 }).then(hear("connect"), hear("connect failed"))
    env.timers.after(1, hear("timer"))
    env.timers.soon(hear("soon"))
    node.crash("kill")
    env.disk.stat("/").then(hear("stat"), hear("stat failed"))
    void env.interleave?.("x").then(hear("interleave"))
    await world.sleep(100_000)
    assert.deepEqual(heard, [])
  })
})

test("a paused node runs nothing until the pause is over, while its clocks go on", async () => {
  await simulate("pause", async (world) => {
    const node = world.addNode("a", { clock: { timerLatenessMsMax: 0 } })
    const fired: number[] = []
    node.env.timers.after(10, () => fired.push(world.nowMs))
    node.pause(1000)
    const before = node.env.clock.monotonicMs()
    await world.sleep(500)
    assert.deepEqual(fired, [])
    assert.equal(Math.round(node.env.clock.monotonicMs() - before), 500)
    await world.sleep(501)
    assert.deepEqual(fired, [1000])
  })
})

test("the wall clock jumps both ways; the monotonic clock never goes back and drifts", async () => {
  await simulate("clock", async (world) => {
    const node = world.addNode("a", { clock: { driftPpm: 100_000, timerLatenessMsMax: 0 } })
    const { clock } = node.env
    const wall = clock.wallMs()
    node.clock.jump(-3_600_000)
    assert.equal(clock.wallMs(), wall - 3_600_000)
    await world.sleep(1000)
    assert.equal(Math.round(clock.monotonicMs()), 1100)
    const set = world.nowMs
    await new Promise<void>((resolve) => node.env.timers.after(110, resolve))
    assert.equal(Math.round(world.nowMs - set), 100)
    node.clock.setDrift(0)
    assert.ok(clock.monotonicMs() >= 1200)
  })
})

test("a scenario that waits for nothing, spins, or runs for too long fails instead of hanging", async () => {
  await assert.rejects(
    simulate(1, () => new Promise(() => {})),
    StuckError,
  )
  const spin = (world: World) => new Promise<void>(() => void tick(world))
  const tick = (world: World) => world.at(1, "tick", () => tick(world))
  await assert.rejects(simulate(1, spin, { eventsMax: 1000 }), StuckError)
  await assert.rejects(simulate(1, spin, { virtualMsMax: 1000 }), StuckError)
})

test("what an event throws fails the run", async () => {
  await assert.rejects(
    simulate(1, async (world) => {
      world.at(1, "bug", () => {
        throw new Error("a bug")
      })
      await world.sleep(2)
    }),
    /a bug/,
  )
})

test("a buggify site is armed for a whole world or not at all", () => {
  let armedWorlds = 0
  for (let seed = 0; seed < 200; seed++) {
    const world = new World(seed, { buggifyArmChance: 0.25 })
    let fired = 0
    for (let i = 0; i < 100; i++) if (world.buggify("site", 0.5)) fired += 1
    if (fired > 0) {
      armedWorlds += 1
      assert.ok(fired > 20)
    }
  }
  assert.ok(armedWorlds > 20 && armedWorlds < 90, String(armedWorlds))
})

test("seeded draws are uniform, repeatable and independent by label", () => {
  const random = new SeededRandom("7")
  const counts = new Array<number>(10).fill(0)
  for (let i = 0; i < 10_000; i++) counts[random.int(10)]! += 1
  for (const count of counts) assert.ok(count > 850 && count < 1150, counts.join(" "))
  assert.equal(new SeededRandom("7").fork("a").next(), new SeededRandom("7").fork("a").next())
  assert.notEqual(new SeededRandom("7").fork("a").next(), new SeededRandom("7").fork("b").next())
  for (let i = 0; i < 1000; i++) {
    const drawn = random.magnitude(1, 1000)
    assert.ok(Number.isInteger(drawn) && drawn >= 1 && drawn <= 1000)
    assert.match(random.uuid(), /^[A-Za-z0-9_][A-Za-z0-9_-]{21}$/)
  }
})

test("one hundred thousand events run in a moment", async () => {
  const { world } = await simulate("speed", async (world) => {
    const [a, b] = [world.addNode("a"), world.addNode("b")]
    const echo = (connection: Connection, rounds: number, done?: () => void) => {
      const buffer = Buffer.alloc(64)
      let left = rounds
      connection.receive({
        buffer: () => buffer,
        received: (count) => {
          if (left-- > 0) connection.send([Buffer.from(buffer.subarray(0, count))])
          else done?.()
        },
        ended: () => {},
        closed: () => {},
      })
    }
    await a.env.network.listen({ host: "a", port: 1 }, (connection) => echo(connection, 1e9))
    const connection = await b.env.network.connect({ host: "a", port: 1 })
    await new Promise<void>((resolve) => {
      echo(connection, 26_000, resolve)
      connection.send([Buffer.from("hello")])
    })
  })
  assert.ok(world.eventCount > 100_000)
  assert.ok(world.nowMs > 1000)
})
