/**
 * Programs written for kafkajs, run with kafkajs and with `ottla/compat/kafkajs` in its place: they print the same.
 *
 * Owns the programs. Nothing of them differs but the import.
 */
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import type { Check } from "../check.js"
import { expectEqual, npmPackages, repository, runOk } from "../work.js"

/** Each is told the bootstrap server and a topic of its own; time and ids are not printed. */
const programs: Readonly<Record<string, string>> = {
  "getting started": `
const kafka = new Kafka({ clientId: "my-app", brokers: [bootstrap], logLevel: logLevel.NOTHING })
const producer = kafka.producer()
await producer.connect()
await producer.send({ topic, messages: [{ value: "Hello KafkaJS user!" }] })
await producer.disconnect()
const consumer = kafka.consumer({ groupId: topic + "-group" })
await consumer.connect()
await consumer.subscribe({ topic, fromBeginning: true })
await new Promise((resolve) => {
  consumer.run({
    eachMessage: async ({ partition, message }) => {
      console.log(partition, message.offset, message.key, message.value.toString())
      resolve()
    },
  })
})
await consumer.disconnect()
`,
  "admin, batches and offsets": `
const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING })
const admin = kafka.admin()
await admin.connect()
console.log(await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: 3, configEntries: [{ name: "retention.ms", value: "60000000" }] }] }))
console.log(await admin.createTopics({ topics: [{ topic, numPartitions: 3 }] }))
const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
await producer.connect()
console.log(producer.isIdempotent())
const keyed = Array.from({ length: 60 }, (_, i) => ({ key: "key-" + (i % 12), value: "v" + i, headers: { index: String(i) }, timestamp: "1767225600000" }))
await producer.sendBatch({ acks: -1, compression: CompressionTypes.GZIP, topicMessages: [{ topic, messages: keyed }] })
await producer.disconnect()
const byPartition = (rows) => rows.sort((a, b) => a.partition - b.partition)
console.log(byPartition(await admin.fetchTopicOffsets(topic)))
const consumer = kafka.consumer({ groupId: topic + "-group" })
await consumer.connect()
await consumer.subscribe({ topics: [topic], fromBeginning: true })
const seen = []
await new Promise((resolve, reject) => {
  consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
  consumer.run({
    eachBatchAutoResolve: true,
    eachBatch: async ({ batch, resolveOffset, heartbeat, isRunning, isStale }) => {
      for (const message of batch.messages) {
        if (!isRunning() || isStale()) break
        seen.push([batch.partition, message.offset, message.key.toString(), message.value.toString(), message.timestamp, message.headers.index.toString()].join(" "))
        resolveOffset(message.offset)
        await heartbeat()
      }
      if (seen.length >= 60) resolve()
    },
  })
})
await consumer.disconnect()
console.log(seen.sort())
const [{ partitions }] = await admin.fetchOffsets({ groupId: topic + "-group", topics: [topic] })
console.log(byPartition(partitions))
await admin.resetOffsets({ groupId: topic + "-group", topic, earliest: true })
await admin.setOffsets({ groupId: topic + "-group", topic, partitions: [{ partition: 0, offset: "1" }] })
const { groups } = await admin.describeGroups([topic + "-group"])
console.log(groups.map(({ groupId, state, members }) => [groupId === topic + "-group", state, members.length]))
await admin.deleteGroups([topic + "-group"])
await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: "1" }] })
console.log(byPartition(await admin.fetchTopicOffsets(topic)).map(({ low }) => low))
console.log((await admin.fetchTopicMetadata({ topics: [topic] })).topics.map(({ name, partitions }) => [name === topic, partitions.length]))
await admin.deleteTopics({ topics: [topic] })
console.log((await admin.listTopics()).includes(topic))
await admin.disconnect()
`,
  "errors that programs catch": `
const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING, retry: { retries: 0 } })
const admin = kafka.admin()
await admin.connect()
const tell = async (work) => {
  try { console.log("fine", await work()) }
  catch (error) { console.log(error instanceof KafkaJSError, error.name, error.type, error.code, error.retriable) }
}
await tell(() => admin.fetchTopicMetadata({ topics: ["no/such/topic"] }))
await tell(() => kafka.producer().send({ topic, messages: [] }))
await admin.disconnect()
`,
}

export const kafkajsFacade: Check = {
  name: "kafkajs-facade",
  about: "kafkajs 2.2.4 and ottla/compat/kafkajs, the same programs",
  needsCalm: "kafkajs asks a leader that has moved once, and tells the program",
  async run({ bootstrap, topic }) {
    const directory = await npmPackages("npm", ["kafkajs@2.2.4"])
    const modules = {
      kafkajs: pathToFileURL(join(directory, "node_modules/kafkajs/index.js")).href,
      ottla: pathToFileURL(join(repository, "dist/kafkajs.mjs")).href,
    }
    for (const [index, [name, program]] of Object.entries(programs).entries()) {
      const printed = async (kind: keyof typeof modules) => {
        const text = `
import * as library from ${JSON.stringify(modules[kind])}
const { Kafka, CompressionTypes, logLevel, KafkaJSError } = "default" in library ? library.default : library
const [bootstrap, topic] = process.argv.slice(1)
${program}`
        const args = ["--input-type=module", "-e", text, "--", bootstrap, topic(`facade-${index}-${kind}`)]
        const env = { KAFKAJS_NO_PARTITIONER_WARNING: "1" }
        return runOk(process.execPath, args, { timeoutMs: 60_000, env, cwd: directory })
      }
      const [theirs, ours] = [(await printed("kafkajs")).split("\n"), (await printed("ottla")).split("\n")]
      expectEqual(ours.length, theirs.length, `${name}: lines`)
      for (const [line, text] of theirs.entries()) expectEqual(ours[line], text, `${name}, line ${line + 1}`)
    }
    return `${Object.keys(programs).length} programs`
  },
}
