/**
 * What a reader makes of fetched records: judged batch by batch, and noted in the history.
 *
 * Owns the checks that need no history: a batch is whole, its checksum is right, and the first one holds the offset that was asked for.
 */
import { batchBaseOffset, batchLastOffset, isControlBatch } from "../../../protocol/batch-header.js"
import { batchesIn, hasValidChecksum, recordsOf } from "../../../protocol/record-batch.js"
import { hashBytes } from "../../trace.js"
import type { ClusterModel, ClusterTopic } from "./model.js"

export interface ReadPart {
  readonly nextOffset: number
  readonly records: number
}

/** Records from `position` on, noted for `reader` of the history. Nothing fetched: `nextOffset` is `position`. */
export function takeIn(
  model: ClusterModel,
  topic: ClusterTopic,
  partition: number,
  reader: number,
  position: number,
  highWatermark: number,
  records: Buffer | null | undefined,
): ReadPart {
  const name = topic.partitionName(partition)
  const { history } = model
  let nextOffset = position
  let count = 0
  let isFirst = true
  try {
    for (const { start, end } of records == null ? [] : batchesIn(records)) {
      const baseOffset = batchBaseOffset(records!, start)
      const batchEndOffset = batchLastOffset(records!, start) + 1
      if (!hasValidChecksum(records!, start, end)) {
        model.violated(`fetched bytes never change: ${name}: the batch at ${baseOffset} has a wrong checksum`)
        break
      }
      if (isFirst ? baseOffset > position || batchEndOffset <= position : baseOffset !== nextOffset) {
        model.violated(
          `no gaps (L3): ${name}: ${history.readers[reader]!.name} asked for ${nextOffset} and got a batch from ${baseOffset}`,
        )
        break
      }
      isFirst = false
      history.batch(topic.numberOf(partition), baseOffset, batchEndOffset, hashBytes(records!, start, end))
      if (!isControlBatch(records!, start))
        for (const { offset, key } of recordsOf(records!, start)) {
          if (offset < position) continue
          history.read(reader, offset, key === null ? -1 : Number(key.toString("latin1")), highWatermark)
          count += 1
        }
      nextOffset = batchEndOffset
    }
  } catch (error) {
    model.violated(`fetched bytes can be read: ${name} at ${nextOffset}: ${String(error)}`)
  }
  model.counts.read += count
  return { nextOffset, records: count }
}
