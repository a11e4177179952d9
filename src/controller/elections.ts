/**
 * Elections that somebody asks for: back to the preferred leader, or to anyone alive.
 *
 * Owns their conditions. Source: Kafka's ReplicationControlManager.electLeaders; KIP-183, KIP-460.
 */
import { isAlive, type MetadataImage, type PartitionImage } from "../metadata/image.js"
import type { MetadataRecord } from "../metadata/records.js"
import { Errors, type ErrorCode } from "../protocol/errors.js"
import { partitionChange } from "./brokers.js"

export interface ElectionResult {
  readonly errorCode: ErrorCode
  readonly errorMessage: string | null
}

/** Results in the order of the request. */
export function electLeaders(
  image: MetadataImage,
  wanted: readonly { readonly topic: string; readonly partitions: readonly number[] }[],
  options: { readonly unclean: boolean },
): { records: MetadataRecord[]; results: ElectionResult[][] } {
  const records: MetadataRecord[] = []
  const result = (errorCode: ErrorCode, errorMessage: string | null = null): ElectionResult => ({
    errorCode,
    errorMessage,
  })
  const results = wanted.map(({ topic: name, partitions }) => {
    const topic = image.topics.get(name)
    return partitions.map((partitionId) => {
      const partition = topic?.partitions[partitionId]
      if (topic === undefined) return result(Errors.UNKNOWN_TOPIC_OR_PARTITION, `No such topic as ${name}`)
      if (partition === undefined)
        return result(Errors.UNKNOWN_TOPIC_OR_PARTITION, `No such partition as ${name}-${partitionId}`)
      const elected = options.unclean ? electAnyone(image, partition) : electPreferred(image, partition)
      if ("errorCode" in elected) return elected
      records.push(partitionChange(topic.topicId, partitionId, elected))
      return result(Errors.NONE)
    })
  })
  return { records, results }
}

type Elected =
  | { readonly leader: number; readonly isr?: number[]; readonly leaderRecoveryState?: number }
  | ElectionResult

function electPreferred(image: MetadataImage, partition: PartitionImage): Elected {
  const preferred = partition.replicas[0]!
  if (partition.leader === preferred)
    return { errorCode: Errors.ELECTION_NOT_NEEDED, errorMessage: "Leader election not needed for topic partition." }
  if (!partition.isr.includes(preferred) || !isAlive(image, preferred)) {
    return { errorCode: Errors.PREFERRED_LEADER_NOT_AVAILABLE, errorMessage: "The preferred leader was not available." }
  }
  return { leader: preferred }
}

/** Any live replica at the price of what only others had: the ISR becomes that one, and it is RECOVERING until it says otherwise. */
function electAnyone(image: MetadataImage, partition: PartitionImage): Elected {
  if (partition.leader !== -1 && isAlive(image, partition.leader)) {
    return { errorCode: Errors.ELECTION_NOT_NEEDED, errorMessage: "Leader election not needed for topic partition." }
  }
  const clean = partition.isr.find((id) => isAlive(image, id))
  if (clean !== undefined) return { leader: clean }
  const anyone = partition.replicas.find((id) => isAlive(image, id))
  if (anyone === undefined)
    return {
      errorCode: Errors.ELIGIBLE_LEADERS_NOT_AVAILABLE,
      errorMessage: "Eligible topic partition leaders are not available.",
    }
  return { leader: anyone, isr: [anyone], leaderRecoveryState: 1 }
}
