/**
 * A reader goes forward and leaves nothing out that is there (L5).
 *
 * Owns where each reader stands. Offsets of which nothing is known may be left out (control records, failed transactions), and those that may be deleted.
 */
import { operations } from "./client-history.js"
import { type HistoryRule, noValue } from "./indexed-history.js"

export const readsGoForward: HistoryRule = {
  name: "readers go forward and skip nothing",
  ids: "L5",
  judge(indexed, report) {
    const { kind, process, offset, partitions, readers } = indexed.history
    const next = new Float64Array(readers.length).fill(-1)
    for (const [partition, name] of partitions.entries()) {
      const order = indexed.orders[partition]!
      let deletableBelow = 0
      for (const at of indexed.operationsOf(partition)) {
        if (kind[at] === operations.deletable) deletableBelow = Math.max(deletableBelow, offset[at]!)
        if (kind[at] === operations.positioned) next[process[at]!] = offset[at]!
        if (kind[at] !== operations.read) continue
        const reader = process[at]!
        const here = offset[at]!
        const expected = next[reader]!
        if (here < expected) report(`${name}: ${readers[reader]!.name} read offset ${here} where ${expected} was next`)
        else if (expected >= 0) {
          for (let missed = Math.max(expected, deletableBelow); missed < here; missed++) {
            if (order.at(missed) === noValue) continue
            report(`${name}: ${readers[reader]!.name} went from ${expected} to ${here} and left out offset ${missed}`)
            break
          }
        }
        next[reader] = here + 1
      }
    }
  },
}
