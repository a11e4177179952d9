import assert from "node:assert/strict"
import { test } from "node:test"
import { HotBuffer, HotCache } from "./hot-cache.js"
import { LogMemory } from "./log-memory.js"

/** A log's memory, and which of the appends in it have been given back. */
function memoryOf(appends: readonly { readonly isCold: boolean }[]) {
  const cache = new HotCache(1000)
  const memory = new LogMemory(cache)
  const released: number[] = []
  const buffers = appends.map(
    ({ isCold }, at) => new HotBuffer(memory, Buffer.alloc(61), at, at + 1, 100, () => released.push(at), isCold),
  )
  for (const buffer of buffers) memory.add(buffer)
  return { cache, memory, buffers, released }
}

test("what nobody will read is given back when it is written, and what is older with it", () => {
  const { cache, memory, buffers, released } = memoryOf([
    { isCold: false },
    { isCold: false },
    { isCold: true },
    { isCold: false },
  ])
  memory.written(buffers[0]!)
  memory.written(buffers[1]!)
  assert.deepEqual(released, [])
  memory.written(buffers[2]!)
  assert.deepEqual(released, [0, 1, 2])
  assert.equal(cache.bytes, 0)
  memory.written(buffers[3]!)
  assert.deepEqual(released, [0, 1, 2])
  assert.equal(memory.read(2, 4, 1000, true), undefined)
  assert.equal(cache.bytes, 100)
})

test("what somebody reads is given back when it is read, however cold", () => {
  const { memory, buffers, released } = memoryOf([{ isCold: true }])
  buffers[0]!.hold()
  memory.written(buffers[0]!)
  assert.deepEqual(released, [])
  buffers[0]!.letGo()
  assert.deepEqual(released, [0])
})
