import assert from "node:assert/strict"
import { test } from "node:test"
import { Errors } from "../protocol/errors.js"
import { ClusterTest, clusterId, directoryOf, idOf } from "./testing/cluster-test.js"

test("a broker of another cluster is refused", () => {
  const t = new ClusterTest()
  assert.deepEqual(t.register(1, { clusterId: "another" }), {
    failure: {
      errorCode: Errors.INCONSISTENT_CLUSTER_ID,
      errorMessage: `Expected cluster ID ${clusterId}, but got cluster ID another`,
    },
  })
})

const refused: readonly {
  what: string
  request: Parameters<ClusterTest["register"]>[1]
  code: number
  text: string
}[] = [
  {
    what: "from ZooKeeper",
    request: { isMigratingZkBroker: true },
    code: Errors.BROKER_ID_NOT_REGISTERED,
    text: "Controller does not support registering ZK brokers.",
  },
  {
    what: "without a listener",
    request: { listeners: [] },
    code: Errors.INVALID_REGISTRATION,
    text: "No listeners specified in request",
  },
  {
    what: "without a directory",
    request: { logDirs: [] },
    code: Errors.INVALID_REGISTRATION,
    text: "No directories specified in request",
  },
  {
    what: "with a reserved directory id (KIP-858)",
    request: { logDirs: ["AAAAAAAAAAAAAAAAAAAAAQ"] },
    code: Errors.INVALID_REGISTRATION,
    text: "Reserved directory ID in request",
  },
  {
    what: "with a directory named twice",
    request: { logDirs: [directoryOf(2), directoryOf(2)] },
    code: Errors.INVALID_REGISTRATION,
    text: "Duplicate directory ID in request",
  },
  {
    what: "with the disk of another broker",
    request: { logDirs: [directoryOf(2), directoryOf(1)] },
    code: Errors.INVALID_REGISTRATION,
    text: `Broker 1 is already registered with directory ${directoryOf(1)}`,
  },
  {
    what: "that does not know a level in force",
    request: { features: [{ name: "metadata.version", minSupportedVersion: 7, maxSupportedVersion: 29 }] },
    code: Errors.UNSUPPORTED_VERSION,
    text: "Unable to register because the broker does not support finalized version 30 of metadata.version. The broker wants a version between 7 and 29, inclusive.",
  },
  {
    what: "that does not name a feature in force",
    request: { features: [{ name: "metadata.version", minSupportedVersion: 7, maxSupportedVersion: 30 }] },
    code: Errors.UNSUPPORTED_VERSION,
    text: "Unable to register because the broker does not support finalized version 1 of eligible.leader.replicas.version. The broker wants a version between 0 and 0, inclusive.",
  },
]

for (const { what, request, code, text } of refused)
  test(`a broker ${what} is refused`, () => {
    const t = new ClusterTest()
    t.start([1])
    const before = t.image
    assert.deepEqual(t.register(2, request), { failure: { errorCode: code, errorMessage: text } })
    assert.equal(t.image, before)
  })

test("while the old life of a broker sends heartbeats, another process with its id is refused; the same one may register again (KIP-631)", () => {
  const t = new ClusterTest()
  t.start([1], { incarnationId: idOf("life", 7) })
  const second = t.register(1, {}, { hasValidSession: true })
  assert.equal("failure" in second && second.failure.errorCode, Errors.DUPLICATE_BROKER_REGISTRATION)
  const epoch = t.epochOf(1)
  assert.deepEqual(t.register(1, { incarnationId: idOf("life", 7), rack: "r" }, { hasValidSession: true }), {
    ok: epoch,
  })
  const { fenced, rack, brokerEpoch } = t.image.brokers.get(1)!
  assert.deepEqual({ fenced, rack, brokerEpoch }, { fenced: false, rack: "r", brokerEpoch: epoch })
})

test("a life that is on its way out does not hold up its successor", () => {
  const t = new ClusterTest()
  t.start([1, 2])
  t.topic("a", [[1, 2]])
  t.heartbeat(1, { wantShutDown: true })
  assert.ok("ok" in t.register(1, {}, { hasValidSession: true }))
})

test("who holds the directory of a quiet life is its successor; with other directories, or while it is heard of, it is a duplicate", () => {
  const t = new ClusterTest()
  t.start([1], { logDirs: [directoryOf(1), directoryOf(1, 1)] })
  const isRefused = (logDirs: string[], isQuiet: boolean): boolean => {
    const result = t.register(1, { logDirs }, { hasValidSession: true, isQuiet })
    return "failure" in result && result.failure.errorCode === Errors.DUPLICATE_BROKER_REGISTRATION
  }
  assert.equal(isRefused([directoryOf(1)], false), true)
  assert.equal(isRefused([directoryOf(1, 2)], true), true)
  assert.equal(isRefused([directoryOf(1), directoryOf(1, 2)], true), false)
})

test("the epoch of a broker is the offset of its registration record, also behind the records that end its last life", () => {
  const t = new ClusterTest()
  t.start([1, 2])
  t.topic("a", [
    [1, 2],
    [1, 2],
  ])
  const before = t.nextOffset
  assert.deepEqual(t.register(1), { ok: before + 2 })
  assert.equal(t.log[before + 2]!.type, "RegisterBrokerRecord")
  assert.equal(t.image.brokers.get(1)!.fenced, true)
})

test("a new life begins fenced, in no ISR, and leads nothing (KIP-841)", () => {
  const t = new ClusterTest()
  t.start([1, 2])
  t.topic("a", [[1, 2]], { minInsyncReplicas: 2 })
  t.register(1)
  assert.equal(t.state("a"), "2@1 isr 2 elr 1")
})

// KIP-966, with the rule for policies: what a policy promises to be on the medium survives a crash.
const returns: readonly {
  what: string
  survivesCrash: boolean
  isClean: boolean
  sameDisk: boolean
  expected: string
}[] = [
  {
    what: "after a crash under flush",
    survivesCrash: true,
    isClean: false,
    sameDisk: true,
    expected: "2@1 isr 2 elr 1",
  },
  {
    what: "after a crash under a weaker policy",
    survivesCrash: false,
    isClean: false,
    sameDisk: true,
    expected: "2@1 isr 2",
  },
  { what: "after a clean stop", survivesCrash: false, isClean: true, sameDisk: true, expected: "2@1 isr 2 elr 1" },
  { what: "with an empty disk", survivesCrash: true, isClean: false, sameDisk: false, expected: "2@1 isr 2" },
  {
    what: "with an empty disk after a clean stop",
    survivesCrash: true,
    isClean: true,
    sameDisk: false,
    expected: "2@1 isr 2",
  },
]

for (const isFenced of [true, false])
  for (const { what, survivesCrash, isClean, sameDisk, expected } of returns)
    test(`eligible leaders: a broker that comes back ${what}, ${isFenced ? "fenced meanwhile" : "before it was missed"}`, () => {
      const t = new ClusterTest()
      t.start([1, 2])
      t.topic("a", [[1, 2]], { minInsyncReplicas: 2, survivesCrash })
      const previousBrokerEpoch = isClean ? t.epochOf(1) : -1
      if (isFenced) t.fence(1)
      t.register(1, { previousBrokerEpoch, logDirs: [directoryOf(1, sameDisk ? 0 : 9)] })
      assert.equal(t.state("a"), expected)
    })

test("a replica whose directory was never said is no eligible leader if the broker lacks one it had", () => {
  for (const [kept, expected] of [
    [directoryOf(1, 1), "2@1 isr 2 elr 1"],
    [directoryOf(1, 8), "2@1 isr 2"],
  ] as const) {
    const t = new ClusterTest()
    t.start([1], { logDirs: [directoryOf(1), directoryOf(1, 1)] })
    t.start([2])
    t.topic("a", [[1, 2]], { minInsyncReplicas: 2 })
    const { topicId } = t.image.topics.get("a")!
    const [, second] = t.partition("a").directories
    t.apply([
      {
        type: "PartitionRecord",
        value: {
          ...t.partition("a"),
          replicas: [1, 2],
          isr: [1, 2],
          removingReplicas: [],
          addingReplicas: [],
          partitionId: 0,
          topicId,
          directories: ["AAAAAAAAAAAAAAAAAAAAAA", second!],
          eligibleLeaderReplicas: null,
          lastKnownElr: null,
        },
      },
    ])
    t.register(1, { logDirs: [directoryOf(1), kept] })
    assert.equal(t.state("a"), expected)
  }
})
