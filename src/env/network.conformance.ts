/** What every `Network` promises. The real and the simulated one run the same suite. */
import assert from "node:assert/strict"
import { createHash } from "node:crypto"
import { test } from "node:test"
import { type Connection, type Disk, type File, type Network, NetworkError, type Payload } from "./env.js"

export interface NetworkUnderTest {
  readonly network: Network
  readonly disk: Disk
  /** An empty folder. */
  readonly root: string
  /** Lets so much time pass. */
  wait(ms: number): Promise<void>
}

export type WithNetwork = (body: (under: NetworkUnderTest) => Promise<void>) => Promise<void>

const host = "127.0.0.1"

/** Collects what a connection receives, and lets a test wait for it. */
class Recorder {
  readonly hash = createHash("sha256")
  text = ""
  count = 0
  isEnded = false
  isClosed = false
  error: NetworkError | undefined
  #waiting: (() => void)[] = []
  #buffer: Buffer

  constructor(
    readonly connection: Connection,
    bufferBytes = 4096,
    onReceived: (bytes: Buffer) => void = () => {},
  ) {
    this.#buffer = Buffer.alloc(bufferBytes)
    connection.receive({
      buffer: () => this.#buffer,
      received: (count) => {
        assert.ok(!this.isEnded && !this.isClosed)
        assert.ok(count > 0 && count <= this.#buffer.length)
        const bytes = this.#buffer.subarray(0, count)
        this.hash.update(bytes)
        if (this.text.length < 1000) this.text += bytes.toString("latin1")
        this.count += count
        onReceived(bytes)
        this.#wake()
      },
      ended: () => {
        assert.ok(!this.isEnded && !this.isClosed)
        this.isEnded = true
        this.#wake()
      },
      closed: (error) => {
        assert.ok(!this.isClosed)
        this.isClosed = true
        this.error = error
        this.#wake()
      },
    })
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }

  async until(condition: (recorder: this) => boolean): Promise<void> {
    while (!condition(this)) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }
}

export function networkConformance(name: string, withNetwork: WithNetwork): void {
  const rule = (text: string, body: (under: NetworkUnderTest) => Promise<void>) =>
    test(`${name}: ${text}`, () => withNetwork(body))

  /** Two ends of one connection. */
  const pair = async ({ network }: NetworkUnderTest): Promise<[Connection, Connection]> => {
    let accepted: (connection: Connection) => void = () => {}
    const incoming = new Promise<Connection>((resolve) => (accepted = resolve))
    const listener = await network.listen({ host, port: 0 }, (connection) => accepted(connection))
    const outgoing = await network.connect({ host, port: listener.port })
    const both: [Connection, Connection] = [outgoing, await incoming]
    await listener.close()
    return both
  }

  const send = (connection: Connection, payloads: readonly Payload[]) =>
    new Promise<void>((resolve) => connection.send(payloads, resolve))

  rule("both ends know each other's port", async (under) => {
    const [near, far] = await pair(under)
    assert.equal(near.remotePort, far.localPort)
    assert.equal(near.localPort, far.remotePort)
    assert.equal(far.remoteAddress, host)
    near.destroy()
    far.destroy()
  })

  rule("bytes arrive whole and in order, in memory of the receiver's choice", async (under) => {
    const [near, far] = await pair(under)
    const recorder = new Recorder(far, 7)
    new Recorder(near)
    near.send([Buffer.from("first "), Buffer.alloc(0), Buffer.from("second ")])
    near.send([Buffer.from("third")])
    await recorder.until(({ count }) => count === 18)
    assert.equal(recorder.text, "first second third")
    near.destroy()
    await recorder.until(({ isClosed }) => isClosed)
  })

  rule("sent runs once per call, also for nothing to send", async (under) => {
    const [near, far] = await pair(under)
    const recorder = new Recorder(far)
    new Recorder(near)
    const order: string[] = []
    near.send([Buffer.from("a")], () => order.push("a"))
    near.send([Buffer.from("b"), Buffer.from("c")], () => order.push("bc"))
    await recorder.until(({ count }) => count === 3)
    await send(near, [])
    assert.deepEqual(order, ["a", "bc"])
    assert.equal(near.queuedBytes, 0)
    near.destroy()
    far.destroy()
  })

  rule("a large transfer is whole", async (under) => {
    const [near, far] = await pair(under)
    const recorder = new Recorder(far, 50_000)
    new Recorder(near)
    const expected = createHash("sha256")
    for (let i = 0; i < 64; i++) {
      const bytes = Buffer.alloc(40_000 + i, i)
      expected.update(bytes)
      near.send([bytes])
    }
    await recorder.until(({ count }) => count === 64 * 40_000 + (63 * 64) / 2)
    assert.equal(recorder.hash.digest("hex"), expected.digest("hex"))
    near.destroy()
    far.destroy()
  })

  rule("a peer that does not read holds the sender back, and resume lets it go on", async (under) => {
    const [near, far] = await pair(under)
    const recorder = new Recorder(far, 65_536)
    new Recorder(near)
    far.pause()
    const total = 64 * 1024 * 1024
    let sent = false
    near.send([Buffer.alloc(total / 2, 1), Buffer.alloc(total / 2, 2)], () => (sent = true))
    await under.wait(200)
    assert.equal(recorder.count, 0)
    assert.equal(sent, false)
    assert.ok(near.queuedBytes > 0)
    far.resume()
    await recorder.until(({ count }) => count === total)
    await send(near, [])
    assert.equal(sent, true)
    near.destroy()
    far.destroy()
  })

  rule("a pause inside received stops the next delivery", async (under) => {
    const [near, far] = await pair(under)
    new Recorder(near)
    const recorder = new Recorder(far, 4, () => far.pause())
    near.send([Buffer.from("12345678")])
    await recorder.until(({ count }) => count > 0)
    await under.wait(50)
    const first = recorder.count
    assert.ok(first <= 4)
    while (recorder.count < 8) {
      const before = recorder.count
      far.resume()
      await recorder.until(({ count }) => count > before)
    }
    assert.equal(recorder.text, "12345678")
    near.destroy()
    far.destroy()
  })

  rule("end sends what is queued; the peer hears the end after it, and both close", async (under) => {
    const [near, far] = await pair(under)
    const [mine, theirs] = [new Recorder(near), new Recorder(far, 1000)]
    near.send([Buffer.alloc(300_000, 7)])
    near.end()
    near.send([Buffer.from("too late")])
    await theirs.until(({ isClosed }) => isClosed)
    await mine.until(({ isClosed }) => isClosed)
    assert.equal(theirs.count, 300_000)
    assert.equal(theirs.isEnded, true)
    assert.equal(theirs.error, undefined)
    assert.equal(mine.error, undefined)
  })

  rule("end closes even if the peer never does", async (under) => {
    const [near, far] = await pair(under)
    const mine = new Recorder(near)
    new Recorder(far)
    far.pause()
    near.end()
    await mine.until(({ isClosed }) => isClosed)
    far.destroy()
  })

  rule("destroy closes this end at once and tells the other; what was queued is let go", async (under) => {
    const [near, far] = await pair(under)
    const [mine, theirs] = [new Recorder(near), new Recorder(far)]
    far.pause()
    let sent = 0
    near.send([Buffer.alloc(32 * 1024 * 1024)], () => (sent += 1))
    await under.wait(50)
    near.destroy()
    await mine.until(({ isClosed }) => isClosed)
    assert.equal(sent, 1)
    assert.equal(near.queuedBytes, 0)
    let after = 0
    near.send([Buffer.from("x")], () => (after += 1))
    far.resume()
    await theirs.until(({ isClosed }) => isClosed)
    assert.equal(after, 1)
  })

  rule("file regions and memory go out in order", async (under) => {
    const [near, far] = await pair(under)
    const recorder = new Recorder(far, 65_536)
    new Recorder(near)
    const file = await under.disk.open(`${under.root}/f`, { create: true })
    const bytes = Buffer.alloc(3_000_000)
    for (let i = 0; i < bytes.length; i += 4) bytes.writeUInt32LE(i, i)
    await file.write([bytes], 0)
    const region = (position: number, length: number) => ({ file, position, length })
    const pieces: Payload[] = [
      Buffer.from("head"),
      region(1, 2_500_000),
      Buffer.from("between"),
      region(10, 0),
      region(2_999_999, 1),
      region(0, 100),
    ]
    const expected = createHash("sha256")
    expected.update("head").update(bytes.subarray(1, 2_500_001)).update("between")
    expected.update(bytes.subarray(2_999_999)).update(bytes.subarray(0, 100))
    await send(near, pieces)
    await recorder.until(({ count }) => count === 4 + 2_500_000 + 7 + 1 + 100)
    assert.equal(recorder.hash.digest("hex"), expected.digest("hex"))
    assert.equal(near.queuedBytes, 0)
    await file.close()
    near.destroy()
    far.destroy()
  })

  rule("a region to a peer that reads slowly arrives whole", async (under) => {
    const [near, far] = await pair(under)
    new Recorder(near)
    far.pause()
    const recorder = new Recorder(far, 60_000)
    const file = await under.disk.open(`${under.root}/f`, { create: true })
    const bytes = Buffer.alloc(1 << 20)
    for (let i = 0; i < bytes.length; i += 4) bytes.writeUInt32LE(i * 7, i)
    await file.write([bytes], 0)
    const repeats = 20
    const expected = createHash("sha256")
    for (let i = 0; i < repeats; i++) {
      near.send([{ file, position: 0, length: bytes.length }])
      expected.update(bytes)
    }
    await under.wait(100)
    assert.ok(near.queuedBytes > 0)
    far.resume()
    await recorder.until(({ count }) => count === repeats * bytes.length)
    assert.equal(recorder.hash.digest("hex"), expected.digest("hex"))
    await file.close()
    near.destroy()
    far.destroy()
  })

  rule("a region beyond the end of its file closes the connection with EIO", async (under) => {
    const [near, far] = await pair(under)
    const [mine, theirs] = [new Recorder(near), new Recorder(far)]
    const file: File = await under.disk.open(`${under.root}/f`, { create: true })
    await file.write([Buffer.from("short")], 0)
    let sent = 0
    near.send([{ file, position: 0, length: 100 }], () => (sent += 1))
    await mine.until(({ isClosed }) => isClosed)
    await theirs.until(({ isClosed }) => isClosed)
    assert.equal(mine.error?.code, "EIO")
    assert.equal(sent, 1)
    await file.close()
  })

  rule("connect is refused where nobody listens, also after the listener closed", async (under) => {
    const listener = await under.network.listen({ host, port: 0 }, () => {})
    assert.ok(listener.port > 0)
    await assert.rejects(
      under.network.listen({ host, port: listener.port }, () => {}),
      (error) => {
        assert.ok(error instanceof NetworkError && error.code === "EADDRINUSE")
        return true
      },
    )
    await listener.close()
    await assert.rejects(under.network.connect({ host, port: listener.port }), (error) => {
      assert.ok(error instanceof NetworkError && error.code === "ECONNREFUSED")
      return true
    })
    await (await under.network.listen({ host, port: listener.port }, () => {})).close()
    await assert.rejects(
      under.network.listen({ host: "192.0.2.1", port: 0 }, () => {}),
      (error) => {
        assert.ok(error instanceof NetworkError && error.code === "EADDRNOTAVAIL")
        return true
      },
    )
  })

  rule("open connections live on when their listener closes", async (under) => {
    const [near, far] = await pair(under)
    const recorder = new Recorder(far)
    new Recorder(near)
    near.send([Buffer.from("still here")])
    await recorder.until(({ count }) => count === 10)
    near.destroy()
    far.destroy()
  })

  rule("what is sent and received before receive is not lost", async (under) => {
    const [near, far] = await pair(under)
    far.send([Buffer.from("early")])
    const theirs = new Recorder(far)
    await under.wait(20)
    const mine = new Recorder(near)
    await mine.until(({ count }) => count === 5)
    assert.equal(mine.text, "early")
    near.end()
    await theirs.until(({ isClosed }) => isClosed)
  })
}
