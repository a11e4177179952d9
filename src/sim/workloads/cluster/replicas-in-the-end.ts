/**
 * What the disks of a cluster look like once nothing changes any more: all replicas of a partition alike (LIV4), and nothing left of what was deleted or moved away (M1).
 *
 * Owns the comparison. Asks no node. What a topic's policy no longer promises is not compared.
 */
import type { PartitionStates } from "../../checkers/cluster/partition-states.js"
import type { DiskLogs, StoredLog } from "../../disk-logs.js"
import type { ClusterModel } from "./model.js"
import type { NodeLife } from "./node-life.js"

type Lives = ReadonlyMap<string, NodeLife>
type Disks = ReadonlyMap<string, DiskLogs>

export function whyNotAlike(model: ClusterModel, states: PartitionStates, lives: Lives, disks: Disks) {
  const all = new Map([...disks].map(([name, disk]) => [name, disk.logs()]))
  for (const topic of model.liveTopics) {
    for (let partition = 0; partition < topic.partitions; partition++) {
      if (topic.flushPolicy === "memory" || topic.lossAllowed.has(partition)) continue
      const key = `${topic.topicId}/${partition}`
      const replicas = [...lives.values()].filter(({ spec }) => states.replicasOf(key).includes(spec.id))
      const copies = replicas.map(({ name }) => ({ name, logs: all.get(name)!.get(key) ?? [] }))
      const start = Math.max(...copies.flatMap(({ logs }) => logs.map(({ startOffset }) => startOffset)), 0)
      const [first, ...others] = copies.map(({ name, logs }) => ({
        name,
        texts: logs.map((log) => summary(log, start)),
      }))
      const different = others.find(({ texts }) => !texts.some((text) => first!.texts.includes(text)))
      if (different !== undefined)
        return `${topic.partitionName(partition)} on ${first!.name}: ${last(first!.texts)}, on ${different.name}: ${last(different.texts)}`
    }
  }
  return undefined
}

const summary = (log: StoredLog, from: number): string =>
  log.batches
    .slice(log.indexOf(from))
    .map(({ baseOffset, leaderEpoch, checksum }) => `${baseOffset}:${leaderEpoch}:${checksum.toString(16)}`)
    .join(" ")

const last = (texts: readonly string[]): string => texts.map((text) => `…${text.slice(-80)}`).join(" or ") || "no log"

/** `mayKeep`: of a topic that is deleted. */
export function whyLeftOver(
  model: ClusterModel,
  states: PartitionStates,
  lives: Lives,
  disks: Disks,
  mayKeep: (name: string, topicId: string) => boolean,
) {
  // Of a node alone nobody reads the metadata.
  if (lives.size === 1) return undefined
  const topics = new Map(model.everyTopic.map((topic) => [topic.topicId, topic]))
  for (const [name, disk] of disks)
    for (const key of disk.logs().keys()) {
      const slash = key.indexOf("/")
      const topic = topics.get(key.slice(0, slash))
      if (topic === undefined) continue
      const where = `${name} still has ${topic.partitionName(Number(key.slice(slash + 1)))}`
      if (states.nameOf(topic.topicId) === undefined) {
        if (mayKeep(name, topic.topicId)) continue
        return `${where}, whose topic is deleted`
      }
      if (!states.replicasOf(key).includes(lives.get(name)!.spec.id)) return `${where}, of which it is no replica`
    }
  return undefined
}
