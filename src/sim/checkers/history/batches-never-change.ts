/**
 * A batch once fetched is fetched again byte for byte, from whichever replica (L2, L5).
 *
 * Owns a hash of each batch by its first offset.
 */
import { operations } from "./client-history.js"
import type { HistoryRule } from "./indexed-history.js"

export const batchesNeverChange: HistoryRule = {
  name: "fetched batches never change",
  ids: "L2 L5",
  judge(indexed, report) {
    const { kind, offset, extra, value, partitions } = indexed.history
    for (const [partition, name] of partitions.entries()) {
      const first = new Map<number, number>()
      for (const at of indexed.operationsOf(partition)) {
        if (kind[at] !== operations.batch) continue
        const known = first.get(offset[at]!)
        if (known === undefined) first.set(offset[at]!, at)
        else if (value[known] !== value[at] || extra[known] !== extra[at])
          report(`${name}: the batch at ${offset[at]} was fetched with other bytes before`)
      }
    }
  },
}
