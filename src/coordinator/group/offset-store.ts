/**
 * The committed offsets of a shard's groups.
 *
 * Owns how they are kept and found. Changed by `replay` alone; who may commit what is decided in `offset-requests.ts`.
 */
import type { GroupRecordOf } from "./group-records.js"

export type CommittedOffset = NonNullable<GroupRecordOf<"OffsetCommit">["value"]>

/** By topic, then by partition. */
export type TopicOffsets = ReadonlyMap<string, ReadonlyMap<number, CommittedOffset>>

const none: TopicOffsets = new Map()

export class OffsetStore {
  readonly #groups = new Map<string, Map<string, Map<number, CommittedOffset>>>()
  #size = 0
  /** Where the last offset went: the next one of a log is often of the same group and topic. */
  #last:
    | { readonly group: string; readonly topic: string; readonly partitions: Map<number, CommittedOffset> }
    | undefined

  /** Committed offsets of all groups. */
  get size(): number {
    return this.#size
  }

  replay({ key, value }: GroupRecordOf<"OffsetCommit">): void {
    if (value === null) this.#remove(key.group, key.topic, key.partition)
    else this.#put(key.group, key.topic, key.partition, value)
  }

  #put(group: string, topic: string, partition: number, offset: CommittedOffset): void {
    const partitions =
      this.#last?.topic === topic && this.#last.group === group ? this.#last.partitions : this.#partitions(group, topic)
    const before = partitions.size
    partitions.set(partition, offset)
    this.#size += partitions.size - before
  }

  #partitions(group: string, topic: string): Map<number, CommittedOffset> {
    let topics = this.#groups.get(group)
    if (topics === undefined) this.#groups.set(group, (topics = new Map()))
    let partitions = topics.get(topic)
    if (partitions === undefined) topics.set(topic, (partitions = new Map()))
    this.#last = { group, topic, partitions }
    return partitions
  }

  #remove(group: string, topic: string, partition: number): void {
    const topics = this.#groups.get(group)
    const partitions = topics?.get(topic)
    if (topics === undefined || partitions === undefined || !partitions.delete(partition)) return
    this.#size--
    if (partitions.size === 0) {
      topics.delete(topic)
      this.#last = undefined
    }
    if (topics.size === 0) this.#groups.delete(group)
  }

  get(group: string, topic: string, partition: number): CommittedOffset | undefined {
    return this.#groups.get(group)?.get(topic)?.get(partition)
  }

  of(group: string): TopicOffsets {
    return this.#groups.get(group) ?? none
  }

  groupIds(): IterableIterator<string> {
    return this.#groups.keys()
  }

  has(group: string): boolean {
    return this.#groups.has(group)
  }
}

/** The record that removes an offset. */
export const offsetTombstone = (group: string, topic: string, partition: number): GroupRecordOf<"OffsetCommit"> => ({
  type: "OffsetCommit",
  key: { group, topic, partition },
  value: null,
})

/** The records that remove all offsets of a group. */
export function* offsetTombstones(group: string, offsets: TopicOffsets): Generator<GroupRecordOf<"OffsetCommit">> {
  for (const [topic, partitions] of offsets)
    for (const partition of partitions.keys()) yield offsetTombstone(group, topic, partition)
}
