/**
 * At an offset there is one value, for all who read and for whoever was told that it is committed (L2, L5).
 *
 * Owns nothing: whatever contradicts the version order is a violation.
 */
import type { HistoryRule } from "./indexed-history.js"

export const oneValuePerOffset: HistoryRule = {
  name: "one value at an offset",
  ids: "L2 L5",
  judge(indexed, report) {
    const { offset, value, partitions } = indexed.history
    for (const [partition, name] of partitions.entries()) {
      const order = indexed.orders[partition]!
      for (const at of indexed.operationsOf(partition)) {
        if (!indexed.isEvidence(at)) continue
        const known = order.at(offset[at]!)
        if (known !== value[at] && indexed.isKnown(value[at]!, partition))
          report(`${name} offset ${offset[at]} holds ${value[at]} and ${known}`)
      }
    }
  },
}
