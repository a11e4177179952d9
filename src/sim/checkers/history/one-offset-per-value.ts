/**
 * A record is at one offset, and an acknowledgement names that offset, also that of a retry (L7).
 *
 * Owns the first offset each value was seen at or said to be at, by one replica included. Producers that may duplicate are not judged.
 */
import { operations } from "./client-history.js"
import type { HistoryRule } from "./indexed-history.js"

export const oneOffsetPerValue: HistoryRule = {
  name: "one offset for a value",
  ids: "L7",
  judge(indexed, report) {
    const { kind, offset, value, partitions, producers, valueProducer, valueCount } = indexed.history
    const first = new Float64Array(valueCount).fill(-1)
    for (const [partition, name] of partitions.entries()) {
      for (const at of indexed.operationsOf(partition)) {
        if (!indexed.isEvidence(at) && kind[at] !== operations.acknowledged) continue
        const which = value[at]!
        if (!indexed.isKnown(which, partition) || producers[valueProducer[which]!]!.mayDuplicate) continue
        if (first[which]! < 0) first[which] = offset[at]!
        else if (first[which] !== offset[at]) {
          report(`${name} holds ${which} at offsets ${first[which]} and ${offset[at]}`)
          first[which] = offset[at]!
        }
      }
    }
  },
}
