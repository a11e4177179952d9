/**
 * What an operator wants to know of a cluster, in one value.
 *
 * Owns its shape and how it is put together from several answers, which may be a moment apart. What it means is for `health.ts` and `plan.ts` to say.
 */
import type { BrokerId, Uuid } from "../../base/ids.js"
import { ClusterError, type ClusterAdmin } from "./cluster-admin.js"

export interface BrokerState {
  readonly id: BrokerId
  readonly host: string
  readonly port: number
  readonly rack: string | null
  /** Brokers with the same one fail together. Apache Kafka has no word for it: there each is its own. */
  readonly machine: string
  readonly fenced: boolean
}

export interface PartitionState {
  readonly topic: string
  readonly partition: number
  /** -1: none. */
  readonly leader: BrokerId
  readonly replicas: readonly BrokerId[]
  readonly isr: readonly BrokerId[]
  readonly minIsr: number
  readonly adding: readonly BrokerId[]
  readonly removing: readonly BrokerId[]
}

export interface VoterState {
  readonly id: BrokerId
  readonly directoryId: Uuid
  readonly logEndOffset: number
  /** Behind the leader's log. */
  readonly lag: number
  /** Since it last fetched; of the leader 0; undefined: never, or not told. */
  readonly silentMs: number | undefined
  readonly endpoint: { readonly host: string; readonly port: number } | undefined
}

export interface QuorumState {
  /** -1: none. */
  readonly leaderId: BrokerId
  readonly epoch: number
  readonly highWatermark: number
  readonly voters: readonly VoterState[]
  readonly observers: readonly VoterState[]
}

export interface ClusterState {
  readonly clusterId: string | null
  readonly brokers: readonly BrokerState[]
  readonly partitions: readonly PartitionState[]
  /** A text: why it is not known. */
  readonly quorum: QuorumState | string
}

const machineSetting = "ottla.machine.id"

export async function readState(admin: ClusterAdmin): Promise<ClusterState> {
  const metadata = await admin.metadata()
  const described = await admin.brokers()
  const live = new Set(metadata.brokers.map(({ nodeId }) => nodeId))
  const names = metadata.topics.flatMap(({ name }) => name ?? [])
  const [minIsrs, reassignments, quorum, brokers] = await Promise.all([
    admin.topicSetting(names, "min.insync.replicas"),
    admin.reassignments(),
    readQuorum(admin),
    Promise.all(
      described.brokers.map(async ({ brokerId: id, host, port, rack, isFenced }): Promise<BrokerState> => {
        const fenced = isFenced || !live.has(id)
        const machine = fenced ? undefined : await admin.brokerSetting({ id, host, port }, machineSetting)
        return { id, host, port, rack, machine: machine || `broker ${id}`, fenced }
      }),
    ),
  ])
  const partitions = metadata.topics.flatMap(({ name, partitions }) =>
    partitions.map(({ partitionIndex, leaderId, replicaNodes, isrNodes }): PartitionState => {
      const reassignment = reassignments.get(`${name}-${partitionIndex}`)
      return {
        topic: name ?? "",
        partition: partitionIndex,
        leader: leaderId,
        replicas: replicaNodes,
        isr: isrNodes,
        // No more than there are replicas can be in sync.
        minIsr: Math.min(Number(minIsrs.get(name ?? "") ?? 1), Math.max(1, replicaNodes.length)),
        adding: reassignment?.adding ?? [],
        removing: reassignment?.removing ?? [],
      }
    }),
  )
  return {
    clusterId: metadata.clusterId,
    brokers: brokers.sort((a, b) => a.id - b.id),
    partitions: partitions.sort((a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition)),
    quorum,
  }
}

export async function readQuorum(admin: ClusterAdmin): Promise<QuorumState | string> {
  let answer: Awaited<ReturnType<ClusterAdmin["quorum"]>>
  try {
    answer = await admin.quorum()
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error
    return error.message
  }
  const { leaderId, leaderEpoch, highWatermark, currentVoters, observers, nodes } = answer
  const end = currentVoters.find(({ replicaId }) => replicaId === leaderId)?.logEndOffset ?? highWatermark
  // Times are the leader's; its own is now.
  const nowMs = Math.max(0, ...[...currentVoters, ...observers].map(({ lastFetchTimestamp }) => lastFetchTimestamp))
  const voter = (each: (typeof currentVoters)[number]): VoterState => ({
    id: each.replicaId,
    directoryId: each.replicaDirectoryId,
    logEndOffset: each.logEndOffset,
    lag: Math.max(0, end - each.logEndOffset),
    silentMs:
      each.replicaId === leaderId ? 0 : each.lastFetchTimestamp < 0 ? undefined : nowMs - each.lastFetchTimestamp,
    endpoint: nodes.find(({ nodeId }) => nodeId === each.replicaId)?.listeners[0],
  })
  return {
    leaderId,
    epoch: leaderEpoch,
    highWatermark,
    voters: currentVoters.map(voter),
    observers: observers.map(voter),
  }
}

export const nameOf = ({ topic, partition }: { topic: string; partition: number }): string => `${topic}-${partition}`
