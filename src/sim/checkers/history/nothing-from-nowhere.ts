/**
 * Whatever is read was sent before, to this partition, and was not refused (L5, M3).
 *
 * Owns which values were refused. A record of a topic's former life under the same name is one of another partition.
 */
import { operations } from "./client-history.js"
import type { HistoryRule } from "./indexed-history.js"

export const nothingFromNowhere: HistoryRule = {
  name: "nothing comes from nowhere",
  ids: "L5 M3",
  judge(indexed, report) {
    const { kind, offset, value, partitions, valueCount, valueSentAt } = indexed.history
    const refused = new Uint8Array(valueCount)
    for (const partition of partitions.keys())
      for (const at of indexed.operationsOf(partition)) if (kind[at] === operations.refused) refused[value[at]!] = 1
    for (const [partition, name] of partitions.entries()) {
      for (const at of indexed.operationsOf(partition)) {
        if (kind[at] !== operations.read) continue
        const which = value[at]!
        const where = `${name} offset ${offset[at]} holds ${which}`
        if (which < 0 || which >= valueCount) report(`${where}, which nobody sent`)
        else if (!indexed.isKnown(which, partition))
          report(`${where}, sent to ${partitions[indexed.history.partitionOf(which)]}`)
        else if (valueSentAt[which]! > at) report(`${where} before it was sent`)
        else if (refused[which] === 1) report(`${where}, which was refused`)
      }
    }
  },
}
