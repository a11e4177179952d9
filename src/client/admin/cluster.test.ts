import assert from "node:assert/strict"
import { test } from "node:test"
import { errorOf, inAdminWorld, inThreeNodes, refusal } from "./testing/admin-world.js"

test("the brokers and the quorum are told, and a broker that is lost is fenced", () =>
  inThreeNodes(async (t, admin) => {
    const { clusterId, brokers } = await admin.describeCluster()
    assert.equal(clusterId.length, 22)
    assert.deepEqual(
      brokers.map(({ id, host, isFenced }) => [id, host, isFenced]),
      [1, 2, 3].map((id) => [id, t.addressOf(id), false]),
    )
    const quorum = await admin.describeQuorum()
    assert.deepEqual(quorum.voters.map(({ id }) => id).sort(), [1, 2, 3])
    assert.ok(quorum.highWatermark > 0n && quorum.voters.some(({ id }) => id === quorum.leaderId))
    t.crash(2)
    await t.passTime(20_000)
    const after = await admin.describeCluster({ includeFenced: true })
    assert.deepEqual(
      after.brokers.map(({ id, isFenced }) => [id, isFenced]),
      [
        [1, false],
        [2, true],
        [3, false],
      ],
    )
    assert.equal((await admin.describeCluster()).brokers.length, 2)
    await admin.unregisterBroker(2)
    assert.equal((await admin.describeCluster({ includeFenced: true })).brokers.length, 2)
    assert.match(await errorOf(admin.unregisterBroker(77)), /^BROKER_ID_NOT_REGISTERED: the removal of broker 77: /)
  }))

test("replicas are moved to other brokers, seen on their way, and taken back", () =>
  inThreeNodes(async (t, admin) => {
    await admin.createTopics([{ name: "t", assignments: [[1], [1]] }])
    t.crash(3)
    await t.passTime(20_000)
    const [begun, missing] = await admin.alterPartitionReassignments([
      { topic: "t", partition: 0, replicas: [3, 1] },
      { topic: "missing", partition: 0, replicas: [1] },
    ])
    assert.equal(begun!.error, undefined)
    assert.match(refusal(missing), /^UNKNOWN_TOPIC_OR_PARTITION: the reassignment of missing-0: /)
    assert.deepEqual(await admin.listPartitionReassignments(), [
      { topic: "t", partition: 0, replicas: [3, 1], adding: [3], removing: [] },
    ])
    assert.deepEqual(await admin.listPartitionReassignments([{ topic: "t", partition: 1 }]), [])
    const [cancelled, idle] = await admin.alterPartitionReassignments([
      { topic: "t", partition: 0, replicas: null },
      { topic: "t", partition: 1, replicas: null },
    ])
    assert.equal(cancelled!.error, undefined)
    assert.match(refusal(idle), /^NO_REASSIGNMENT_IN_PROGRESS: /)
    assert.deepEqual(await admin.listPartitionReassignments(), [])
  }))

test("leaders are elected: of all, those that need it, and of those that are named, each is told", () =>
  inThreeNodes(async (_t, admin) => {
    await admin.createTopics([{ name: "t", assignments: [[1, 2, 3]] }])
    await admin.alterPartitionReassignments([{ topic: "t", partition: 0, replicas: [2, 1, 3] }])
    const named = await admin.electLeaders([
      { topic: "t", partition: 0 },
      { topic: "missing", partition: 0 },
    ])
    assert.equal(named[0]!.error ?? named[0]!.elected, true)
    assert.match(refusal(named[1]), /^UNKNOWN_TOPIC_OR_PARTITION: the election of missing-0: /)
    const [again] = await admin.electLeaders([{ topic: "t", partition: 0 }])
    assert.equal(again!.error ?? again!.elected, false)
    assert.deepEqual(await admin.electLeaders(), [])
  }))

test("what lies in the log directories is told by each broker, and replicas move between them", () =>
  inAdminWorld(
    async (_t, admin, client) => {
      await client.producer().send({ topic: "t", partition: 0, value: "x".repeat(1000) })
      const [own, missing] = await admin.describeLogDirs([1, 9])
      assert.ok(own!.error === undefined)
      assert.deepEqual(
        own!.directories.map(({ path, error }) => [path, error]),
        [
          ["/data", undefined],
          ["/more", undefined],
        ],
      )
      const from = own!.directories.find(({ replicas }) =>
        replicas.some(({ topic, partition, bytes }) => topic === "t" && partition === 0 && bytes > 1000n),
      )!
      assert.match(refusal(missing), /^BROKER_NOT_AVAILABLE: broker 9: it is not running; these are: 1$/)
      const to = from.path === "/data" ? "/more" : "/data"
      const [moved, nowhere] = await Promise.all(
        [to, "/nowhere"].map(
          async (path) => (await admin.alterReplicaLogDirs([{ broker: 1, topic: "t", partition: 0, path }]))[0],
        ),
      )
      assert.equal(moved!.error, undefined)
      assert.match(refusal(nowhere), /^LOG_DIR_NOT_FOUND: replica t-0 of broker 1: /)
    },
    { settings: { "log.dirs": "/data,/more" } },
  ))

test("features are told with what they are and could be, and a level that nobody has is refused", () =>
  inAdminWorld(async (_t, admin) => {
    const features = await admin.describeFeatures()
    const version = features.find(({ name }) => name === "metadata.version")!
    assert.ok(version.level >= version.minVersion && version.level <= version.maxVersion)
    const [refused] = await admin.updateFeatures([{ name: "metadata.version", level: 9999 }])
    assert.match(refusal(refused), /^INVALID_UPDATE_VERSION: feature metadata\.version: /)
    const same = { name: "metadata.version", level: version.level }
    assert.equal((await admin.updateFeatures([same], { validateOnly: true }))[0]!.error, undefined)
  }))

test("a voter that is none is not removed, and one that votes is not added again", () =>
  inThreeNodes(async (t, admin) => {
    const { voters } = await admin.describeQuorum()
    const [first] = voters
    assert.match(
      await errorOf(admin.removeVoter({ id: 99, directoryId: first!.directoryId })),
      /^VOTER_NOT_FOUND: the removal of voter 99: /,
    )
    const endpoint = { name: "CONTROLLER", host: t.addressOf(first!.id), port: 9093 }
    assert.match(
      await errorOf(admin.addVoter({ id: first!.id, directoryId: first!.directoryId, endpoint })),
      /^DUPLICATE_VOTER: /,
    )
  }))
