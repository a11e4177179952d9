import assert from "node:assert/strict"
import { test } from "node:test"
import { describeCluster } from "../protocol/messages/describe-cluster.js"
import { type ClusterWorld, inClusterWorld } from "./testing/cluster-world.js"

const ids = [1, 2, 3]
const bootstrap = (t: ClusterWorld) => ({ "controller.quorum.bootstrap.servers": t.servers(ids) })

/** Three nodes that run, and a machine beside them. */
async function besideACluster(story: (t: ClusterWorld) => Promise<void>): Promise<void> {
  await inClusterWorld([1, 2, 3, 4, 5], async (t) => {
    await t.startAll(bootstrap(t), ids)
    await story(t)
    for (const id of ids) {
      const { brokers } = await t.ask(id, describeCluster, {
        includeClusterAuthorizedOperations: false,
        includeFencedBrokers: false,
      })
      assert.ok(
        ids.every((each) => brokers.some(({ brokerId }) => brokerId === each)),
        "the others go on",
      )
    }
  })
}

test("a disk of another node is refused", async () => {
  await besideACluster(async (t) => {
    await t.start(4, { ...bootstrap(t), "process.roles": "broker" })
    await t.stop(4)
    assert.match(
      await t.refusal(4, { ...bootstrap(t), "process.roles": "broker", "node.id": "5" }),
      /\/data belongs to node 4, this is node 5: set node.id or log.dirs/,
    )
  })
})

test("disks of two clusters are refused", async () => {
  await besideACluster(async (t) => {
    await t.start(4, { "log.dirs": "/alone" })
    await t.stop(4)
    const settings = { ...bootstrap(t), "process.roles": "broker" }
    await t.start(4, { ...settings, "log.dirs": "/data" })
    await t.stop(4)
    assert.match(
      await t.refusal(4, { ...settings, "log.dirs": "/data,/alone" }),
      /\/alone belongs to cluster \S+, this is \S+/,
    )
  })
})

test("a node of another cluster is refused, and told both clusters", async () => {
  await besideACluster(async (t) => {
    const alone = await t.start(4, {})
    await t.stop(4)
    const reason = await t.refusal(4, { ...bootstrap(t), "process.roles": "broker" })
    assert.match(reason, /\/data belongs to cluster .*, and the controller at 10\.0\.0\.\d:9093 to /)
    assert.ok(reason.includes(t.of(1).node!.clusterId), reason)
    assert.ok(reason.includes(alone.clusterId), reason)
  })
})

test("a broker under the id of one that lives is refused, and the one that lives goes on", async () => {
  await besideACluster(async (t) => {
    const settings = { ...bootstrap(t), "process.roles": "broker", "initial.broker.registration.timeout.ms": "10000" }
    await t.start(4, settings)
    assert.match(await t.refusal(5, { ...settings, "node.id": "4" }), /another broker with node.id=4 lives/)
    await t.passTime(5000)
    assert.deepEqual(t.of(4).fatal, [])
  })
})
