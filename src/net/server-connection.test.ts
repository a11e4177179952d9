import assert from "node:assert/strict"
import { test } from "node:test"
import type { Connection, Payload, Receiver } from "../env/env.js"
import { FramePool } from "./frame-pool.js"
import { SharedReceiveBuffer } from "./frame-reader.js"
import { RequestMemory } from "./request-memory.js"
import { type HandledRequest, type InboundFrame, type Reply, ServerConnection } from "./server-connection.js"

/** The socket's end of a connection, driven by hand. */
class Wire implements Connection {
  readonly remoteAddress = "10.0.0.9"
  readonly remotePort = 1
  readonly localPort = 2
  readonly sent: string[] = []
  readonly unsent: (() => void)[] = []
  queuedBytes = 0
  isPaused = false
  isEnded = false
  isDestroyed = false
  receiver!: Receiver

  receive(receiver: Receiver): void {
    this.receiver = receiver
  }
  pause(): void {
    this.isPaused = true
  }
  resume(): void {
    this.isPaused = false
  }
  send(payloads: readonly Payload[], sent?: () => void): void {
    assert.ok(!this.isEnded, "nothing is sent after the end")
    this.sent.push(Buffer.concat(payloads as Buffer[]).toString())
    if (sent !== undefined) this.unsent.push(sent)
  }
  end(): void {
    this.isEnded = true
  }
  destroy(): void {
    this.isDestroyed = true
  }

  /** Requests of eight letters each come in, in one read. */
  request(...texts: string[]): void {
    const bytes = Buffer.concat(
      texts.map((text) => {
        const frame = Buffer.alloc(12)
        frame.writeInt32BE(8)
        frame.write(text.padEnd(8), 4)
        return frame
      }),
    )
    const target = this.receiver.buffer()
    target.set(bytes)
    this.receiver.received(bytes.length)
  }
}

function connected(
  limits: Partial<{ pipelinedRequestsMax: number; inFlightBytesMax: number }> = {},
  bytesMax = 1 << 20,
) {
  const wire = new Wire()
  const memory = new RequestMemory(bytesMax)
  const started: string[] = []
  const answers = new Map<string, (reply: Reply) => void>()
  const released: string[] = []
  /** Requests in capitals need nothing that comes later to wait for them. */
  const frames = new Map<string, InboundFrame>()
  const handle = (frame: InboundFrame): HandledRequest => {
    const text = frame.bytes.toString().trim()
    started.push(text)
    frames.set(text, frame)
    const reply = new Promise<Reply>((resolve) => answers.set(text, resolve))
    return { reply, accepted: text === text.toUpperCase() }
  }
  const connection = new ServerConnection(
    wire,
    new SharedReceiveBuffer(),
    new FramePool(1 << 20),
    memory,
    {
      frameBytesMax: 1000,
      pipelinedRequestsMax: limits.pipelinedRequestsMax ?? 100,
      inFlightBytesMax: limits.inFlightBytesMax ?? 100_000,
      queuedReplyBytesMax: 100_000,
    },
    () => 0,
    handle,
    () => {},
  )
  const answer = async (text: string, reply?: Reply) => {
    answers.get(text)!(reply ?? { payloads: [Buffer.from(text)], sent: () => released.push(text) })
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
  return { wire, memory, connection, started, released, frames, answer }
}

test("requests that are accepted overlap, and their answers leave in order", async () => {
  const { wire, started, answer } = connected()
  wire.request("A", "B", "C")
  assert.deepEqual(started, ["A", "B", "C"])
  await answer("C")
  await answer("B")
  assert.deepEqual(wire.sent, [])
  await answer("A")
  assert.deepEqual(wire.sent, ["A", "B", "C"])
})

test("a request that is not accepted holds back those behind it", async () => {
  const { wire, started, answer } = connected()
  wire.request("a", "B")
  assert.deepEqual(started, ["a"])
  await answer("a")
  assert.deepEqual(started, ["a", "B"])
})

test("a peer that sends no more gets every answer before the end", async () => {
  const { wire, answer } = connected()
  wire.request("a", "b", "C")
  wire.receiver.ended()
  await answer("a")
  assert.ok(!wire.isEnded)
  await answer("b")
  assert.ok(!wire.isEnded)
  await answer("C")
  assert.deepEqual(wire.sent, ["a", "b", "C"])
  assert.ok(wire.isEnded)
})

test("memory is counted while requests are under way, and given back once, however they end", async () => {
  const { wire, memory, answer } = connected()
  wire.request("A", "b", "c")
  assert.equal(memory.used, 24)
  await answer("A")
  assert.equal(memory.used, 16)
  wire.receiver.closed()
  assert.equal(memory.used, 0)
  await answer("b")
  assert.equal(memory.used, 0)
})

test("a request whose bytes nobody needs is not counted while it waits for its answer", async () => {
  const { wire, memory, frames, answer } = connected()
  wire.request("A", "B")
  frames.get("A")!.release()
  frames.get("A")!.release()
  assert.equal(memory.used, 8)
  await answer("B")
  await answer("A")
  assert.deepEqual(wire.sent, ["A", "B"])
  assert.equal(memory.used, 0)
  frames.get("B")!.release()
  assert.equal(memory.used, 0)
})

test("what a reply holds is let go once: when sent, or when nobody is left to send it to", async () => {
  const { wire, released, answer } = connected()
  wire.request("A", "B", "C")
  await answer("B")
  await answer("A")
  assert.deepEqual(released, [])
  wire.unsent.shift()!()
  assert.deepEqual(released, ["A"])
  wire.receiver.closed()
  await answer("C")
  assert.deepEqual(released, ["A", "C"])
  // The network lets go of what it was given.
  wire.unsent.shift()!()
  assert.deepEqual(released, ["A", "C", "B"])
})

test("a reply that ends the connection does so after those before it, and drops those behind", async () => {
  const { wire, released, answer } = connected()
  wire.request("A", "B", "C")
  await answer("C")
  await answer("B", "close")
  assert.ok(!wire.isEnded)
  await answer("A")
  assert.deepEqual(wire.sent, ["A"])
  assert.ok(wire.isEnded)
  assert.deepEqual(released, ["C"])
})

test("the socket is not read while too much is under way", async () => {
  const { wire, answer } = connected({ pipelinedRequestsMax: 2 })
  wire.request("A", "B")
  assert.ok(wire.isPaused)
  await answer("A")
  assert.ok(!wire.isPaused)
})

test("whoever waits for memory of all goes on when another connection gives it back", async () => {
  const memory = new RequestMemory(16)
  const one = { woken: 0, memoryAvailable: () => one.woken++ }
  memory.take(16)
  assert.ok(memory.isFull)
  memory.wait(one)
  memory.release(8)
  assert.equal(one.woken, 1)
  memory.release(8)
  assert.equal(one.woken, 1)
})

test("a listener for the end runs once, and not if it was taken back", () => {
  const { wire, connection } = connected()
  let ran = 0
  connection.onClosed(() => ran++)
  const takeBack = connection.onClosed(() => (ran += 10))
  takeBack()
  wire.receiver.closed()
  assert.equal(ran, 1)
  connection.onClosed(() => (ran += 100))
  assert.equal(ran, 101)
})
