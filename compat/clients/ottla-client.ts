/**
 * Ottla's own client without a group: what it sends and reads, against whatever broker speaks Kafka's protocol.
 *
 * Owns the story of one producer and one reader: every codec, keys, headers, timestamps, null, several partitions. Groups are in `../groups`, kills in `../cluster`.
 */
import { Client } from "../../src/client/index.js"
import type { Check } from "../check.js"
import { expect, expectEqual } from "../work.js"

const perCodec = 300
const keys = 3
const codecs = ["none", "gzip", "snappy", "lz4", "zstd"] as const
const largeBytes = 900_000

export const ottlaClient: Check = {
  name: "ottla-client",
  about: "Ottla's own client",
  async run({ bootstrap, topic: nameOf, leadersMove }) {
    await using client = new Client({ bootstrap })
    const topic = nameOf("ottla-client")
    const began = Date.now()
    const sent = new Map<string, { readonly codec: string; readonly partition: number; readonly offset: bigint }>()
    for (const compression of codecs) {
      await using producer = client.producer({ compression })
      const values = Array.from({ length: perCodec }, (_, index) => `${compression}-${index}`)
      const stored = await producer.sendAll(
        values.map((value, index) => ({
          ...{ topic, key: `key-${index % keys}`, value, timestamp: began + index },
          headers: { codec: compression, none: null },
        })),
      )
      for (const [index, value] of values.entries()) {
        const { partition, offset } = stored[index]!
        sent.set(value, { codec: compression, partition, offset })
      }
    }
    await using producer = client.producer({ maxRequestBytes: 4 << 20 })
    const tombstone = await producer.send({ topic, key: "key-0", value: null })
    const large = await producer.send({ topic, value: Buffer.alloc(largeBytes, "x") })
    const tooLarge = await producer.send({ topic, value: Buffer.alloc(2 << 20) }).catch((error: unknown) => error)
    expect(
      tooLarge instanceof Error && "code" in tooLarge && tooLarge.code === "MESSAGE_TOO_LARGE",
      `too large: ${tooLarge}`,
    )

    await using consumer = client.consumer({ topics: [topic], from: "earliest" })
    const places = new Map<number, bigint>()
    let left = sent.size + 2
    for await (const { partition, offset, key, value, headers, timestamp } of consumer) {
      expect(
        offset >= (places.get(partition) ?? 0n),
        `${topic}-${partition}: ${offset} comes after ${places.get(partition)}`,
      )
      places.set(partition, offset + 1n)
      if (value === null)
        expectEqual([partition, `${offset}`], [tombstone.partition, `${tombstone.offset}`], "the tombstone")
      else if (value.length === largeBytes) expectEqual(`${offset}`, `${large.offset}`, "the large record")
      else {
        const text = value.toString()
        const expected = sent.get(text)
        expect(expected !== undefined, `${text} was never sent, or comes twice`)
        const index = Number(text.split("-")[1])
        expectEqual([partition, `${offset}`], [expected.partition, `${expected.offset}`], text)
        expectEqual(
          [String(key), timestamp, headers.map((header) => [header.key, header.value?.toString() ?? null])],
          [
            `key-${index % keys}`,
            began + index,
            [
              ["codec", expected.codec],
              ["none", null],
            ],
          ],
          `${text}: what else it carries`,
        )
        sent.delete(text)
      }
      if (--left === 0) break
    }
    await using later = client.consumer({ topics: [topic], from: { timestamp: began + perCodec - 1 } })
    const last = (await later.poll({ timeoutMs: 10_000 }))[0]
    expect(last !== undefined && last.timestamp >= began + perCodec - 1, `by time: ${last?.timestamp}`)
    return `${perCodec * codecs.length + 2} records${leadersMove ? " while leaders move" : ""}`
  },
}
