/**
 * One data directory, two brokers: Apache Kafka starts on what Ottla wrote, and Ottla on what Apache Kafka wrote.
 *
 * Owns what is compared: every record of every partition, by offset, key, value, headers and timestamp, and that both can go on writing.
 */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { BrokerProcess } from "../broker-process.js"
import type { Check } from "../check.js"
import { parseAddress, WireClient } from "../client.js"
import { KafkaProcess, kafkaVersion } from "../kafka.js"
import { compressionTypes } from "../../src/protocol/batch-header.js"
import { prepareCompression } from "../../src/protocol/compression/compression.js"
import { buildBatch } from "../../src/protocol/record-batch.js"
import { expectEqual, freePort, temporaryDirectory } from "../work.js"

const topic = "both-ways"
const partitions = 3
const batches = 40
const recordsPerBatch = 25

interface AnyBroker {
  readonly bootstrap: string
  stop(): Promise<void>
}

async function write(broker: AnyBroker, from: string): Promise<void> {
  await prepareCompression()
  const client = await WireClient.connect(parseAddress(broker.bootstrap))
  try {
    await client.createTopic(topic, partitions, { "segment.bytes": "1048576" })
    const producer = await client.producerId()
    for (let batch = 0; batch < batches; batch++) {
      for (let partition = 0; partition < partitions; partition++) {
        const records = Array.from({ length: recordsPerBatch }, (_, i) => ({
          key: Buffer.from(`${from}-${partition}-${batch}-${i}`),
          value: Buffer.alloc(1000, `${from} ${batch * recordsPerBatch + i} `),
          timestamp: Date.now(),
          headers: [{ key: "from", value: Buffer.from(from) }],
        }))
        const compression = compressionTypes[(batch + partition) % compressionTypes.length]!
        const bytes = buildBatch({ records, compression, baseSequence: batch * recordsPerBatch, ...producer })
        const { errorCode } = await client.produce(topic, partition, bytes)
        expectEqual(errorCode, 0, `${from}: produce to partition ${partition}`)
      }
    }
  } finally {
    client.close()
  }
}

async function readAll(broker: AnyBroker): Promise<string[]> {
  const client = await WireClient.connect(parseAddress(broker.bootstrap))
  const seen: string[] = []
  try {
    for (let partition = 0; partition < partitions; partition++) {
      for await (const { offset, timestamp, key, value, headers } of client.readPartition(topic, partition)) {
        const header = headers.map((one) => `${one.key}=${one.value}`).join()
        seen.push(
          `${partition} ${offset} ${timestamp} ${key} ${value!.length} ${value!.toString("latin1", 0, 24)} ${header}`,
        )
      }
    }
  } finally {
    client.close()
  }
  return seen
}

async function bothWays(
  first: { name: string; start(directory: string): Promise<AnyBroker> },
  second: { name: string; start(directory: string): Promise<AnyBroker> },
): Promise<string> {
  const directory = join(temporaryDirectory("both-ways"), "data")
  mkdirSync(directory)
  const before = await first.start(directory)
  await write(before, first.name)
  const written = await readAll(before)
  expectEqual(written.length, batches * partitions * recordsPerBatch, "records written")
  await before.stop()
  const after = await second.start(directory)
  expectEqual(await readAll(after), written, `what ${second.name} reads of ${first.name}'s directory`)
  await write(after, second.name)
  const more = await readAll(after)
  expectEqual(more.length, 2 * written.length, `records after ${second.name} went on writing`)
  await after.stop()
  // And home again: the first broker must cope with what the second left.
  const home = await first.start(directory)
  expectEqual(await readAll(home), more, `what ${first.name} reads after ${second.name}`)
  await home.stop()
  return `${more.length} records, there and back`
}

const ottla = {
  name: "ottla",
  start: async (dataDirectory: string) =>
    BrokerProcess.start({ port: await freePort(), dataDirectory, settings: { "node.id": "1" } }),
}
const kafka = { name: "kafka", start: (directory: string) => KafkaProcess.start(directory) }

export const dataDirectoryChecks: readonly Check[] = [
  {
    name: "data-directory-to-kafka",
    about: `Apache Kafka ${kafkaVersion} on Ottla's files`,
    needsBroker: false,
    run: () => bothWays(ottla, kafka),
  },
  {
    name: "data-directory-from-kafka",
    about: `Ottla on the files of Apache Kafka ${kafkaVersion}`,
    needsBroker: false,
    run: () => bothWays(kafka, ottla),
  },
  {
    name: "data-directory-kafka-alone",
    about: "the harness judged by Apache Kafka itself",
    byNameOnly: true,
    needsBroker: false,
    run: () => bothWays(kafka, kafka),
  },
]
