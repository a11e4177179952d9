/**
 * The tables of `kafka-consumer-groups.sh`, to the blank: scripts cut them by columns.
 *
 * Owns the widths and the words.
 */
import type { BrokerDescription, GroupDescription, Result, TopicPartition } from "../../client/index.js"
import type { LagRow } from "../group/lag.js"

const none = "-"
const widthMin = 15

const width = (texts: readonly string[]): number => Math.max(widthMin, ...texts.map(({ length }) => length))
const row = (cells: readonly string[], widths: readonly number[]): string =>
  cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join(" ")

export function lagLines(rows: readonly LagRow[]): string[] {
  if (rows.length === 0) return []
  const text = (value: bigint | string | null) => (value === null ? none : String(value))
  const widths = [
    width(rows.map(({ groupId }) => groupId)),
    width(rows.map(({ topic }) => topic)),
    10,
    15,
    15,
    15,
    width(rows.map(({ memberId }) => memberId ?? none)),
    width(rows.map(({ clientHost }) => clientHost ?? none)),
  ]
  const head = [
    "GROUP",
    "TOPIC",
    "PARTITION",
    "CURRENT-OFFSET",
    "LOG-END-OFFSET",
    "LAG",
    "CONSUMER-ID",
    "HOST",
    "CLIENT-ID",
  ]
  return [
    "",
    row(head, widths),
    ...rows.map((each) =>
      row(
        [
          each.groupId,
          each.topic,
          String(each.partition),
          text(each.committed),
          text(each.end),
          text(each.lag),
          text(each.memberId),
          text(each.clientHost),
          text(each.clientId),
        ],
        widths,
      ),
    ),
  ]
}

type Group = GroupDescription & { readonly groupId: string }

export function stateLines(
  { groupId, coordinator, assignor, state, members }: Group,
  brokers: readonly BrokerDescription[],
): string[] {
  const broker = brokers.find(({ id }) => id === coordinator)
  const where = `${broker?.host ?? "?"}:${broker?.port ?? "?"}  (${coordinator})`
  const widths = [width([groupId]), Math.max(25, where.length), 20, 20]
  return [
    "",
    row(["GROUP", "COORDINATOR (ID)", "ASSIGNMENT-STRATEGY", "STATE", "#MEMBERS"], widths),
    row([groupId, where, assignor || none, state, String(members.length)], widths),
  ]
}

export function memberLines({ groupId, members }: Group, isVerbose: boolean): string[] {
  const widths = [
    width([groupId]),
    width(members.map(({ memberId }) => memberId)),
    width(members.map(({ clientHost }) => clientHost)),
    width(members.map(({ clientId }) => clientId)),
    15,
    15,
    20,
    15,
    20,
  ]
  const count = isVerbose ? 9 : 5
  const head = [
    "GROUP",
    "CONSUMER-ID",
    "HOST",
    "CLIENT-ID",
    "#PARTITIONS",
    "CURRENT-EPOCH",
    "CURRENT-ASSIGNMENT",
    "TARGET-EPOCH",
    "TARGET-ASSIGNMENT",
  ]
  // Kafka's short form ends with a blank, its long one does not.
  const end = isVerbose ? "" : " "
  const epoch = (value: number) => (value < 0 ? none : String(value))
  return [
    "",
    row(head.slice(0, count), widths) + end,
    ...members.map(
      (member) =>
        row(
          [
            groupId,
            member.memberId,
            member.clientHost,
            member.clientId,
            String(member.assignment.length),
            epoch(member.epoch),
            assignmentText(member.assignment),
            epoch(member.epoch),
            assignmentText(member.targetAssignment),
          ].slice(0, count),
          widths,
        ) + end,
    ),
  ]
}

/** `t:0,1;u:2`, as Kafka has it. */
export function assignmentText(assignment: readonly TopicPartition[]): string {
  const topics = new Map<string, number[]>()
  for (const { topic, partition } of assignment) topics.set(topic, [...(topics.get(topic) ?? []), partition])
  if (topics.size === 0) return none
  return [...topics].map(([topic, partitions]) => `${topic}:${partitions.sort((a, b) => a - b).join(",")}`).join(";")
}

export function resetLines(groupId: string, rows: readonly (TopicPartition & { readonly offset: bigint })[]): string[] {
  const widths = [width([groupId]), width(rows.map(({ topic }) => topic)), 10, 0]
  return [
    "",
    row(["GROUP", "TOPIC", "PARTITION", "NEW-OFFSET"], widths),
    ...rows.map(({ topic, partition, offset }) => row([groupId, topic, String(partition), String(offset)], widths)),
  ]
}

export function deletedLines(groupId: string, told: readonly Result<TopicPartition>[]): string[] {
  const widths = [width(told.map(({ topic }) => topic)), 10, 15]
  const isDone = told.every(({ error }) => error === undefined)
  return [
    isDone
      ? `Request succeeded for deleting offsets from group ${groupId}.`
      : `\nError: Encountered some partition-level error, see the follow-up details.`,
    "",
    row(["TOPIC", "PARTITION", "STATUS"], widths),
    ...told.map(({ topic, partition, error }) =>
      row([topic, String(partition), error === undefined ? "Successful" : `Error: ${error.message}`], widths),
    ),
  ]
}
