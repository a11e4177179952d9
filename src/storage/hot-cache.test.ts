import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
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

test("buffers taken out anywhere leave the others in their order", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(9), { maxLength: 60 }), (steps) => {
      const expected: HotBuffer[] = []
      const owner = { evicted: (buffer: HotBuffer) => assert.equal(buffer, expected.shift()) }
      const cache = new HotCache(500)
      for (const [number, step] of steps.entries()) {
        if (step < 4) {
          const [buffer] = expected.splice(step, 1)
          if (buffer !== undefined) cache.remove(buffer)
        } else {
          const buffer = new HotBuffer(owner, Buffer.alloc(0), number, number + 1, 10 * step, undefined)
          expected.push(buffer)
          cache.admit(buffer)
        }
        assert.equal(cache.buffers, expected.length)
        assert.equal(
          cache.bytes,
          expected.reduce((total, buffer) => total + buffer.retainedBytes, 0),
        )
        assert.ok(cache.bytes <= 500)
      }
    }),
  )
})
