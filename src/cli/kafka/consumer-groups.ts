/**
 * `kafka-consumer-groups.sh`.
 *
 * Owns its flags and which groups are meant. Its tables are in `group-tables.ts`, resets in `reset-offsets.ts`.
 */
import type { Admin, TopicPartition } from "../../client/index.js"
import { exitCodes } from "../errors.js"
import { lagRows } from "../group/lag.js"
import type { Session } from "../session.js"
import { parsePartitions } from "../units.js"
import { deletedLines, lagLines, memberLines, stateLines } from "./group-tables.js"
import { OptionError, type Options, readOptions, required } from "./options.js"
import { resetOffsets } from "./reset-offsets.js"
import { exceptionText, print, withCluster } from "./tool.js"

const actions = ["list", "describe", "delete", "reset-offsets", "delete-offsets"] as const

const spec = {
  "bootstrap-server": "value",
  list: "flag",
  describe: "flag",
  delete: "flag",
  "reset-offsets": "flag",
  "delete-offsets": "flag",
  group: "values",
  "all-groups": "flag",
  topic: "values",
  "all-topics": "flag",
  offsets: "flag",
  members: "flag",
  verbose: "flag",
  state: "rest",
  "dry-run": "flag",
  execute: "flag",
  "to-earliest": "flag",
  "to-latest": "flag",
  "to-current": "flag",
  "to-offset": "value",
  "shift-by": "value",
  "to-datetime": "value",
  "by-duration": "value",
} as const

export async function consumerGroups(args: readonly string[]): Promise<void> {
  const options = readOptions(spec, args)
  const chosen = actions.filter((action) => options.has(action))
  if (chosen.length !== 1)
    throw new OptionError(
      "Command must include exactly one action: --list, --describe, --delete, --reset-offsets, --delete-offsets",
    )
  const run = { list, describe, delete: remove, "reset-offsets": resetOffsets, "delete-offsets": deleteOffsets }[
    chosen[0]!
  ]
  await withCluster(options, async (session) => {
    try {
      return await run(session, options)
    } catch (error) {
      if (!(error instanceof Error) || error instanceof OptionError) throw error
      print(`\nError: Executing consumer group command failed due to ${exceptionText(error)}`)
      return exitCodes.ok
    }
  })
}

/** Errors: OptionError, where none is named. */
async function meant(admin: Admin, options: Options): Promise<readonly string[]> {
  if (options.has("all-groups")) return (await admin.listGroups()).map(({ groupId }) => groupId)
  required(options, "group")
  return options.values("group")
}

async function list({ admin }: Session, options: Options): Promise<undefined> {
  const states = options
    .values("state")
    .flatMap((each) => each.split(","))
    .map((each) => each.trim())
  const groups = await admin.listGroups({ states })
  if (!options.has("state")) for (const { groupId } of groups) print(groupId)
  else {
    print(`${"GROUP".padEnd(32)} ${"STATE".padEnd(20)}`)
    for (const { groupId, state } of groups) print(`${groupId.padEnd(32)} ${state.padEnd(20)}`)
  }
  return undefined
}

async function describe({ admin }: Session, options: Options): Promise<undefined> {
  const { brokers } = await admin.describeCluster()
  for (const group of await admin.describeGroups(await meant(admin, options))) {
    if (group.error !== undefined) throw group.error
    if (group.members.length === 0) process.stderr.write(`\nConsumer group '${group.groupId}' has no active members.\n`)
    const lines = options.has("state")
      ? stateLines(group, brokers)
      : options.has("members")
        ? memberLines(group, options.has("verbose"))
        : lagLines(await lagRows(admin, group.groupId))
    for (const line of lines) print(line)
  }
  return undefined
}

async function remove({ admin }: Session, options: Options): Promise<undefined> {
  const told = await admin.deleteGroups(await meant(admin, options))
  const names = (isDone: boolean) =>
    told
      .filter(({ error }) => (error === undefined) === isDone)
      .map(({ groupId }) => `'${groupId}'`)
      .join(", ")
  if (told.every(({ error }) => error === undefined))
    print(`Deletion of requested consumer groups (${names(true)}) was successful.`)
  else {
    print("\nError: Deletion of some consumer groups failed:")
    for (const { groupId, error } of told)
      if (error !== undefined) print(`* Group '${groupId}' could not be deleted due to: ${exceptionText(error)}`)
    if (told.some(({ error }) => error === undefined))
      print(`\nThese consumer groups were deleted successfully: ${names(true)}`)
  }
  return undefined
}

async function deleteOffsets({ admin }: Session, options: Options): Promise<undefined> {
  const groupId = required(options, "group")
  required(options, "topic")
  const partitions = await topicPartitions(admin, options.values("topic"))
  const told = await admin.deleteGroupOffsets(groupId, partitions)
  for (const line of deletedLines(groupId, told)) print(line)
  return undefined
}

/** `t` or `t:0,1`, each. Errors: what is not there; OptionError. */
export async function topicPartitions(admin: Admin, texts: readonly string[]): Promise<TopicPartition[]> {
  const named = texts.map((text) => {
    const [topic = "", list] = text.split(":")
    return { topic, partitions: list === undefined ? undefined : parsePartitions(list) }
  })
  const described = await admin.describeTopics(named.map(({ topic }) => topic))
  return named.flatMap(({ topic, partitions }, index) => {
    const told = described[index]!
    if (told.error !== undefined) throw told.error
    return (partitions ?? told.partitions.map((each) => each.partition)).map((partition) => ({ topic, partition }))
  })
}
