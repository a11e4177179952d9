/**
 * DescribeLogDirs: what lies in which directory, and how much room there is.
 *
 * Behaviour: null topics is all. A failed directory answers KAFKA_STORAGE_ERROR. The lag of a replica is 0 here: nobody is ahead of it; that of a copy on its way is what it lacks.
 * Versions: v4+ total and usable bytes (KIP-827), v5+ cordoned directories (KIP-1066: none).
 */
import { Errors } from "../../protocol/errors.js"
import type { ResponseInputOf } from "../../protocol/message.js"
import { describeLogDirs } from "../../protocol/messages/describe-log-dirs.js"
import { handler } from "../services.js"

type Directory = ResponseInputOf<typeof describeLogDirs>["results"][number]

export const describeLogDirsHandler = handler(describeLogDirs, async (services, request) => {
  const wanted =
    request.topics === null
      ? undefined
      : new Map(request.topics.map(({ topic, partitions }) => [topic, new Set(partitions)]))
  const results: Directory[] = []
  for (const directory of await services.replicas.describeDirectories(
    (topic, partition) => wanted === undefined || wanted.get(topic)?.has(partition) === true,
  )) {
    if (directory.failed) {
      results.push({ errorCode: Errors.KAFKA_STORAGE_ERROR, logDir: directory.path, topics: [] })
      continue
    }
    const byTopic = new Map<
      string,
      { partitionIndex: number; partitionSize: number; offsetLag: number; isFutureKey: boolean }[]
    >()
    for (const { topic, partition, sizeBytes, offsetLag, isFuture } of directory.logs) {
      const partitions = byTopic.get(topic) ?? []
      byTopic.set(topic, partitions)
      partitions.push({ partitionIndex: partition, partitionSize: sizeBytes, offsetLag, isFutureKey: isFuture })
    }
    results.push({
      errorCode: Errors.NONE,
      logDir: directory.path,
      topics: [...byTopic].map(([name, partitions]) => ({ name, partitions })),
      totalBytes: directory.totalBytes,
      usableBytes: directory.freeBytes,
    })
  }
  return { errorCode: Errors.NONE, results }
})
