import assert from "node:assert/strict"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { emptyDefault, type Field, type Fields } from "./field.js"
import { RecordMessage } from "./message.js"
import { apis } from "./messages/index.js"
import { groupRecords } from "./messages/group-records.js"
import { metadataRecords } from "./messages/metadata-records.js"
import { kafkaMessages } from "./testdata/all-messages.js"
import { parseVersions, type VersionRange } from "./versions.js"

// Compares what is declared here with Apache Kafka's own definitions (testdata/kafka-messages), field by field.

interface KafkaField {
  name: string
  type: string
  versions?: string
  taggedVersions?: string
  tag?: number
  nullableVersions?: string
  flexibleVersions?: string
  default?: unknown
  ignorable?: boolean
  mapKey?: boolean
  fields?: KafkaField[]
}

interface KafkaMessage {
  name: string
  type: string
  apiKey?: number
  validVersions: string
  flexibleVersions: string
  latestVersionUnstable?: boolean
  listeners?: string[]
  fields: KafkaField[]
  commonStructs?: { name: string; fields: KafkaField[] }[]
}

const root = join(process.cwd(), "src/protocol/testdata/kafka-messages")
const definitions = new Map<string, KafkaMessage>()
for (const folder of ["clients", "group", "metadata", "storage"]) {
  for (const file of readdirSync(join(root, folder))) {
    const definition = JSON.parse(readFileSync(join(root, folder, file), "utf8")) as KafkaMessage
    definitions.set(definition.name, definition)
  }
}

/** A field in the form in which both sides are compared. */
interface Comparable {
  name: string
  type: string
  versions: string
  taggedVersions: string
  tag: number
  nullableVersions: string
  default: unknown
  ignorable: boolean
  mapKey: boolean
  keepsOldEncoding: boolean
  fields: Comparable[]
}

const within = (range: VersionRange, outer: VersionRange): VersionRange => ({
  min: Math.max(range.min, outer.min),
  max: Math.min(range.max, outer.max),
})
const isEmpty = (range: VersionRange): boolean => range.min > range.max
const text = (range: VersionRange): string => (isEmpty(range) ? "none" : `${range.min}-${range.max}`)

/** Tags from here on are Ottla's own. Kafka gives out its own one by one from 0, and passes over those it does not know. */
const ownTagsFrom = 10_000

/** Every field that Ottla adds to a message of Kafka's. */
const ownFields = [
  "BrokerHeartbeatRequest.stalledMs",
  "BrokerHeartbeatRequest.syncMs",
  "BrokerRegistrationRequest.machineId",
  "EnvelopeResponse.metadataOffset",
  "FetchRequest.topics.partitions.flushedOffset",
  "FetchResponse.readsAhead",
  "RegisterBrokerRecord.machineId",
]

const isOwn = (field: Field): boolean => field.tag >= ownTagsFrom

function declared(fields: Fields, outer: VersionRange): Comparable[] {
  const kafkas = Object.entries(fields).filter(([, field]) => !isOwn(field))
  return kafkas.map(([name, field]) => {
    const value = field.element ?? field
    const versions = within(field.versions, outer)
    const type = value.type === "struct" ? "struct" : value.type
    return {
      name,
      type: field.type === "array" ? `[]${type}` : type,
      versions: text(versions),
      taggedVersions: text(within(field.taggedVersions, versions)),
      tag: field.tag,
      nullableVersions: text(within(field.nullableVersions, versions)),
      default: declaredDefault(field),
      ignorable: field.ignorable,
      mapKey: field.options.mapKey ?? false,
      keepsOldEncoding: field.options.flexible === "none",
      fields: declared(value.fields ?? {}, versions),
    }
  })
}

const declaredDefault = (field: Field): unknown => (field.default === emptyDefault ? "empty" : field.default)

function expected(fields: KafkaField[], outer: VersionRange, definition: KafkaMessage): Comparable[] {
  return fields.flatMap((field) => {
    const versions = within(parseVersions(field.versions ?? field.taggedVersions!), outer)
    // Kafka keeps fields of versions it no longer accepts in some definitions.
    if (isEmpty(versions)) return []
    const isArray = field.type.startsWith("[]")
    const base = isArray ? field.type.slice(2) : field.type
    const isStruct = /^[A-Z]/.test(base)
    const inner = field.fields ?? definition.commonStructs?.find(({ name }) => name === base)?.fields ?? []
    assert.ok(!isStruct || inner.length > 0, `${definition.name} has no struct ${base}`)
    return [
      {
        name: field.name[0]!.toLowerCase() + field.name.slice(1),
        type: `${isArray ? "[]" : ""}${isStruct ? "struct" : base}`,
        versions: text(versions),
        taggedVersions: text(within(parseVersions(field.taggedVersions ?? "none"), versions)),
        tag: field.tag ?? -1,
        nullableVersions: text(within(parseVersions(field.nullableVersions ?? "none"), versions)),
        default: expectedDefault(field, isArray ? "array" : isStruct ? "struct" : base),
        ignorable: field.ignorable ?? false,
        mapKey: field.mapKey ?? false,
        keepsOldEncoding: field.flexibleVersions === "none",
        fields: isStruct ? expected(inner, versions, definition) : [],
      },
    ]
  })
}

function expectedDefault(field: KafkaField, type: string): unknown {
  // Only the word is null to Kafka's generator; a null of JSON is the same as no default.
  const given = field.default ?? undefined
  if (given === "null") return null
  switch (type) {
    case "bool":
      return String(given ?? "false") === "true"
    case "string":
      return given ?? ""
    case "uuid":
      assert.equal(given, undefined)
      return "AAAAAAAAAAAAAAAAAAAAAA"
    case "records":
      // Kafka's generator starts records out as null, also those that must not travel so; ours start out empty then.
      return field.nullableVersions === undefined ? "empty" : null
    case "array":
    case "struct":
    case "bytes":
      assert.equal(given, undefined)
      return "empty"
    default:
      return Number(given ?? 0)
  }
}

for (const message of kafkaMessages) {
  test(`${message.name} is declared as Kafka defines it`, () => {
    const definition = definitions.get(message.name)
    assert.ok(definition, `Kafka has no message ${message.name}`)
    const versions = parseVersions(definition.validVersions)
    assert.deepEqual(message.versions, versions)
    assert.deepEqual(message.flexibleVersions, parseVersions(definition.flexibleVersions))
    assert.deepEqual(declared(message.fields, versions), expected(definition.fields, versions, definition))
    if (message instanceof RecordMessage) assert.equal(message.key, definition.apiKey)
  })
}

test("what Ottla adds to Kafka's messages is tagged, has a default, and is on the list", () => {
  const own = (fields: Fields, path: string): string[] =>
    Object.entries(fields).flatMap(([name, field]) => {
      if (!isOwn(field)) return own((field.element ?? field).fields ?? {}, `${path}.${name}`)
      // Whoever does not know it leaves it out, and whoever reads what such a one wrote finds the default.
      assert.deepEqual(field.versions, field.taggedVersions)
      assert.notEqual(field.default, emptyDefault)
      return [`${path}.${name}`]
    })
  assert.deepEqual(kafkaMessages.flatMap((message) => own(message.fields, message.name)).sort(), ownFields)
})

test("keys, listeners and version ranges are Kafka's", () => {
  for (const api of apis) {
    const request = definitions.get(`${api.name}Request`)!
    const response = definitions.get(`${api.name}Response`)!
    assert.deepEqual(
      { key: api.key, listeners: api.listeners, unstable: api.latestVersionUnstable },
      { key: request.apiKey, listeners: request.listeners, unstable: request.latestVersionUnstable ?? false },
      api.name,
    )
    assert.equal(response.apiKey, api.key)
    const valid = parseVersions(request.validVersions)
    assert.deepEqual([api.minVersion, api.maxVersion + (api.latestVersionUnstable ? 1 : 0)], [valid.min, valid.max])
  }
})

test("what a broker accepts and advertises", () => {
  const table = apis.map(({ key, name, minVersion, maxVersion, advertisedVersions }) => {
    const advertised = text(advertisedVersions)
    const accepted = `${minVersion}-${maxVersion}`
    return `${key} ${name} ${accepted}${advertised === accepted ? "" : `, advertises ${advertised}`}`
  })
  assert.deepEqual(
    table,
    [
      "0 Produce 3-13, advertises 0-13",
      "1 Fetch 4-18",
      "2 ListOffsets 1-11",
      "3 Metadata 0-13",
      "8 OffsetCommit 2-10",
      "9 OffsetFetch 1-10",
      "10 FindCoordinator 0-6",
      "11 JoinGroup 0-9",
      "12 Heartbeat 0-4",
      "13 LeaveGroup 0-5",
      "14 SyncGroup 0-5",
      "15 DescribeGroups 0-6",
      "16 ListGroups 0-5",
      "18 ApiVersions 0-4",
      "19 CreateTopics 2-7",
      "20 DeleteTopics 1-6",
      "21 DeleteRecords 0-2",
      "22 InitProducerId 0-5",
      "23 OffsetForLeaderEpoch 2-4",
      "32 DescribeConfigs 1-4",
      "33 AlterConfigs 0-2",
      "34 AlterReplicaLogDirs 1-2",
      "35 DescribeLogDirs 1-5",
      "37 CreatePartitions 0-3",
      "42 DeleteGroups 0-2",
      "43 ElectLeaders 0-2",
      "44 IncrementalAlterConfigs 0-1",
      "45 AlterPartitionReassignments 0-1",
      "46 ListPartitionReassignments 0",
      "47 OffsetDelete 0",
      "52 Vote 0-2",
      "53 BeginQuorumEpoch 0-1",
      "54 EndQuorumEpoch 0-1",
      "55 DescribeQuorum 0-2",
      "56 AlterPartition 2-3",
      "57 UpdateFeatures 0-2",
      "58 Envelope 0",
      "59 FetchSnapshot 0-1",
      "60 DescribeCluster 0-2",
      "61 DescribeProducers 0",
      "62 BrokerRegistration 0-4",
      "63 BrokerHeartbeat 0-2",
      "64 UnregisterBroker 0",
      "67 AllocateProducerIds 0",
      "68 ConsumerGroupHeartbeat 0-1",
      "69 ConsumerGroupDescribe 0-1",
      "70 ControllerRegistration 0",
      "73 AssignReplicasToDirs 0",
      "74 ListConfigResources 0-1",
      "75 DescribeTopicPartitions 0",
      "80 AddRaftVoter 0-1",
      "81 RemoveRaftVoter 0",
      "82 UpdateRaftVoter 0",
    ].map((line) => line.replace(/ (\d+)$/, " $1-$1")),
  )
})

test("every metadata record that Kafka defines is declared", () => {
  const kafka = readdirSync(join(root, "metadata")).map(
    (file) => (JSON.parse(readFileSync(join(root, "metadata", file), "utf8")) as KafkaMessage).name,
  )
  assert.deepEqual(metadataRecords.map(({ name }) => name as string).sort(), kafka.sort())
})

test("every group record that Kafka defines is declared, but those of share and streams groups", () => {
  const kafka = readdirSync(join(root, "group"))
    .map((file) => (JSON.parse(readFileSync(join(root, "group", file), "utf8")) as KafkaMessage).name)
    .filter((name) => !name.startsWith("ShareGroup") && !name.startsWith("StreamsGroup"))
  const declared = groupRecords.flatMap(({ key, value }): string[] => [key.name, value.name])
  assert.deepEqual(declared.sort(), kafka.sort())
})
