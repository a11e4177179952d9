import assert from "node:assert/strict"
import { test } from "node:test"
import { describeQuorum } from "../../protocol/messages/describe-quorum.js"
import { type ClusterWorld, inClusterWorld } from "../testing/cluster-world.js"

const ids = [1, 2, 3]

async function quorumOf(t: ClusterWorld, id: number) {
  return t.until(`node ${id} knows the quorum`, async () => {
    const answer = await t.ask(id, describeQuorum, {
      topics: [{ topicName: "__cluster_metadata", partitions: [{ partitionIndex: 0 }] }],
    })
    const partition = answer.topics[0]?.partitions[0]
    return partition?.errorCode === 0 ? partition : undefined
  })
}

const votersOf = async (t: ClusterWorld, id: number) =>
  (await quorumOf(t, id)).currentVoters.map(({ replicaId }) => replicaId).sort()

for (let seed = 1; seed <= 10; seed++) {
  test(`three fresh nodes with the same bootstrap servers make one cluster of three voters (seed ${seed})`, async () => {
    await inClusterWorld(
      ids,
      async (t) => {
        const settings = { "controller.quorum.bootstrap.servers": t.servers(ids) }
        const late = ids[seed % 3]!
        const early = t.startAll(
          settings,
          ids.filter((id) => id !== late),
        )
        await t.passTime(seed * 700)
        const nodes = [...(await Promise.all([t.start(late, settings), early]))].flat()
        assert.equal(new Set(nodes.map(({ clusterId }) => clusterId)).size, 1)
        assert.deepEqual(await votersOf(t, 2), ids)
        for (const { directoryId } of [...(await quorumOf(t, 1)).currentVoters].map((voter) => ({
          directoryId: voter.replicaDirectoryId,
        })))
          assert.notEqual(directoryId, "AAAAAAAAAAAAAAAAAAAAAA")
      },
      { seed },
    )
  })
}

test("later starts ask nobody: two of three are enough", async () => {
  await inClusterWorld(ids, async (t) => {
    const settings = { "controller.quorum.bootstrap.servers": t.servers(ids) }
    const { clusterId } = (await t.startAll(settings))[0]!
    for (const id of ids) t.crash(id, "power")
    const again = await t.startAll(settings, [2, 3])
    for (const node of again) assert.equal(node.clusterId, clusterId)
    assert.deepEqual(await votersOf(t, 3), ids)
  })
})

for (let seed = 1; seed <= 10; seed++) {
  test(`power cuts while the cluster is founded leave one cluster (seed ${seed})`, async () => {
    await inClusterWorld(
      ids,
      async (t) => {
        const settings = { "controller.quorum.bootstrap.servers": t.servers(ids) }
        for (const id of ids) t.start(id, settings).catch(() => {})
        for (let cut = 0; cut < 6; cut++) {
          await t.passTime(t.world.random.int(120))
          const id = ids[t.world.random.int(3)]!
          t.crash(id, "power")
          t.start(id, settings).catch(() => {})
        }
        const clusters = await t.until("all run", () => {
          const running = ids.flatMap((id) => t.of(id).node ?? [])
          return running.length === 3 ? new Set(running.map(({ clusterId }) => clusterId)) : undefined
        })
        assert.equal(clusters.size, 1)
        assert.deepEqual(await votersOf(t, 1), ids)
      },
      { seed },
    )
  })
}

test("without one of the servers nothing is founded, and the reason is told", async () => {
  await inClusterWorld(ids, async (t) => {
    const settings = { "controller.quorum.bootstrap.servers": t.servers(ids) }
    void t.startAll(settings, [1, 2])
    await t.passTime(30_000)
    assert.ok(t.said(/waiting for a cluster.*all of controller.quorum.bootstrap.servers are needed.*10\.0\.0\.3:9093/))
    assert.equal(t.of(1).node, undefined)
    await t.start(3, settings)
    assert.deepEqual(await votersOf(t, 3), ids)
  })
})

test("a founder whose disk is lost finds its cluster again, and founds no other", async () => {
  await inClusterWorld(ids, async (t) => {
    const settings = { "controller.quorum.bootstrap.servers": t.servers(ids) }
    const [, second] = await t.startAll(settings)
    t.crash(1, "power")
    const again = await t.start(1, { ...settings, "log.dirs": "/new-disk" })
    assert.equal(again.clusterId, second!.clusterId)
    assert.deepEqual(await votersOf(t, 2), ids)
  })
})

test("a broker, and a controller that is none of the servers, find the cluster by any of them", async () => {
  await inClusterWorld([1, 2, 3, 4, 5], async (t) => {
    const settings = { "controller.quorum.bootstrap.servers": t.servers(ids) }
    const broker = t.start(4, { ...settings, "process.roles": "broker" })
    const nodes = await t.startAll(settings, ids)
    t.crash(1)
    const late = t.start(5, { "controller.quorum.bootstrap.servers": t.servers([1, 3]) })
    for (const node of [await broker, await late]) assert.equal(node.clusterId, nodes[0]!.clusterId)
    assert.deepEqual(await votersOf(t, 4), ids)
  })
})

test("controller.quorum.voters founds a cluster whose voters are known by their disks", async () => {
  await inClusterWorld(ids, async (t) => {
    const settings = { "controller.quorum.voters": t.voters(ids) }
    const nodes = await t.startAll(settings)
    assert.equal(new Set(nodes.map(({ clusterId }) => clusterId)).size, 1)
    const { currentVoters } = await quorumOf(t, 1)
    assert.equal(new Set(currentVoters.map(({ replicaDirectoryId }) => replicaDirectoryId)).size, 3)
    for (const id of ids) t.crash(id, "power")
    await t.startAll(settings, [1, 3])
    assert.deepEqual(await votersOf(t, 1), ids)
  })
})

test("an empty disk in the place of a voter's has no vote until the quorum has agreed to it", async () => {
  await inClusterWorld(ids, async (t) => {
    const settings = { "controller.quorum.voters": t.voters(ids) }
    await t.startAll(settings)
    t.crash(1, "power")
    t.crash(2, "power")
    t.crash(3, "power")
    // What node 1 alone may know cannot be decided without it: node 2 has its log, node 3 has lost its own.
    const waiting = [t.start(2, settings), t.start(3, { ...settings, "log.dirs": "/new-disk" })]
    await t.passTime(20_000)
    assert.ok(!t.said(/node-[23] info this node is the active controller .*"epoch":[2-9]/))
    await t.start(1, settings)
    await Promise.all(waiting)
    await t.until("the new disk votes", async () => {
      const { currentVoters } = await quorumOf(t, 1)
      return currentVoters.length === 3 && t.said(/this controller has joined the voters/) ? true : undefined
    })
  })
})

test("nodes that were told other voters refuse each other", async () => {
  await inClusterWorld([1, 2, 3], async (t) => {
    const first = t.refusal(1, { "controller.quorum.voters": t.voters([1, 2]) })
    const second = t.refusal(2, { "controller.quorum.voters": t.voters([1, 2, 3]) })
    assert.match(
      await Promise.race([first, second]),
      /controller\.quorum\.voters: node \d at \d@.* was told .*: give all nodes the same/,
    )
  })
})

test("a second process with the id of a member is refused", async () => {
  await inClusterWorld([1, 2, 3, 4], async (t) => {
    const settings = { "controller.quorum.bootstrap.servers": t.servers(ids) }
    await t.startAll(settings, ids)
    assert.match(await t.refusal(4, { ...settings, "node.id": "2" }), /the node at 10\.0\.0\.2:9093 has id 2 too/)
  })
})

test("nodes that were told other servers refuse each other", async () => {
  await inClusterWorld([1, 2, 3, 4], async (t) => {
    const first = t.refusal(1, { "controller.quorum.bootstrap.servers": t.servers([1, 2]) })
    const second = t.refusal(2, { "controller.quorum.bootstrap.servers": t.servers([1, 2, 3]) })
    const reason = /controller\.quorum\.bootstrap\.servers: node \d at .* was told .*: give all nodes the same/
    assert.match(await Promise.race([first, second]), reason)
  })
})

test("a sole server founds its cluster alone and at once", async () => {
  await inClusterWorld([1], async (t) => {
    const beganMs = t.world.nowMs
    await t.start(1, { "controller.quorum.bootstrap.servers": t.servers([1]) })
    assert.ok(t.world.nowMs - beganMs < 500)
    assert.deepEqual(await votersOf(t, 1), [1])
  })
})
