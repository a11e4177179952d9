/**
 * The file `quorum-state`: this node's epoch and vote.
 *
 * Owns Kafka's JSON form of it. Version 0 belongs to static voters (kraft.version 0), version 1 to dynamic ones; either is read, and written back in the
 * version it had. Source: QuorumStateData.json, Kafka's FileQuorumStateStore.
 */
import { zeroUuid } from "../base/ids.js"
import { type ElectionState, noElection } from "./election-state.js"

export interface QuorumState {
  readonly election: ElectionState
  readonly dataVersion: 0 | 1
}

export const quorumStateFile = "quorum-state"

const integer = (value: unknown, otherwise: number): number =>
  Number.isSafeInteger(value) ? (value as number) : otherwise

/** Undefined: no such file content. The vote of a damaged file is unknown, and the caller must not guess (reliability.md R6). */
export function parseQuorumState(text: string): QuorumState | undefined {
  let data: unknown
  try {
    data = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof data !== "object" || data === null) return undefined
  const fields = data as Record<string, unknown>
  const dataVersion = fields.data_version
  if (dataVersion !== 0 && dataVersion !== 1) return undefined
  if (!Number.isSafeInteger(fields.leaderEpoch)) return undefined
  return {
    election: {
      leaderId: integer(fields.leaderId, noElection.leaderId),
      leaderEpoch: fields.leaderEpoch as number,
      votedId: integer(fields.votedId, noElection.votedId),
      votedDirectoryId: typeof fields.votedDirectoryId === "string" ? fields.votedDirectoryId : zeroUuid,
    },
    dataVersion,
  }
}

export function formatQuorumState({ election, dataVersion }: QuorumState, voters: readonly number[]): string {
  const { leaderId, leaderEpoch } = election
  // Kafka keeps either the leader or the vote of an epoch: a node that knows the leader has no more use for its vote.
  const votedId = leaderId === -1 ? election.votedId : -1
  const votedDirectoryId = leaderId === -1 ? election.votedDirectoryId : zeroUuid
  return JSON.stringify(
    dataVersion === 0
      ? {
          clusterId: "",
          leaderId,
          leaderEpoch,
          votedId,
          appliedOffset: 0,
          currentVoters: voters.map((voterId) => ({ voterId })),
          data_version: 0,
        }
      : { leaderId, leaderEpoch, votedId, votedDirectoryId, data_version: 1 },
  )
}
