import assert from "node:assert/strict"
import { test } from "node:test"
import { type BrokerLayers, configSources } from "./config-layers.js"
import {
  configTypeCodes,
  describeBroker,
  describeClientMetrics,
  describeClusterDefault,
  describeGroup,
  describeTopic,
} from "./describe.js"
import { defaultLogConfig, logConfigOf } from "./log-config.js"

const map = (values: Record<string, string> = {}) => new Map(Object.entries(values))
const layers = (change: Partial<Record<keyof BrokerLayers, Record<string, string>>> = {}): BrokerLayers => ({
  dynamicBroker: map(change.dynamicBroker),
  dynamicDefaultBroker: map(change.dynamicDefaultBroker),
  static: map(change.static),
})
const none = layers()
const topicEntry = (name: string, at = none, overrides = {}) => describeTopic(at, map(overrides), [name])[0]!

test("as many entries as Kafka 4.3.1 lists, and Ottla's own", () => {
  assert.equal(describeTopic(none, map()).length, 33 + 1)
  assert.equal(describeBroker(none).length, 340 + 6)
  assert.equal(describeGroup(none, map()).length, 17)
  assert.equal(describeClientMetrics(map()).length, 3)
  assert.equal(describeClusterDefault(none).length, 0)
})

test("an internal setting is listed once it is set", () => {
  assert.equal(describeTopic(none, map(), ["internal.segment.bytes"]).length, 0)
  assert.equal(describeTopic(none, map({ "internal.segment.bytes": "1024" }), ["internal.segment.bytes"]).length, 1)
})

test("a topic's value, and below it the broker's in the order they count", () => {
  const at = layers({
    dynamicBroker: { "log.segment.bytes": "4000000" },
    dynamicDefaultBroker: { "log.segment.bytes": "3000000" },
    static: { "log.segment.bytes": "2000000" },
  })
  assert.deepEqual(topicEntry("segment.bytes", at, { "segment.bytes": "5000000" }), {
    name: "segment.bytes",
    value: "5000000",
    readOnly: false,
    isSensitive: false,
    source: configSources.topic,
    type: configTypeCodes.int,
    synonyms: [
      { name: "segment.bytes", value: "5000000", source: 1 },
      { name: "log.segment.bytes", value: "4000000", source: 2 },
      { name: "log.segment.bytes", value: "3000000", source: 3 },
      { name: "log.segment.bytes", value: "2000000", source: 4 },
      { name: "log.segment.bytes", value: "1073741824", source: 5 },
    ],
  })
  assert.equal(topicEntry("segment.bytes", at).value, "4000000")
  assert.equal(topicEntry("segment.bytes", at).source, configSources.dynamicBroker)
})

test("an unset retention.ms has no synonyms, because log.retention.ms has no default", () => {
  const entry = topicEntry("retention.ms")
  assert.equal(entry.value, "604800000")
  assert.deepEqual(entry.synonyms, [])
  assert.equal(entry.source, configSources.default)
})

test("with log.retention.ms set, minutes and hours follow it", () => {
  const entry = topicEntry(
    "retention.ms",
    layers({ static: { "log.retention.ms": "5", "log.retention.minutes": "9" } }),
  )
  assert.equal(entry.value, "5")
  assert.deepEqual(entry.synonyms, [
    { name: "log.retention.ms", value: "5", source: 4 },
    { name: "log.retention.minutes", value: "9", source: 4 },
    { name: "log.retention.hours", value: "168", source: 5 },
  ])
})

test("hours and minutes become milliseconds, the smaller unit counts, a negative one means no limit", () => {
  assert.equal(topicEntry("retention.ms", layers({ static: { "log.retention.hours": "2" } })).value, "7200000")
  const both = layers({ static: { "log.retention.hours": "2", "log.retention.minutes": "3" } })
  assert.equal(topicEntry("retention.ms", both).value, "180000")
  assert.equal(topicEntry("retention.ms", layers({ static: { "log.retention.hours": "-1" } })).value, "-1")
  assert.equal(topicEntry("segment.ms", layers({ static: { "log.roll.hours": "1" } })).value, "3600000")
})

test("a topic setting without a broker's name has an empty list", () => {
  assert.deepEqual(topicEntry("remote.storage.enable").synonyms, [])
})

test("a cluster default shows as source 3 on brokers and topics", () => {
  const at = layers({ dynamicDefaultBroker: { "min.insync.replicas": "1" } })
  assert.equal(topicEntry("min.insync.replicas", at).source, configSources.dynamicDefaultBroker)
  assert.equal(describeBroker(at, ["min.insync.replicas"])[0]!.source, configSources.dynamicDefaultBroker)
  assert.deepEqual(
    describeClusterDefault(at).map(({ name, value, source }) => ({ name, value, source })),
    [{ name: "min.insync.replicas", value: "1", source: 3 }],
  )
})

test("a password shows neither its value nor those of its synonyms", () => {
  const at = layers({ static: { "ssl.keystore.password": "secret" } })
  const entry = describeBroker(at, ["ssl.keystore.password"])[0]!
  assert.ok(entry.isSensitive)
  assert.equal(entry.value, null)
  assert.deepEqual(entry.synonyms, [{ name: "ssl.keystore.password", value: null, source: 4 }])
})

test("read-only is what cannot change while running", () => {
  const [nodeId, segmentBytes] = ["node.id", "log.segment.bytes"].map((name) => describeBroker(none, [name])[0]!)
  assert.ok(nodeId!.readOnly && !segmentBytes!.readOnly)
})

test("a group setting without a broker's name lists itself", () => {
  const entry = describeGroup(none, map(), ["share.isolation.level"])[0]!
  assert.deepEqual(entry.synonyms, [{ name: "share.isolation.level", value: "read_uncommitted", source: 5 }])
  const set = describeGroup(none, map({ "consumer.session.timeout.ms": "50000" }), ["consumer.session.timeout.ms"])[0]!
  assert.deepEqual(
    set.synonyms.map(({ name, source }) => [name, source]),
    [
      ["consumer.session.timeout.ms", configSources.group],
      ["group.consumer.session.timeout.ms", configSources.default],
    ],
  )
})

test("a log goes by Kafka's defaults where nothing is set", () => {
  assert.deepEqual(logConfigOf(none, map()), defaultLogConfig)
})

test("a log goes by its topic first, then by the broker", () => {
  const config = logConfigOf(
    layers({
      static: { "log.retention.hours": "1", "ottla.flush.policy": "replicated", "log.segment.bytes": "2000000" },
    }),
    map({ "cleanup.policy": "compact,delete", "compression.type": "uncompressed", "internal.segment.bytes": "512" }),
  )
  assert.equal(config.retentionMs, 3600000)
  assert.equal(config.flushPolicy, "replicated")
  assert.equal(config.segmentBytes, 512)
  assert.deepEqual(config.cleanupPolicy, { delete: true, compact: true })
  assert.equal(config.compressionType, "none")
  assert.deepEqual(logConfigOf(none, map({ "cleanup.policy": "" })).cleanupPolicy, { delete: false, compact: false })
})
