/**
 * Kafka's own tools for groups, with both protocols: the console consumer as a member, the commands that list, describe, reset and delete,
 * and the verifiable consumer, whose reports are judged as those of any client.
 */
import { buildBatch } from "../../src/protocol/record-batch.js"
import type { Check, CheckContext } from "../check.js"
import { WireClient } from "../client.js"
import { type Entry, Journal } from "../groups/journal.js"
import { judge } from "../groups/judge.js"
import type { GroupProtocol } from "../groups/story.js"
import { type KafkaTool, kafkaTool, kafkaVersion, startKafkaTool, tryKafkaTool } from "../kafka.js"
import type { RunningTool } from "../running-tool.js"
import { expect, expectEqual } from "../work.js"

const partitions = 3
const recordsPerPartition = 100
const total = partitions * recordsPerPartition

const withClient = async <T>(context: CheckContext, body: (client: WireClient) => Promise<T>): Promise<T> => {
  const client = await WireClient.connect(context)
  try {
    return await body(client)
  } finally {
    client.close()
  }
}

/** Three partitions with a hundred records each, numbered over all. */
const filledTopic = (context: CheckContext, name: string) =>
  withClient(context, async (client) => {
    await client.createTopic(name, partitions)
    for (let partition = 0; partition < partitions; partition++) {
      const records = Array.from({ length: recordsPerPartition }, (_, i) => ({
        value: Buffer.from(String(partition * recordsPerPartition + i)),
      }))
      const { errorCode } = await client.produce(name, partition, buildBatch({ records, timestamp: Date.now() }))
      expectEqual(errorCode, 0, "produce")
    }
  })

const consoleConsumer = (context: CheckContext, topic: string, group: string, protocol: GroupProtocol) => [
  ...["--bootstrap-server", context.bootstrap, "--topic", topic, "--group", group, "--from-beginning"],
  ...["--command-property", `group.protocol=${protocol}`],
]

/** Runs until there is nothing more for a while. */
async function consumeRest(
  context: CheckContext,
  topic: string,
  group: string,
  protocol: GroupProtocol,
): Promise<number[]> {
  // It ends by an exception that it reports, as the timeout is.
  const output = await kafkaTool("kafka-console-consumer", [
    ...consoleConsumer(context, topic, group, protocol),
    ...["--timeout-ms", "6000"],
  ])
  return numbersIn(output)
}

const numbersIn = (output: string) => output.trim().split("\n").filter(Boolean).map(Number)

const consoleCheck = (protocol: GroupProtocol): Check => ({
  name: `group-console-consumer-${protocol}`,
  about: `Apache Kafka ${kafkaVersion}, ${protocol} protocol`,
  run: async (context) => {
    const topic = context.topic(`console-group-${protocol}`)
    await filledTopic(context, topic)
    const first = numbersIn(
      await kafkaTool("kafka-console-consumer", [
        ...consoleConsumer(context, topic, topic, protocol),
        ...["--max-messages", "200", "--timeout-ms", "20000"],
      ]),
    )
    expectEqual(first.length, 200, "records of the first run")
    const rest = await consumeRest(context, topic, topic, protocol)
    const sorted = [...first, ...rest].sort((a, b) => a - b)
    expectEqual(
      sorted,
      Array.from({ length: total }, (_, i) => i),
      "records of both runs, none of them twice",
    )
    return undefined
  },
})

/** Rows of a table with a heading, by column. */
function rowsOf(output: string): Record<string, string>[] {
  const lines = output.split("\n").filter((line) => line.trim() !== "")
  const start = lines.findIndex((line) => /^\s*(GROUP|TOPIC)\b/.test(line))
  const heading = lines[start]?.trim().split(/\s{2,}|\s+(?=[A-Z#])/) ?? []
  return lines.slice(start + 1).map((line) => {
    const cells = line.trim().split(/\s+/)
    return Object.fromEntries(heading.map((name, index) => [name, cells[index] ?? ""]))
  })
}

const groupsCheck = (protocol: GroupProtocol): Check => ({
  name: `kafka-consumer-groups-${protocol}`,
  about: `Apache Kafka ${kafkaVersion}, ${protocol} protocol`,
  run: async (context) => {
    const topic = context.topic(`groups-${protocol}`)
    const group = topic
    const call = (name: KafkaTool, args: readonly string[]) =>
      kafkaTool(name, ["--bootstrap-server", context.bootstrap, ...args])
    const tool = (...args: string[]) => call("kafka-consumer-groups", args)
    const refused = async (pattern: RegExp, ...args: string[]) => {
      const words = ["--bootstrap-server", context.bootstrap, ...args]
      const { stdout, stderr } = await tryKafkaTool("kafka-consumer-groups", words)
      expect(pattern.test(stdout + stderr), `${args.join(" ")} said ${stdout}${stderr}`)
    }
    const offsets = async () =>
      Object.fromEntries(
        rowsOf(await tool("--describe", "--group", group))
          .filter((row) => row.TOPIC === topic)
          .map((row) => [row.PARTITION, `${row["CURRENT-OFFSET"]} ${row["LOG-END-OFFSET"]} ${row.LAG}`]),
      )
    const everyPartition = (cell: string) => ({ 0: cell, 1: cell, 2: cell })
    await filledTopic(context, topic)
    const consumer = await startKafkaTool("kafka-verifiable-consumer", [
      ...["--bootstrap-server", context.bootstrap, "--topic", topic, "--group-id", group],
      ...["--group-protocol", protocol.toUpperCase(), "--reset-policy", "earliest"],
    ])
    try {
      await consumer.until("all records are committed", () => {
        const events = consumer.output.split("\n").flatMap((line) => eventOf(line) ?? [])
        const consumed = events.reduce((sum, one) => sum + (one.name === "records_consumed" ? one.count : 0), 0)
        return consumed === total && events.at(-1)?.name === "offsets_committed"
      })
      const listed = rowsOf(await tool("--list", "--state", "--type"))
      const row = listed.find((one) => one.GROUP === group)
      expectEqual([row?.TYPE, row?.STATE], [titled(protocol), "Stable"], "type and state in the list")
      const inGroups = (await call("kafka-groups", ["--list"])).split("\n").find((line) => line.startsWith(group))
      expectEqual(inGroups?.trim().split(/\s+/).slice(1), [titled(protocol), "consumer"], "type and protocol")

      expectEqual(await offsets(), everyPartition("100 100 0"), "offsets of an active group")
      const members = await tool("--describe", "--group", group, "--members", "--verbose")
      expect(rowsOf(members).some((one) => one["#PARTITIONS"] === "3") && members.includes(`${topic}:0,1,2`), members)
      const state = await tool("--describe", "--group", group, "--state")
      expect(/Stable/.test(state) && new RegExp(`\\(\\d+\\)\\s+${assignors[protocol]}\\s`).test(state), state)
      const reset = ["--reset-offsets", "--group", group, "--topic", topic]
      await refused(/inactive/, ...reset, "--to-earliest", "--execute")
      await refused(/not empty|NonEmptyGroup|GroupNotEmpty/i, "--delete", "--group", group)

      await consumer.stop()
      const planned = rowsOf(await tool(...reset, "--to-earliest", "--dry-run"))
      expectEqual(
        planned.map((one) => one["NEW-OFFSET"]),
        ["0", "0", "0"],
        "planned offsets",
      )
      expectEqual(await offsets(), everyPartition("100 100 0"), "offsets after a dry run")
      await tool(...reset, "--shift-by", "-30", "--execute")
      expectEqual(await offsets(), everyPartition("70 100 30"), "offsets after a shift")
      expect(/Empty/.test(await tool("--describe", "--group", group, "--state")), "the group is empty")
      expectEqual((await consumeRest(context, topic, group, protocol)).length, 90, "records after a shift by 30")

      const deleted = await tool("--delete-offsets", "--group", group, "--topic", topic)
      expect(/Successful/.test(deleted) || rowsOf(deleted).every((one) => one.STATUS === "Successful"), deleted)
      expectEqual(await offsets().catch(() => ({})), {}, "offsets after their deletion")
      await tool(...reset, "--to-latest", "--execute")
      expect(/was successful/.test(await tool("--delete", "--group", group)), "deleted")
      expect(!(await tool("--list")).split("\n").includes(group), "listed after its deletion")
    } finally {
      if (consumer.isAlive) await consumer.kill()
    }
    return undefined
  },
})

const titled = (protocol: GroupProtocol) => (protocol === "classic" ? "Classic" : "Consumer")
const assignors = { classic: "range", consumer: "uniform" }

interface Numbered {
  readonly topic: string
  readonly partition: number
}

type VerifiableEvent = { readonly timestamp: number } & (
  | { readonly name: "partitions_assigned" | "partitions_revoked"; readonly partitions: readonly Numbered[] }
  | ({ readonly name: "record_data"; readonly offset: number; readonly value: string } & Numbered)
  | { readonly name: "records_consumed"; readonly count: number }
  | {
      readonly name: "offsets_committed"
      readonly success: boolean
      readonly offsets: readonly (Numbered & { offset: number })[]
    }
  | { readonly name: "shutdown_complete" }
)

function eventOf(line: string): VerifiableEvent | undefined {
  return line.startsWith("{") ? (JSON.parse(line) as VerifiableEvent) : undefined
}

function entryOf(member: string, event: VerifiableEvent): Entry | undefined {
  const common = { member, atMs: event.timestamp }
  switch (event.name) {
    case "partitions_assigned":
    case "partitions_revoked": {
      const kind = event.name === "partitions_assigned" ? "gained" : "lost"
      return { ...common, kind, partitions: event.partitions.map(({ partition }) => partition) }
    }
    case "record_data":
      return { ...common, kind: "seen", partition: event.partition, offset: event.offset, key: "", value: event.value }
    case "offsets_committed":
      if (!event.success) return undefined
      return { ...common, kind: "committed", offsets: new Map(event.offsets.map((one) => [one.partition, one.offset])) }
    case "shutdown_complete":
      return { ...common, kind: "ended", how: "left" }
    case "records_consumed":
      return undefined
  }
}

const verifiableConsumerCheck = (protocol: GroupProtocol): Check => ({
  name: `kafka-verifiable-consumer-${protocol}`,
  about: `Apache Kafka ${kafkaVersion}, ${protocol} protocol`,
  run: async (context) => {
    const topic = context.topic(`verifiable-group-${protocol}`)
    await withClient(context, (client) => client.createTopic(topic, partitions))
    const journal = new Journal()
    const session = protocol === "classic" ? ["--session-timeout", "6000"] : []
    const enter = async (member: string): Promise<RunningTool> => {
      const tool = await startKafkaTool("kafka-verifiable-consumer", [
        ...["--bootstrap-server", context.bootstrap, "--topic", topic, "--group-id", topic, "--verbose"],
        ...["--group-protocol", protocol.toUpperCase(), "--reset-policy", "earliest", ...session],
      ])
      tool.onLine((line) => {
        const event = eventOf(line)
        const entry = event === undefined ? undefined : entryOf(member, event)
        if (entry !== undefined) journal.add(entry)
      })
      return tool
    }
    const produce = async (first: number) => {
      await kafkaTool("kafka-verifiable-producer", [
        ...["--bootstrap-server", context.bootstrap, "--topic", topic, "--max-messages", "1000"],
        ...["--acks", "-1", "--value-prefix", String(first)],
      ])
      return withClient(context, async (client) => {
        const ends: number[] = []
        for (let partition = 0; partition < partitions; partition++)
          ends.push((await client.listOffset(topic, partition, -1)).offset)
        return ends
      })
    }
    const committed = (ends: readonly number[]) => () =>
      ends.every((end, partition) => journal.committed(partition) >= end)
    const owns = (counts: Record<string, number>) => () =>
      Object.entries(counts).every(([member, count]) => journal.owned(member).size >= count) &&
      Object.keys(counts).reduce((sum, member) => sum + journal.owned(member).size, 0) === partitions
    const [a, b] = [await enter("a"), await enter("b")]
    try {
      await a.until("both have partitions", owns({ a: 1, b: 1 }))
      await a.until("a thousand records are committed", committed(await produce(1)))
      journal.add({ kind: "ended", how: "killed", atMs: Date.now(), member: "a" })
      await a.kill()
      await b.until("the one that is left has all", owns({ b: partitions }))
      await b.until("two thousand records are committed", committed(await produce(2)))
      await b.stop()
    } finally {
      for (const tool of [a, b]) if (tool.isAlive) await tool.kill()
    }
    const log = await withClient(context, async (client) => {
      const all: { key: string; value: string }[][] = []
      for (let partition = 0; partition < partitions; partition++) {
        all.push([])
        for await (const { value } of client.readPartition(topic, partition))
          all[partition]!.push({ key: "", value: String(value) })
      }
      return all
    })
    const { faults, seen, redelivered } = judge(log, journal.entries)
    expect(faults.length === 0, faults.join("\n"))
    return `${seen} seen, ${redelivered} of them again`
  },
})

const both = (check: (protocol: GroupProtocol) => Check) => [check("classic"), check("consumer")]

export const groupToolChecks: readonly Check[] = [
  ...both(consoleCheck),
  ...both(groupsCheck),
  ...both(verifiableConsumerCheck),
]
