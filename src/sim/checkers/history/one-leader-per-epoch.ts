/**
 * In a leader epoch there is one leader, for whoever asks whomever (L4).
 *
 * Owns who was said to lead in each epoch of each partition. Nobody leading (-1) says nothing.
 */
import { operations } from "./client-history.js"
import type { HistoryRule } from "./indexed-history.js"

export const oneLeaderPerEpoch: HistoryRule = {
  name: "one leader in an epoch",
  ids: "L4",
  judge(indexed, report) {
    const { kind, offset, value, partitions } = indexed.history
    for (const [partition, name] of partitions.entries()) {
      const leaders = new Map<number, number>()
      for (const at of indexed.operationsOf(partition)) {
        if (kind[at] !== operations.leader || value[at]! < 0) continue
        const epoch = offset[at]!
        const known = leaders.get(epoch)
        if (known === undefined) leaders.set(epoch, value[at]!)
        else if (known !== value[at])
          report(`${name} epoch ${epoch} was said to be led by ${known} and by ${value[at]}`)
      }
    }
  },
}
