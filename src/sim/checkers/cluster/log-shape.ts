/**
 * Along a log offsets have no holes and leader epochs never fall (L3, L4).
 *
 * Owns nothing. Logs that are compacted are not for it.
 */
import type { BatchSummary } from "./committed-records.js"

/** Undefined: as it should be. */
export function whyMisshapen(batches: readonly BatchSummary[]): string | undefined {
  for (let i = 1; i < batches.length; i++) {
    const before = batches[i - 1]!
    const batch = batches[i]!
    if (batch.baseOffset !== before.nextOffset)
      return `a batch from ${batch.baseOffset} follows one that ends at ${before.nextOffset} (L3)`
    if (batch.leaderEpoch < before.leaderEpoch)
      return `the batch at ${batch.baseOffset} of epoch ${batch.leaderEpoch} follows one of epoch ${before.leaderEpoch} (L4)`
  }
  return undefined
}
