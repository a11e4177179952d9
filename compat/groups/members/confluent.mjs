// @confluentinc/kafka-javascript, by its interface in the manner of kafkajs, as producer or member; built below the working directory.
import { createRequire } from "node:module"
import * as lines from "./lines.mjs"

const { KafkaJS } = createRequire(`${process.cwd()}/package.json`)("@confluentinc/kafka-javascript")
const { bootstrap, group, topic, protocol } = lines
const kafka = new KafkaJS.Kafka({ kafkaJS: { brokers: [bootstrap], logLevel: KafkaJS.logLevel.ERROR } })
const assignPartitions = -175

const ways = {
  classic: { "partition.assignment.strategy": "range,roundrobin" },
  "classic cooperative": { "partition.assignment.strategy": "cooperative-sticky" },
  consumer: { "group.protocol": "consumer" },
}
const session = {
  "session.timeout.ms": lines.sessionTimeoutMs,
  "heartbeat.interval.ms": lines.heartbeatIntervalMs,
}

if (lines.role === "produce") {
  const producer = kafka.producer({ kafkaJS: { idempotent: true } })
  await producer.connect()
  lines.obeyProducer(
    (messages) => producer.send({ topic, messages }),
    () => producer.disconnect(),
  )
} else {
  const holdings = new lines.Holdings()
  const consumer = kafka.consumer({
    kafkaJS: { groupId: group, fromBeginning: true, autoCommit: false },
    ...ways[protocol],
    ...(protocol === "consumer" ? {} : session),
    // It assigns and gives up by itself once this returns.
    rebalance_cb: ({ code }, assignment) => {
      const partitions = assignment.map(({ partition }) => partition)
      if (code === assignPartitions) holdings.gain(partitions)
      else holdings.lose(partitions)
    },
  })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic] })
  lines.obeyMember(
    holdings,
    (positions) =>
      consumer.commitOffsets(positions.map(([partition, next]) => ({ topic, partition, offset: String(next) }))),
    () => consumer.disconnect(),
  )
  await consumer.run({
    eachMessage: async ({ partition, message }) => {
      holdings.see(partition, message.offset, message.key.toString(), message.value.toString())
    },
  })
}
