/**
 * `ottla group explain`: a group's members, its lag, and what happened to it lately, in words.
 *
 * Owns the text. What it tells is the broker's.
 */
import type { GroupExplanation } from "../../client/index.js"
import { notAwaited } from "../../protocol/messages/explain-group.js"
import { runSession, type SessionFlags } from "../session.js"
import { rangesText } from "./groups.js"
import { durationText, table } from "../text.js"

export interface ExplainFlags extends SessionFlags {
  readonly output: "table" | "json"
}

export const explainGroupCommand = (groupId: string, flags: ExplainFlags): Promise<void> =>
  runSession(flags, async ({ admin, env }) => {
    const told = await admin.explainGroup(groupId)
    process.stdout.write(
      flags.output === "json" ? `${jsonOf(groupId, told)}\n` : textOf(groupId, told, env.clock.wallMs()),
    )
    return undefined
  })

/** Values that do not apply are left out. */
function jsonOf(groupId: string, explanation: GroupExplanation): string {
  return JSON.stringify(
    { groupId, ...explanation },
    (_key, value: unknown) => (value === null || value === -1 || value === notAwaited ? undefined : value),
    2,
  )
}

/** For people. `nowMs` is wall time. */
export function textOf(groupId: string, explanation: GroupExplanation, nowMs: number): string {
  const { groupType, groupState, protocol, generation, members, topics, events } = explanation
  const word = groupType === "consumer" ? "epoch" : "generation"
  const lines = [
    `Group ${groupId}: ${groupState}, ${groupType} protocol${protocol === "" ? "" : ` (${protocol})`}, ${word} ${generation}, ${count(members.length, "member")}`,
    "",
  ]
  if (members.length > 0)
    lines.push(
      ...table(
        ["MEMBER", "CLIENT", "HOST", "STATE", "LAST HEARD", "DEADLINE", "PARTITIONS"],
        members.map((member) => [
          member.groupInstanceId === null ? member.memberId : `${member.groupInstanceId} (${member.memberId})`,
          member.clientId,
          member.clientHost,
          member.state,
          `${durationText(member.sinceLastHeartbeatMs)} ago`,
          deadlineText(member.lateByMs),
          member.topics.map(({ name, partitions }) => `${name} ${rangesText(partitions)}`).join(", ") || "none",
        ]),
      ),
      "",
    )
  if (topics.length > 0)
    lines.push(
      ...table(
        ["TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "BEHIND"],
        topics.flatMap(({ name, partitions }) =>
          partitions.map(({ partitionIndex, committedOffset, endOffset, lag, lagMs }) => [
            name,
            String(partitionIndex),
            String(committedOffset),
            known(endOffset),
            known(lag),
            lagMs < 0 ? "?" : durationText(lagMs),
          ]),
        ),
      ),
      "",
    )
  lines.push(events.length === 0 ? "Nothing has happened since the broker started." : "What happened, the newest last:")
  for (const event of events)
    lines.push(
      `  ${new Date(event.timestampMs).toISOString()}  ${durationText(Math.max(0, nowMs - event.timestampMs)).padStart(8)} ago  ${eventText(event, word)}`,
    )
  return `${lines.join("\n")}\n`
}

const known = (value: number): string => (value < 0 ? "?" : String(value))
const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? "" : "s"}`

function deadlineText(lateByMs: number): string {
  if (lateByMs === notAwaited) return "-"
  return lateByMs > 0 ? `${durationText(lateByMs)} late` : `in ${durationText(-lateByMs)}`
}

const eventTexts: Readonly<Record<string, string>> = {
  "group-created": "the group was created",
  "group-emptied": "the group has no members any more",
  "group-loaded": "the broker took over the group",
  "group-converted": "the group changed its protocol",
  "member-joined": "joined",
  "member-rejoined": "joined again",
  "member-replaced": "took the place of an earlier member",
  "member-left": "left",
  "member-missed-deadline": "was removed",
  "member-fenced": "was fenced",
  "rebalance-started": "a rebalance started",
  "rebalance-completed": "the rebalance is complete",
  "assignment-computed": "a new assignment was computed",
  "assignment-received": "received its assignment",
  "partitions-revoked": "was asked to give up partitions",
  "offsets-expired": "committed offsets expired",
  "offsets-deleted": "committed offsets were deleted",
}

function eventText(event: GroupExplanation["events"][number], word: string): string {
  const who = event.groupInstanceId ?? event.memberId
  const from =
    event.type === "member-joined" && event.clientHost !== null ? ` (${event.clientId} at ${event.clientHost})` : ""
  const details = [
    event.deadline === null
      ? undefined
      : `it missed its ${event.deadline} deadline${event.lateByMs > 0 ? ` by ${durationText(event.lateByMs)}` : ""}`,
    event.reason ?? undefined,
    event.generation < 0 ? undefined : `${word} ${event.generation}`,
    event.members < 0 ? undefined : count(event.members, "member"),
    event.partitions < 0 ? undefined : count(event.partitions, "partition"),
    event.tookMs < 0 ? undefined : `took ${durationText(event.tookMs)}`,
  ].filter((detail) => detail !== undefined)
  const what = eventTexts[event.type] ?? event.type
  return `${who === null ? what : `${who}${from} ${what}`}${details.length > 0 ? `: ${details.join(", ")}` : ""}`
}
