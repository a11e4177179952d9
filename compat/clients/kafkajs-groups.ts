/** kafkajs 2.2.4 as the administrator of a group: list, describe, fetch, set and reset offsets, delete. */
import { createRequire } from "node:module"
import { join } from "node:path"
import type { Check } from "../check.js"
import { WireClient } from "../client.js"
import { expect, expectEqual, npmPackages } from "../work.js"

interface PartitionOffset {
  readonly partition: number
  readonly offset: string
  readonly metadata?: string | null
}

interface Admin {
  connect(): Promise<void>
  disconnect(): Promise<void>
  createTopics(request: object): Promise<boolean>
  listGroups(): Promise<{ groups: { groupId: string; protocolType: string }[] }>
  describeGroups(ids: readonly string[]): Promise<{
    groups: {
      errorCode: number
      state: string
      protocol: string
      members: { clientId: string; memberAssignment: Buffer }[]
    }[]
  }>
  fetchOffsets(request: object): Promise<{ topic: string; partitions: PartitionOffset[] }[]>
  setOffsets(request: object): Promise<void>
  resetOffsets(request: object): Promise<void>
  deleteGroups(ids: readonly string[]): Promise<{ groupId: string; errorCode?: number }[]>
}

interface Consumer {
  connect(): Promise<void>
  disconnect(): Promise<void>
  subscribe(request: object): Promise<void>
  run(options: object): Promise<void>
}

interface Kafkajs {
  readonly Kafka: new (
    options: object,
  ) => {
    admin(): Admin
    consumer(options: object): Consumer
    producer(): { connect(): Promise<void>; disconnect(): Promise<void>; send(request: object): Promise<object[]> }
  }
  readonly AssignerProtocol: {
    readonly MemberAssignment: { decode(bytes: Buffer): { assignment: Record<string, number[]> } }
  }
  readonly logLevel: { readonly NOTHING: number }
}

const partitions = 2
const messageCount = 50
const notCoordinator = 16
const deletionAttemptsMax = 10
const nonEmptyGroup = 68

/** It gives up when the coordinator moves between its two requests. */
async function deleteGroup(admin: Admin, groupId: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await admin.deleteGroups([groupId])
      return
    } catch (error) {
      const code = (error as { groups?: { errorCode?: number }[] }).groups?.[0]?.errorCode
      expect(code === notCoordinator && attempt < deletionAttemptsMax, `deletion of the group: ${code ?? error}`)
    }
  }
}

export const kafkajsGroups: Check = {
  name: "group-admin-kafkajs",
  about: "kafkajs 2.2.4",
  async run({ bootstrap, host, port, topic }) {
    const directory = await npmPackages("npm", ["kafkajs@2.2.4", "@platformatic/kafka@1.35.0"])
    process.env.KAFKAJS_NO_PARTITIONER_WARNING = "1"
    const { Kafka, AssignerProtocol, logLevel } = createRequire(join(directory, "package.json"))("kafkajs") as Kafkajs
    const kafka = new Kafka({ clientId: "compat-admin", brokers: [bootstrap], logLevel: logLevel.NOTHING })
    const admin = kafka.admin()
    const name = topic("group-admin")
    const groupId = name
    const consume = async (count: number): Promise<{ consumer: Consumer; seen: string[] }> => {
      const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 200 })
      await consumer.connect()
      await consumer.subscribe({ topics: [name], fromBeginning: true })
      const seen: string[] = []
      await new Promise<void>((resolve, reject) => {
        const eachMessage = async ({ partition, message }: { partition: number; message: { offset: string } }) => {
          seen.push(`${partition} ${message.offset}`)
          if (seen.length === count) resolve()
        }
        const late = () => reject(new Error(`${seen.length} of ${count} messages in time`))
        const timer = setTimeout(late, 20_000)
        consumer.run({ autoCommitThreshold: 1, eachMessage }).catch(reject)
        timer.unref()
      })
      return { consumer, seen }
    }
    const offsets = async () => {
      const [found] = await admin.fetchOffsets({ groupId, topics: [name] })
      return found!.partitions.sort((a, b) => a.partition - b.partition).map(({ offset }) => offset)
    }
    // It takes the first answer of a coordinator that is waking up for its last word.
    const wire = await WireClient.connect({ host, port })
    await wire.coordinates(groupId)
    wire.close()
    await admin.connect()
    try {
      await admin.createTopics({ topics: [{ topic: name, numPartitions: partitions }], waitForLeaders: true })
      const producer = kafka.producer()
      await producer.connect()
      for (let partition = 0; partition < partitions; partition++) {
        const messages = Array.from({ length: messageCount }, (_, i) => ({ value: String(i), partition }))
        await producer.send({ topic: name, messages })
      }
      await producer.disconnect()
      expectEqual(await offsets(), ["-1", "-1"], "offsets of a group that never was")

      const first = await consume(partitions * messageCount)
      const listed = (await admin.listGroups()).groups.find((group) => group.groupId === groupId)
      expectEqual(listed?.protocolType, "consumer", "protocol type in the list")
      const [described] = (await admin.describeGroups([groupId])).groups
      expectEqual([described?.errorCode, described?.state, described?.members.length], [0, "Stable", 1], "described")
      const member = described!.members[0]!
      const { assignment } = AssignerProtocol.MemberAssignment.decode(member.memberAssignment)
      expectEqual([member.clientId, assignment[name]?.sort()], ["compat-admin", [0, 1]], "member and its assignment")
      const refusal = await admin.deleteGroups([groupId]).then(
        () => undefined,
        (error: { groups?: { errorCode?: number }[] }) => error.groups?.[0]?.errorCode,
      )
      expectEqual(refusal, nonEmptyGroup, "error of a deletion with members")
      await first.consumer.disconnect()

      expectEqual(await offsets(), ["50", "50"], "committed offsets")
      await admin.setOffsets({ groupId, topic: name, partitions: [{ partition: 1, offset: "45" }] })
      expectEqual(await offsets(), ["50", "45"], "offsets after one was set")
      const second = await consume(5)
      await second.consumer.disconnect()
      expectEqual(second.seen, ["1 45", "1 46", "1 47", "1 48", "1 49"], "messages after an offset was set")
      await admin.resetOffsets({ groupId, topic: name, earliest: true })
      expect(
        (await offsets()).every((offset) => ["0", "-2"].includes(offset)),
        "offsets are those of the beginning",
      )
      await deleteGroup(admin, groupId)
      expect(!(await admin.listGroups()).groups.some((group) => group.groupId === groupId), "the group is gone")
    } finally {
      await admin.disconnect()
    }
    return undefined
  },
}
