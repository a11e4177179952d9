/**
 * `ottla group explain`: a group's members, its lag, and what happened to it lately, in words.
 *
 * Owns the way to the group's coordinator and the text. What it tells is the broker's. Exit codes: 0 told, 1 no broker or another failure, 2 a wrong argument, 3 there is no such group.
 */
import type { Network } from "../env/env.js"
import { createNodeEnv } from "../env/node/index.js"
import { NetworkError } from "../env/env.js"
import { ConnectionClosed, WireClient } from "../net/wire-client.js"
import { errorByCode, Errors } from "../protocol/errors.js"
import type { ResponseOf } from "../protocol/message.js"
import { explainGroup, notAwaited } from "../protocol/messages/explain-group.js"
import { findCoordinator } from "../protocol/messages/find-coordinator.js"
import { durationText, table } from "./text.js"

export interface ExplainOptions {
  readonly bootstrapServer: string
  readonly output: "table" | "json"
}

type Explanation = ResponseOf<typeof explainGroup>

const exitUsage = 2
const exitNotFound = 3

export async function explainGroupCommand(groupId: string, options: ExplainOptions): Promise<void> {
  const say = (line: string) => process.stderr.write(`ottla: ${line}\n`)
  const address = parseAddress(options.bootstrapServer)
  if (address === undefined) {
    say(`--bootstrap-server ${options.bootstrapServer}: write it as host:port, e.g. 127.0.0.1:9092`)
    process.exitCode = exitUsage
    return
  }
  const { network } = createNodeEnv({ json: false })
  try {
    const answer = await askCoordinator(network, address, groupId)
    const errorCode = typeof answer === "number" ? answer : answer.errorCode
    if (errorCode === Errors.GROUP_ID_NOT_FOUND) {
      say(`there is no group ${groupId}`)
      process.exitCode = exitNotFound
    } else if (typeof answer === "number" || errorCode !== Errors.NONE) {
      say(`the coordinator of ${groupId} answered ${errorByCode(errorCode)?.name ?? errorCode}`)
      process.exitCode = 1
    } else
      process.stdout.write(
        options.output === "json" ? `${jsonOf(groupId, answer)}\n` : textOf(groupId, answer, Date.now()),
      )
  } catch (error) {
    if (error instanceof NetworkError) say(`no broker at ${options.bootstrapServer}: ${error.message}`)
    else if (error instanceof ConnectionClosed)
      say("the broker closed the connection: it does not explain groups. This command works with Ottla only")
    else throw error
    process.exitCode = 1
  }
}

function parseAddress(text: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text)
  return match === null ? undefined : { host: match[1] ?? match[2]!, port: Number(match[3]) }
}

/** Or the error of whoever was to say where the coordinator is. */
async function askCoordinator(
  network: Network,
  bootstrap: { host: string; port: number },
  groupId: string,
): Promise<Explanation | number> {
  const first = await WireClient.connect(network, bootstrap)
  const { coordinators } = await first.send(
    findCoordinator,
    4,
    { key: "", keyType: 0, coordinatorKeys: [groupId] },
    "ottla",
  )
  first.close()
  const { host, port, errorCode } = coordinators[0]!
  if (errorCode !== Errors.NONE) return errorCode
  const client = await WireClient.connect(network, { host, port })
  const explanation = await client.send(explainGroup, 0, { groupId }, "ottla")
  client.close()
  return explanation
}

/** Values that do not apply are left out. */
function jsonOf(groupId: string, { errorCode: _, ...explanation }: Explanation): string {
  return JSON.stringify(
    { groupId, ...explanation },
    (_key, value: unknown) => (value === null || value === -1 || value === notAwaited ? undefined : value),
    2,
  )
}

/** For people. `nowMs` is wall time. */
export function textOf(groupId: string, explanation: Explanation, nowMs: number): string {
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
          member.topics.map(({ name, partitions }) => `${name} ${ranges(partitions)}`).join(", ") || "none",
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

/** 0, 1, 2, 5 as `0-2, 5`. */
function ranges(partitions: readonly number[]): string {
  const sorted = [...partitions].sort((a, b) => a - b)
  const parts: string[] = []
  for (let i = 0; i < sorted.length; i++) {
    const first = sorted[i]!
    while (sorted[i + 1] === sorted[i]! + 1) i++
    parts.push(sorted[i] === first ? String(first) : `${first}-${sorted[i]}`)
  }
  return parts.join(",")
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

function eventText(event: Explanation["events"][number], word: string): string {
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
