/**
 * What a member has: partitions by topic, each with the epoch in which it was given.
 *
 * Owns the way between this form and those of requests, records and targets. The invariant: no topic without partitions. The epochs tell commits of a member that
 * has missed an epoch but kept the partition from those of one that has lost it (KIP-1251).
 */
import type { Uuid } from "../../../base/ids.js"
import { type Assignment, compareText } from "../../../assignment/assignor.js"
import type { GroupRecordOf } from "../group-records.js"

/** The epoch of each partition, by topic id. */
export type OwnedPartitions = ReadonlyMap<Uuid, ReadonlyMap<number, number>>

export const nothingOwned: OwnedPartitions = new Map()

/** As requests say what a member has. */
export type ReportedPartitions = readonly { readonly topicId: Uuid; readonly partitions: readonly number[] }[]

type RecordedPartitions = NonNullable<
  GroupRecordOf<"ConsumerGroupCurrentMemberAssignment">["value"]
>["assignedPartitions"]

const ascending = (a: number, b: number): number => a - b

export function ownedFromRecord(recorded: RecordedPartitions, memberEpoch: number): OwnedPartitions {
  if (recorded.length === 0) return nothingOwned
  const owned = new Map<Uuid, Map<number, number>>()
  for (const { topicId, partitions, assignmentEpochs } of recorded) {
    if (partitions.length === 0) continue
    const epochs = owned.get(topicId) ?? new Map<number, number>()
    // Without epochs it was written before KIP-1251: then only a commit of the member's own epoch is taken.
    partitions.forEach((partition, index) => {
      epochs.set(partition, assignmentEpochs?.[index] ?? memberEpoch)
    })
    owned.set(topicId, epochs)
  }
  return owned
}

export function ownedToRecord(owned: OwnedPartitions): RecordedPartitions {
  return [...owned]
    .sort(([a], [b]) => compareText(a, b))
    .map(([topicId, epochs]) => {
      const partitions = [...epochs.keys()].sort(ascending)
      return { topicId, partitions, assignmentEpochs: partitions.map((partition) => epochs.get(partition)!) }
    })
}

/** As requests, responses and records of targets list partitions. */
export function topicPartitionsOf(partitions: OwnedPartitions | Assignment): { topicId: Uuid; partitions: number[] }[] {
  return [...partitions]
    .sort(([a], [b]) => compareText(a, b))
    .map(([topicId, held]) => ({ topicId, partitions: "size" in held ? [...held.keys()].sort(ascending) : [...held] }))
}

export function countOwned(owned: OwnedPartitions): number {
  let count = 0
  for (const epochs of owned.values()) count += epochs.size
  return count
}

/** Whether both have the same partitions, whenever they got them. */
export function ownsSame(a: OwnedPartitions, b: OwnedPartitions): boolean {
  return a === b || (countOwned(a) === countOwned(b) && isWithin(topicPartitionsOf(a), b))
}

export function isWithin(reported: ReportedPartitions, owned: OwnedPartitions): boolean {
  for (const { topicId, partitions } of reported) {
    const epochs = owned.get(topicId)
    for (const partition of partitions) if (epochs?.has(partition) !== true) return false
  }
  return true
}

export function ownsAnyOf(reported: ReportedPartitions, owned: OwnedPartitions): boolean {
  for (const { topicId, partitions } of reported) {
    const epochs = owned.get(topicId)
    if (epochs !== undefined) for (const partition of partitions) if (epochs.has(partition)) return true
  }
  return false
}

/** As if all had been given in one epoch. */
export function ownedInEpoch(assignment: Assignment, epoch: number): OwnedPartitions {
  return new Map([...assignment].map(([topicId, held]) => [topicId, new Map(held.map((each) => [each, epoch]))]))
}

export function assignmentFrom(recorded: ReportedPartitions): Assignment {
  const assignment = new Map<Uuid, number[]>()
  for (const { topicId, partitions } of recorded)
    if (partitions.length > 0) assignment.set(topicId, [...partitions].sort(ascending))
  return assignment
}
