/**
 * What a group's assignment depends on outside the group, as one number.
 *
 * Owns the number: a change of it calls for another assignment. It is stored with the group epoch, so that a change is noticed although the coordinator was away. The invariant: equal
 * metadata gives equal numbers on every broker of this version. Kafka's own differ, which costs one more rebalance when a group comes from there.
 * Source: KIP-1101.
 */
import type { MetadataImage, TopicImage } from "../../../metadata/image.js"

/** What a topic contributes, for as long as topic and brokers are the same. */
interface TopicHash extends Hash {
  readonly brokers: MetadataImage["brokers"]
}

interface Hash {
  readonly low: number
  readonly high: number
}

/** With the low 32 bits it is what a JavaScript number holds exactly. */
const highMask = 0x1fffff

export class MetadataHashes {
  /** Every join asks for the same topics. */
  readonly #known = new WeakMap<TopicImage, TopicHash>()

  /** 0: none of the topics exists. Exact as a JavaScript number. */
  of(image: MetadataImage, topics: Iterable<string>): number {
    const hash = new Hasher()
    let isEmpty = true
    for (const name of [...topics].sort()) {
      const topic = image.topics.get(name)
      if (topic === undefined) continue
      isEmpty = false
      const { low, high } = this.#topic(image, topic)
      hash.addNumber(low)
      hash.addNumber(high)
    }
    return isEmpty ? 0 : (hash.high & highMask) * 2 ** 32 + (hash.low >>> 0)
  }

  #topic(image: MetadataImage, topic: TopicImage): Hash {
    const known = this.#known.get(topic)
    if (known !== undefined && known.brokers === image.brokers) return known
    const { low, high } = hashOf(image, topic)
    const hash = { low, high, brokers: image.brokers }
    this.#known.set(topic, hash)
    return hash
  }
}

function hashOf(image: MetadataImage, topic: TopicImage): Hash {
  const hash = new Hasher()
  hash.addText(topic.topicId)
  hash.addText(topic.name)
  hash.addNumber(topic.partitions.length)
  for (const { replicas } of topic.partitions) {
    const racks = new Set<string>()
    for (const brokerId of replicas) {
      const rack = image.brokers.get(brokerId)?.rack ?? null
      if (rack !== null) racks.add(rack)
    }
    if (racks.size > 0) for (const rack of [...racks].sort()) hash.addText(rack)
    hash.addNumber(racks.size)
  }
  return hash
}

class Hasher implements Hash {
  low = 0x811c9dc5
  high = 0x5bd1e995

  addNumber(value: number): void {
    this.high = Math.imul(this.high ^ (value + (this.low >>> 15)), 0x85ebca6b) ^ (this.high >>> 13)
    this.low = Math.imul(this.low ^ value, 0x01000193)
  }

  addText(text: string): void {
    for (let index = 0; index < text.length; index++) this.addNumber(text.charCodeAt(index))
    this.addNumber(text.length)
  }
}
