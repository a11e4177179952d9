import assert from "node:assert/strict"
import { connect, createServer, type Server, type Socket } from "node:net"
import { test } from "node:test"
import { freePort } from "../work.js"
import { clients } from "./network.js"
import { ProxyNetwork } from "./proxies.js"

/** A request as the proxy reads it: size, api key, version, correlation id, client id. */
function request(clientId: string): Buffer {
  const bytes = Buffer.alloc(14 + clientId.length)
  bytes.writeInt32BE(bytes.length - 4, 0)
  bytes.writeInt16BE(clientId.length, 12)
  bytes.write(clientId, 14)
  return bytes
}

/** Node 1 behind its proxy, sending back whatever comes. */
async function withEcho(body: (network: ProxyNetwork, dial: (clientId: string) => Promise<Caller>) => Promise<void>) {
  const network = await ProxyNetwork.open(1, await freePort())
  const { bind, advertised } = network.brokerListener(1)
  const server: Server = createServer((socket) => socket.on("error", () => {}).pipe(socket))
  await new Promise<void>((resolve) => server.listen(bind.port, bind.host, resolve))
  const callers: Caller[] = []
  try {
    await body(network, async (clientId) => {
      const socket = connect(advertised.port, advertised.host)
      await new Promise<void>((resolve) => socket.once("connect", resolve))
      const caller = new Caller(socket)
      callers.push(caller)
      socket.write(request(clientId))
      return caller
    })
  } finally {
    for (const { socket } of callers) socket.destroy()
    await network.close()
    server.close()
  }
}

class Caller {
  bytes = Buffer.alloc(0)
  #waiting: (() => void)[] = []

  constructor(readonly socket: Socket) {
    socket.on("error", () => {})
    socket.on("data", (chunk: Buffer) => {
      this.bytes = Buffer.concat([this.bytes, chunk])
      for (const look of this.#waiting.splice(0)) look()
    })
  }

  async has(text: string): Promise<void> {
    while (!this.bytes.includes(text)) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }
}

test("what is cut between two is held back, and comes in order when it is healed; others are not concerned", () =>
  withEcho(async (network, dial) => {
    const [node, client] = [await dial("node-2"), await dial("somebody")]
    await Promise.all([node.has("node-2"), client.has("somebody")])
    await network.cut(2, 1)
    node.socket.write("first,")
    node.socket.write("second.")
    client.socket.write("through")
    await client.has("through")
    assert.ok(!node.bytes.includes("first"))
    await network.heal()
    await node.has("first,second.")
  }))

test("a cut has a direction", () =>
  withEcho(async (network, dial) => {
    const client = await dial("somebody")
    await client.has("somebody")
    let reached = 0
    await network.cut(1, clients)
    client.socket.write("gone")
    // Another client's way there is the same one, its way back as well.
    const other = await dial("node-3")
    await other.has("node-3")
    reached = client.bytes.length
    await network.heal()
    await client.has("gone")
    assert.ok(client.bytes.length > reached)
  }))

test("what is delayed keeps its order", () =>
  withEcho(async (network, dial) => {
    await network.delay(2, 1, 1, 20)
    const node = await dial("node-2")
    const words = Array.from({ length: 50 }, (_, index) => `${index};`)
    for (const word of words) node.socket.write(word)
    await node.has(words.join(""))
  }))
