/**
 * One process of load: sends ready-made batches, or reads batches and looks only at their headers.
 *
 * Owns nothing that outlives it: takes a task as JSON, prints the result as JSON. Counts only what was answered without an error.
 */
import { batchBytes, batchHeaderBytes, batchLastOffset, batchRecordCount } from "../src/protocol/batch-header.js"
import { Client } from "./client.js"
import type { LoadResult, WorkerTask } from "./generator.js"
import { makeBatch } from "./make-batch.js"
import { host } from "./systems.js"

const requestsInFlight = 5
const requestBytes = 256 << 10
/** As librdkafka asks by default. */
const partitionMaxBytes = 1 << 20
const connectionsMax = 2

async function produce(task: WorkerTask): Promise<LoadResult> {
  const perBatch = Math.max(1, Math.floor(requestBytes / task.recordBytes))
  const batch = makeBatch(perBatch, task.recordBytes)
  const client = await Client.connect(host, task.port)
  const started = performance.now()
  let left = task.records
  let turn = 0
  const lane = async () => {
    while (left > 0) {
      const count = Math.min(left, perBatch)
      left -= count
      const partition = task.partitions[turn++ % task.partitions.length]!
      await client.produce(
        task.topic,
        partition,
        count === perBatch ? batch : makeBatch(count, task.recordBytes),
        task.acks ?? 1,
      )
    }
  }
  await Promise.all(Array.from({ length: requestsInFlight }, lane))
  const seconds = (performance.now() - started) / 1000
  client.close()
  return { rate: task.records / seconds, seconds }
}

async function drain(task: WorkerTask): Promise<LoadResult> {
  const lookup = await Client.connect(host, task.port)
  const ends = await lookup.endOffsets(task.topic, Math.max(...task.partitions) + 1)
  lookup.close()
  if (ends === undefined) throw new Error(`the partitions of ${task.topic} have no end offsets`)
  const groups = Array.from({ length: Math.min(connectionsMax, task.partitions.length) }, (_, group) =>
    task.partitions.filter((_partition, index) => index % connectionsMax === group),
  )
  let left = task.records
  const started = performance.now()
  await Promise.all(
    groups.map(async (partitions) => {
      const client = await Client.connect(host, task.port, { reuseFrames: true })
      const tailRecords = task.tailBytes === undefined ? Infinity : Math.floor(task.tailBytes / task.recordBytes)
      const first = new Map(partitions.map((each) => [each, Math.max(0, ends[each]! - tailRecords)]))
      const next = new Map(first)
      while (left > 0) {
        const positions = partitions
          .map((partition) => ({ partition, offset: next.get(partition)! }))
          .filter(({ partition, offset }) => offset < ends[partition]!)
        if (positions.length === 0) break
        const answers = await client.fetch(task.topic, positions, { maxWaitMs: 500, minBytes: 1, partitionMaxBytes })
        for (const { partition, records } of answers) {
          let at = 0
          let offset = next.get(partition)!
          while (records.length - at >= batchHeaderBytes && batchBytes(records, at) <= records.length - at) {
            left -= batchRecordCount(records, at)
            offset = batchLastOffset(records, at) + 1
            at += batchBytes(records, at)
          }
          const again = task.tailBytes !== undefined && offset >= ends[partition]!
          next.set(partition, again ? first.get(partition)! : offset)
        }
      }
      client.close()
    }),
  )
  const seconds = (performance.now() - started) / 1000
  const records = task.records - left
  if (left > 0) throw new Error(`only ${records} of ${task.records} records were there`)
  return { rate: records / seconds, seconds }
}

const task = JSON.parse(process.argv[2]!) as WorkerTask
const result = await (task.task === "produce" ? produce(task) : drain(task))
process.stdout.write(JSON.stringify(result))
