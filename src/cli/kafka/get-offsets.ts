/**
 * `kafka-get-offsets.sh`.
 *
 * Owns its flags and lines.
 */
import { parsePartitions } from "../units.js"
import type { OffsetAt } from "../../client/index.js"
import { exitCodes } from "../errors.js"
import { matcher, OptionError, type Options, readOptions } from "./options.js"
import { print, withCluster } from "./tool.js"

const spec = {
  "bootstrap-server": "value",
  topic: "value",
  partitions: "value",
  "topic-partitions": "value",
  time: "value",
  "exclude-internal-topics": "flag",
} as const

export async function getOffsets(args: readonly string[]): Promise<void> {
  const options = readOptions(spec, args)
  const at = timeOf(options.value("time") ?? "latest")
  const isMeant = filterOf(options)
  await withCluster(options, async ({ admin }) => {
    const topics = await admin.listTopics({ includeInternal: !options.has("exclude-internal-topics") })
    const queries = topics.flatMap(({ name, partitions }) =>
      Array.from({ length: partitions }, (_, partition) => ({ topic: name, partition, at })).filter(isMeant),
    )
    if (queries.length === 0) {
      process.stderr.write("Error occurred: Could not match any topic-partitions with the specified filters\n")
      return exitCodes.failed
    }
    for (const each of await admin.listOffsets(queries)) {
      if (each.error !== undefined)
        process.stderr.write(
          `Skip getting offsets for topic-partition ${each.topic}:${each.partition} due to: ${each.error.message}\n`,
        )
      else print(`${each.topic}:${each.partition}:${each.offset < 0n ? "" : each.offset}`)
    }
    return exitCodes.ok
  })
}

/** Errors: OptionError. */
export function timeOf(text: string): OffsetAt {
  if (text === "latest" || text === "-1") return "latest"
  if (text === "earliest" || text === "-2") return "earliest"
  if (text === "max-timestamp" || text === "-3") return "maxTimestamp"
  if (/^\d{1,15}$/.test(text)) return { timestamp: Number(text) }
  throw new OptionError(
    `Malformed time argument ${text}. Please use -1 or latest / -2 or earliest / -3 or max-timestamp, or a specified long format timestamp`,
  )
}

/** `t`, `t:0`, `t:0-2` (up to 2, which is not meant), `:3` of all topics; with commas. Errors: OptionError. */
export function filterOf(options: Options): (partition: { topic: string; partition: number }) => boolean {
  const rules = options.value("topic-partitions")
  if (rules !== undefined) {
    if (options.has("topic") || options.has("partitions"))
      throw new OptionError("--topic-partitions cannot be used with --topic or --partitions")
    const filters = rules.split(",").map((rule) => {
      const match = /^([^:]*)(?::(?:(\d+)(?:-(\d*))?|-(\d+))?)?$/.exec(rule.trim())
      if (match === null) throw new OptionError(`Invalid rule specification: ${rule}`)
      const [, topic = "", from, to, before] = match
      const isTopic = topic === "" ? () => true : matcher(topic)
      const first = Number(from ?? 0)
      const isRange = rule.includes("-", rule.indexOf(":"))
      const end =
        before !== undefined ? Number(before) : to ? Number(to) : from !== undefined && !isRange ? first + 1 : Infinity
      return (each: { topic: string; partition: number }) =>
        isTopic(each.topic) && each.partition >= first && each.partition < end
    })
    return (each) => filters.some((filter) => filter(each))
  }
  const pattern = options.value("topic")
  const isTopic = pattern === undefined ? () => true : matcher(pattern)
  const list = options.value("partitions")
  const wanted = list === undefined ? undefined : new Set(parsePartitions(list))
  return ({ topic, partition }) => isTopic(topic) && (wanted?.has(partition) ?? true)
}
