/**
 * Elections that no failure asks for: somebody wants them, or the time has come.
 *
 * Owns their conditions and the bound of one pass; who can lead is decided in `partition-change.ts`. Source: Kafka's ReplicationControlManager.electLeaders, maybeBalancePartitionLeaders,
 * maybeElectUncleanLeaders; KIP-183, KIP-460.
 */
import type { BrokerId } from "../base/ids.js"
import type { MetadataImage } from "../metadata/image.js"
import type { MetadataRecord } from "../metadata/records.js"
import { Errors, type ErrorCode } from "../protocol/errors.js"
import type { ControllerView } from "./controller-view.js"
import { noLeader } from "./partition-change.js"

export interface ElectionResult {
  readonly errorCode: ErrorCode
  readonly errorMessage: string | null
}

/** Elections of one pass over partitions that are led by another than they should be, or by nobody. What is left comes with the next one, at once. */
export const electionsPerPassMax = 1000

const done: ElectionResult = { errorCode: Errors.NONE, errorMessage: null }
const refusal = (errorCode: ErrorCode, errorMessage: string): ElectionResult => ({ errorCode, errorMessage })

export interface WantedElections {
  readonly topic: string
  readonly partitions: readonly number[]
}

export const everyPartition = ({ image }: ControllerView): WantedElections[] =>
  [...image.topics.values()].map(({ name, partitions }) => ({ topic: name, partitions: [...partitions.keys()] }))

/** Who would lead these partitions if it could. */
export const preferredLeaders = (image: MetadataImage, wanted: readonly WantedElections[]): Set<BrokerId> =>
  new Set(
    wanted.flatMap(({ topic, partitions }) =>
      partitions.flatMap((partition) => image.topics.get(topic)?.partitions[partition]?.replicas[0] ?? []),
    ),
  )

/** Results in the order of the request. */
export function electLeaders(
  view: ControllerView,
  wanted: readonly WantedElections[],
  options: { readonly unclean: boolean },
): { records: MetadataRecord[]; results: ElectionResult[][] } {
  const records = new Map<string, MetadataRecord>()
  const results = wanted.map(({ topic, partitions }) =>
    partitions.map((partition) => electOne(view, topic, partition, options.unclean, records)),
  )
  return { records: [...records.values()], results }
}

function electOne(
  view: ControllerView,
  name: string,
  partitionId: number,
  unclean: boolean,
  records: Map<string, MetadataRecord>,
): ElectionResult {
  const topic = view.image.topics.get(name)
  if (topic === undefined) return refusal(Errors.UNKNOWN_TOPIC_OR_PARTITION, `No such topic as ${name}`)
  const partition = topic.partitions[partitionId]
  if (partition === undefined)
    return refusal(Errors.UNKNOWN_TOPIC_OR_PARTITION, `No such partition as ${name}-${partitionId}`)
  const isLed = unclean ? partition.leader !== noLeader : partition.leader === partition.replicas[0]
  if (isLed || records.has(`${name}:${partitionId}`))
    return refusal(Errors.ELECTION_NOT_NEEDED, "Leader election not needed for topic partition.")
  const record = view.change(
    { topic: name, topicId: topic.topicId, partition: partitionId },
    { election: unclean ? "unclean" : "preferred" },
  )
  if (record === undefined)
    return unclean
      ? refusal(Errors.ELIGIBLE_LEADERS_NOT_AVAILABLE, "Eligible topic partition leaders are not available.")
      : refusal(Errors.PREFERRED_LEADER_NOT_AVAILABLE, "The preferred leader was not available.")
  records.set(`${name}:${partitionId}`, record)
  return done
}

/** `isMore`: the pass ended at its bound. */
export interface ElectionPass {
  readonly records: MetadataRecord[]
  readonly isMore: boolean
}

/** Gives partitions back to their preferred leaders (`auto.leader.rebalance.enable`). A broker that was stuck lately gets none back. */
export function balanceLeaders(view: ControllerView): ElectionPass {
  const records: MetadataRecord[] = []
  for (const place of view.index.notPreferred) {
    if (records.length >= electionsPerPassMax) return { records, isMore: true }
    const [preferred] = view.partition(place).replicas
    if (!view.isActive(preferred!) || view.demoted.has(preferred!)) continue
    const record = view.change(place, { election: "preferred" })
    if (record !== undefined) records.push(record)
  }
  return { records, isMore: false }
}

/** Elects whoever lives where nobody leads and the topic allows it: it may have been allowed since the last leader went. */
export function electUncleanLeaders(view: ControllerView): ElectionPass {
  const records: MetadataRecord[] = []
  for (const place of view.index.leaderless) {
    if (records.length >= electionsPerPassMax) return { records, isMore: true }
    if (!view.settings(place.topic).uncleanLeaderElectionEnable) continue
    const record = view.change(place, { election: "unclean" })
    if (record !== undefined) records.push(record)
  }
  return { records, isMore: false }
}
