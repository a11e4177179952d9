/**
 * `ottla cluster health`, `brokers` and `quorum`: what there is, and what is wrong with it.
 *
 * Owns the text and the data of these commands; they change nothing.
 */
import type { Admin } from "../../client/index.js"
import { sizeText, table } from "../text.js"
import { brokerTimeoutMs, type ClusterState, readQuorum, readState, type VoterState } from "./cluster-state.js"
import { healthOf, isUnderReplicated, some } from "./health.js"
import { loadsOf } from "./plan.js"
import { CommandError } from "../errors.js"
import type { Session, Told } from "./session.js"

/** Names of partitions or nodes told with one problem. */
const affectedMax = 10

export async function health({ admin }: Session): Promise<Told> {
  const state = await readState(admin)
  const problems = healthOf(state)
  const data = {
    healthy: problems.length === 0,
    clusterId: state.clusterId,
    brokers: state.brokers.length,
    partitions: state.partitions.length,
    underReplicatedPartitions: state.partitions.filter(isUnderReplicated).length,
    reassigningPartitions: state.partitions.filter(isMoving).length,
    problems: problems.map(({ kind, text, affected }) => ({ kind, text, affected })),
  }
  const moving = data.reassigningPartitions
  const text = [
    `cluster ${state.clusterId}: ${some(state.brokers.length, "broker")}, ${some(state.partitions.length, "partition")}${moving > 0 ? `, ${moving} being reassigned` : ""}`,
    ...problems.map(({ text, affected }) => {
      const names = affected.slice(0, affectedMax).join(", ")
      return `  ${text}${affected.length === 0 ? "" : `: ${names}${affected.length > affectedMax ? ", ..." : ""}`}`
    }),
    problems.length === 0 ? "healthy" : "not healthy",
  ]
  return { data, text, exitCode: problems.length === 0 ? 0 : 1 }
}

const isMoving = ({ adding, removing }: ClusterState["partitions"][number]): boolean =>
  adding.length > 0 || removing.length > 0

export async function brokers({ admin }: Session): Promise<Told> {
  const state = await readState(admin)
  const { replicas } = loadsOf(state)
  const rows = await Promise.all(
    state.brokers.map(async ({ id, host, port, rack, machine, fenced }) => {
      const dirs = fenced ? undefined : await directoriesOf(admin, id)
      return {
        id,
        host,
        port,
        rack,
        machine,
        state: fenced ? "fenced" : dirs === undefined ? "silent" : "serving",
        leaders: state.partitions.filter(({ leader }) => leader === id).length,
        replicas: replicas.get(id) ?? 0,
        outOfSync: state.partitions.filter((each) => each.replicas.includes(id) && !each.isr.includes(id)).length,
        bytes: dirs?.bytes ?? null,
        failedDirectories: dirs?.failed ?? [],
      }
    }),
  )
  const text = table(
    ["ID", "ADDRESS", "RACK", "MACHINE", "STATE", "LEADS", "REPLICAS", "OUT OF SYNC", "SIZE"],
    rows.map((row) => [
      String(row.id),
      `${row.host}:${row.port}`,
      row.rack ?? "-",
      row.machine,
      row.failedDirectories.length > 0 ? `${row.state}, ${row.failedDirectories.length} failed disks` : row.state,
      String(row.leaders),
      String(row.replicas),
      String(row.outOfSync),
      row.bytes === null ? "?" : sizeText(row.bytes),
    ]),
  )
  return { data: rows, text }
}

/** Bytes in the log directories of one broker, and which of them have failed. Undefined: it does not answer. */
async function directoriesOf(admin: Admin, id: number): Promise<{ bytes: number; failed: string[] } | undefined> {
  const [told] = await admin.describeLogDirs([id], { timeoutMs: brokerTimeoutMs })
  if (told === undefined || told.error !== undefined) return undefined
  const bytes = told.directories.flatMap(({ replicas }) => replicas).reduce((sum, each) => sum + each.bytes, 0n)
  const failed = told.directories.filter(({ error }) => error !== undefined).map(({ path }) => path)
  return { bytes: Number(bytes), failed }
}

export async function quorum({ admin }: Session): Promise<Told> {
  const state = await readQuorum(admin)
  if (typeof state === "string") throw new CommandError(state)
  const { leaderId, epoch, highWatermark } = state
  const row = (each: VoterState, role: string) => ({
    id: each.id,
    role: each.id === leaderId ? "leader" : role,
    directoryId: each.directoryId,
    address: each.endpoint === undefined ? null : `${each.endpoint.host}:${each.endpoint.port}`,
    logEndOffset: each.logEndOffset,
    lag: each.lag,
    silentMs: each.silentMs ?? null,
  })
  const rows = [
    ...state.voters.map((each) => row(each, "voter")),
    ...state.observers.map((each) => row(each, "observer")),
  ]
  const text = [
    `leader ${leaderId < 0 ? "none" : leaderId}, epoch ${epoch}, committed up to ${highWatermark}, ${some(state.voters.length, "voter")} (majority ${Math.floor(state.voters.length / 2) + 1})`,
    ...table(
      ["ID", "ROLE", "DIRECTORY", "ADDRESS", "END", "LAG", "LAST FETCH"],
      rows.map((each) => [
        String(each.id),
        each.role,
        each.directoryId,
        each.address ?? "-",
        String(each.logEndOffset),
        String(each.lag),
        each.role === "leader" ? "-" : each.silentMs === null ? "never" : `${Math.round(each.silentMs)}ms ago`,
      ]),
    ),
  ]
  return { data: { leaderId, epoch, highWatermark, nodes: rows }, text }
}
