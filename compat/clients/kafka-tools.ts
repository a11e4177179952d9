/** Apache Kafka's own command-line tools, each against the broker, and DumpLogSegments on the files the broker wrote. */
import { readdirSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Check, CheckContext } from "../check.js"
import { WireClient } from "../client.js"
import { type KafkaTool, kafkaTool, kafkaVersion, tryKafkaTool } from "../kafka.js"
import { expect, expectEqual, Skip, temporaryDirectory } from "../work.js"

type Tool = (args: readonly string[], input?: string) => Promise<string>

function toolCheck(
  name: KafkaTool,
  body: (tool: Tool, context: CheckContext) => Promise<string | undefined>,
  calm: Pick<Check, "needsCalm"> = {},
): Check {
  return {
    ...{ name, ...calm },
    about: `Apache Kafka ${kafkaVersion}`,
    run: (context) => {
      const tool: Tool = (args, input = "") =>
        kafkaTool(name, ["--bootstrap-server", context.bootstrap, ...args], { input })
      return body(tool, context)
    },
  }
}

async function createTopic(
  { host, port }: CheckContext,
  name: string,
  partitions: number,
  configs = {},
): Promise<void> {
  const client = await WireClient.connect({ host, port })
  try {
    await client.createTopic(name, partitions, configs)
  } finally {
    client.close()
  }
}

async function valuesOf({ host, port }: CheckContext, topic: string, partition: number): Promise<string[]> {
  const client = await WireClient.connect({ host, port })
  const values: string[] = []
  try {
    for await (const record of client.readPartition(topic, partition)) values.push(record.value!.toString())
  } finally {
    client.close()
  }
  return values
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i))

const topics = toolCheck("kafka-topics", async (tool, context) => {
  const name = context.topic("topics")
  await tool(["--create", "--topic", name, "--partitions", "3", "--config", "retention.ms=99000"])
  const described = await tool(["--describe", "--topic", name])
  expect(/PartitionCount: 3\b/.test(described) && described.includes("retention.ms=99000"), described)
  expectEqual(described.match(/Partition: \d+\s+Leader: \d+/g)?.length, 3, "leaders")
  await tool(["--alter", "--topic", name, "--partitions", "5"])
  expect(/PartitionCount: 5\b/.test(await tool(["--describe", "--topic", name])), "five partitions")
  expect((await tool(["--list"])).split("\n").includes(name), "listed")
  const again = await tryKafkaTool("kafka-topics", [
    "--bootstrap-server",
    context.bootstrap,
    "--create",
    "--topic",
    name,
  ])
  expect(again.code === 1 && /already exists/.test(again.stdout + again.stderr), "created twice")
  await tool(["--delete", "--topic", name])
  expect(!(await tool(["--list"])).split("\n").includes(name), "deleted")
  return undefined
})

const configs = toolCheck("kafka-configs", async (tool, context) => {
  const name = context.topic("configs")
  await createTopic(context, name, 1)
  const entity = ["--entity-type", "topics", "--entity-name", name]
  await tool([...entity, "--alter", "--add-config", "retention.ms=77000,cleanup.policy=[compact,delete]"])
  const described = await tool([...entity, "--describe"])
  expect(described.includes("retention.ms=77000") && described.includes("cleanup.policy=compact,delete"), described)
  expect(described.includes("DYNAMIC_TOPIC_CONFIG:retention.ms=77000"), "synonyms name the source")
  await tool([...entity, "--alter", "--delete-config", "retention.ms"])
  expect(!(await tool([...entity, "--describe"])).includes("retention.ms=77000"), "deleted")
  expect((await tool([...entity, "--describe", "--all"])).includes("segment.bytes=1073741824"), "defaults")
  const refused = await tryKafkaTool("kafka-configs", [
    ...["--bootstrap-server", context.bootstrap, ...entity, "--alter", "--add-config", "retention.ms=soon"],
  ])
  expect(refused.code !== 0 && /Invalid value soon/.test(refused.stdout + refused.stderr), "a wrong value is refused")
  const brokers = ["--entity-type", "brokers", "--entity-default"]
  await tool([...brokers, "--alter", "--add-config", "log.cleaner.threads=2"])
  expect((await tool([...brokers, "--describe"])).includes("log.cleaner.threads=2"), "cluster-wide broker default")
  await tool([...brokers, "--alter", "--delete-config", "log.cleaner.threads"])
  return undefined
})

const apiVersions = toolCheck("kafka-broker-api-versions", async (tool) => {
  const answer = await tool([])
  expect(/\(id: \d+ rack: \S+.*\) -> \(/.test(answer), answer.slice(0, 200))
  for (const api of [
    "Produce(0)",
    "Fetch(1)",
    "ListOffsets(2)",
    "Metadata(3)",
    "CreateTopics(19)",
    "InitProducerId(22)",
  ]) {
    const line = answer.split("\n").find((one) => one.includes(api))
    expect(line !== undefined && /usable: \d+/.test(line), `${api}: ${line}`)
  }
  return undefined
})

const cluster: Check = {
  name: "kafka-cluster",
  about: `Apache Kafka ${kafkaVersion}`,
  run: async ({ bootstrap }) => {
    const answer = await kafkaTool("kafka-cluster", ["cluster-id", "--bootstrap-server", bootstrap])
    expect(/Cluster ID: [\w-]{22}/.test(answer), answer)
    const endpoints = await kafkaTool("kafka-cluster", ["list-endpoints", "--bootstrap-server", bootstrap])
    expect(endpoints.includes(bootstrap.split(":")[1]!), endpoints)
    return undefined
  },
}

const features = toolCheck("kafka-features", async (tool) => {
  const answer = await tool(["describe"])
  expect(/Feature: metadata\.version/.test(answer), answer)
  return undefined
})

const metadataQuorum = toolCheck("kafka-metadata-quorum", async (tool) => {
  const status = await tool(["describe", "--status"]).catch((error: Error) => {
    if (/does not support DESCRIBE_QUORUM/.test(error.message))
      throw new Skip("the broker does not answer DescribeQuorum")
    throw error
  })
  expect(/LeaderId:\s+\d+/.test(status) && /HighWatermark:\s+\d+/.test(status), status)
  const replication = await tool(["describe", "--replication"])
  expect(/Leader/.test(replication), replication)
  return undefined
})

const verifiableProducer = toolCheck(
  "kafka-verifiable-producer",
  async (tool, context) => {
    const name = context.topic("verifiable")
    await createTopic(context, name, 1)
    const answer = await tool(["--topic", name, "--max-messages", "2000", "--acks", "-1"])
    expect(/"acked":2000/.test(answer), answer.slice(-300))
    expectEqual(await valuesOf(context, name, 0), numbers(2000), "values")
    return undefined
  },
  { needsCalm: "it sends everything once" },
)

const producerPerformance: Check = {
  name: "kafka-producer-perf-test",
  about: `Apache Kafka ${kafkaVersion}`,
  run: async (context) => {
    const name = context.topic("perf")
    await createTopic(context, name, 4)
    const rates: string[] = []
    for (const codec of ["none", "gzip", "snappy", "lz4", "zstd"]) {
      const answer = await kafkaTool("kafka-producer-perf-test", [
        ...["--topic", name, "--num-records", "20000", "--record-size", "500", "--throughput", "-1"],
        ...["--producer-props", `bootstrap.servers=${context.bootstrap}`, `compression.type=${codec}`],
      ])
      const rate = /20000 records sent, ([\d.]+) records\/sec/.exec(answer)?.[1]
      expect(rate !== undefined, answer)
      rates.push(`${codec} ${Math.round(Number(rate))}/s`)
    }
    const client = await WireClient.connect(context)
    try {
      let total = 0
      for (let partition = 0; partition < 4; partition++) total += (await client.listOffset(name, partition, -1)).offset
      expectEqual(total, 100_000, "records in all partitions")
    } finally {
      client.close()
    }
    return `idempotent; ${rates.join(", ")}`
  },
}

const console: Check = {
  name: "kafka-console",
  about: `producer and consumer, Apache Kafka ${kafkaVersion}`,
  run: async (context) => {
    const name = context.topic("console")
    await createTopic(context, name, 1)
    const server = ["--bootstrap-server", context.bootstrap, "--topic", name]
    const lines = Array.from({ length: 500 }, (_, i) => `key-${i}|value-${i}`)
    const properties = ["--reader-property", "parse.key=true", "--reader-property", "key.separator=|"]
    const compression = ["--compression-codec", "zstd"]
    await kafkaTool("kafka-console-producer", [...server, ...properties, ...compression], {
      input: `${lines.join("\n")}\n`,
    })
    const consume = (offset: string, count: number) =>
      kafkaTool("kafka-console-consumer", [
        ...[
          ...server,
          "--partition",
          "0",
          "--offset",
          offset,
          "--max-messages",
          String(count),
          "--timeout-ms",
          "10000",
        ],
        ...["--formatter-property", "print.key=true", "--formatter-property", "key.separator=|"],
      ])
    expectEqual((await consume("earliest", 500)).trimEnd().split("\n"), lines, "from earliest")
    expectEqual((await consume("250", 10)).trimEnd().split("\n"), lines.slice(250, 260), "from 250")
    return undefined
  },
}

const getOffsets = toolCheck("kafka-get-offsets", async (tool, context) => {
  const name = context.topic("offsets")
  await createTopic(context, name, 2)
  await kafkaTool("kafka-verifiable-producer", [
    ...["--bootstrap-server", context.bootstrap, "--topic", name, "--max-messages", "10"],
    ...["--message-create-time", "1700000000000"],
  ])
  const total = (answer: string) =>
    answer
      .trim()
      .split("\n")
      .reduce((sum, line) => sum + Number(line.split(":")[2]), 0)
  expectEqual(total(await tool(["--topic", name, "--time", "-1"])), 10, "latest")
  expectEqual(total(await tool(["--topic", name, "--time", "earliest"])), 0, "earliest")
  expectEqual(total(await tool(["--topic", name, "--time", "1699999999999"])), 0, "by time")
  expect(/:\d+:\d+/.test(await tool(["--topic", name, "--time", "max-timestamp"])), "max timestamp")
  return undefined
})

const deleteRecords = toolCheck("kafka-delete-records", async (tool, context) => {
  const name = context.topic("delete-records")
  await createTopic(context, name, 1)
  await kafkaTool("kafka-verifiable-producer", [
    ...["--bootstrap-server", context.bootstrap, "--topic", name, "--max-messages", "100"],
  ])
  const file = join(temporaryDirectory("delete-records"), "offsets.json")
  writeFileSync(file, JSON.stringify({ version: 1, partitions: [{ topic: name, partition: 0, offset: 60 }] }))
  const answer = await tool(["--offset-json-file", file])
  expect(/low_watermark: 60/.test(answer), answer)
  expectEqual((await valuesOf(context, name, 0))[0], "60", "first value left")
  return undefined
})

const logDirs = toolCheck(
  "kafka-log-dirs",
  async (tool, context) => {
    const name = context.topic("log-dirs")
    await createTopic(context, name, 2)
    const answer = await tool(["--describe", "--topic-list", name])
    const described = JSON.parse(answer.split("\n").find((line) => line.startsWith("{"))!) as {
      brokers: { logDirs: { error: string | null; partitions: { partition: string }[] }[] }[]
    }
    const partitions = described.brokers.flatMap(({ logDirs }) => logDirs.flatMap((one) => one.partitions))
    expectEqual(partitions.map(({ partition }) => partition).sort(), [`${name}-0`, `${name}-1`], "partitions")
    return undefined
  },
  { needsCalm: "it counts the replicas of one broker" },
)

const leaderElection = toolCheck(
  "kafka-leader-election",
  async (tool, context) => {
    const name = context.topic("election")
    await createTopic(context, name, 1)
    const answer = await tool(["--election-type", "preferred", "--topic", name, "--partition", "0"])
    expect(/Valid replica already elected/.test(answer), answer)
    return undefined
  },
  { needsCalm: "it expects nothing to elect" },
)

const endToEndLatency = toolCheck("kafka-e2e-latency", async (tool, context) => {
  const name = context.topic("latency")
  await createTopic(context, name, 1)
  const answer = await tool(["--topic", name, "--num-records", "500", "--producer-acks", "all", "--record-size", "100"])
  const percentiles = /Percentiles: (.*)/.exec(answer)?.[1]
  expect(percentiles !== undefined, answer)
  return percentiles
})

/** Small segments and index intervals, so that every kind of file is there. */
const dumpLog: Check = {
  name: "kafka-dump-log",
  about: `Apache Kafka ${kafkaVersion}, on the broker's files`,
  run: async (context) => {
    if (context.dataDirectory === undefined) throw new Skip("needs --data-directory with --bootstrap")
    const name = context.topic("dump")
    // 1 MiB is the smallest segment Kafka allows.
    await createTopic(context, name, 1, { "segment.bytes": "1048576", "index.interval.bytes": "1024" })
    await kafkaTool("kafka-producer-perf-test", [
      ...["--topic", name, "--num-records", "5000", "--record-size", "1000", "--throughput", "-1"],
      ...["--producer-props", `bootstrap.servers=${context.bootstrap}`, "batch.size=16384"],
    ])
    const directory = join(context.dataDirectory, `${name}-0`)
    const files = readdirSync(directory)
      .filter((file) => /\.(log|index|timeindex|snapshot)$/.test(file))
      .filter((file) => statSync(join(directory, file)).size > 0)
    for (const kind of [".log", ".index", ".timeindex", ".snapshot"]) {
      expect(
        files.some((file) => file.endsWith(kind)),
        `no ${kind} in ${directory}: ${files.join(" ")}`,
      )
    }
    expect(files.filter((file) => file.endsWith(".log")).length > 2, `few segments: ${files.join(" ")}`)
    const paths = files.map((file) => join(directory, file)).join(",")
    const result = await tryKafkaTool("kafka-dump-log", ["--deep-iteration", "--verify-index-only", "--files", paths])
    const output = result.stdout + result.stderr
    expect(
      result.code === 0 && !/mismatch|Found.*(error|out of order)|Exception|invalid/i.test(output),
      output.slice(-800),
    )
    const deep = await tryKafkaTool("kafka-dump-log", ["--deep-iteration", "--files", paths])
    expectEqual(deep.stdout.match(/^\| offset: /gm)?.length, 5000, "records that deep iteration saw")
    expect(!/isvalid: false|mismatch|Exception/i.test(deep.stdout + deep.stderr), "a batch is not valid")
    return `${files.length} files`
  },
}

export const kafkaToolChecks: readonly Check[] = [
  topics,
  configs,
  apiVersions,
  cluster,
  features,
  metadataQuorum,
  console,
  verifiableProducer,
  producerPerformance,
  getOffsets,
  deleteRecords,
  logDirs,
  leaderElection,
  endToEndLatency,
  dumpLog,
]
