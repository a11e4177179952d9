import assert from "node:assert/strict"
import { test } from "node:test"
import { Errors } from "../../protocol/errors.js"
import { alterConfigs } from "../../protocol/messages/alter-configs.js"
import { describeConfigs } from "../../protocol/messages/describe-configs.js"
import { incrementalAlterConfigs } from "../../protocol/messages/incremental-alter-configs.js"
import { listConfigResources } from "../../protocol/messages/list-config-resources.js"
import { type BrokerWorld, batchOf, inBrokerWorld } from "../testing/broker-world.js"

const topic = 2
const broker = 4

async function describe(t: BrokerWorld, resourceType: number, resourceName: string, name: string) {
  const { results } = await t.client.send(describeConfigs, 4, {
    resources: [{ resourceType, resourceName, configurationKeys: [name] }],
    includeSynonyms: true,
    includeDocumentation: false,
  })
  assert.equal(results[0]!.errorCode, Errors.NONE)
  return results[0]!.configs[0]
}

async function incremental(
  t: BrokerWorld,
  resourceType: number,
  resourceName: string,
  changes: readonly (readonly [name: string, operation: number, value: string | null])[],
  validateOnly = false,
) {
  const { responses } = await t.client.send(incrementalAlterConfigs, 1, {
    resources: [
      {
        resourceType,
        resourceName,
        configs: changes.map(([name, configOperation, value]) => ({ name, configOperation, value })),
      },
    ],
    validateOnly,
  })
  return responses[0]!.errorCode
}

const set = 0
const remove = 1
const append = 2
const subtract = 3

test("a value comes from the topic, the broker, the cluster, the file or the default, in this order, and says so", async () => {
  await inBrokerWorld(
    async (t) => {
      await t.createTopic()
      const seen = async () => {
        const entry = (await describe(t, topic, "t", "retention.ms"))!
        return [entry.value, entry.configSource, entry.synonyms.map(({ source }) => source).join()]
      }
      assert.deepEqual(await seen(), ["3600000", 4, "4,5"])
      assert.equal(await incremental(t, broker, "", [["log.retention.ms", set, "4000000"]]), Errors.NONE)
      assert.deepEqual(await seen(), ["4000000", 3, "3,4,5"])
      assert.equal(await incremental(t, broker, "1", [["log.retention.ms", set, "5000000"]]), Errors.NONE)
      assert.deepEqual(await seen(), ["5000000", 2, "2,3,4,5"])
      assert.equal(await t.alterTopic("t", { "retention.ms": "6000000" }), Errors.NONE)
      assert.deepEqual(await seen(), ["6000000", 1, "1,2,3,4,5"])
      await t.crash("power")
      assert.deepEqual(await seen(), ["6000000", 1, "1,2,3,4,5"])
      await t.alterTopic("t", { "retention.ms": null })
      await incremental(t, broker, "1", [["log.retention.ms", remove, null]])
      await incremental(t, broker, "", [["log.retention.ms", remove, null]])
      assert.deepEqual(await seen(), ["3600000", 4, "4,5"])
    },
    { settings: { "log.retention.ms": "3600000" } },
  )
})

test("a changed setting is in force on the log when the change is answered", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic()
    const produced = async (bytes: number) => (await t.produce("x".repeat(bytes))).errorCode
    assert.equal(await produced(3000), Errors.NONE)
    await t.alterTopic("t", { "max.message.bytes": "2000" })
    assert.equal(await produced(3000), Errors.MESSAGE_TOO_LARGE)
    await t.alterTopic("t", { "max.message.bytes": null })
    assert.equal(await produced(3000), Errors.NONE)
    // The same by the cluster's default, which every topic without its own inherits.
    await incremental(t, broker, "", [["message.max.bytes", set, "2000"]])
    assert.equal(await produced(3000), Errors.MESSAGE_TOO_LARGE)
    await incremental(t, broker, "1", [["message.max.bytes", set, "4000"]])
    assert.equal(await produced(3000), Errors.NONE)
  })
})

test("retention set for the whole cluster deletes in topics that have none of their own", async () => {
  await inBrokerWorld(
    async (t) => {
      await t.createTopic("inherits", 1, { "segment.ms": "1000" })
      await t.createTopic("keeps", 1, { "segment.ms": "1000", "retention.ms": "-1" })
      for (const name of ["inherits", "keeps"]) {
        for (let number = 0; number < 3; number++) {
          const timestamp = t.node.env.clock.wallMs()
          await t.produce(batchOf(["x"], { timestamp }), { topic: name })
          await t.passTime(2000)
        }
      }
      await t.passTime(60_000)
      assert.equal((await t.offsetAt(-2, { topic: "inherits" })).offset, 0)
      await incremental(t, broker, "", [["log.retention.ms", set, "10000"]])
      await t.passTime(20_000)
      assert.equal((await t.offsetAt(-2, { topic: "inherits" })).offset, 3)
      assert.equal((await t.offsetAt(-2, { topic: "keeps" })).offset, 0)
    },
    { settings: { "log.retention.check.interval.ms": "5000" } },
  )
})

test("lists grow and shrink by element", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic()
    const policy = async () => (await describe(t, topic, "t", "cleanup.policy"))!.value
    assert.equal(await incremental(t, topic, "t", [["cleanup.policy", append, "compact"]]), Errors.NONE)
    assert.equal(await policy(), "delete,compact")
    assert.equal(await incremental(t, topic, "t", [["cleanup.policy", append, "compact"]]), Errors.NONE)
    assert.equal(await policy(), "delete,compact")
    assert.equal(await incremental(t, topic, "t", [["cleanup.policy", subtract, "delete"]]), Errors.NONE)
    assert.equal(await policy(), "compact")
    assert.equal(await incremental(t, topic, "t", [["cleanup.policy", append, "zap"]]), Errors.INVALID_CONFIG)
    assert.equal(await incremental(t, topic, "t", [["retention.ms", append, "1"]]), Errors.INVALID_CONFIG)
  })
})

const refusals: readonly (readonly [
  type: number,
  name: string,
  change: readonly [string, number, string | null],
  error: number,
])[] = [
  [topic, "nope", ["retention.ms", set, "1"], Errors.UNKNOWN_TOPIC_OR_PARTITION],
  [topic, "", ["retention.ms", set, "1"], Errors.INVALID_REQUEST],
  [topic, "a b", ["retention.ms", set, "1"], Errors.INVALID_TOPIC_EXCEPTION],
  [topic, "t", ["nope", set, "1"], Errors.INVALID_CONFIG],
  [topic, "t", ["retention.ms", set, "soon"], Errors.INVALID_CONFIG],
  [topic, "t", ["retention.ms", set, null], Errors.INVALID_REQUEST],
  [topic, "t", ["retention.ms", 9, "1"], Errors.INVALID_REQUEST],
  [broker, "7", ["log.retention.ms", set, "1"], Errors.INVALID_REQUEST],
  [broker, "one", ["log.retention.ms", set, "1"], Errors.INVALID_REQUEST],
  [broker, "1", ["process.roles", set, "broker"], Errors.INVALID_REQUEST],
  [broker, "1", ["log.retention.ms", set, "soon"], Errors.INVALID_REQUEST],
  [broker, "", ["listeners", set, "PLAINTEXT://:1"], Errors.INVALID_REQUEST],
  // KIP-966
  [broker, "1", ["min.insync.replicas", set, "2"], Errors.INVALID_CONFIG],
  [broker, "", ["min.insync.replicas", remove, null], Errors.INVALID_CONFIG],
  [16, "m", ["interval.ms", set, "1"], Errors.INVALID_REQUEST],
  [32, "", ["consumer.session.timeout.ms", set, "50000"], Errors.INVALID_REQUEST],
  [77, "x", ["a", set, "b"], Errors.INVALID_REQUEST],
]

test("a change that cannot be is refused with Kafka's error and changes nothing", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic()
    for (const [type, name, change, error] of refusals)
      assert.equal(await incremental(t, type, name, [change]), error, `${type} ${name} ${change.join(" ")}`)
    assert.equal(
      await incremental(t, topic, "t", [
        ["retention.bytes", set, "1"],
        ["retention.ms", set, "soon"],
      ]),
      Errors.INVALID_CONFIG,
    )
    assert.equal((await describe(t, topic, "t", "retention.bytes"))!.value, "-1")
    assert.equal(await incremental(t, topic, "t", [["retention.ms", set, "7"]], true), Errors.NONE)
    assert.equal((await describe(t, topic, "t", "retention.ms"))!.value, "604800000")
  })
})

test("AlterConfigs replaces all settings of a resource", async () => {
  await inBrokerWorld(async (t) => {
    await t.createTopic("t", 1, { "retention.ms": "5000000" })
    const replace = async (configs: Record<string, string | null>) =>
      (
        await t.client.send(alterConfigs, 2, {
          resources: [
            {
              resourceType: topic,
              resourceName: "t",
              configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
            },
          ],
          validateOnly: false,
        })
      ).responses[0]!.errorCode
    assert.equal(await replace({ "segment.bytes": "2000000" }), Errors.NONE)
    assert.equal((await describe(t, topic, "t", "retention.ms"))!.configSource, 5)
    assert.equal((await describe(t, topic, "t", "segment.bytes"))!.value, "2000000")
    assert.equal(await replace({ "retention.ms": null }), Errors.INVALID_REQUEST)
    assert.equal(await replace({}), Errors.NONE)
    assert.equal((await describe(t, topic, "t", "segment.bytes"))!.configSource, 5)
  })
})

test("settings of groups and client metrics are kept, listed and described, also for names nobody made", async () => {
  await inBrokerWorld(async (t) => {
    assert.equal(await incremental(t, 32, "g", [["consumer.session.timeout.ms", set, "50000"]]), Errors.NONE)
    assert.equal(await incremental(t, 16, "m", [["interval.ms", set, "60000"]]), Errors.NONE)
    await t.crash("kill")
    assert.equal((await describe(t, 32, "g", "consumer.session.timeout.ms"))!.value, "50000")
    assert.equal((await describe(t, 16, "m", "interval.ms"))!.value, "60000")
    assert.equal((await describe(t, 32, "other", "consumer.session.timeout.ms"))!.configSource, 5)
    const { configResources } = await t.client.send(listConfigResources, 1, { resourceTypes: [16, 32] })
    assert.deepEqual(
      configResources.map(({ resourceType, resourceName }) => `${resourceType} ${resourceName}`),
      ["16 m", "32 g"],
    )
  })
})
