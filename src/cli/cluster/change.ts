/**
 * `ottla cluster balance`, `drain`, `reassign`, and the commands that let nodes come and go.
 *
 * Owns what each checks before it begins, and what it tells. Everything that moves can be looked at first with --dry-run.
 */
import { readFileSync } from "node:fs"
import type { BrokerId } from "../../base/ids.js"
import { table } from "../text.js"
import type { Reassignment } from "../../client/index.js"
import { CommandError, exitCodes, UsageError } from "../errors.js"
import { type ClusterState, nameOf, readQuorum, readState } from "./cluster-state.js"
import { lagging, some } from "./health.js"
import { move, reassignAll } from "./moves.js"
import { balancePlan, drainPlan, type Move, type Plan, placeTopic, target } from "./plan.js"
import type { Session, Told } from "./session.js"

export interface MoveFlags {
  readonly dryRun: boolean
  /** Partitions on their way at once. */
  readonly concurrency: number
  /** Without progress for so many seconds it is given up. */
  readonly timeout: number
}

export async function balance(session: Session, flags: MoveFlags & { readonly leadersOnly: boolean }): Promise<Told> {
  const state = await readState(session.admin)
  const moves = flags.leadersOnly ? [] : movesOf(balancePlan(state))
  if (flags.dryRun) {
    const misled = state.partitions.filter((each) => each.leader !== target(each)[0])
    const text = [
      ...planText(moves),
      `${some(misled.length, "partition")} would be given to the preferred leader${misled.length > 0 && misled.length <= 10 ? `: ${misled.map(nameOf).join(", ")}` : ""}`,
    ]
    return { data: { dryRun: true, moves, elections: misled.map(nameOf) }, text }
  }
  await carryOut(session, moves, flags)
  const elected = (await session.admin.electLeaders()).filter((each) => each.error === undefined && each.elected).length
  return {
    data: { moved: moves.length, elected },
    text: [`${some(moves.length, "partition")} moved, ${some(elected, "partition")} given to the preferred leader`],
  }
}

export async function drain(session: Session, flags: MoveFlags, id: BrokerId): Promise<Told> {
  const state = await readState(session.admin)
  const known = brokerOrNothing(state, id)
  if (known !== undefined) return known
  const moves = movesOf(drainPlan(state, new Set([id])))
  if (flags.dryRun) return { data: { dryRun: true, moves }, text: planText(moves) }
  await carryOut(session, moves, flags)
  // What was made meanwhile may have come to it.
  const left = (await readState(session.admin)).partitions.filter(({ replicas }) => replicas.includes(id))
  if (left.length > 0)
    throw new CommandError(
      `broker ${id} holds ${some(left.length, "partition")} that came to it meanwhile (${left.slice(0, 3).map(nameOf).join(", ")}): run it again`,
    )
  return {
    data: { broker: id, moved: moves.length },
    text: [
      `broker ${id} holds nothing any more (${some(moves.length, "partition")} moved)`,
      `stop it, then: ottla cluster remove-broker ${id}`,
    ],
  }
}

export interface ReassignFlags extends MoveFlags {
  readonly plan?: string
  readonly topic?: string
  readonly to?: readonly number[]
  readonly replicationFactor?: number
  readonly cancel: boolean
  readonly list: boolean
}

export async function reassign(session: Session, flags: ReassignFlags): Promise<Told> {
  const ways = [flags.plan !== undefined, flags.to !== undefined, flags.cancel, flags.list].filter(Boolean).length
  if (ways !== 1)
    throw new UsageError(
      "say one of --plan file.json, --topic name --to 1,2,3, --list or --cancel; see ottla cluster reassign --help",
    )
  if (flags.list || flags.cancel) return listOrCancel(session, flags)
  const state = await readState(session.admin)
  let moves: readonly Move[]
  if (flags.plan !== undefined) moves = movesOfFile(state, flags.plan)
  else {
    if (flags.topic === undefined) throw new UsageError("--to needs --topic: whose replicas are to go there?")
    if (!state.partitions.some(({ topic }) => topic === flags.topic))
      return {
        data: { error: "no such topic" },
        text: [`there is no topic ${flags.topic}`],
        exitCode: exitCodes.notFound,
      }
    moves = movesOf(placeTopic(state, flags.topic, flags.to!, flags.replicationFactor))
  }
  if (flags.dryRun) return { data: { dryRun: true, moves }, text: planText(moves) }
  await carryOut(session, moves, flags)
  return { data: { moved: moves.length }, text: [`${some(moves.length, "partition")} moved`] }
}

async function listOrCancel({ admin, say }: Session, flags: ReassignFlags): Promise<Told> {
  const state = await readState(admin)
  const moving = state.partitions.filter(
    ({ topic, adding, removing }) =>
      adding.length + removing.length > 0 && (flags.topic === undefined || topic === flags.topic),
  )
  const data = moving.map(({ topic, partition, replicas, adding, removing, isr }) => ({
    topic,
    partition,
    replicas,
    adding,
    removing,
    isr,
  }))
  if (flags.list || flags.dryRun)
    return {
      data,
      text:
        moving.length === 0
          ? ["nothing is being reassigned"]
          : table(
              ["PARTITION", "REPLICAS", "COMING", "GOING", "IN SYNC"],
              moving.map((each) => [
                nameOf(each),
                each.replicas.join(),
                each.adding.join(),
                each.removing.join(),
                each.isr.join(),
              ]),
            ),
    }
  if (moving.length > 0) {
    say(`taking back ${some(moving.length, "reassignment")}`)
    await reassignAll(
      admin,
      moving.map(({ topic, partition }) => ({ topic, partition, replicas: null })),
    )
  }
  return { data: { cancelled: moving.length }, text: [`${some(moving.length, "reassignment")} taken back`] }
}

/** Kafka's own form: `{"version": 1, "partitions": [{"topic": "t", "partition": 0, "replicas": [1, 2, 3]}]}`. */
function movesOfFile(state: ClusterState, path: string): Move[] {
  const moves: Move[] = []
  const problems: string[] = []
  for (const { topic, partition, replicas } of readPlan(path)) {
    const known = state.partitions.find((each) => each.topic === topic && each.partition === partition)
    const name = nameOf({ topic, partition })
    const strangers = replicas.filter((id) => !state.brokers.some((broker) => broker.id === id))
    if (known === undefined) problems.push(`there is no partition ${name}`)
    else if (strangers.length > 0) problems.push(`${name}: there is no broker ${strangers.join(", ")}`)
    else if (new Set(replicas).size !== replicas.length) problems.push(`${name}: a broker is named twice`)
    else if (replicas.length === 0) problems.push(`${name}: no replica is named`)
    else if (replicas.join() !== target(known).join()) moves.push({ topic, partition, replicas, before: target(known) })
  }
  if (problems.length > 0) throw new CommandError(`--plan ${path}: ${problems.slice(0, 10).join("; ")}`)
  return moves
}

function readPlan(path: string): (Reassignment & { readonly replicas: readonly BrokerId[] })[] {
  const wrong = (reason: string) =>
    new UsageError(
      `--plan ${path}: ${reason}; it is Kafka's {"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[1,2,3]}]}`,
    )
  let parsed: unknown
  try {
    parsed = JSON.parse(readFileSync(path, "utf8"))
  } catch (error) {
    throw wrong((error as Error).message)
  }
  const partitions = (parsed as { partitions?: unknown } | null)?.partitions
  if (!Array.isArray(partitions)) throw wrong("there is no list of partitions")
  return partitions.map((each: unknown) => {
    const { topic, partition, replicas } = Object(each) as Record<string, unknown>
    const isId = (id: unknown): id is number => Number.isInteger(id) && Number(id) >= 0
    if (typeof topic !== "string" || !isId(partition) || !Array.isArray(replicas) || !replicas.every(isId))
      throw wrong(`${JSON.stringify(each)} is no partition with its replicas`)
    return { topic, partition, replicas }
  })
}

async function carryOut(session: Session, moves: readonly Move[], { concurrency, timeout }: MoveFlags): Promise<void> {
  if (moves.length > 0) session.say(`moving ${some(moves.length, "partition")}`)
  await move(session.admin, moves, { concurrency, stuckMs: timeout * 1000 }, session)
}

function movesOf(plan: Plan): readonly Move[] {
  if ("impossible" in plan) throw new CommandError(plan.impossible)
  return plan.moves
}

function planText(moves: readonly Move[]): string[] {
  if (moves.length === 0) return ["nothing to move"]
  const rows = moves.map((each) => [nameOf(each), each.before.join(), each.replicas.join()])
  return [...table(["PARTITION", "NOW", "THEN"], rows), `${some(moves.length, "partition")} would move`]
}

function brokerOrNothing(state: ClusterState, id: BrokerId): Told | undefined {
  if (state.brokers.some((broker) => broker.id === id)) return undefined
  const ids = state.brokers.map((broker) => broker.id)
  return {
    data: { error: "no such broker" },
    text: [`there is no broker ${id}; there are ${ids.join(", ")}`],
    exitCode: exitCodes.notFound,
  }
}

/** The cluster forgets a broker that is stopped and holds nothing. */
export async function removeBroker(
  { admin }: Session,
  flags: { readonly dryRun: boolean },
  id: BrokerId,
): Promise<Told> {
  const state = await readState(admin)
  const unknown = brokerOrNothing(state, id)
  if (unknown !== undefined) return unknown
  const holds = state.partitions.filter(({ replicas }) => replicas.includes(id))
  if (holds.length > 0)
    throw new CommandError(
      `broker ${id} holds ${some(holds.length, "partition")} (${holds.slice(0, 3).map(nameOf).join(", ")}): move them first with \`ottla cluster drain ${id}\``,
    )
  if (state.brokers.some((broker) => broker.id === id && !broker.fenced))
    throw new CommandError(`broker ${id} is running: stop it first, or it registers again at once`)
  if (!flags.dryRun) await admin.unregisterBroker(id)
  return {
    data: { removed: id, dryRun: flags.dryRun },
    text: [`broker ${id} ${flags.dryRun ? "would be" : "is"} forgotten`],
  }
}

/** A controller that follows becomes a voter. */
export async function addController(
  { admin }: Session,
  flags: { readonly at: string; readonly dryRun: boolean },
  id: BrokerId,
): Promise<Told> {
  const match = /^(?:([A-Za-z0-9_.-]+):\/\/)?(?:\[([^\]]+)\]|([^:/]+)):(\d{1,5})$/.exec(flags.at)
  if (match === null)
    throw new UsageError(`--at ${flags.at}: write where its controller listener is, e.g. CONTROLLER://10.0.0.4:9093`)
  const quorum = await readQuorum(admin)
  if (typeof quorum === "string") throw new CommandError(quorum)
  if (quorum.voters.some((voter) => voter.id === id)) throw new CommandError(`node ${id} votes already`)
  const observer = quorum.observers.find((each) => each.id === id)
  if (observer === undefined)
    return {
      data: { error: "no such observer" },
      text: [`no node ${id} follows the quorum: start it with controller.quorum.bootstrap.servers first`],
      exitCode: exitCodes.notFound,
    }
  const endpoint = { name: match[1] ?? "CONTROLLER", host: match[2] ?? match[3]!, port: Number(match[4]) }
  if (!flags.dryRun) await admin.addVoter({ id, directoryId: observer.directoryId, endpoint })
  return {
    data: { added: id, directoryId: observer.directoryId, dryRun: flags.dryRun },
    text: [`node ${id} ${flags.dryRun ? "would vote" : "votes"}`],
  }
}

/** A voter votes no more, whether it lives or is lost. */
export async function removeController(
  { admin }: Session,
  flags: { readonly directory?: string; readonly dryRun: boolean },
  id: BrokerId,
): Promise<Told> {
  const quorum = await readQuorum(admin)
  if (typeof quorum === "string") throw new CommandError(quorum)
  const { voters } = quorum
  const voter = voters.find((each) => each.id === id)
  if (voter === undefined) {
    const ids = voters.map((each) => each.id)
    return {
      data: { error: "no such voter" },
      text: [`node ${id} is no voter; the voters are ${ids.join(", ")}`],
      exitCode: exitCodes.notFound,
    }
  }
  if (voters.length === 1) throw new CommandError(`node ${id} is the only voter, and without one there is no cluster`)
  const late = lagging(quorum)
  const left = voters.filter((each) => each.id !== id)
  const ready = left.filter((each) => !late.includes(each.id)).length
  const majority = Math.floor(left.length / 2) + 1
  if (ready < majority)
    throw new CommandError(
      `without node ${id} the quorum has ${left.length} voters and needs ${majority}, and ${ready} are there: bring ${late.filter((each) => each !== id).join(", ") || "another voter"} back first`,
    )
  const directoryId = flags.directory ?? voter.directoryId
  if (!flags.dryRun) await admin.removeVoter({ id, directoryId })
  return {
    data: { removed: id, directoryId, dryRun: flags.dryRun },
    text: [`node ${id} ${flags.dryRun ? "would vote" : "votes"} no more`],
  }
}
