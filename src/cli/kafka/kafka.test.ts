import assert from "node:assert/strict"
import { test } from "node:test"
import type { ConsumerRecord } from "../../client/consumer/record.js"
import { entryLine, parseConfigs } from "./configs.js"
import { recordFormatter } from "./console-consumer.js"
import { lineReader } from "./console-producer.js"
import { parseOffsets } from "./delete-records.js"
import { filterOf, timeOf } from "./get-offsets.js"
import { assignmentText, deletedLines, lagLines, memberLines, resetLines, stateLines } from "./group-tables.js"
import { matcher, propertiesOf, readOptions } from "./options.js"
import { dateOf, isoDuration } from "./reset-offsets.js"
import { parseArguments } from "./server-start.js"
import { initialControllers } from "./storage.js"
import { partitionLine, topicLine } from "./topics.js"

const spec = { topic: "value", config: "values", list: "flag", state: "rest", "if-exists": "flag" } as const

test("options are read as Kafka's tools read them: with a sign or a blank, in full or as far as it is clear", () => {
  const options = readOptions(spec, [
    "--topic=a=b",
    "--config",
    "x=1",
    "--conf",
    "y=2",
    "--if-e",
    "left",
    "--state",
    "A",
    "B",
    "--list",
  ])
  assert.equal(options.value("topic"), "a=b")
  assert.deepEqual(
    [...propertiesOf(options, "config")],
    [
      ["x", "1"],
      ["y", "2"],
    ],
  )
  assert.deepEqual([options.has("if-exists"), options.has("list"), options.operands], [true, true, ["left"]])
  assert.deepEqual(options.values("state"), ["A", "B"])
  assert.equal(readOptions(spec, ["-t", "x"], { t: "topic" }).value("topic"), "x")
})

test("a wrong option is told in Kafka's words", () => {
  assert.throws(() => readOptions(spec, ["--lst"]), /^OptionError: lst is not a recognized option$/)
  assert.throws(() => readOptions(spec, ["--topic"]), /Option topic requires an argument/)
  assert.throws(() => readOptions(spec, ["--topic", "--list"]), /Option topic requires an argument/)
  assert.throws(() => propertiesOf(readOptions(spec, ["--config", "x"]), "config"), /Invalid property 'x'/)
})

test("a topic may be an expression, and several with commas", () => {
  const names = ["a", "ab", "b.c", "bxc"]
  assert.deepEqual(
    ["a", "a.*", "a,b.c", "b\\.c"].map((pattern) => names.filter(matcher(pattern))),
    [["a"], ["a", "ab"], ["a", "b.c", "bxc"], ["b.c"]],
  )
  assert.throws(() => matcher("("), /is not a valid regular expression/)
})

test("a topic and its partitions are described in Kafka's lines", () => {
  const partition = {
    partition: 0,
    leader: 1,
    leaderEpoch: 0,
    replicas: [1, 2],
    isr: [1],
    eligibleLeaders: [2],
    lastKnownEligibleLeaders: [],
    offline: [],
  }
  assert.equal(
    topicLine("t", { topicId: "3XkbZlntTmGisigCJHr0Cw", isInternal: false, partitions: [partition] }, "retention.ms=1"),
    "Topic: t\tTopicId: 3XkbZlntTmGisigCJHr0Cw\tPartitionCount: 1\tReplicationFactor: 2\tConfigs: retention.ms=1",
  )
  assert.equal(
    partitionLine("t", partition),
    "\tTopic: t\tPartition: 0\tLeader: 1\tReplicas: 1,2\tIsr: 1\tElr: 2\tLastKnownElr: ",
  )
  assert.match(
    partitionLine("t", { ...partition, leader: -1 }, { adding: [3], removing: [] }),
    /Leader: none.*\tAdding Replicas: 3\tRemoving Replicas: \tElr/,
  )
})

const record: ConsumerRecord = {
  topic: "t",
  partition: 2,
  offset: 5n,
  timestamp: 7,
  key: null,
  value: Buffer.from("v"),
  headers: [
    { key: "h", value: Buffer.from("1") },
    { key: "i", value: null },
  ],
}

test("a record is printed as by the default formatter", () => {
  const line = (...properties: string[]) =>
    recordFormatter(new Map(properties.map((each) => each.split("=") as [string, string])))(record).toString()
  assert.equal(line(), "v\n")
  assert.equal(
    line("print.key=true", "print.timestamp=true", "print.offset=true", "print.partition=true", "print.headers=true"),
    "CreateTime:7\tPartition:2\tOffset:5\th:1,i:null\tnull\tv\n",
  )
  assert.equal(line("print.key=true", "print.value=false", "null.literal=NIL", "line.separator=;"), "NIL;")
})

test("a line is read as by the line reader, and one that cannot be is told with its number", () => {
  const read = (line: string, ...properties: string[]) =>
    lineReader(new Map(properties.map((each) => each.split("=") as [string, string])), "t")(Buffer.from(line), 3)
  assert.deepEqual(read("v"), { topic: "t", value: Buffer.from("v") })
  assert.deepEqual(read("k:v:w", "parse.key=true", "key.separator=:"), {
    topic: "t",
    key: Buffer.from("k"),
    value: Buffer.from("v:w"),
  })
  assert.deepEqual(read("h:1,i:2\tNIL\tv", "parse.key=true", "parse.headers=true", "null.marker=NIL"), {
    topic: "t",
    key: null,
    value: Buffer.from("v"),
    headers: [
      { key: "h", value: "1" },
      { key: "i", value: "2" },
    ],
  })
  assert.throws(() => read("v", "parse.key=true"), /No key separator found on line number 3: 'v'/)
  assert.deepEqual(read("v", "parse.key=true", "ignore.error=true"), { topic: "t", value: Buffer.from("v") })
})

test("tables of groups have Kafka's columns, to the blank", () => {
  const row = {
    groupId: "cg",
    topic: "kt",
    partition: 0,
    committed: 2n,
    end: 4n,
    lag: 2n,
    memberId: null,
    clientId: null,
    clientHost: null,
  }
  assert.deepEqual(lagLines([row]), [
    "",
    "GROUP           TOPIC           PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG             CONSUMER-ID     HOST            CLIENT-ID",
    "cg              kt              0          2               4               2               -               -               -",
  ])
  const group = {
    groupId: "cg",
    type: "classic",
    state: "Empty",
    assignor: "",
    epoch: -1,
    coordinator: 1,
    members: [],
  } as const
  const brokers = [{ id: 1, host: "127.0.0.1", port: 29092, rack: null, isFenced: false }]
  assert.deepEqual(stateLines(group, brokers), [
    "",
    "GROUP           COORDINATOR (ID)          ASSIGNMENT-STRATEGY  STATE                #MEMBERS",
    "cg              127.0.0.1:29092  (1)      -                    Empty                0",
  ])
  assert.deepEqual(memberLines(group, false), [
    "",
    "GROUP           CONSUMER-ID     HOST            CLIENT-ID       #PARTITIONS     ",
  ])
  assert.deepEqual(resetLines("cg", [{ topic: "kt", partition: 2, offset: 0n }]), [
    "",
    "GROUP           TOPIC           PARTITION  NEW-OFFSET",
    "cg              kt              2          0",
  ])
  assert.deepEqual(deletedLines("cg", [{ topic: "kt", partition: 0 }]), [
    "Request succeeded for deleting offsets from group cg.",
    "",
    "TOPIC           PARTITION  STATUS         ",
    "kt              0          Successful     ",
  ])
  assert.equal(
    assignmentText([
      { topic: "t", partition: 1 },
      { topic: "u", partition: 0 },
      { topic: "t", partition: 0 },
    ]),
    "t:0,1;u:0",
  )
})

test("offsets are asked for by time, and of partitions by rules", () => {
  assert.deepEqual(["-1", "latest", "-2", "earliest", "-3", "170"].map(timeOf), [
    "latest",
    "latest",
    "earliest",
    "earliest",
    "maxTimestamp",
    { timestamp: 170 },
  ])
  assert.throws(() => timeOf("noon"), /Malformed time argument noon/)
  const partitions = ["a", "b"].flatMap((topic) => [0, 1, 2, 3].map((partition) => ({ topic, partition })))
  const chosen = (...args: string[]) => {
    const options = readOptions({ topic: "value", partitions: "value", "topic-partitions": "value" }, args)
    return partitions
      .filter(filterOf(options))
      .map(({ topic, partition }) => `${topic}${partition}`)
      .join(" ")
  }
  assert.equal(chosen("--topic", "a", "--partitions", "0,2"), "a0 a2")
  assert.equal(chosen("--topic-partitions", "a:1,b:2-"), "a1 b2 b3")
  assert.equal(chosen("--topic-partitions", "a:1-3"), "a1 a2")
  assert.equal(chosen("--topic-partitions", ":-1"), "a0 b0")
  assert.equal(chosen("--topic-partitions", "b"), "b0 b1 b2 b3")
})

test("settings keep commas in brackets, and are told with where they come from", () => {
  assert.deepEqual(parseConfigs("a=1,b=[x,y],c="), [
    ["a", "1"],
    ["b", "x,y"],
    ["c", ""],
  ])
  assert.throws(() => parseConfigs("a"), /must be in the format "key=val"/)
  const entry = {
    name: "retention.ms",
    value: "5",
    source: "topic",
    isDefault: false,
    isSensitive: false,
    isReadOnly: false,
    type: "long",
    documentation: null,
    synonyms: [
      { name: "retention.ms", value: "5", source: "topic" },
      { name: "log.retention.ms", value: null, source: "default" },
    ],
  } as const
  assert.equal(
    entryLine(entry),
    "  retention.ms=5 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:retention.ms=5, DEFAULT_CONFIG:log.retention.ms=null}",
  )
})

test("a file of offsets is Kafka's, or is told its form", () => {
  assert.deepEqual(
    parseOffsets(
      '{"partitions":[{"topic":"t","partition":0,"offset":3},{"topic":"t","partition":1,"offset":-1}],"version":1}',
    ),
    [
      { topic: "t", partition: 0, before: 3n },
      { topic: "t", partition: 1, before: "latest" },
    ],
  )
  for (const text of ["x", "{}", '{"partitions":[{"topic":"t"}]}', '{"version":2,"partitions":[]}'])
    assert.throws(() => parseOffsets(text), /the file is \{"partitions"/)
  assert.throws(
    () =>
      parseOffsets('{"partitions":[{"topic":"t","partition":0,"offset":3},{"topic":"t","partition":0,"offset":4}]}'),
    /duplicate topic partitions: t-0/,
  )
})

test("times of a reset are ISO's", () => {
  assert.equal(dateOf("2026-01-31T10:00:00.000"), Date.UTC(2026, 0, 31, 10))
  assert.equal(dateOf("2026-01-31T10:00:00.000+01:00"), Date.UTC(2026, 0, 31, 9))
  assert.deepEqual(["P1D", "PT1H30M", "P1DT2H3M4.5S"].map(isoDuration), [86_400_000, 5_400_000, 93_784_500])
  for (const text of ["P", "1h", "PT"]) assert.throws(() => isoDuration(text), /Error parsing duration/)
})

test("controllers of a new cluster and arguments of a start are read, or told how they are written", () => {
  assert.deepEqual(initialControllers("1@h:9093:MkU3OEVBNTcwNTJENDM2Qk"), [
    { id: 1, directoryId: "MkU3OEVBNTcwNTJENDM2Qk", endpoints: [{ name: "CONTROLLER", host: "h", port: 9093 }] },
  ])
  assert.throws(() => initialControllers("1@h:9093"), /write it as id@host:port:directory-id/)
  assert.deepEqual(parseArguments(["s.properties", "--override", "a=b"]), {
    config: "s.properties",
    set: ["a=b"],
    insecure: false,
  })
  for (const args of [[], ["a", "b"], ["a", "--override"], ["-x", "a"]])
    assert.throws(() => parseArguments(args), /USAGE/)
})
