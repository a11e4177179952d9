/**
 * kafkajs 2.2.4: producer and admin client as they are; its fetch and its batch decoder through the broker object underneath, since its
 * consumer always joins a group.
 */
import { createRequire } from "node:module"
import { join } from "node:path"
import { exactPromises, type Check } from "../check.js"
import { expect, expectEqual, npmPackages } from "../work.js"

interface FetchedMessage {
  readonly offset: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, Buffer>>
}

interface Cluster {
  connect(): Promise<void>
  disconnect(): Promise<void>
  addTargetTopic(topic: string): Promise<void>
  refreshMetadata(): Promise<void>
  findLeaderForPartitions(topic: string, partitions: readonly number[]): Record<string, number[]>
  findBroker(broker: { readonly nodeId: string }): Promise<{
    fetch(
      request: object,
    ): Promise<{ responses: { partitions: { partition: number; messages: FetchedMessage[] }[] }[] }>
  }>
}

interface Admin {
  connect(): Promise<void>
  disconnect(): Promise<void>
  createTopics(request: object): Promise<boolean>
  createPartitions(request: object): Promise<void>
  deleteTopics(request: object): Promise<void>
  deleteTopicRecords(request: object): Promise<void>
  listTopics(): Promise<string[]>
  fetchTopicMetadata(request: object): Promise<{ topics: { partitions: object[] }[] }>
  fetchTopicOffsets(topic: string): Promise<{ partition: number; offset: string; low: string; high: string }[]>
  fetchTopicOffsetsByTimestamp(topic: string, timestamp: number): Promise<{ partition: number; offset: string }[]>
  describeCluster(): Promise<{ brokers: { port: number }[]; clusterId: string }>
  describeConfigs(
    request: object,
  ): Promise<{ resources: { configEntries: { configName: string; configValue: string }[] }[] }>
  alterConfigs(request: object): Promise<object>
}

interface Producer {
  connect(): Promise<void>
  disconnect(): Promise<void>
  send(request: object): Promise<{ partition: number; baseOffset: string; errorCode: number }[]>
}

interface Kafkajs {
  readonly Kafka: new (options: object) => { admin(): Admin; producer(options?: object): Producer }
  readonly CompressionTypes: { readonly None: number; readonly GZIP: number }
  readonly logLevel: { readonly NOTHING: number }
}

const messageCount = 300
const fetchAttemptsMax = 50
const topicResource = 2

/** As its consumer does it: who leads may have changed, and does not answer with records until it knows that they are committed. */
async function fetchFromLeader(cluster: Cluster, topic: string, offset: number): Promise<FetchedMessage[]> {
  for (let attempt = 1; ; attempt++) {
    try {
      const [nodeId] = Object.keys(cluster.findLeaderForPartitions(topic, [0]))
      const broker = await cluster.findBroker({ nodeId: nodeId! })
      const partitions = [{ partition: 0, fetchOffset: String(offset), maxBytes: 1048576 }]
      const answer = await broker.fetch({ maxWaitTime: 1000, minBytes: 1, topics: [{ topic, partitions }] })
      const { messages } = answer.responses[0]!.partitions[0]!
      if (messages.length > 0 || attempt === fetchAttemptsMax) return messages
    } catch (error) {
      if (attempt === fetchAttemptsMax) throw error
    }
    await cluster.refreshMetadata().catch(() => undefined)
  }
}

export const kafkajs: Check = {
  name: "kafkajs",
  about: "kafkajs 2.2.4",
  needsAllBrokers: true,
  async run(context) {
    const { bootstrap, topic } = context
    const directory = await npmPackages("npm", ["kafkajs@2.2.4", "@platformatic/kafka@1.35.0"])
    process.env.KAFKAJS_NO_PARTITIONER_WARNING = "1"
    const { Kafka, CompressionTypes, logLevel } = createRequire(join(directory, "package.json"))("kafkajs") as Kafkajs
    const kafka = new Kafka({ clientId: "compat", brokers: [bootstrap], logLevel: logLevel.NOTHING })
    const createCluster = Object.getOwnPropertySymbols(kafka).find(({ description }) =>
      description?.includes("createCluster"),
    )
    expect(createCluster !== undefined, "kafkajs has no cluster factory any more")
    const cluster = (kafka as unknown as Record<symbol, (options: object) => Cluster>)[createCluster]!({})
    const admin = kafka.admin()
    await admin.connect()
    await cluster.connect()
    try {
      const name = topic("kafkajs")
      expectEqual(
        await admin.createTopics({ topics: [{ topic: name, numPartitions: 2 }], waitForLeaders: true }),
        true,
        "created",
      )
      expectEqual(await admin.createTopics({ topics: [{ topic: name, numPartitions: 2 }] }), false, "created again")
      const sent: string[] = []
      for (const { acks, compression, idempotent } of exactPromises(context, [
        { acks: -1, compression: CompressionTypes.None, idempotent: false },
        { acks: 1, compression: CompressionTypes.GZIP, idempotent: false },
        { acks: -1, compression: CompressionTypes.GZIP, idempotent: true },
      ])) {
        const producer = kafka.producer({ idempotent, maxInFlightRequests: idempotent ? 1 : null })
        await producer.connect()
        const messages = Array.from({ length: messageCount }, (_, i) => {
          const value = `value-${sent.length + i}`
          return { key: `key-${i}`, value, partition: 0, headers: { position: String(i) } }
        })
        const [answer] = await producer.send({ topic: name, acks, compression, messages })
        expectEqual([answer?.errorCode, answer?.baseOffset], [0, String(sent.length)], "produce answer")
        sent.push(...messages.map(({ value }) => value))
        await producer.disconnect()
      }

      await cluster.addTargetTopic(name)
      const read: FetchedMessage[] = []
      while (read.length < sent.length) {
        const messages = await fetchFromLeader(cluster, name, read.length)
        // A fetch inside a batch returns the whole batch.
        const fresh = messages.filter(({ offset }) => Number(offset) >= read.length)
        expect(fresh.length > 0, `nothing at offset ${read.length}`)
        read.push(...fresh)
      }
      expectEqual(
        read.map(({ value }) => value!.toString()),
        sent,
        "values",
      )
      expectEqual(
        read.map(({ offset }) => Number(offset)),
        sent.map((_, i) => i),
        "offsets",
      )
      expectEqual(
        read.map(({ headers }) => headers.position!.toString()),
        sent.map((_, i) => String(i % messageCount)),
        "headers",
      )

      const offsets = await admin.fetchTopicOffsets(name)
      expectEqual(
        offsets.sort((a, b) => a.partition - b.partition).map(({ low, high }) => [low, high]),
        [
          ["0", String(sent.length)],
          ["0", "0"],
        ],
        "topic offsets",
      )
      const byTime = await admin.fetchTopicOffsetsByTimestamp(name, 1)
      expectEqual(byTime.find(({ partition }) => partition === 0)?.offset, "0", "offset by time")
      await admin.deleteTopicRecords({ topic: name, partitions: [{ partition: 0, offset: "100" }] })
      expectEqual(
        (await admin.fetchTopicOffsets(name)).find(({ partition }) => partition === 0)?.low,
        "100",
        "low after delete records",
      )
      await admin.createPartitions({ topicPartitions: [{ topic: name, count: 5 }] })
      expectEqual((await admin.fetchTopicMetadata({ topics: [name] })).topics[0]!.partitions.length, 5, "partitions")
      const resource = { type: topicResource, name }
      await admin.alterConfigs({
        validateOnly: false,
        resources: [{ ...resource, configEntries: [{ name: "retention.ms", value: "123456" }] }],
      })
      const described = await admin.describeConfigs({ includeSynonyms: false, resources: [resource] })
      expectEqual(
        described.resources[0]!.configEntries.find(({ configName }) => configName === "retention.ms")?.configValue,
        "123456",
        "retention.ms",
      )
      const about = await admin.describeCluster()
      expect(about.brokers.length > 0, "brokers")
      expect((await admin.listTopics()).includes(name), "the topic is listed")
      await admin.deleteTopics({ topics: [name] })
      expect(!(await admin.listTopics()).includes(name), "the topic is gone")
    } finally {
      await Promise.allSettled([cluster.disconnect(), admin.disconnect()])
    }
    return "gzip is its only own codec; fetch below its group consumer"
  },
}
