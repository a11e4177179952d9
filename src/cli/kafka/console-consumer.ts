/**
 * `kafka-console-consumer.sh`.
 *
 * Owns its flags, and the lines of a record. Without a group it reads all partitions by itself, and leaves no group behind.
 */
import { once } from "node:events"
import type { Consumer } from "../../client/consumer/consumer.js"
import type { ConsumerRecord } from "../../client/consumer/record.js"
import { prepareCompression } from "../../protocol/compression/compression.js"
import { exitCodes } from "../errors.js"
import { locate, parsePlace } from "../place.js"
import type { Session } from "../session.js"
import { partitionsOf } from "../topic/change.js"
import { numberOf, OptionError, propertiesOf, readOptions, required } from "./options.js"
import { withCluster } from "./tool.js"

const spec = {
  "bootstrap-server": "value",
  topic: "value",
  group: "value",
  partition: "value",
  offset: "value",
  "from-beginning": "flag",
  "max-messages": "value",
  "timeout-ms": "value",
  property: "values",
  "formatter-property": "values",
} as const

const lookIntervalMs = 200

export async function consoleConsumer(args: readonly string[]): Promise<void> {
  const options = readOptions(spec, args)
  const topic = required(options, "topic")
  const partition = numberOf(options, "partition")
  const offset = options.value("offset")
  if (offset !== undefined && partition === undefined)
    throw new OptionError("The partition is required when offset is specified.")
  if (offset !== undefined && options.has("from-beginning"))
    throw new OptionError("Options from-beginning and offset cannot be specified together.")
  const groupId = options.value("group")
  if (groupId !== undefined && partition !== undefined)
    throw new OptionError("Options group and partition cannot be specified together.")
  const format = recordFormatter(propertiesOf(options, "property", "formatter-property"))
  const most = numberOf(options, "max-messages") ?? Number.POSITIVE_INFINITY
  const timeoutMs = numberOf(options, "timeout-ms") ?? Number.POSITIVE_INFINITY
  await withCluster(options, async (session) => {
    const { env } = session
    const stopping = new AbortController()
    process.once("SIGINT", () => stopping.abort())
    process.once("SIGTERM", () => stopping.abort())
    await prepareCompression()
    const from = options.has("from-beginning") ? "earliest" : "latest"
    const reading =
      groupId === undefined
        ? await readAlone(session, topic, partition, offset ?? from)
        : readAsMember(session, topic, groupId, from)
    let count = 0
    let cameMs = env.clock.monotonicMs()
    while (count < most && !stopping.signal.aborted) {
      const max = Math.min(500, most - count)
      const records = await reading.poll({ max, timeoutMs: lookIntervalMs, signal: stopping.signal })
      if (records.length > 0) {
        count += records.length
        cameMs = env.clock.monotonicMs()
        if (!process.stdout.write(Buffer.concat(records.map(format)))) await once(process.stdout, "drain")
      } else if (env.clock.monotonicMs() - cameMs > timeoutMs) {
        process.stderr.write(
          "Error processing message, terminating consumer process: \norg.apache.kafka.common.errors.TimeoutException\n",
        )
        break
      }
    }
    await reading.finish()
    process.stderr.write(`Processed a total of ${count} messages\n`)
    return exitCodes.ok
  })
}

interface Reading {
  readonly poll: Consumer["poll"]
  finish(): Promise<void>
}

async function readAlone(
  { client, admin, env }: Session,
  topic: string,
  partition: number | undefined,
  offset: string,
): Promise<Reading> {
  const partitions = await partitionsOf({ admin }, topic, partition === undefined ? undefined : [partition])
  const placed = await locate(admin, partitions, parsePlace(offset, env.clock.wallMs()))
  const consumer = client.consumer({ partitions, from: "earliest" })
  for (const each of placed) consumer.seek(topic, each.partition, each.offset)
  return { poll: (options) => consumer.poll(options), finish: () => consumer.close() }
}

function readAsMember({ client }: Session, topic: string, groupId: string, from: "earliest" | "latest"): Reading {
  const consumer = client.consumer({ groupId, topics: [topic], from })
  return {
    poll: (options) => consumer.poll(options),
    finish: async () => {
      await consumer.commit()
      await consumer.close()
    },
  }
}

/** By the properties of Kafka's DefaultMessageFormatter. */
export function recordFormatter(properties: ReadonlyMap<string, string>): (record: ConsumerRecord) => Buffer {
  const isSet = (name: string, otherwise = false) =>
    properties.has(name) ? properties.get(name)!.trim().toLowerCase() === "true" : otherwise
  const separator = Buffer.from(properties.get("key.separator") ?? "\t")
  const end = Buffer.from(properties.get("line.separator") ?? "\n")
  const headersSeparator = properties.get("headers.separator") ?? ","
  const nullLiteral = Buffer.from(properties.get("null.literal") ?? "null")
  const parts: ((record: ConsumerRecord) => Buffer)[] = []
  if (isSet("print.timestamp"))
    parts.push(({ timestamp }) => Buffer.from(timestamp < 0 ? "NO_TIMESTAMP" : `CreateTime:${timestamp}`))
  if (isSet("print.partition")) parts.push(({ partition }) => Buffer.from(`Partition:${partition}`))
  if (isSet("print.offset")) parts.push(({ offset }) => Buffer.from(`Offset:${offset}`))
  if (isSet("print.headers"))
    parts.push(({ headers }) =>
      Buffer.from(
        headers.length === 0
          ? "NO_HEADERS"
          : headers
              .map(({ key, value }) => `${key}:${value?.toString() ?? nullLiteral.toString()}`)
              .join(headersSeparator),
      ),
    )
  if (isSet("print.key")) parts.push(({ key }) => key ?? nullLiteral)
  if (isSet("print.value", true)) parts.push(({ value }) => value ?? nullLiteral)
  return (record) =>
    Buffer.concat([...parts.flatMap((part, index) => (index === 0 ? [part(record)] : [separator, part(record)])), end])
}
