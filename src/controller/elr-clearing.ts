/**
 * Eligible leaders when the minimum they rest on changes.
 *
 * Owns which are forgotten: under a lower minimum the high watermark may move without them. Where the ISR is empty it cannot move, and they stay, for there is nobody else. Source: KIP-966.
 */
import type { MetadataImage, PartitionImage, TopicImage } from "../metadata/image.js"
import type { MetadataRecord } from "../metadata/records.js"
import { partitionChange } from "./controller-view.js"

const hasElr = ({ elr, lastKnownElr }: PartitionImage): boolean => elr.length > 0 || lastKnownElr.length > 0
const mustStay = (partition: PartitionImage): boolean => partition.isr.length === 0 && hasElr(partition)

/** Of the topics named, or of all. */
export function clearElr(image: MetadataImage, names: ReadonlySet<string> | "all"): MetadataRecord[] {
  const topics =
    names === "all" ? [...image.topics.values()] : [...names].flatMap((name) => image.topics.get(name) ?? [])
  if (names === "all" && !topics.some(({ partitions }) => partitions.some(mustStay)))
    return topics.some(({ partitions }) => partitions.some(hasElr))
      ? [{ type: "ClearElrRecord", value: { topicName: "" } }]
      : []
  return topics.flatMap(clearTopic)
}

function clearTopic({ name, topicId, partitions }: TopicImage): MetadataRecord[] {
  if (!partitions.some(hasElr)) return []
  if (!partitions.some(mustStay)) return [{ type: "ClearElrRecord", value: { topicName: name } }]
  return partitions.flatMap((each, partition) =>
    hasElr(each) && !mustStay(each)
      ? [partitionChange({ topic: name, topicId, partition }, { eligibleLeaderReplicas: [], lastKnownElr: [] })]
      : [],
  )
}
