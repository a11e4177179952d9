/** @platformatic/kafka 1.35 (the last for Node 20): producer, admin, and its stream consumer's fetch without joining a group. */
import { createRequire } from "node:module"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { exactPromises, type Check } from "../check.js"
import { expect, expectEqual, npmPackages } from "../work.js"

interface Closable {
  close(): Promise<void>
}

interface FetchedBatch {
  readonly firstOffset: bigint
  readonly records: readonly { offsetDelta: number; key: Buffer; value: Buffer; headers: [Buffer, Buffer][] }[]
}

interface Platformatic {
  readonly Producer: new (
    options: object,
  ) => Closable & { send(request: object): Promise<{ offsets?: { partition: number; offset: bigint }[] }> }
  readonly Consumer: new (
    options: object,
  ) => Closable & {
    fetch(request: object): Promise<{ responses: { partitions: { errorCode: number; records?: FetchedBatch[] }[] }[] }>
    listOffsets(request: object): Promise<Map<string, bigint[]>>
    metadata(request: object): Promise<object>
  }
  readonly Admin: new (
    options: object,
  ) => Closable & {
    createTopics(request: object): Promise<{ id: string; name: string; partitions: number }[]>
    createPartitions(request: object): Promise<void>
    deleteTopics(request: object): Promise<void>
    deleteRecords(request: object): Promise<object[]>
    listTopics(): Promise<string[]>
    metadata(request: object): Promise<{ topics: Map<string, TopicMetadata> }>
    describeConfigs(request: object): Promise<{ configs: { name: string; value: string }[] }[]>
    incrementalAlterConfigs(request: object): Promise<void>
    describeLogDirs(request: object): Promise<{ results: object[] }[]>
  }
  readonly stringSerializers: object
}

interface TopicMetadata {
  readonly id: string
  readonly partitionsCount: number
  readonly partitions: Readonly<Record<number, { readonly leader: number }>>
}

const messageCount = 200
const fetchAttemptsMax = 100
const leaderAttemptsMax = 30
const topicResource = 2
const setOperation = 0

async function eventually<Result>(act: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await act()
    } catch (error) {
      if (attempt === leaderAttemptsMax) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

export const platformaticKafka: Check = {
  name: "platformatic-kafka",
  about: "@platformatic/kafka 1.35.0",
  needsAllBrokers: true,
  async run(context) {
    const { bootstrap, topic } = context
    const directory = await npmPackages("npm", ["kafkajs@2.2.4", "@platformatic/kafka@1.35.0"])
    const entry = createRequire(join(directory, "package.json")).resolve("@platformatic/kafka")
    const { Producer, Consumer, Admin, stringSerializers } = (await import(pathToFileURL(entry).href)) as Platformatic
    const common = { clientId: "compat", bootstrapBrokers: [bootstrap], retries: 3, timeout: 10_000 }
    const admin = new Admin(common)
    const consumer = new Consumer({ ...common, groupId: "never-joined" })
    const open: Closable[] = [admin, consumer]
    try {
      const name = topic("platformatic")
      const [created] = await admin.createTopics({ topics: [name], partitions: 2, replicas: -1 })
      expectEqual([created?.name, created?.partitions], [name, 2], "created topic")
      const sent: string[] = []
      const unavailable: string[] = []
      for (const compression of ["none", "gzip", "snappy", "lz4", "zstd"]) {
        for (const { acks, idempotent } of exactPromises(context, [
          { acks: 1, idempotent: false },
          { acks: -1, idempotent: true },
        ])) {
          const producer = new Producer({ ...common, serializers: stringSerializers, idempotent })
          open.push(producer)
          const messages = Array.from({ length: messageCount }, (_, i) => ({
            topic: name,
            partition: 0,
            key: `key-${i}`,
            value: `value-${sent.length + i}`,
            headers: { codec: compression },
          }))
          try {
            const answer = await producer.send({ messages, acks, compression })
            expectEqual(String(answer.offsets?.[0]?.offset), String(sent.length), "base offset")
            sent.push(...messages.map(({ value }) => value))
          } catch (error) {
            const causes = (error as AggregateError).errors ?? [error]
            if (!causes.some(({ code }) => code === "PLT_KFK_UNSUPPORTED_COMPRESSION")) throw error
            if (!unavailable.includes(compression)) unavailable.push(compression)
          }
        }
      }
      const read: { offset: number; value: string }[] = []
      for (let attempt = 1; read.length < sent.length; attempt++) {
        const at = read.length
        const partition = {
          partition: 0,
          currentLeaderEpoch: -1,
          fetchOffset: BigInt(at),
          lastFetchedEpoch: -1,
          partitionMaxBytes: 1048576,
        }
        // Who leads may have changed, and answers with records only when it knows that they are committed.
        const { id: topicId, partitions } = (await admin.metadata({ topics: [name], forceUpdate: true })).topics.get(
          name,
        )!
        const fetching = consumer.fetch({
          node: partitions[0]!.leader,
          topics: [{ topicId, partitions: [partition] }],
          maxWaitTime: 1000,
          minBytes: 1,
        })
        const found = (await fetching.catch(() => undefined))?.responses[0]?.partitions[0]
        expect(found?.errorCode === 0 || attempt < fetchAttemptsMax, `fetch error ${found?.errorCode}`)
        if (found?.errorCode !== 0) continue
        for (const batch of found.records ?? []) {
          for (const record of batch.records) {
            const offset = Number(batch.firstOffset) + record.offsetDelta
            if (offset >= read.length) read.push({ offset, value: record.value.toString() })
          }
        }
        expect(read.length > at || attempt < fetchAttemptsMax, `nothing at offset ${at}`)
      }
      expectEqual(
        read.map(({ value }) => value),
        sent,
        "values",
      )
      expectEqual(
        read.map(({ offset }) => offset),
        sent.map((_, i) => i),
        "offsets",
      )
      const offsets = async (timestamp: bigint, partitions = [0]) => {
        const listed = await eventually(async () => {
          // It repeats a refused one with the leader epoch that it knows.
          await consumer.metadata({ topics: [name], forceUpdate: true })
          return consumer.listOffsets({ topics: [name], partitions: { [name]: partitions }, timestamp })
        })
        return listed.get(name)!.map(String)
      }
      expectEqual(await offsets(-1n, [0, 1]), [String(sent.length), "0"], "latest offsets")
      expectEqual((await offsets(1n))[0], "0", "offset by time")

      await admin.createPartitions({ topics: [{ name, count: 4, assignments: null }] })
      expectEqual(
        (await admin.metadata({ topics: [name], forceUpdate: true })).topics.get(name)!.partitionsCount,
        4,
        "partitions",
      )
      const resource = { resourceType: topicResource, resourceName: name }
      await admin.incrementalAlterConfigs({
        resources: [
          { ...resource, configs: [{ name: "retention.ms", configOperation: setOperation, value: "654321" }] },
        ],
      })
      const described = await admin.describeConfigs({
        resources: [{ ...resource, configurationKeys: ["retention.ms"] }],
      })
      expectEqual(described[0]!.configs.find((one) => one.name === "retention.ms")?.value, "654321", "retention.ms")
      // It sends this to whoever it knows as the leader, once.
      await eventually(async () => {
        await admin.metadata({ topics: [name], forceUpdate: true })
        await admin.deleteRecords({ topics: [{ name, partitions: [{ partition: 0, offset: 7n }] }] })
      })
      expectEqual((await offsets(-2n))[0], "7", "earliest offset after delete records")
      expect((await admin.describeLogDirs({ topics: [{ name, partitions: [0] }] })).length > 0, "log dirs")
      await admin.deleteTopics({ topics: [name] })
      expect(!(await admin.listTopics()).includes(name), "the topic is gone")
      return unavailable.length > 0
        ? `without ${unavailable.join(", ")}, which it lacks on Node ${process.versions.node}`
        : undefined
    } finally {
      await Promise.allSettled(open.map((one) => one.close()))
    }
  },
}
