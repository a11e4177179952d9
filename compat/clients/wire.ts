/** Our own codec against the broker: every compression, idempotence, offsets by time, pipelining. First, since it tells a broken broker from a broken client. */
import type { Check } from "../check.js"
import { WireClient } from "../client.js"
import { compressionTypes } from "../../src/protocol/batch-header.js"
import { prepareCompression } from "../../src/protocol/compression/compression.js"
import { buildBatch } from "../../src/protocol/record-batch.js"
import { expectEqual } from "../work.js"

const recordsPerBatch = 50
const duplicateSequenceNumber = 46
const outOfOrderSequenceNumber = 45

export const wire: Check = {
  name: "wire",
  needsCalm: "it talks to one broker",
  about: "our own codec",
  async run({ host, port, topic }) {
    await prepareCompression()
    const client = await WireClient.connect({ host, port })
    try {
      const name = topic("wire")
      await client.createTopic(name, 2)
      const values: string[] = []
      const baseTimestamp = 1_700_000_000_000
      const answers = compressionTypes.map((compression, index) => {
        const records = Array.from({ length: recordsPerBatch }, (_, i) => {
          values.push(`${compression}-${i}`)
          return {
            key: Buffer.from(`key-${i}`),
            value: Buffer.from(`${compression}-${i}`),
            timestamp: baseTimestamp + index * recordsPerBatch + i,
            headers: [{ key: "codec", value: Buffer.from(compression) }],
          }
        })
        return client.produce(name, 0, buildBatch({ records, compression }))
      })
      const produced = await Promise.all(answers)
      expectEqual(
        produced,
        compressionTypes.map((_, index) => ({ errorCode: 0, baseOffset: index * recordsPerBatch })),
        "pipelined answers",
      )
      const read: string[] = []
      let offset = 0
      for await (const record of client.readPartition(name, 0)) {
        expectEqual(record.offset, offset++, "offset")
        expectEqual(record.headers[0]?.value?.toString(), record.value!.toString().split("-")[0], "header")
        read.push(record.value!.toString())
      }
      expectEqual(read, values, "records read")
      for (const wanted of [0, 1, 49, 50, 123, values.length - 1]) {
        const found = await client.listOffset(name, 0, baseTimestamp + wanted)
        expectEqual(found, { offset: wanted, timestamp: baseTimestamp + wanted }, "offset by time")
      }
      expectEqual((await client.listOffset(name, 0, baseTimestamp + values.length)).offset, -1, "offset after the last")

      const producer = await client.producerId()
      const batch = (baseSequence: number) =>
        buildBatch({
          records: [{ value: Buffer.from(`sequence ${baseSequence}`) }],
          timestamp: 1,
          baseSequence,
          ...producer,
        })
      const first = await client.produce(name, 1, batch(0))
      expectEqual(first, { errorCode: 0, baseOffset: 0 }, "first batch of an idempotent producer")
      const again = await client.produce(name, 1, batch(0))
      expectEqual(
        again.errorCode === duplicateSequenceNumber ? "duplicate" : again,
        { errorCode: 0, baseOffset: 0 },
        "the same batch again",
      )
      expectEqual(
        (await client.produce(name, 1, batch(2))).errorCode,
        outOfOrderSequenceNumber,
        "a gap in the sequence",
      )
      expectEqual(await client.produce(name, 1, batch(1)), { errorCode: 0, baseOffset: 1 }, "the next batch")
    } finally {
      client.close()
    }
    return undefined
  },
}
