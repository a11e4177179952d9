import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { FramePool } from "./frame-pool.js"
import { FrameReader, receiveBufferBytes, SharedReceiveBuffer } from "./frame-reader.js"

class Collector {
  readonly frames: Buffer[] = []
  invalidLength: number | undefined
  frame(_memory: Buffer, frame: Buffer): void {
    this.frames.push(Buffer.from(frame))
  }
  invalid(length: number): void {
    this.invalidLength = length
  }
}

/** Delivers bytes as a socket would: never more than the buffer that was asked for. */
function deliver(reader: FrameReader, bytes: Buffer, chunkSizes: () => number): void {
  let at = 0
  while (at < bytes.length) {
    const target = reader.buffer()
    const count = Math.min(target.length, bytes.length - at, chunkSizes())
    assert.ok(target.length > 0, "a reader always offers room")
    target.set(bytes.subarray(at, at + count))
    reader.received(count)
    at += count
  }
}

const framed = (body: Buffer) => {
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length)
  return Buffer.concat([length, body])
}

test("frames come out whole and in order however the bytes are cut", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.integer({ min: 8, max: 300 }), fc.integer({ min: 8, max: 200_000 })), {
        minLength: 1,
        maxLength: 8,
      }),
      fc.array(fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 70_000 })), { minLength: 1, maxLength: 20 }),
      (lengths, cuts) => {
        const bodies = lengths.map((length, index) => Buffer.alloc(length, index + 1))
        const collector = new Collector()
        const reader = new FrameReader(new SharedReceiveBuffer(), new FramePool(1 << 24), 1 << 20, collector)
        let next = 0
        // One-byte reads of a large frame would take minutes; after a few the cuts grow.
        deliver(reader, Buffer.concat(bodies.map(framed)), () => cuts[next++ % cuts.length]! * (next > 200 ? 1000 : 1))
        assert.deepEqual(collector.frames, bodies)
        assert.equal(reader.isPartial, false)
      },
    ),
    { numRuns: 60, seed: 7 },
  )
})

test("a length that is negative, below a header or above the bound stops the connection", () => {
  for (const length of [-1, 0, 7, 1025, 0x7fffffff]) {
    const collector = new Collector()
    const reader = new FrameReader(new SharedReceiveBuffer(), new FramePool(0), 1024, collector)
    const bytes = Buffer.alloc(64)
    bytes.writeInt32BE(length)
    deliver(reader, bytes, () => 3)
    assert.equal(collector.invalidLength, length)
    assert.deepEqual(collector.frames, [])
  }
})

test("memory held for a peer follows what it sent, not what it announced", () => {
  const reader = new FrameReader(new SharedReceiveBuffer(), new FramePool(0), 100 << 20, new Collector())
  const bytes = Buffer.alloc(16000)
  bytes.writeInt32BE(100 << 20)
  deliver(reader, bytes, () => 1000)
  assert.ok(reader.heldBytes <= receiveBufferBytes, `${reader.heldBytes} held for 16000 received`)
})
