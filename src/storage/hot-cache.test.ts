import assert from "node:assert/strict"
import { test } from "node:test"
import { HotBuffer, HotCache } from "./hot-cache.js"

test("over budget the oldest written buffers go, and are released when no reader holds them", () => {
  const evicted: number[] = []
  const released: number[] = []
  const owner = {
    evicted(buffer: HotBuffer) {
      evicted.push(buffer.baseOffset)
      buffer.letGo()
    },
  }
  const cache = new HotCache(250)
  const buffers = [0, 1, 2].map(
    (offset) => new HotBuffer(owner, Buffer.alloc(10), offset, offset + 1, 100, () => released.push(offset)),
  )
  buffers[0]!.hold()
  for (const buffer of buffers) cache.admit(buffer)
  assert.deepEqual(evicted, [0])
  assert.deepEqual(released, [])
  assert.equal(cache.bytes, 200)
  buffers[0]!.letGo()
  assert.deepEqual(released, [0])
  assert.throws(() => buffers[0]!.letGo())
})

test("what is removed no longer counts", () => {
  const cache = new HotCache(100)
  const buffer = new HotBuffer({ evicted: () => assert.fail("evicted") }, Buffer.alloc(1), 0, 1, 80, undefined)
  cache.admit(buffer)
  cache.remove(buffer)
  cache.remove(buffer)
  assert.equal(cache.bytes, 0)
})
