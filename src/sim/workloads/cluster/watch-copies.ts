/**
 * Where copies lie of what a cluster acknowledges, and of what a leader says to be committed (L1, L6, L8, R4).
 *
 * Owns the comparison of such words with the disks of all machines at the moment they go out: so many synced copies as the topic asks for, one of them on each in-sync replica; of metadata on a majority of the voters.
 * Asks no node. Who is in sync is what committed metadata says; where a change of it may be on its way, nobody is judged by the former one.
 */
import { decodeRecord } from "../../../metadata/records.js"
import { isControlBatch } from "../../../protocol/batch-header.js"
import { recordsOf } from "../../../protocol/record-batch.js"
import type { CommittedRecords } from "../../checkers/cluster/committed-records.js"
import type { PartitionStates } from "../../checkers/cluster/partition-states.js"
import { type DiskLogs, isDurable, metadataTopic, type StoredLog } from "../../disk-logs.js"
import type { ClusterModel, ClusterTopic } from "./model.js"
import type { NodeLife } from "./node-life.js"

export const metadataKey = `${metadataTopic}/0`

interface Batch {
  readonly baseOffset: number
  readonly checksum: number
}

export class CopiesWatch {
  readonly #newDisks = new Set<string>()

  constructor(
    readonly model: ClusterModel,
    readonly disks: ReadonlyMap<string, DiskLogs>,
    readonly lives: ReadonlyMap<string, NodeLife>,
    readonly states: PartitionStates,
    readonly committed: CommittedRecords,
  ) {}

  get hasNewDisk(): boolean {
    return this.#newDisks.size > 0
  }

  newDisk(name: string): void {
    this.#newDisks.add(name)
  }

  /** A batch is acknowledged for all in-sync replicas, or is below what a leader says to be committed. */
  promised(key: string, topic: ClusterTopic, batch: Batch, promise: () => string): void {
    const copies: string[] = []
    for (const [name, disk] of this.disks)
      if (disk.copies(key, topic.name).some((log) => holds(log, batch))) copies.push(name)
    const replicas = this.states.replicasOf(key).length
    const least = Math.max(1, Math.min(topic.minInsyncReplicas, replicas) - (this.hasNewDisk ? 1 : 0))
    if (copies.length < least)
      this.model.violated(
        `acknowledged means synced (L1 L8): ${promise()}, and is synced on ${copies.join() || "none"} where ${least} are asked for`,
      )
    const missing = this.#inSync(key).find(
      (name) => !copies.includes(name) && !this.#lacksNothing(name, key, topic, batch),
    )
    if (missing !== undefined && !this.#changesOnTheWay(key))
      this.model.violated(
        `in-sync replicas hold what is acknowledged (L1 L6): ${promise()}, is synced on ${copies.join() || "none"}, and ${missing} is in sync`,
      )
  }

  /** A follower says up to where it has its leader's log. */
  positionTold(name: string, key: string, topic: ClusterTopic, position: number): void {
    const end = this.committed.endOf(key)
    if (position >= end || topic.lossAllowed.has(partitionOf(key)) || !topic.isLive) return
    if (!this.#inSync(key).includes(name) || this.#changesOnTheWay(key)) return
    this.model.violated(
      `in-sync replicas hold what is acknowledged (L1 L6): ${name} asks for ${position} of ${topic.partitionName(partitionOf(key))}, is in sync, and ${end} is committed`,
    )
  }

  /** A leader of the quorum says that everything below `offset` is committed. */
  metadataCommitted(leader: string, offset: number): void {
    const voters = [...this.lives.values()].filter(({ spec }) => spec.isController)
    const holders = voters.filter(({ name, mustRefuse }) => {
      // What it said it said of a disk that lies elsewhere by now.
      if (mustRefuse || this.#newDisks.has(name)) return true
      const log = this.disks.get(name)!.log(metadataKey, metadataTopic)
      // What a snapshot holds is in no batch any more.
      if (log === undefined || log.batches.length === 0 || log.startOffset >= offset) return true
      const last = log.at(offset - 1)
      return last !== undefined && isDurable(last)
    })
    if (holders.length <= voters.length / 2)
      this.model.violated(
        `committed metadata is on a majority of disks (R4 R6): ${leader} says that ${offset} is committed, and it is synced on ${holders.map(({ name }) => name).join() || "none"} of ${voters.length} voters`,
      )
  }

  /** Names of those in sync whose disks are their own. */
  #inSync(key: string): string[] {
    const isr = this.states.isrOf(key)
    const names: string[] = []
    for (const { name, spec, mustRefuse } of this.lives.values())
      if (isr.includes(spec.id) && !mustRefuse && !this.#newDisks.has(name)) names.push(name)
    return names
  }

  /** Its log begins later, or there is nothing left in it. */
  #lacksNothing(name: string, key: string, topic: ClusterTopic, { baseOffset }: Batch): boolean {
    if (!topic.hasDeletions.has(partitionOf(key))) return false
    const copies = this.disks.get(name)!.copies(key, topic.name)
    return copies.some(({ batches, startOffset }) => batches.length === 0 || startOffset > baseOffset)
  }

  /** Whether any node may have heard that another change of the partition is committed, by being it that commits. */
  #changesOnTheWay(key: string): boolean {
    const from = this.committed.endOf(metadataKey)
    for (const disk of this.disks.values()) {
      const log = disk.log(metadataKey, metadataTopic)
      if (log === undefined) continue
      for (let at = log.indexOf(from); at < log.batches.length; at++) {
        const bytes = log.bytes(log.batches[at]!)
        if (!isControlBatch(bytes) && changes(bytes, key)) return true
      }
    }
    return false
  }
}

const partitionOf = (key: string): number => Number(key.slice(key.indexOf("/") + 1))

function holds(log: StoredLog, { baseOffset, checksum }: Batch): boolean {
  const stored = log.at(baseOffset)
  return stored?.baseOffset === baseOffset && stored.checksum === checksum && isDurable(stored)
}

function changes(batch: Buffer, key: string): boolean {
  for (const { value } of recordsOf(batch, 0)) {
    if (value === null) continue
    const record = decodeRecord(value)
    if (record.type === "RemoveTopicRecord" && key.startsWith(record.value.topicId)) return true
    if (record.type !== "PartitionChangeRecord" && record.type !== "PartitionRecord") continue
    if (`${record.value.topicId}/${record.value.partitionId}` === key) return true
  }
  return false
}
