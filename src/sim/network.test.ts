import assert from "node:assert/strict"
import { test } from "node:test"
import { type Connection, NetworkError } from "../env/env.js"
import type { NetworkOptions } from "./network.js"
import type { SimulatedNode } from "./node.js"
import { simulate, type World } from "./world.js"

/** One end, remembering what it heard. */
class End {
  readonly reads: number[] = []
  bytes = 0
  ended = false
  closed: string | undefined
  /** For senders of parts of 1000 bytes, each filled with its number. */
  isInOrder = true
  constructor(readonly connection: Connection) {
    const buffer = Buffer.alloc(65_536)
    connection.receive({
      buffer: () => buffer,
      received: (count) => {
        this.reads.push(count)
        for (let at = 0; at < count; at++)
          if (buffer[at] !== (Math.floor((this.bytes + at) / 1000) & 0xff)) this.isInOrder = false
        this.bytes += count
      },
      ended: () => (this.ended = true),
      closed: (error) => (this.closed = error?.code ?? "clean"),
    })
  }
}

interface Story {
  world: World
  server: SimulatedNode
  client: SimulatedNode
  near: End
  far: End
}

/** Two machines with a connection between them, under several seeds. */
async function stories<T>(
  story: (story: Story) => Promise<T>,
  network: Partial<NetworkOptions> = {},
  seeds = 20,
): Promise<T[]> {
  const results: T[] = []
  for (let seed = 0; seed < seeds; seed++) {
    const { result } = await simulate(
      seed,
      async (world) => {
        const [server, client] = [world.addNode("server"), world.addNode("client")]
        const ends: End[] = []
        await server.env.network.listen({ host: "0.0.0.0", port: 1 }, (connection) => ends.push(new End(connection)))
        const near = new End(await client.env.network.connect({ host: "server", port: 1 }))
        await world.sleep(10)
        return story({ world, server, client, near, far: ends[0]! })
      },
      { network },
    )
    results.push(result)
  }
  return results
}

const code = (expected: string) => (error: unknown) => error instanceof NetworkError && error.code === expected

test("what was sent behind a lost packet never arrives: the stream ends at the hole", async () => {
  await stories(
    async ({ world, near, far }) => {
      for (let part = 0; part < 200; part++) {
        near.connection.send([Buffer.alloc(1000, part)])
        await world.sleep(0.02)
      }
      await world.sleep(10_000)
      assert.ok(far.isInOrder, "bytes arrived across a hole")
    },
    { resetChance: 0.02, chunkBytesMax: 700 },
  )
})

test("bytes are cut at random places and arrive in order", async () => {
  const shapes = await stories(
    async ({ world, near, far }) => {
      near.connection.send([Buffer.alloc(1000)])
      await world.sleep(1000)
      assert.equal(far.bytes, 1000)
      return far.reads.join(" ")
    },
    { chunkBytesMax: 300 },
  )
  assert.ok(new Set(shapes).size > 10)
})

test("a cut link delays bytes until it heals; the other way still works when it is cut one way", async () => {
  await stories(async ({ world, near, far }) => {
    world.network.cutLink("client", "server", false)
    near.connection.send([Buffer.alloc(10)])
    far.connection.send([Buffer.alloc(20)])
    await world.sleep(5000)
    assert.deepEqual([near.bytes, far.bytes], [20, 0])
    world.network.healLink("client", "server")
    await world.sleep(1000)
    assert.equal(far.bytes, 10)
    assert.deepEqual([near.closed, far.closed], [undefined, undefined])
  })
})

test("bytes that nobody acknowledges for long end in ETIMEDOUT", async () => {
  await stories(async ({ world, near, far }) => {
    world.network.partition([["server"], ["client"]])
    near.connection.send([Buffer.alloc(10)])
    await world.sleep(70_000)
    assert.equal(near.closed, "ETIMEDOUT")
    // Nothing was sent from there: it sits on a half-open connection and does not know.
    assert.equal(far.closed, undefined)
  })
})

test("connect fails where no machine answers, nobody listens, or no such name is known", async () => {
  await stories(
    async ({ world, server, client }) => {
      await assert.rejects(client.env.network.connect({ host: "server", port: 2 }), code("ECONNREFUSED"))
      await assert.rejects(client.env.network.connect({ host: "elsewhere", port: 1 }), code("ENOTFOUND"))
      server.crash("power")
      const startedMs = world.nowMs
      await assert.rejects(client.env.network.connect({ host: "server", port: 1 }), code("ETIMEDOUT"))
      assert.ok(world.nowMs - startedMs >= 60_000)
    },
    {},
    3,
  )
})

test("a killed process ends or resets its connections", async () => {
  const heard = new Set(
    await stories(async ({ world, server, near }) => {
      server.crash("kill")
      await world.sleep(1000)
      await assert.rejects(
        world.nodes.get("client")!.env.network.connect({ host: "server", port: 1 }),
        code("ECONNREFUSED"),
      )
      return near.closed
    }),
  )
  assert.deepEqual([...heard].sort(), ["ECONNRESET", "clean"])
})

test("a machine without power says nothing: the peer is half-open until it sends and the machine is back", async () => {
  await stories(async ({ world, server, near }) => {
    server.crash("power")
    await world.sleep(10_000)
    server.restart()
    await world.sleep(10_000)
    assert.equal(near.closed, undefined)
    near.connection.send([Buffer.alloc(1)])
    await world.sleep(1000)
    assert.equal(near.closed, "ECONNRESET")
  })
})

test("a reset in the middle loses what is under way, and both ends hear of it", async () => {
  const received = await stories(
    async ({ world, near, far }) => {
      near.connection.send([Buffer.alloc(2_000_000)])
      await world.sleep(1000)
      assert.deepEqual([near.closed, far.closed], ["ECONNRESET", "ECONNRESET"])
      return far.bytes
    },
    { resetChance: 0.1, chunkBytesMax: 20_000, windowBytes: 20_000 },
  )
  assert.ok(new Set(received).size > 5)
})

test("a connection stalls and goes on", async () => {
  const times = await stories(
    async ({ world, near, far }) => {
      near.connection.send([Buffer.alloc(10_000)])
      const startedMs = world.nowMs
      while (far.bytes < 10_000) await world.sleep(10)
      return world.nowMs - startedMs
    },
    { stallChance: 0.2, chunkBytesMax: 5000 },
  )
  assert.ok(Math.max(...times) > 1000 && Math.min(...times) < 100, times.join(" "))
})

test("the window bounds what is under way to a peer that does not read", async () => {
  await stories(
    async ({ world, near, far }) => {
      far.connection.pause()
      near.connection.send([Buffer.alloc(50_000)])
      await world.sleep(1000)
      assert.equal(near.connection.queuedBytes, 40_000)
      far.connection.resume()
      await world.sleep(10_000)
      assert.equal(far.bytes, 50_000)
    },
    { windowBytes: 10_000 },
  )
})

test("memory that changes before it was sent stops the run", async () => {
  await assert.rejects(
    stories(
      async ({ world, near }) => {
        const bytes = Buffer.alloc(100_000)
        near.connection.send([bytes])
        bytes[99_999] = 1
        await world.sleep(1000)
      },
      {},
      1,
    ),
    /changed before it was sent/,
  )
})

test("a slow link is slow in its direction, until it is quick again", async () => {
  await stories(async ({ world, near, far }) => {
    const tookMs = async (from: End, to: End) => {
      const before = to.bytes
      const startMs = world.nowMs
      from.connection.send([Buffer.alloc(10)])
      while (to.bytes === before) await world.sleep(1)
      return world.nowMs - startMs
    }
    world.network.slowLink("client", "server", { least: 300e6, spread: 0 })
    assert.ok((await tookMs(near, far)) > 300)
    assert.ok((await tookMs(far, near)) < 10)
    world.network.quickLink("client", "server")
    assert.ok((await tookMs(near, far)) < 10)
  })
})
