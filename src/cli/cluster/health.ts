/**
 * What is wrong with a cluster, and what would be if some of its nodes went.
 *
 * Owns the rules, as pure functions of a state. A problem says what it hits and what it means; worst first.
 */
import type { BrokerId } from "../../base/ids.js"
import { type ClusterState, nameOf, type PartitionState, type QuorumState } from "./cluster-state.js"

export type ProblemKind =
  | "no-quorum"
  | "leaderless"
  | "under-min-isr"
  | "fenced-broker"
  | "quorum-lag"
  | "under-replicated"

export interface Problem {
  readonly kind: ProblemKind
  readonly text: string
  /** Partitions by name, or ids of nodes. */
  readonly affected: readonly string[]
}

/** A voter that is behind for longer, or by more, does not count as one that could take over. */
export const quorumSilentMsMax = 5000
export const quorumLagMax = 1000

export function healthOf(state: ClusterState): Problem[] {
  const problems: Problem[] = []
  const add = (kind: ProblemKind, affected: readonly string[], text: (count: number) => string) => {
    if (affected.length > 0) problems.push({ kind, text: text(affected.length), affected })
  }
  const named = (isHit: (partition: PartitionState) => boolean) => state.partitions.filter(isHit).map(nameOf)
  const { quorum } = state
  if (typeof quorum === "string")
    problems.push({ kind: "no-quorum", text: `the metadata quorum does not answer: ${quorum}`, affected: [] })
  else if (quorum.leaderId < 0)
    problems.push({ kind: "no-quorum", text: "the metadata quorum has no leader", affected: [] })
  add(
    "leaderless",
    named(({ leader }) => leader < 0),
    (count) => `${some(count, "partition")} without a leader: neither read nor written`,
  )
  add(
    "under-min-isr",
    named(({ leader, isr, minIsr }) => leader >= 0 && isr.length < minIsr),
    (count) => `${some(count, "partition")} below min.insync.replicas: acks=all is refused`,
  )
  add(
    "fenced-broker",
    state.brokers.filter(({ fenced }) => fenced).map(({ id }) => String(id)),
    (count) => `${some(count, "broker")} fenced: registered, and not serving`,
  )
  if (typeof quorum !== "string")
    add(
      "quorum-lag",
      lagging(quorum).map(String),
      (count) => `${some(count, "voter")} of the metadata quorum behind or silent`,
    )
  add(
    "under-replicated",
    named(isUnderReplicated),
    (count) => `${some(count, "partition")} with replicas that are not in sync`,
  )
  return problems
}

/** Replicas that a reassignment is only bringing in need not be in sync yet. */
export const isUnderReplicated = ({ replicas, isr, adding }: PartitionState): boolean =>
  replicas.some((id) => !isr.includes(id) && !adding.includes(id))

export const lagging = ({ voters }: QuorumState): BrokerId[] =>
  voters
    .filter(({ lag, silentMs }) => lag > quorumLagMax || silentMs === undefined || silentMs > quorumSilentMsMax)
    .map(({ id }) => id)

/** What would stop working if these nodes went at once; empty: nothing. */
export function lossOf(state: ClusterState, ids: ReadonlySet<BrokerId>): string[] {
  const reasons: string[] = []
  const remain = (partition: PartitionState) => partition.isr.filter((id) => !ids.has(id)).length
  const hit = state.partitions.filter(({ replicas }) => replicas.some((id) => ids.has(id)))
  const gone = hit.filter((partition) => remain(partition) === 0)
  const readOnly = hit.filter((partition) => remain(partition) > 0 && remain(partition) < partition.minIsr)
  const examples = (partitions: readonly PartitionState[]) =>
    partitions.slice(0, 3).map(nameOf).join(", ") + (partitions.length > 3 ? ", ..." : "")
  if (gone.length > 0) reasons.push(`${some(gone.length, "partition")} would have no leader (${examples(gone)})`)
  if (readOnly.length > 0)
    reasons.push(`${some(readOnly.length, "partition")} would fall below min.insync.replicas (${examples(readOnly)})`)
  const { quorum } = state
  if (typeof quorum !== "string" && quorum.voters.some(({ id }) => ids.has(id))) {
    const late = new Set(lagging(quorum))
    const left = quorum.voters.filter(({ id }) => !ids.has(id) && !late.has(id)).length
    const majority = Math.floor(quorum.voters.length / 2) + 1
    if (left < majority)
      reasons.push(
        `the metadata quorum would lose its majority (${left} of ${quorum.voters.length} voters left, ${majority} needed)`,
      )
  }
  return reasons
}

export const some = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`
