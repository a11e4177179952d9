/**
 * What was committed, and what anyone has read, is there for whoever reads everything afterwards (L1, L8, LIV3).
 *
 * Owns what a complete read must show: every offset of which there was evidence before it was complete, but for those that may have been deleted.
 */
import { operations } from "./client-history.js"
import type { HistoryRule, IndexedHistory } from "./indexed-history.js"

export const acknowledgedIsKept: HistoryRule = {
  name: "what is committed is kept",
  ids: "L1 L8 LIV3",
  judge(indexed, report) {
    const { kind } = indexed.history
    for (const partition of indexed.history.partitions.keys()) {
      const all = indexed.operationsOf(partition)
      for (const [index, at] of all.entries())
        if (kind[at] === operations.drained) judgeDrain(indexed, partition, all, index, report)
    }
  },
}

function judgeDrain(
  indexed: IndexedHistory,
  partition: number,
  all: Uint32Array,
  index: number,
  report: (what: string) => void,
): void {
  const { kind, process, offset, extra, partitions } = indexed.history
  const drain = all[index]!
  const from = offset[drain]!
  const to = extra[drain]!
  const order = indexed.orders[partition]!
  const seen = new Uint8Array(Math.max(0, order.end - order.base))
  let begun = index
  for (
    ;
    begun >= 0 && !(kind[all[begun]!] === operations.positioned && process[all[begun]!] === process[drain]);
    begun--
  )
    if (kind[all[begun]!] === operations.read && process[all[begun]!] === process[drain])
      seen[offset[all[begun]!]! - order.base] = 1
  let deletableBelow = 0
  const told = new Uint8Array(seen.length)
  for (let i = 0; i < index; i++) {
    const at = all[i]!
    if (kind[at] === operations.deletable) deletableBelow = Math.max(deletableBelow, offset[at]!)
    // What a reader learned while this one was already reading may be news that this one did not wait for.
    else if (indexed.isEvidence(at) && (i < begun || offset[at]! < to)) told[offset[at]! - order.base] = 1
  }
  for (const [slot, isTold] of told.entries()) {
    const where = slot + order.base
    if (isTold === 0 || seen[slot] === 1 || (where < from && where < deletableBelow)) continue
    const why = where < from ? `the log starts at ${from}` : where >= to ? `the log ends at ${to}` : "nothing there"
    report(`${partitions[partition]} lost ${order.at(where)}, committed at offset ${where}: ${why}`)
  }
}
