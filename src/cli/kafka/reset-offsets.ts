/**
 * `kafka-consumer-groups.sh --reset-offsets`.
 *
 * Owns where the offsets go, and that nothing is done without --execute.
 */
import type { Admin, TopicPartition } from "../../client/index.js"
import { exitCodes } from "../errors.js"
import { locate, offsetOf, type Place } from "../place.js"
import type { Session } from "../session.js"
import { topicPartitions } from "./consumer-groups.js"
import { resetLines } from "./group-tables.js"
import { OptionError, type Options, required } from "./options.js"
import { exceptionText, print } from "./tool.js"

const ways = ["to-earliest", "to-latest", "to-current", "to-offset", "shift-by", "to-datetime", "by-duration"] as const

export async function resetOffsets({ admin, env }: Session, options: Options): Promise<number> {
  const chosen = ways.filter((way) => options.has(way))
  if (chosen.length !== 1)
    throw new OptionError(`Option [reset-offsets] takes exactly one of ${ways.map((way) => `--${way}`).join(", ")}`)
  if (options.has("dry-run") && options.has("execute"))
    throw new OptionError("Option [reset-offsets] only accepts one of [--execute], [--dry-run]")
  if (!options.has("dry-run") && !options.has("execute"))
    process.stderr.write(
      "WARN: No action will be performed as the --execute option is missing. In version 5.0, this command will require either --dry-run or --execute to be specified. You should add the --dry-run option explicitly if you are scripting this command and want to keep the current default behavior without prompting.\n",
    )
  const groups = options.has("all-groups")
    ? (await admin.listGroups()).map(({ groupId }) => groupId)
    : [required(options, "group")]
  for (const groupId of groups) {
    const placed = await newOffsets(admin, options, groupId, env.clock.wallMs())
    if (options.has("execute"))
      for (const { error } of await admin.alterGroupOffsets(groupId, placed))
        if (error !== undefined) {
          print(`\nError: Assignments can only be reset if the group '${groupId}' is inactive: ${exceptionText(error)}`)
          return exitCodes.ok
        }
    for (const line of resetLines(groupId, placed)) print(line)
  }
  return exitCodes.ok
}

async function newOffsets(
  admin: Admin,
  options: Options,
  groupId: string,
  nowMs: number,
): Promise<(TopicPartition & { readonly offset: bigint })[]> {
  const committed = await admin.listGroupOffsets(groupId)
  if (!options.has("all-topics")) required(options, "topic")
  const partitions = options.has("all-topics") ? committed : await topicPartitions(admin, options.values("topic"))
  const placed = await locate(admin, partitions, placeOf(options, nowMs))
  const shift = options.value("shift-by")
  return placed.flatMap((each) => {
    const now = committed.find(({ topic, partition }) => topic === each.topic && partition === each.partition)?.offset
    if (options.has("to-current")) return [{ ...each, offset: now ?? each.end }]
    if (shift === undefined) return [each]
    if (now === undefined)
      throw new OptionError(
        `Cannot shift offset for partition ${each.topic}-${each.partition} since there is no current committed offset`,
      )
    return [{ ...each, offset: offsetOf({ kind: "offset", count: now + BigInt(shift) }, each)! }]
  })
}

/** Errors: OptionError. */
export function placeOf(options: Options, nowMs: number): Place {
  const offset = options.value("to-offset")
  const shift = options.value("shift-by")
  for (const text of [offset, shift])
    if (text !== undefined && !/^[+-]?\d{1,18}$/.test(text))
      throw new OptionError(`Cannot parse argument '${text}': give a whole number`)
  if (offset !== undefined) return { kind: "offset", count: BigInt(offset) }
  const date = options.value("to-datetime")
  if (date !== undefined) return { kind: "time", timestamp: dateOf(date) }
  const duration = options.value("by-duration")
  if (duration !== undefined) return { kind: "time", timestamp: nowMs - isoDuration(duration) }
  return { kind: options.has("to-latest") ? "latest" : "earliest" }
}

/** `2026-01-31T10:00:00.000`, in universal time unless it says another. */
export function dateOf(text: string): number {
  const ms = Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`)
  if (Number.isNaN(ms)) throw new OptionError(`Error parsing datetime ${text}: write it as YYYY-MM-DDThh:mm:ss.sss`)
  return ms
}

/** `P1DT2H30M10S` in milliseconds. */
export function isoDuration(text: string): number {
  const match = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/.exec(text)
  if (match === null || text.length < 3)
    throw new OptionError(`Error parsing duration ${text}: write it as PnDTnHnMnS, such as PT1H30M`)
  const [days, hours, minutes, seconds] = match.slice(1).map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
    number,
  ]
  return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000
}
