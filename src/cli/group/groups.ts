/**
 * `ottla group list`, `describe` and `delete`.
 *
 * Owns what is asked and told of groups and their members.
 */
import type { GroupDescription, TopicPartition } from "../../client/index.js"
import { confirm } from "../confirm.js"
import type { OutputForm } from "../forms.js"
import { exitCodeOfAll, jsonText, printLines, printListing, tellChanges } from "../output.js"
import { runSession, type SessionFlags } from "../session.js"
import { table } from "../text.js"

export interface ListFlags extends SessionFlags {
  readonly output: OutputForm
  readonly state?: string
}

export interface DeleteFlags extends SessionFlags {
  readonly output: OutputForm
  readonly yes: boolean
  readonly dryRun: boolean
}

export const list = (flags: ListFlags): Promise<void> =>
  runSession(flags, async ({ admin }) => {
    const states = flags.state === undefined ? [] : [flags.state]
    printListing(
      {
        rows: await admin.listGroups({ states }),
        columns: [
          { head: "GROUP", of: ({ groupId }) => groupId },
          { head: "STATE", of: ({ state }) => state },
          { head: "TYPE", of: ({ type }) => type },
          { head: "COORDINATOR", of: ({ coordinator }) => String(coordinator) },
        ],
        nameOf: ({ groupId }) => groupId,
        none: "there are no groups",
      },
      flags.output,
    )
    return undefined
  })

export const describe = (flags: Omit<ListFlags, "state">, groupIds: readonly string[]): Promise<void> =>
  runSession(flags, async ({ admin, say }) => {
    const told = await admin.describeGroups(groupIds)
    for (const { error } of told) if (error !== undefined) say(error.message)
    const rows = told.flatMap((each) => {
      if (each.error !== undefined) return []
      const { groupId, type, state, assignor, epoch, coordinator, members } = each
      return [{ groupId, type, state, assignor, epoch: epoch < 0 ? null : epoch, coordinator, members }]
    })
    if (flags.output === "json") printLines([jsonText(rows, 2)])
    else if (flags.output === "jsonl") printLines(rows.map((row) => jsonText(row)))
    else if (flags.output === "name") printLines(rows.map(({ groupId }) => groupId))
    else printLines(rows.flatMap((row, index) => [...(index > 0 ? [""] : []), ...describedLines(row)]))
    return exitCodeOfAll(told.map(({ error }) => error))
  })

/** For people. */
export function describedLines(
  group: Omit<GroupDescription, "epoch"> & { readonly groupId: string; readonly epoch: number | null },
): string[] {
  const { groupId, type, state, assignor, epoch, coordinator, members } = group
  return [
    `group ${groupId}: ${state}, ${type} protocol${assignor === "" ? "" : ` (${assignor})`}${epoch === null ? "" : `, epoch ${epoch}`}, coordinator ${coordinator}, ${members.length} member${members.length === 1 ? "" : "s"}`,
    ...(members.length === 0
      ? []
      : table(
          ["MEMBER", "CLIENT", "HOST", "PARTITIONS"],
          members.map((member) => [
            member.groupInstanceId === null ? member.memberId : `${member.groupInstanceId} (${member.memberId})`,
            member.clientId,
            member.clientHost,
            partitionsText(member.assignment),
          ]),
        )),
  ]
}

/** "orders 0-2,5, payments 1". */
export function partitionsText(partitions: readonly TopicPartition[]): string {
  const topics = new Map<string, number[]>()
  for (const { topic, partition } of partitions) topics.set(topic, [...(topics.get(topic) ?? []), partition])
  if (topics.size === 0) return "none"
  return [...topics].map(([topic, indexes]) => `${topic} ${rangesText(indexes)}`).join(", ")
}

/** 0, 1, 2, 5 as `0-2,5`. */
export function rangesText(numbers: readonly number[]): string {
  const sorted = [...numbers].sort((a, b) => a - b)
  const parts: string[] = []
  for (let at = 0; at < sorted.length; at++) {
    const first = sorted[at]!
    while (sorted[at + 1] === sorted[at]! + 1) at++
    parts.push(sorted[at] === first ? String(first) : `${first}-${sorted[at]}`)
  }
  return parts.join(",")
}

export const remove = (flags: DeleteFlags, groupIds: readonly string[]): Promise<void> =>
  runSession(flags, async ({ admin, say }) => {
    const { dryRun } = flags
    if (!dryRun) await confirm(`Delete ${groupIds.join(", ")} with all offsets?`, flags.yes)
    const told = dryRun ? await admin.describeGroups(groupIds) : await admin.deleteGroups(groupIds)
    const changes = told.map(({ groupId, error }) => ({
      name: groupId,
      done: `group ${groupId} ${dryRun ? "would be" : "was"} deleted`,
      data: { dryRun },
      error,
    }))
    return tellChanges(changes, flags.output, say)
  })
