import assert from "node:assert/strict"
import { test } from "node:test"
import { type ClusterWorld, clientPort, inClusterWorld } from "../../../broker/testing/cluster-world.js"
import { createTopics } from "../../../protocol/messages/create-topics.js"
import { findCoordinator } from "../../../protocol/messages/find-coordinator.js"
import { ClientCore } from "../../core.js"
import type { ConsumerRecord } from "../record.js"
import type { GroupConfig } from "./testing/group-world.js"

const ids = [1, 2, 3]

async function coordinatorOf(t: ClusterWorld, groupId: string): Promise<number> {
  return t.until("the group has a coordinator", async () => {
    for (const id of ids) {
      if (t.of(id).node === undefined) continue
      const { coordinators } = await t.ask(id, findCoordinator, { key: "", keyType: 0, coordinatorKeys: [groupId] })
      const { errorCode, nodeId } = coordinators[0]!
      if (errorCode === 0 && t.of(nodeId).node !== undefined) return nodeId
    }
    return undefined
  })
}

const protocols: readonly { name: string; config: GroupConfig }[] = [
  { name: "eager", config: {} },
  { name: "cooperative", config: { assignors: ["cooperative-sticky"] } },
  { name: "consumer protocol", config: { groupProtocol: "consumer" } },
]

for (const { name, config } of protocols) {
  test(`${name}: the coordinator moves, under load, and nothing is lost or out of order`, () =>
    inClusterWorld(ids, async (t) => {
      const settings = {
        "controller.quorum.bootstrap.servers": t.servers(ids),
        "offsets.topic.replication.factor": "3",
        "offsets.topic.num.partitions": "3",
      }
      await t.startAll(settings)
      const created = await t.ask(1, createTopics, {
        topics: [
          {
            name: "t",
            numPartitions: 4,
            replicationFactor: 3,
            assignments: [],
            configs: [{ name: "min.insync.replicas", value: "2" }],
          },
        ],
        timeoutMs: 10_000,
      })
      assert.equal(created.topics[0]!.errorCode, 0)
      const bootstrap = ids.map((id) => `${t.addressOf(id)}:${clientPort}`)
      const reads: { member: string; record: ConsumerRecord }[] = []
      const member = (memberName: string) => {
        const client = new ClientCore(t.world.addNode(memberName).env, { bootstrap, clientId: memberName })
        const consumer = client.consumer({
          groupId: "g",
          topics: ["t"],
          from: "earliest",
          sessionTimeoutMs: 10_000,
          ...config,
        })
        const reading = (async () => {
          for await (const record of consumer) reads.push({ member: memberName, record })
        })()
        return { client, consumer, reading }
      }
      const members = [member("a"), member("b")]
      await t.until(
        "both have a share",
        () => members.every(({ consumer }) => consumer.assignment.length === 2) || undefined,
        60_000,
      )
      const producing = new ClientCore(t.clients.env, { bootstrap })
      const producer = producing.producer({ lingerMs: 0 })
      const sent: Promise<unknown>[] = []
      let index = 0
      const produceFor = async (ms: number) => {
        for (const endMs = t.world.nowMs + ms; t.world.nowMs < endMs; await t.passTime(20))
          sent.push(producer.send({ topic: "t", partition: index % 4, value: `v${index++}` }))
      }
      for (const how of ["kill", "power", "stop"] as const) {
        await produceFor(2_000)
        const coordinator = await coordinatorOf(t, "g")
        if (how === "stop") await t.stop(coordinator)
        else t.crash(coordinator, how)
        await produceFor(12_000)
        await t.start(coordinator, settings)
      }
      await Promise.all(sent)
      const missing = () => {
        const seen = new Set(reads.map(({ record }) => String(record.value)))
        return Array.from({ length: index }, (_, at) => `v${at}`).filter((value) => !seen.has(value))
      }
      await t.until("all is read", () => missing().length === 0 || undefined, 60_000)
      const highest = new Map<number, bigint>()
      for (const { record } of reads) {
        const before = highest.get(record.partition) ?? -1n
        assert.ok(record.offset <= before + 1n, `${record.partition}@${record.offset} after ${before}`)
        if (record.offset > before) highest.set(record.partition, record.offset)
      }
      for (const { client, consumer, reading } of members) {
        await consumer.close()
        await client.close()
        await reading
      }
      await producing.close()
    }))
}
