/**
 * The high watermark that a reader is told never goes back in one leader epoch, the end of the log never at all, and nothing is read beyond it (L5, L9).
 *
 * Owns the last of each that every reader was told. A new leader may know of less than the last one said, until its followers have told it (KIP-207): so records say it by epoch.
 */
import { operations } from "./client-history.js"
import type { HistoryRule } from "./indexed-history.js"

export const watermarksNeverGoBack: HistoryRule = {
  name: "watermarks never go back",
  ids: "L5 L9",
  judge(indexed, report) {
    const { kind, process, offset, value, extra, partitions, readers } = indexed.history
    const epochs = new Int32Array(readers.length).fill(-1)
    const watermarks = new Float64Array(readers.length).fill(-1)
    const ends = new Float64Array(readers.length).fill(-1)
    for (const [partition, name] of partitions.entries()) {
      for (const at of indexed.operationsOf(partition)) {
        const reader = process[at]!
        if (kind[at] === operations.read && extra[at]! >= 0 && offset[at]! >= extra[at]!)
          report(`${name}: ${readers[reader]!.name} read offset ${offset[at]}, the high watermark was ${extra[at]}`)
        if (kind[at] !== operations.watermark) continue
        const epoch = value[at]!
        const told = offset[at]!
        const known = epoch < 0 ? ends : watermarks
        if (epoch > epochs[reader]!) {
          epochs[reader] = epoch
          watermarks[reader] = -1
        }
        if (epoch >= 0 && epoch < epochs[reader]!) continue
        if (told < known[reader]!)
          report(
            `${name}: ${readers[reader]!.name} was told ${told} after ${known[reader]}${epoch < 0 ? "" : ` in epoch ${epoch}`}`,
          )
        known[reader] = told
      }
    }
  },
}
