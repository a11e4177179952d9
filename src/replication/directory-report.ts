/**
 * What lies in the log directories, for whoever asks.
 *
 * Owns the look at directories and logs of DescribeLogDirs; changes nothing.
 */
import type { Env } from "../env/env.js"
import type { LogManager } from "../storage/log-manager.js"

export interface DescribedDirectory {
  readonly path: string
  readonly failed: boolean
  readonly totalBytes: number
  readonly freeBytes: number
  readonly logs: readonly {
    readonly topic: string
    readonly partition: number
    readonly sizeBytes: number
    readonly offsetLag: number
    readonly isFuture: boolean
  }[]
}

export async function describeDirectories(
  env: Env,
  logs: LogManager,
  wanted: (topic: string, partition: number) => boolean,
): Promise<DescribedDirectory[]> {
  const described: DescribedDirectory[] = []
  for (const directory of logs.directories) {
    const { path } = directory
    if (directory.failureReason !== undefined) {
      described.push({ path, failed: true, totalBytes: -1, freeBytes: -1, logs: [] })
      continue
    }
    const { free, total } = await env.disk.freeBytes(path)
    const entries = []
    for (const log of [...directory.logs]) {
      const isFuture = logs.getFuture(log.topic, log.partition) === log
      const current = logs.get(log.topic, log.partition)
      // The metadata log lies here too, but it is no replica of a topic.
      if (!isFuture && current !== log) continue
      if (!wanted(log.topic, log.partition) || log.offlineReason !== undefined) continue
      entries.push({
        topic: log.topic,
        partition: log.partition,
        sizeBytes: await log.sizeBytes(),
        offsetLag: isFuture && current !== undefined ? Math.max(0, current.logEndOffset - log.logEndOffset) : 0,
        isFuture,
      })
    }
    described.push({ path, failed: false, totalBytes: total, freeBytes: free, logs: entries })
  }
  return described
}
