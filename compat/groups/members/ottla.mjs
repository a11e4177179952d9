// Ottla's own client as producer or member; the package is the one of this repository.
import { Client } from "ottla/client"
import * as lines from "./lines.mjs"

const { bootstrap, group, topic, protocol } = lines
const client = new Client({ bootstrap, clientId: "compat" })

if (lines.role === "produce") {
  const producer = client.producer()
  lines.obeyProducer(
    (messages) => producer.sendAll(messages.map((message) => ({ topic, ...message }))),
    () => client.close(),
  )
} else {
  const holdings = new lines.Holdings()
  const consumer = client.consumer({
    groupId: group,
    topics: [topic],
    from: "earliest",
    autoCommit: false,
    groupProtocol: protocol === "consumer" ? "consumer" : "classic",
    ...(protocol !== "consumer" && {
      assignors: [protocol === "classic cooperative" ? "cooperative-sticky" : "range"],
      sessionTimeoutMs: lines.sessionTimeoutMs,
      heartbeatIntervalMs: lines.heartbeatIntervalMs,
    }),
  })
  consumer.onRebalance(({ type, partitions }) => {
    const numbers = partitions.map(({ partition }) => partition)
    if (type === "assigned") holdings.gain(numbers)
    else holdings.lose(numbers)
  })
  lines.obeyMember(
    holdings,
    (positions) => consumer.commit(positions.map(([partition, next]) => ({ topic, partition, offset: BigInt(next) }))),
    () => client.close(),
  )
  for await (const { partition, offset, key, value } of consumer) holdings.see(partition, offset, key, value)
}
