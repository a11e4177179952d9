// @platformatic/kafka as producer or member; its packages are those of the working directory.
import { createRequire } from "node:module"
import { pathToFileURL } from "node:url"
import { inspect } from "node:util"
import * as lines from "./lines.mjs"

const entry = createRequire(`${process.cwd()}/package.json`).resolve("@platformatic/kafka")
const { Consumer, Producer, stringDeserializers, stringSerializers } = await import(pathToFileURL(entry).href)
const { bootstrap, group, topic } = lines
const common = { clientId: "compat", bootstrapBrokers: [bootstrap] }

if (lines.role === "produce") {
  const producer = new Producer({ ...common, serializers: stringSerializers, idempotent: true })
  await producer.metadata({ topics: [topic] })
  lines.obeyProducer(
    (messages) => producer.send({ messages: messages.map((message) => ({ topic, ...message })), acks: -1 }),
    () => producer.close(),
  )
} else {
  const holdings = new lines.Holdings()
  const consumer = new Consumer({
    ...common,
    groupId: group,
    groupProtocol: lines.protocol,
    deserializers: stringDeserializers,
    maxWaitTime: 500,
    ...(lines.protocol === "classic"
      ? {
          sessionTimeout: lines.sessionTimeoutMs,
          heartbeatInterval: lines.heartbeatIntervalMs,
          rebalanceTimeout: lines.sessionTimeoutMs,
        }
      : {}),
  })
  const look = () =>
    holdings.become(consumer.assignments?.find((one) => one.topic === topic)?.partitions.map(Number) ?? [])
  consumer.on("consumer:group:rebalance", () => holdings.loseAll())
  consumer.on("consumer:group:join", look)
  if (lines.protocol === "consumer") {
    consumer.on("consumer:heartbeat:start", look)
    consumer.on("consumer:heartbeat:end", look)
  }
  const stream = await consumer.consume({
    topics: [topic],
    mode: "committed",
    fallbackMode: "earliest",
    autocommit: false,
  })
  stream.on("error", (error) => {
    process.stderr.write(`${inspect(error, { depth: 8 })}\n`)
    process.exit(1)
  })
  stream.on("data", ({ partition, offset, key, value }) => holdings.see(partition, offset, key, value))
  look()
  lines.obeyMember(
    holdings,
    (positions) =>
      consumer.commit({
        offsets: positions.map(([partition, next]) => ({
          topic,
          partition,
          offset: BigInt(next),
          leaderEpoch: -1,
        })),
      }),
    async () => {
      await stream.close()
      await consumer.close(true)
    },
  )
}
