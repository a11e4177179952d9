/**
 * What a group's assignment depends on outside the group, as one number.
 *
 * Owns the number: a change of it calls for another assignment. It is stored with the group epoch, so that a change is noticed although the coordinator was away. The invariant: equal
 * metadata gives equal numbers on every broker of this version. Kafka's own differ, which costs one more rebalance when a group comes from there.
 * Source: KIP-1101.
 */
import type { MetadataImage, TopicImage } from "../../../metadata/image.js"

/** 0: none of the topics exists. Exact as a JavaScript number. */
export function metadataHash(image: MetadataImage, topics: Iterable<string>): number {
  const names = [...topics].sort()
  let hash = start
  let isEmpty = true
  for (const name of names) {
    const topic = image.topics.get(name)
    if (topic === undefined) continue
    isEmpty = false
    hash = addTopic(hash, image, topic)
  }
  return isEmpty ? 0 : (hash.high & highMask) * 2 ** 32 + (hash.low >>> 0)
}

interface Hash {
  readonly low: number
  readonly high: number
}

const start: Hash = { low: 0x811c9dc5, high: 0x5bd1e995 }
/** With the low 32 bits it is what a JavaScript number holds exactly. */
const highMask = 0x1fffff

function addTopic(hash: Hash, image: MetadataImage, topic: TopicImage): Hash {
  hash = addText(hash, topic.topicId)
  hash = addText(hash, topic.name)
  hash = addNumber(hash, topic.partitions.length)
  for (const { replicas } of topic.partitions) {
    const racks = new Set<string>()
    for (const brokerId of replicas) {
      const rack = image.brokers.get(brokerId)?.rack ?? null
      if (rack !== null) racks.add(rack)
    }
    if (racks.size > 0) for (const rack of [...racks].sort()) hash = addText(hash, rack)
    hash = addNumber(hash, racks.size)
  }
  return hash
}

function addText(hash: Hash, text: string): Hash {
  for (let index = 0; index < text.length; index++) hash = addNumber(hash, text.charCodeAt(index))
  return addNumber(hash, text.length)
}

const addNumber = ({ low, high }: Hash, value: number): Hash => ({
  low: Math.imul(low ^ value, 0x01000193),
  high: Math.imul(high ^ (value + (low >>> 15)), 0x85ebca6b) ^ (high >>> 13),
})
