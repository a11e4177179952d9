/**
 * Members that are well and have nothing to do.
 *
 * Owns their pace: every member once in an interval, all of them spread evenly over it. A rate that was not kept is an error, as it would flatter the broker.
 */
import type { Client } from "../client.js"
import { joinClassicGroups } from "./classic-members.js"
import { ConsumerMember, groupStates } from "./consumer-members.js"
import { connectMany, pause, spread } from "./coordinator.js"
import type { GroupEvent, HeartbeatTask } from "./tasks.js"

const connections = 100
const tickMs = 5
const betweenRoundsMs = 250
const settleRoundsMax = 100
const describedAtOnce = 100
/** Of the heartbeats that were due. */
const keptShare = 0.98

interface Member {
  beat(client: Client): Promise<unknown>
}

export async function keepAlive(task: HeartbeatTask, tell: (event: GroupEvent) => void): Promise<void> {
  const members: Member[] =
    task.protocol === "classic"
      ? await joinClassicGroups(task)
      : await joinConsumerGroups(task, await connectMany(task.port, connections))
  const clients = await connectMany(task.port, connections)
  let answered = 0
  const pace = startPace(task, members, clients, () => answered++)
  await Promise.race([pace.failed, pause(task.quietSeconds * 1000)])
  const before = answered
  const started = performance.now()
  tell({ event: "steady" })
  await Promise.race([pace.failed, pause(task.steadySeconds * 1000)])
  const seconds = (performance.now() - started) / 1000
  const count = answered - before
  tell({ event: "done", count, seconds })
  pace.stop()
  const due = (seconds * 1000 * members.length) / task.heartbeatIntervalMs
  if (count < due * keptShare) throw new Error(`only ${count} of ${Math.round(due)} heartbeats were answered`)
}

function startPace(
  { heartbeatIntervalMs }: HeartbeatTask,
  members: readonly Member[],
  clients: readonly Client[],
  onAnswered: () => void,
): { failed: Promise<never>; stop(): void } {
  const started = performance.now()
  let sent = 0
  let fail: (error: unknown) => void
  const failed = new Promise<never>((_, reject) => (fail = reject))
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - started) / heartbeatIntervalMs) * members.length)
    for (; sent < due; sent++) {
      members[sent % members.length]!.beat(clients[sent % clients.length]!).then(onAnswered, fail)
    }
  }, tickMs)
  return { failed, stop: () => clearInterval(timer) }
}

async function joinConsumerGroups(task: HeartbeatTask, clients: readonly Client[]): Promise<ConsumerMember[]> {
  const groupIds = Array.from({ length: task.groups }, (_, index) => `group-${index}`)
  const members = groupIds.flatMap((groupId) =>
    Array.from({ length: task.membersPerGroup }, () => new ConsumerMember(groupId, task.topic)),
  )
  for (let round = 0; ; round++) {
    if (round === settleRoundsMax) throw new Error("the groups do not settle")
    await spread(clients, members, async (client, member) => {
      await member.beat(client)
    })
    if (await areStable(clients[0]!, groupIds)) break
    await pause(betweenRoundsMs)
  }
  for (const client of clients) client.close()
  return members
}

async function areStable(client: Client, groupIds: readonly string[]): Promise<boolean> {
  for (let at = 0; at < groupIds.length; at += describedAtOnce) {
    const states = await groupStates(client, groupIds.slice(at, at + describedAtOnce))
    if (states.some((state) => state !== "Stable")) return false
  }
  return true
}
