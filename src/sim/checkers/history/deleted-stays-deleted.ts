/**
 * What was said to be deleted is not read again by whoever begins to read afterwards (M1).
 *
 * Owns the highest acknowledged deletion of each partition, at the moment each reader was positioned.
 */
import { operations } from "./client-history.js"
import type { HistoryRule } from "./indexed-history.js"

export const deletedStaysDeleted: HistoryRule = {
  name: "what is deleted stays deleted",
  ids: "M1",
  judge(indexed, report) {
    const { kind, process, offset, partitions, readers } = indexed.history
    const hidden = new Float64Array(readers.length)
    for (const [partition, name] of partitions.entries()) {
      let deletedBelow = 0
      for (const at of indexed.operationsOf(partition)) {
        if (kind[at] === operations.deleted) deletedBelow = Math.max(deletedBelow, offset[at]!)
        if (kind[at] === operations.positioned) hidden[process[at]!] = deletedBelow
        if (kind[at] === operations.read && offset[at]! < hidden[process[at]!]!)
          report(
            `${name}: ${readers[process[at]!]!.name} read offset ${offset[at]}, deleted below ${hidden[process[at]!]}`,
          )
      }
    }
  },
}
