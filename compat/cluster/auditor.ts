/**
 * Reads a topic completely, partition by partition, from whoever leads it.
 *
 * Owns the last reader of a run, whose reads say what there is.
 */
import { crc32c } from "../../src/base/crc32c.js"
import { batchBaseSequence, batchProducerEpoch, batchProducerId } from "../../src/protocol/batch-header.js"
import { batchesIn, recordsOf } from "../../src/protocol/record-batch.js"
import { WireClient } from "../client.js"
import type { ClusterNetwork } from "./network.js"
import type { Recorder } from "./recorder.js"
import type { ClusterView } from "./view.js"

export const auditor = "audit"

export async function audit(
  topic: string,
  view: ClusterView,
  network: ClusterNetwork,
  recorder: Recorder,
): Promise<number> {
  let records = 0
  for (const { partition, leader, leaderEpoch } of await view.inSync(topic)) {
    const client = await WireClient.connect(network.brokerListener(leader).advertised)
    try {
      recorder.note(auditor, { kind: "leader", partition, leaderEpoch, leader })
      recorder.note(auditor, { kind: "at", partition, offset: 0 })
      let next = 0
      for (;;) {
        const answer = await client.fetch(topic, partition, next)
        if (answer.errorCode !== 0) throw new Error(`fetch of ${topic}-${partition} at ${next}: ${answer.errorCode}`)
        recorder.note(auditor, { kind: "watermark", partition, leaderEpoch, offset: answer.highWatermark })
        if (next >= answer.highWatermark) break
        const before = next
        for (const { start, end } of batchesIn(answer.records)) {
          const batch = answer.records.subarray(start, end)
          const of = [...recordsOf(batch)]
          for (const { offset, value } of of) {
            if (offset < next) continue
            recorder.note(auditor, { kind: "read", partition, offset, payload: value?.toString() ?? "" })
            next = offset + 1
            records += 1
          }
          const hash = crc32c(batch, 0, batch.length)
          const producer = [batchProducerId(batch), batchProducerEpoch(batch), batchBaseSequence(batch)] as const
          recorder.note(auditor, { kind: "batch", partition, offset: of[0]!.offset, next, hash, producer })
        }
        if (next === before) throw new Error(`${topic}-${partition}: nothing at ${next} below the high watermark`)
      }
      recorder.note(auditor, { kind: "drained", partition, from: 0, to: next })
    } finally {
      client.close()
    }
  }
  return records
}
