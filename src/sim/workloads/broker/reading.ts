/**
 * What a reader makes of fetched records: judged batch by batch, then record by record.
 *
 * Owns the checks that need no history: a batch is whole, its checksum is right, and the first one holds the offset that was asked for.
 */
import { batchBaseOffset, batchLastOffset } from "../../../protocol/batch-header.js"
import { batchesIn, hasValidChecksum, recordsOf } from "../../../protocol/record-batch.js"
import { hashBytes } from "../../trace.js"
import type { Model, ReadableRecord, TopicModel } from "./model.js"

export interface ReadPart {
  readonly nextOffset: number
  readonly bytes: number
  readonly records: readonly ReadableRecord[]
}

/** Records from `position` on, observed for `reader`. Nothing fetched: `nextOffset` is `position`. */
export function takeIn(
  model: Model,
  topic: TopicModel,
  partition: number,
  reader: string,
  position: number,
  highWatermark: number,
  records: Buffer | null | undefined,
): ReadPart {
  const name = topic.partitionName(partition)
  const taken: ReadableRecord[] = []
  let nextOffset = position
  let bytes = 0
  try {
    for (const { start, end } of records == null ? [] : batchesIn(records)) {
      const baseOffset = batchBaseOffset(records!, start)
      const batchEndOffset = batchLastOffset(records!, start) + 1
      if (!hasValidChecksum(records!, start, end)) {
        model.violated(`fetched bytes never change: ${name}: the batch at ${baseOffset} has a wrong checksum`)
        break
      }
      if (bytes === 0 ? baseOffset > position || batchEndOffset <= position : baseOffset !== nextOffset) {
        model.violated(`no gaps: ${name}: ${reader} asked for ${nextOffset} and got a batch from ${baseOffset}`)
        break
      }
      const hash = hashBytes(records!, start, end)
      model.history.observe({
        kind: "batch",
        partition: name,
        baseOffset,
        nextOffset: batchEndOffset,
        hash,
        highWatermark,
      })
      for (const { offset, timestamp, key } of recordsOf(records!, start)) {
        if (offset < position) continue
        const value = key?.toString("latin1") ?? "nothing"
        model.history.observe({ kind: "read", reader, partition: name, offset, value })
        taken.push({ offset, timestamp })
      }
      nextOffset = batchEndOffset
      bytes += end - start
    }
  } catch (error) {
    model.violated(`fetched bytes can be read: ${name} at ${nextOffset}: ${String(error)}`)
  }
  model.counts.read += taken.length
  return { nextOffset, bytes, records: taken }
}
