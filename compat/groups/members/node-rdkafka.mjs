// node-rdkafka as producer or member; its addon is built below the working directory.
import { createRequire } from "node:module"
import * as lines from "./lines.mjs"

const kafka = createRequire(`${process.cwd()}/package.json`)("node-rdkafka")
const { bootstrap, group, topic, protocol } = lines
const assignPartitions = -175
const promise = (start) =>
  new Promise((resolve, reject) => start((error, result) => (error ? reject(error) : resolve(result))))

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
  const producer = new kafka.Producer({ "bootstrap.servers": bootstrap, "enable.idempotence": true, dr_cb: true })
  await promise((done) => producer.connect({}, done))
  producer.setPollInterval(10)
  lines.obeyProducer(
    (messages) =>
      new Promise((resolve, reject) => {
        let reports = 0
        const onReport = (error) => {
          if (error) reject(error)
          else if (++reports === messages.length) {
            producer.off("delivery-report", onReport)
            resolve()
          }
        }
        producer.on("delivery-report", onReport)
        for (const { key, value } of messages) producer.produce(topic, null, Buffer.from(value), key)
      }),
    () => promise((done) => producer.disconnect(done)),
  )
} else {
  const holdings = new lines.Holdings()
  const consumer = new kafka.KafkaConsumer(
    {
      "bootstrap.servers": bootstrap,
      "group.id": group,
      "enable.auto.commit": false,
      rebalance_cb: true,
      ...ways[protocol],
      ...(protocol === "consumer" ? {} : session),
    },
    { "auto.offset.reset": "earliest" },
  )
  consumer.on("rebalance", ({ code }, assignment) => {
    const partitions = assignment.map(({ partition }) => partition)
    if (code === assignPartitions) holdings.gain(partitions)
    else holdings.lose(partitions)
  })
  for (const event of ["event.error", "rebalance.error"])
    consumer.on(event, (error) => process.stderr.write(`${event}: ${error.message}\n`))
  consumer.on("data", ({ partition, offset, key, value }) =>
    holdings.see(partition, offset, String(key), String(value)),
  )
  consumer.on("ready", () => {
    consumer.subscribe([topic])
    consumer.consume()
  })
  lines.obeyMember(
    holdings,
    async (positions) => consumer.commitSync(positions.map(([partition, offset]) => ({ topic, partition, offset }))),
    () => promise((done) => consumer.disconnect(done)),
  )
  await promise((done) => consumer.connect({}, done))
}
