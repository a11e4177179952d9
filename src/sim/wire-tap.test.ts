import assert from "node:assert/strict"
import { test } from "node:test"
import { apiVersions } from "../protocol/messages/api-versions.js"
import { metadata } from "../protocol/messages/metadata.js"
import { produce } from "../protocol/messages/produce.js"
import { encodeRequest, encodeResponse } from "../protocol/request-header.js"
import type { Api, RequestInputOf, ResponseInputOf } from "../protocol/message.js"
import { SeededRandom } from "./random.js"
import { tapConnection, type WireFrame } from "./wire-tap.js"
import { simulate } from "./world.js"

const request = <A extends Api>(api: A, correlationId: number, value: RequestInputOf<A>): Buffer =>
  Buffer.concat(encodeRequest(api, api.maxVersion, correlationId, "test", value) as Buffer[])
const answer = <A extends Api>(api: A, correlationId: number, value: ResponseInputOf<A>): Buffer =>
  Buffer.concat(encodeResponse(api, api.maxVersion, correlationId, value) as Buffer[])

const produced = (acks: number, correlationId: number) =>
  request(produce, correlationId, { acks, timeoutMs: 1, topicData: [] })
const asked = (correlationId: number) =>
  request(apiVersions, correlationId, { clientSoftwareName: "a", clientSoftwareVersion: "1" })
const answered = (correlationId: number) => answer(produce, correlationId, { responses: [] })

test("frames are found however the stream is cut, and answers know their requests", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = new SeededRandom(`cut ${seed}`)
    const seen: WireFrame[] = []
    const [up, down] = tapConnection({ passes: (frame) => seen.push(frame) * 0 }, 7, "a", "b")
    const feed = (stream: typeof up, bytes: Buffer) => {
      for (let at = 0; at < bytes.length; ) {
        const count = random.between(1, 40)
        stream.passed(bytes.subarray(at, at + count))
        at += count
      }
    }
    // The second has no answer.
    feed(up, Buffer.concat([produced(-1, 1), produced(0, 2), produced(1, 3)]))
    feed(down, Buffer.concat([answered(1), answered(3)]))
    assert.deepEqual(
      seen.map(({ from, to, api, correlationId, request: of }) => [
        from,
        to,
        api.name,
        correlationId,
        of?.correlationId,
      ]),
      [
        ["a", "b", "Produce", 1, undefined],
        ["a", "b", "Produce", 2, undefined],
        ["a", "b", "Produce", 3, undefined],
        ["b", "a", "Produce", 1, 1],
        ["b", "a", "Produce", 3, 3],
      ],
    )
  }
})

test("a message that is held up arrives late, also when its sender has gone away meanwhile", async () => {
  for (let seed = 0; seed < 10; seed++) {
    const arrivedMs = await simulate(seed, async (world) => {
      const [server, client] = [world.addNode("server"), world.addNode("client")]
      world.network.watcher = { passes: ({ api }) => (api.name === "Metadata" ? 5_000_000_000 : 0) }
      const arrivals: number[] = []
      await server.env.network.listen({ host: "0.0.0.0", port: 1 }, (connection) => {
        const buffer = Buffer.alloc(4096)
        connection.receive({
          buffer: () => buffer,
          received: () => arrivals.push(world.nowMs),
          ended: () => {},
          closed: () => {},
        })
      })
      const near = await client.env.network.connect({ host: "server", port: 1 })
      near.receive({ buffer: () => Buffer.alloc(64), received: () => {}, ended: () => {}, closed: () => {} })
      near.send([asked(1)])
      await world.sleep(100)
      near.send([
        request(metadata, 2, {
          topics: [],
          allowAutoTopicCreation: false,
          includeClusterAuthorizedOperations: false,
          includeTopicAuthorizedOperations: false,
        }),
      ])
      await world.sleep(100)
      near.destroy()
      await world.sleep(10_000)
      return arrivals
    })
    assert.equal(arrivedMs.result.length, 2)
    assert.ok(arrivedMs.result[0]! < 100 && arrivedMs.result[1]! > 5_000, `${arrivedMs.result}`)
  }
})
