import assert from "node:assert/strict"
import { test } from "node:test"
import { zeroUuid } from "../base/ids.js"
import { controllerRegistration } from "../protocol/messages/controller-registration.js"
import { describeQuorum } from "../protocol/messages/describe-quorum.js"
import { addRaftVoter } from "../protocol/messages/add-raft-voter.js"
import { apiVersions } from "../protocol/messages/api-versions.js"
import { removeRaftVoter } from "../protocol/messages/remove-raft-voter.js"
import { type ClusterWorld, controllerPort, inClusterWorld } from "./testing/cluster-world.js"

const ids = [1, 2, 3]
const metadataPartition = { topics: [{ topicName: "__cluster_metadata", partitions: [{ partitionIndex: 0 }] }] }

async function quorum(t: ClusterWorld, id: number) {
  const answer = await t.ask(id, describeQuorum, metadataPartition)
  const partition = answer.topics[0]?.partitions[0]
  return partition?.errorCode === 0 ? { ...partition, nodes: answer.nodes } : undefined
}

const votersOf = async (t: ClusterWorld, id: number) =>
  (await quorum(t, id))?.currentVoters.map(({ replicaId }) => replicaId).sort()

const untilVotersAre = (t: ClusterWorld, id: number, expected: readonly number[]) =>
  t.until(`the voters are ${expected.join()}`, async () =>
    JSON.stringify(await votersOf(t, id)) === JSON.stringify(expected) ? true : undefined,
  )

const directoryOf = async (t: ClusterWorld, asked: number, id: number) =>
  (await quorum(t, asked))!.currentVoters.find(({ replicaId }) => replicaId === id)!.replicaDirectoryId

const bootstrap = (t: ClusterWorld) => ({ "controller.quorum.bootstrap.servers": t.servers(ids) })

test("every controller registers once in each of its lives", async () => {
  await inClusterWorld(ids, async (t) => {
    await t.startAll(bootstrap(t))
    const registrations = (id: number) =>
      t.logLines.filter((line) => line.includes("a controller registers") && line.includes(`"controllerId":${id},`))
        .length
    await t.passTime(10_000)
    assert.deepEqual(ids.map(registrations), [1, 1, 1])
    t.crash(2)
    await t.start(2, bootstrap(t))
    await t.passTime(10_000)
    assert.deepEqual(ids.map(registrations), [1, 2, 1])
  })
})

test("two processes that say they are one controller do not fill the log with it, and say what is wrong", async () => {
  await inClusterWorld(ids, async (t) => {
    await t.startAll(bootstrap(t))
    const leader = await t.until("there is a leader", async () => (await quorum(t, 1))?.leaderId)
    const other = ids.find((id) => id !== leader)!
    for (let second = 0; second < 60; second++) {
      await t.ask(
        leader,
        controllerRegistration,
        { controllerId: other, incarnationId: zeroUuid, zkMigrationReady: false, listeners: [], features: [] },
        { port: controllerPort },
      )
      await t.passTime(1000)
    }
    const own = t.logLines.filter(
      (line) =>
        line.includes("a controller registers") &&
        line.includes(`"controllerId":${other},`) &&
        !line.includes(zeroUuid),
    )
    assert.ok(own.length >= 3 && own.length <= 8, `${own.length} registrations`)
    assert.ok(t.said(new RegExp(`node-${other} warn another process registers as controller ${other}`)))
  })
})

test("a node that is told other voters after the first start hears that the quorum's count", async () => {
  await inClusterWorld(ids, async (t) => {
    await t.startAll({ "controller.quorum.voters": t.voters(ids) })
    await t.stop(2)
    await t.start(2, { "controller.quorum.voters": t.voters([1, 2]) })
    await t.until("it is told", () =>
      t.said(/node-2 warn controller.quorum.voters is not who votes.*"configured":"1,2","voters":"1,2,3"/)
        ? true
        : undefined,
    )
    assert.deepEqual(await t.until("there is a leader", () => votersOf(t, 1)), ids)
  })
})

test("a controller that is no voter follows, and says how it becomes one", async () => {
  await inClusterWorld([1, 2, 3, 4], async (t) => {
    await t.startAll(bootstrap(t), ids)
    await t.start(4, { ...bootstrap(t), "process.roles": "controller" })
    await t.until("it is told", () =>
      t.said(/node-4 info this controller follows .*add-controller/) ? true : undefined,
    )
    assert.deepEqual(await votersOf(t, 1), ids)
    const observer = (await quorum(t, 1))!.observers.find(({ replicaId }) => replicaId === 4)!
    const added = await t.ask(1, addRaftVoter, {
      clusterId: t.of(1).node!.clusterId,
      timeoutMs: 5000,
      voterId: 4,
      voterDirectoryId: observer.replicaDirectoryId,
      listeners: [{ name: "CONTROLLER", host: t.addressOf(4), port: controllerPort }],
      ackWhenCommitted: true,
    })
    assert.equal(added.errorCode, 0, added.errorMessage ?? "")
    await untilVotersAre(t, 2, [1, 2, 3, 4])
  })
})

test("with controller.quorum.auto.join.enable a new controller becomes a voter by itself", async () => {
  await inClusterWorld([1, 2, 3, 4], async (t) => {
    await t.startAll(bootstrap(t), ids)
    await t.start(4, {
      ...bootstrap(t),
      "process.roles": "controller",
      "controller.quorum.auto.join.enable": "true",
    })
    await untilVotersAre(t, 1, [1, 2, 3, 4])
  })
})

test("an empty disk under the id of a voter does not vote, is told why, and takes its place when the old one is removed", async () => {
  await inClusterWorld(ids, async (t) => {
    await t.startAll(bootstrap(t))
    const before = await directoryOf(t, 1, 3)
    t.crash(3, "power")
    await t.start(3, { ...bootstrap(t), "log.dirs": "/new-disk" })
    await t.until("it is told", () =>
      t.said(/node-3 warn node 3 votes with the directory .* a new disk has none of its votes.*remove-controller 3/)
        ? true
        : undefined,
    )
    assert.equal(await directoryOf(t, 1, 3), before)
    const removed = await t.ask(1, removeRaftVoter, {
      clusterId: t.of(1).node!.clusterId,
      voterId: 3,
      voterDirectoryId: before,
    })
    assert.equal(removed.errorCode, 0, removed.errorMessage ?? "")
    await untilVotersAre(t, 1, [1, 2])
  })
})

test("with auto join a voter that lost its disk is replaced by itself", async () => {
  await inClusterWorld(ids, async (t) => {
    const settings = { ...bootstrap(t), "controller.quorum.auto.join.enable": "true" }
    await t.startAll(settings)
    const before = await directoryOf(t, 1, 3)
    t.crash(3, "power")
    await t.start(3, { ...settings, "log.dirs": "/new-disk" })
    await t.until("its new disk votes", async () => {
      const found = (await quorum(t, 1))?.currentVoters.find(({ replicaId }) => replicaId === 3)
      return found !== undefined && found.replicaDirectoryId !== before ? true : undefined
    })
  })
})

test("a voter that listens elsewhere tells the quorum", async () => {
  await inClusterWorld(ids, async (t) => {
    await t.startAll(bootstrap(t))
    await t.stop(3)
    await t.start(3, {
      ...bootstrap(t),
      listeners: `PLAINTEXT://${t.addressOf(3)}:9092,CONTROLLER://${t.addressOf(3)}:19093`,
    })
    await t.until("the voters name its new port", async () =>
      (await quorum(t, 1))?.nodes.find(({ nodeId }) => nodeId === 3)?.listeners[0]?.port === 19093 ? true : undefined,
    )
    const { errorCode } = await t.ask(3, apiVersions, { clientSoftwareName: "t", clientSoftwareVersion: "1" })
    assert.equal(errorCode, 0)
  })
})
