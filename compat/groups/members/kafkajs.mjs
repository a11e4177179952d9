// kafkajs as producer or member; its packages are those of the working directory.
import { createRequire } from "node:module"
import * as lines from "./lines.mjs"

process.env.KAFKAJS_NO_PARTITIONER_WARNING = "1"
const { Kafka, logLevel } = createRequire(`${process.cwd()}/package.json`)("kafkajs")
const { bootstrap, group, topic } = lines
const kafka = new Kafka({ clientId: "compat", brokers: [bootstrap], logLevel: logLevel.ERROR })

if (lines.role === "produce") {
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  lines.obeyProducer(
    async (messages) => {
      // One by one: of a send to several brokers it forgets the partition that has moved to one that has answered already.
      for (const message of messages) await producer.send({ topic, messages: [message] })
    },
    () => producer.disconnect(),
  )
} else {
  const holdings = new lines.Holdings()
  const consumer = kafka.consumer({
    groupId: group,
    sessionTimeout: lines.sessionTimeoutMs,
    heartbeatInterval: lines.heartbeatIntervalMs,
    maxWaitTimeInMs: 500,
  })
  consumer.on(consumer.events.REBALANCING, () => holdings.loseAll())
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => holdings.become(payload.memberAssignment[topic] ?? []))
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  lines.obeyMember(
    holdings,
    (positions) =>
      consumer.commitOffsets(positions.map(([partition, next]) => ({ topic, partition, offset: String(next) }))),
    () => consumer.disconnect(),
  )
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message }) => {
      holdings.see(partition, message.offset, message.key.toString(), message.value.toString())
    },
  })
}
