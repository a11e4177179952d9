/**
 * What an operator wants to know of a cluster, in one value.
 *
 * Owns its shape and how it is put together from several answers, which may be a moment apart. What it means is for `health.ts` and `plan.ts` to say.
 */
import type { BrokerId, Uuid } from "../../base/ids.js"
import { type Admin, ClientError, type QuorumDescription, type QuorumMember } from "../../client/index.js"

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
/** Topics whose settings are asked for at once. */
const describedTopicsMax = 500
/** How long one broker is asked for what only it knows; one that is silent for longer is told as silent. */
export const brokerTimeoutMs = 5_000

export async function readState(admin: Admin): Promise<ClusterState> {
  const topics = await admin.describeTopics()
  const described = await admin.describeCluster({ includeFenced: true })
  const [minIsrs, reassignments, quorum, brokers] = await Promise.all([
    minIsrsOf(
      admin,
      topics.map(({ name }) => name),
    ),
    admin.listPartitionReassignments(),
    readQuorum(admin),
    Promise.all(
      described.brokers.map(async ({ id, host, port, rack, isFenced }): Promise<BrokerState> => {
        const machine = isFenced ? undefined : await machineOf(admin, id)
        return { id, host, port, rack, machine: machine || `broker ${id}`, fenced: isFenced }
      }),
    ),
  ])
  const moving = new Map(reassignments.map((each) => [nameOf(each), each]))
  const partitions = topics.flatMap((topic) =>
    // One that was deleted meanwhile is none.
    topic.error !== undefined
      ? []
      : topic.partitions.map(({ partition, leader, replicas, isr }): PartitionState => {
          const reassignment = moving.get(nameOf({ topic: topic.name, partition }))
          return {
            topic: topic.name,
            partition,
            leader,
            replicas,
            isr,
            // No more than there are replicas can be in sync.
            minIsr: Math.min(minIsrs.get(topic.name) ?? 1, Math.max(1, replicas.length)),
            adding: reassignment?.adding ?? [],
            removing: reassignment?.removing ?? [],
          }
        }),
  )
  return {
    clusterId: described.clusterId,
    brokers,
    partitions: partitions.sort((a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition)),
    quorum,
  }
}

/** `min.insync.replicas` by topic; topics that are gone meanwhile are left out. */
async function minIsrsOf(admin: Admin, topics: readonly string[]): Promise<Map<string, number>> {
  const setting = "min.insync.replicas"
  const found = new Map<string, number>()
  for (let from = 0; from < topics.length; from += describedTopicsMax) {
    const resources = topics
      .slice(from, from + describedTopicsMax)
      .map((name) => ({ type: "topic", name, keys: [setting] }) as const)
    for (const { name, error, ...each } of await admin.describeConfigs(resources)) {
      const value = "configs" in each ? each.configs.find((config) => config.name === setting)?.value : undefined
      if (value != null) found.set(name, Number(value))
    }
  }
  return found
}

/** Undefined: it does not say, or does not answer. */
async function machineOf(admin: Admin, id: BrokerId): Promise<string | undefined> {
  const resources = [{ type: "broker", name: String(id), keys: [machineSetting] }] as const
  const [told] = await admin.describeConfigs(resources, { timeoutMs: brokerTimeoutMs })
  if (told === undefined || told.error !== undefined) return undefined
  return told.configs.find(({ name }) => name === machineSetting)?.value ?? undefined
}

/** Or why it is not known. */
export async function readQuorum(admin: Admin): Promise<QuorumState | string> {
  let quorum: QuorumDescription
  try {
    quorum = await admin.describeQuorum()
  } catch (error) {
    if (!(error instanceof ClientError)) throw error
    return error.message
  }
  const { leaderId, leaderEpoch, highWatermark, voters, observers } = quorum
  const end = voters.find(({ id }) => id === leaderId)?.logEndOffset ?? highWatermark
  // Times are the leader's; its own is now.
  const nowMs = Math.max(0, ...[...voters, ...observers].map(({ lastFetchTimestamp }) => lastFetchTimestamp))
  const voter = ({ id, directoryId, logEndOffset, lastFetchTimestamp, endpoints }: QuorumMember): VoterState => ({
    id,
    directoryId,
    logEndOffset: Number(logEndOffset),
    lag: Math.max(0, Number(end - logEndOffset)),
    silentMs: id === leaderId ? 0 : lastFetchTimestamp < 0 ? undefined : nowMs - lastFetchTimestamp,
    endpoint: endpoints[0],
  })
  return {
    leaderId,
    epoch: leaderEpoch,
    highWatermark: Number(highWatermark),
    voters: voters.map(voter),
    observers: observers.map(voter),
  }
}

export const nameOf = ({ topic, partition }: { topic: string; partition: number }): string => `${topic}-${partition}`
