import assert from "node:assert/strict"
import { test } from "node:test"
import { type FeatureRules, updateFeatures } from "./features.js"
import { ClusterTest, idOf } from "./testing/cluster-test.js"

const rules: FeatureRules = {
  nodeId: 1,
  supported: [
    { name: "metadata.version", minSupportedVersion: 7, maxSupportedVersion: 30 },
    { name: "group.version", minSupportedVersion: 0, maxSupportedVersion: 1 },
    { name: "eligible.leader.replicas.version", minSupportedVersion: 0, maxSupportedVersion: 1 },
    { name: "kraft.version", minSupportedVersion: 0, maxSupportedVersion: 1 },
  ],
  metadataVersionNeeded: (feature, level) => (feature === "group.version" && level === 1 ? 22 : undefined),
  staticMinInsyncReplicas: () => "2",
  kraftVersion: () => 0,
}

const update = (t: ClusterTest, ...updates: [string, number, number?][]) =>
  updateFeatures(
    t.image,
    updates.map(([feature, maxVersionLevel, upgradeType = 1]) => ({ feature, maxVersionLevel, upgradeType })),
    rules,
  )

const refused: readonly [what: string, update: [string, number, number?], text: string][] = [
  [
    "an unknown feature",
    ["nope", 1],
    "Invalid update version 1 for feature nope. Local controller 1 does not support this feature.",
  ],
  [
    "a level nobody knows",
    ["metadata.version", 31],
    "Invalid update version 31 for feature metadata.version. Local controller 1 only supports versions 7-30",
  ],
  [
    "a level below nothing",
    ["group.version", -1],
    "Invalid update version -1 for feature group.version. A feature version cannot be less than 0.",
  ],
  [
    "another kind of update",
    ["group.version", 1, 4],
    "Invalid update version 1 for feature group.version. The controller does not support the given upgrade type.",
  ],
  [
    "a downgrade that is not called one",
    ["metadata.version", 29],
    "Invalid update version 29 for feature metadata.version. Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.",
  ],
  [
    "an upgrade that is called a downgrade",
    ["group.version", 1, 2],
    "Invalid update version 1 for feature group.version. Can't downgrade to a newer version.",
  ],
  [
    "older metadata",
    ["metadata.version", 29, 2],
    "Invalid metadata.version 29. Refusing to perform the requested downgrade because it might delete metadata information.",
  ],
  [
    "older metadata at any price",
    ["metadata.version", 29, 3],
    "Invalid metadata.version 29. Unsafe metadata downgrade is not supported in this version.",
  ],
  [
    "what a broker does not know",
    ["group.version", 1],
    "Invalid update version 1 for feature group.version. Broker 2 does not support this feature.",
  ],
]

for (const [what, wanted, text] of refused)
  test(`${what} is refused, and everything else of the request with it`, () => {
    const t = new ClusterTest()
    if (what.includes("broker")) t.start([2])
    const { records, failure } = update(t, ["eligible.leader.replicas.version", 0, 2], wanted)
    assert.deepEqual([records.length, failure], [0, { errorCode: 95, errorMessage: text }])
  })

test("a level that another one needs may come in the same request (KIP-1022)", () => {
  const t = new ClusterTest()
  t.apply([{ type: "FeatureLevelRecord", value: { name: "metadata.version", featureLevel: 21 } }])
  assert.equal(
    update(t, ["group.version", 1]).failure?.errorMessage,
    "Invalid update version 1 for feature group.version. group.version could not be set to 1 because it depends on metadata.version level 22",
  )
  assert.equal(update(t, ["group.version", 1], ["metadata.version", 30]).records.length, 2)
})

test("a level as it is writes nothing", () => {
  assert.deepEqual(update(new ClusterTest(), ["metadata.version", 30]), {
    records: [],
    upgradesVoters: false,
    failure: undefined,
  })
})

test("another controller that does not know a level keeps everybody from it", () => {
  const t = new ClusterTest()
  t.apply([
    {
      type: "RegisterControllerRecord",
      value: { controllerId: 9, incarnationId: idOf("life", 9), zkMigrationReady: false, endPoints: [], features: [] },
    },
  ])
  assert.match(update(t, ["group.version", 1]).failure!.errorMessage!, /Controller 9 does not support this feature/)
})

test("eligible leaders rest on one minimum: it becomes a setting of the cluster, and those of brokers go (KIP-966)", () => {
  const t = new ClusterTest({ elr: false })
  t.start([1])
  t.apply([
    { type: "ConfigRecord", value: { resourceType: 4, resourceName: "1", name: "min.insync.replicas", value: "3" } },
  ])
  t.apply(update(t, ["eligible.leader.replicas.version", 1]).records)
  assert.equal(t.image.configs.get("4:")?.get("min.insync.replicas"), "2")
  assert.equal(t.image.configs.get("4:1"), undefined)
  assert.equal(t.view.elrEnabled, true)
})
