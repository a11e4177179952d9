import assert from "node:assert/strict"
import { test } from "node:test"
import { DiskError } from "../env/env.js"
import type { DiskOptions } from "./disk.js"
import { pageBytes, sectorBytes } from "./inode.js"
import type { SimulatedNode } from "./node.js"
import { simulate, type World } from "./world.js"

const seeds = 40

/** Runs a story on one node under several seeds and hands back what each saw. */
async function stories<T>(
  story: (node: SimulatedNode, world: World) => Promise<T>,
  disk: Partial<DiskOptions> = {},
): Promise<T[]> {
  const results: T[] = []
  for (let seed = 0; seed < seeds; seed++) {
    results.push((await simulate(seed, (world) => story(world.addNode("a", { disk }), world))).result)
  }
  return results
}

const code = (expected: string) => (error: unknown) => error instanceof DiskError && error.code === expected
const page = (fill: number) => Buffer.alloc(pageBytes, fill)
const read = (node: SimulatedNode, path: string) => node.disk.peek(path)

/** A file with two synced pages of 1, whose name is synced too. */
async function settled(node: SimulatedNode, path = "/f") {
  const file = await node.env.disk.open(path, { create: true })
  await file.write([page(1), page(1)], 0)
  await file.sync()
  await node.env.disk.syncDirectory("/")
  return file
}

test("what was synced survives a power cut, whatever is drawn", async () => {
  await stories(async (node) => {
    const file = await settled(node)
    await file.write([page(2), page(2)], 2 * pageBytes)
    node.crash("power")
    assert.deepEqual(read(node, "/f")!.subarray(0, 2 * pageBytes), Buffer.concat([page(1), page(1)]))
  })
})

test("unsynced pages are kept, dropped or torn, each by itself", async () => {
  const seen = new Set<string>()
  await stories(async (node) => {
    const file = await settled(node)
    await file.write([page(2), page(2)], 0)
    node.crash("power", { keep: 0.3, tear: 0.5 })
    const bytes = read(node, "/f")!
    for (const at of [0, pageBytes]) {
      const sectors = new Set<number>()
      for (let i = at; i < at + pageBytes; i += sectorBytes) {
        const sector = bytes.subarray(i, i + sectorBytes)
        assert.ok(sector.every((byte) => byte === sector[0]))
        sectors.add(sector[0]!)
      }
      seen.add([...sectors].sort().join("+"))
    }
  })
  assert.deepEqual([...seen].sort(), ["1", "1+2", "2"])
})

test("a file that grew without a sync has any size in between, and zeros or garbage for what is missing", async () => {
  const sizes = new Set<string>()
  let zeros = 0
  let garbage = 0
  await stories(async (node) => {
    const file = await settled(node)
    await file.write([page(2), page(2), page(2)], 2 * pageBytes)
    node.crash("power", { keep: 0.3, tear: 0.2, garbage: 0.3 })
    const bytes = read(node, "/f")!
    sizes.add(bytes.length === 2 * pageBytes ? "old" : bytes.length === 5 * pageBytes ? "new" : "between")
    for (const byte of bytes.subarray(2 * pageBytes)) {
      if (byte === 0) zeros += 1
      else if (byte !== 2) garbage += 1
    }
  })
  assert.deepEqual([...sizes].sort(), ["between", "new", "old"])
  assert.ok(zeros > 0 && garbage > 0)
})

test("a kill keeps the page cache: everything whose write resolved is there", async () => {
  await stories(async (node) => {
    const file = await node.env.disk.open("/f", { create: true })
    await file.write([page(3)], 0)
    node.crash("kill")
    node.restart()
    assert.deepEqual(await node.env.disk.readFile("/f", 1 << 20), page(3))
  })
})

test("a write in flight at a kill may have happened by any prefix", async () => {
  const lengths = new Set<number>()
  await stories(async (node) => {
    const file = await settled(node)
    void file.write([Buffer.alloc(1000, 9)], 0)
    node.crash("kill")
    const bytes = read(node, "/f")!
    const length = bytes.findIndex((byte) => byte !== 9)
    assert.ok(bytes.subarray(length).every((byte) => byte === 1))
    lengths.add(length)
  })
  assert.ok(lengths.size > 10)
})

test("a truncation without a sync may come undone, and then nothing written after it is there", async () => {
  const seen = new Set<string>()
  await stories(async (node) => {
    const file = await settled(node)
    await file.truncate(100)
    await file.write([Buffer.alloc(50, 7)], 100)
    node.crash("power", { keep: 1 })
    const bytes = read(node, "/f")!
    if (bytes.length === 2 * pageBytes) {
      assert.ok(bytes.subarray(100).every((byte) => byte === 1))
      seen.add("undone")
    } else {
      assert.ok(bytes.length >= 100 && bytes.length <= 150)
      assert.ok(bytes.subarray(100).every((byte) => byte === 7))
      seen.add("done")
    }
  })
  assert.deepEqual([...seen].sort(), ["done", "undone"])
})

test("a synced truncation stays", async () => {
  await stories(async (node) => {
    const file = await settled(node)
    await file.truncate(100)
    await file.sync()
    node.crash("power")
    assert.equal(read(node, "/f")!.length, 100)
  })
})

test("a sync promises what was written before the call, not what came after it", async () => {
  const later = new Set<boolean>()
  await stories(async (node) => {
    const file = await settled(node)
    await file.write([page(2)], 0)
    const syncing = file.sync()
    await file.write([page(3)], pageBytes)
    await syncing
    node.crash("power", { keep: 0.5, tear: 0 })
    const bytes = read(node, "/f")!
    assert.equal(bytes[0], 2)
    later.add(bytes[pageBytes] === 3)
  })
  assert.equal(later.size, 2)
})

test("syncFileSystem promises the data of all files, and their names; not those that come while it runs", async () => {
  const named = new Set<boolean>()
  await stories(async (node) => {
    const { disk } = node.env
    await settled(node, "/old")
    const old = await disk.open("/old")
    const fresh = await disk.open("/fresh", { create: true })
    await Promise.all([old.write([page(5)], 0), fresh.write([page(6)], 0)])
    await Promise.all([disk.syncFileSystem!("/"), disk.open("/late", { create: true })])
    node.crash("power", { keep: 0, keepNames: 0.5 })
    assert.equal(read(node, "/old")![0], 5)
    assert.deepEqual(read(node, "/fresh"), page(6))
    named.add(read(node, "/late") !== undefined)
  })
  assert.equal(named.size, 2)
})

test("names created, renamed or removed without a sync of their folder appear or not; a rename as a whole", async () => {
  const seen = new Set<string>()
  await stories(async (node) => {
    const { disk } = node.env
    await settled(node, "/a")
    await settled(node, "/b")
    await disk.rename("/a", "/c")
    await disk.unlink("/b")
    await disk.open("/d", { create: true })
    node.crash("power", { keepNames: 0.5 })
    const names = node.disk.paths()
    assert.notEqual(names.includes("/a"), names.includes("/c"))
    seen.add(names.join(" "))
  })
  assert.ok(seen.size >= 6, [...seen].join(" | "))
})

test("after syncDirectory the folder's names survive, and so does what they depend on", async () => {
  await stories(async (node) => {
    const { disk } = node.env
    await disk.makeDirectory("/x")
    await disk.makeDirectory("/y")
    await disk.syncDirectory("/")
    const file = await disk.open("/x/new.tmp", { create: true })
    await file.write([page(4)], 0)
    await file.sync()
    await disk.rename("/x/new.tmp", "/y/new")
    await disk.syncDirectory("/y")
    node.crash("power")
    assert.deepEqual(node.disk.paths(), ["/y/new"])
    assert.deepEqual(read(node, "/y/new"), page(4))
  })
})

test("a renamed file whose contents were not synced may be empty behind its synced name", async () => {
  const sizes = new Set<number>()
  await stories(async (node) => {
    const file = await node.env.disk.open("/t.tmp", { create: true })
    await file.write([page(1)], 0)
    await node.env.disk.rename("/t.tmp", "/t")
    await node.env.disk.syncDirectory("/")
    node.crash("power")
    sizes.add(read(node, "/t")!.length)
  })
  assert.ok(sizes.has(0) && sizes.has(pageBytes))
})

test("a failed sync is ext4's: EIO once, reads show the new bytes, the retry succeeds, the old bytes return", async () => {
  await stories(
    async (node) => {
      const file = await settled(node)
      await file.write([page(2)], 0)
      node.disk.failNextSync("/f")
      await assert.rejects(file.sync(), code("EIO"))
      assert.equal(read(node, "/f")![0], 2)
      await file.sync()
      assert.equal(read(node, "/f")![0], 2)
      node.disk.evict()
      assert.equal(read(node, "/f")![0], 1)
    },
    { writeBackChance: 0 },
  )
})

test("after a failed sync and a succeeding retry a power cut shows the old bytes", async () => {
  await stories(
    async (node) => {
      const file = await settled(node)
      await file.write([page(2)], 0)
      node.disk.failNextSync("/f")
      await assert.rejects(file.sync(), code("EIO"))
      await file.sync()
      node.crash("power")
      assert.equal(read(node, "/f")![0], 1)
    },
    { writeBackChance: 0 },
  )
})

test("reads and writes fail in a range until it is healed; a failed write leaves a prefix", async () => {
  const prefixes = new Set<number>()
  await stories(async (node) => {
    const file = await settled(node)
    node.disk.failRange("/f", "read", 100, 200)
    const target = Buffer.alloc(50)
    await assert.rejects(file.read(target, 0, 50, 180), code("EIO"))
    assert.equal(await file.read(target, 0, 50, 200), 50)
    node.disk.failRange("/f", "write", 0, 10, "EROFS")
    await assert.rejects(file.write([Buffer.alloc(100, 8)], 5), code("EROFS"))
    const bytes = read(node, "/f")!
    prefixes.add(bytes.filter((byte) => byte === 8).length)
    node.disk.heal()
    await file.read(target, 0, 50, 180)
    await file.write([page(8)], 0)
  })
  assert.ok(prefixes.size > 10)
})

test("a full disk takes what fits, says ENOSPC, and takes writes again when there is room", async () => {
  await stories(
    async (node) => {
      const { disk } = node.env
      const file = await disk.open("/f", { create: true })
      await file.write([page(1), page(1)], 0)
      await assert.rejects(file.write([page(2), page(2)], 2 * pageBytes), code("ENOSPC"))
      assert.equal(await file.size(), 3 * pageBytes)
      assert.deepEqual(await disk.freeBytes("/"), { free: 0, total: 3 * pageBytes })
      await file.write([page(3)], 0)
      await file.truncate(pageBytes)
      await file.write([page(2), page(2)], pageBytes)
    },
    { capacityBytes: 3 * pageBytes },
  )
})

test("open fails with EMFILE at the limit and works after a close", async () => {
  await stories(
    async (node) => {
      const { disk } = node.env
      const first = await disk.open("/1", { create: true })
      await disk.open("/2", { create: true })
      await assert.rejects(disk.open("/3", { create: true }), code("EMFILE"))
      await first.close()
      await disk.open("/3", { create: true })
    },
    { openFilesMax: 2 },
  )
})

test("a bit flips and a range turns to zeros without any error", async () => {
  await simulate(1, async (world) => {
    const node = world.addNode("a")
    const file = await settled(node)
    node.disk.flipBit("/f", 10, 3)
    node.disk.zero("/f", 20, 30)
    const target = Buffer.alloc(40)
    await file.read(target, 0, 40, 0)
    assert.equal(target[10], 1 ^ 8)
    assert.ok(target.subarray(20, 30).every((byte) => byte === 0))
    node.crash("power")
    assert.equal(read(node, "/f")![10], 1 ^ 8)
  })
})

test("calls are slow when the disk is", async () => {
  const time = async (slowChance: number) =>
    (
      await simulate(1, async (world) => {
        const node = world.addNode("a", { disk: { slowChance, slowFactor: 1000 } })
        await settled(node)
        return world.nowMs
      })
    ).result
  assert.ok((await time(1)) > 100 * (await time(0)))
})

test("locks end with the life of their holder", async () => {
  await simulate(1, async (world) => {
    const node = world.addNode("a")
    await node.env.disk.lock("/.lock")
    await assert.rejects(node.env.disk.lock("/.lock"), code("EWOULDBLOCK"))
    node.crash("kill")
    await node.restart().disk.lock("/.lock")
  })
})

test("every operation can be made to fail, or to be the last before a crash", async () => {
  await simulate(1, async (world) => {
    const node = world.addNode("a")
    const kinds: string[] = []
    node.disk.intercept = ({ number, kind }) => {
      kinds.push(`${number} ${kind}`)
      return kind === "truncate" ? { error: "EIO" } : undefined
    }
    const file = await settled(node)
    await assert.rejects(file.truncate(1), code("EIO"))
    assert.equal(await file.size(), 2 * pageBytes)
    assert.deepEqual(kinds.slice(0, 4), ["1 open", "2 write", "3 sync", "4 syncDirectory"])
    node.disk.intercept = () => ({ crash: "power", when: "after" })
    let heard = false
    void file.write([page(2)], 0).finally(() => (heard = true))
    await world.sleep(1000)
    assert.equal(node.alive, false)
    assert.equal(heard, false)
  })
})

test("a buffer that changes while its write is in flight stops the run", async () => {
  await assert.rejects(
    simulate(1, async (world) => {
      const file = await settled(world.addNode("a"))
      const bytes = page(2)
      const writing = file.write([bytes], 0)
      bytes[0] = 3
      await writing
    }),
    /changed while its write/,
  )
})

test("a disk that hangs does nothing before it is over", async () => {
  await stories(async (node, world) => {
    const file = await settled(node)
    node.disk.hang(5_000)
    const startMs = world.nowMs
    await file.write([page(2)], 0)
    assert.ok(world.nowMs - startMs >= 5_000)
  })
})

test("disks change places between machines, and a new one is empty", async () => {
  for (let seed = 0; seed < 5; seed++)
    await simulate(seed, async (world) => {
      const [a, b] = [world.addNode("a"), world.addNode("b")]
      await settled(a)
      a.crash("power")
      b.crash("power")
      a.disk.swapWith(b.disk)
      assert.equal(read(a, "/f"), undefined)
      assert.equal(read(b, "/f")!.length, 2 * pageBytes)
      b.disk.replaceWithEmpty()
      assert.deepEqual(b.disk.paths(), [])
    })
})

test("what is on the medium is told from what only programs see", async () => {
  await stories(
    async (node) => {
      const file = await settled(node)
      const inode = [...node.disk.names.inodes()][0]!
      assert.ok(inode.isDurable(0, 2 * pageBytes))
      const { rewrites } = inode
      await file.write([page(2)], 2 * pageBytes)
      assert.equal(inode.rewrites, rewrites)
      assert.ok(!inode.isDurable(2 * pageBytes, 3 * pageBytes))
      await file.sync()
      assert.ok(inode.isDurable(0, 3 * pageBytes))
      await file.write([page(3)], 0)
      assert.ok(inode.rewrites > rewrites)
    },
    { writeBackChance: 0 },
  )
})
