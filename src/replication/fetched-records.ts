/**
 * What a follower checks of the records that a leader sent, before they may enter its log.
 *
 * Owns the rules; knows no log. Nothing from the network is trusted: a broken batch that was stored would be served as good by this replica once it leads. What lies inside a batch
 * was checked by the leader, and its checksum tells whether it came through.
 */
import { crc32c } from "../base/crc32c.js"
import type { LeaderEpoch, Offset } from "../base/ids.js"
import {
  batchBaseOffset,
  batchBytes,
  batchChecksum,
  batchChecksummedFrom,
  batchHeaderBytes,
  batchLastOffset,
  batchLastOffsetDelta,
  batchLeaderEpoch,
  batchMagic,
} from "../protocol/batch-header.js"

export interface FetchedRecordRules {
  /** Where the follower's log ends. */
  readonly fetchOffset: Offset
  /** Epoch of the last record before. */
  readonly lastEpoch: LeaderEpoch
  /** No record can be of a later one. */
  readonly currentLeaderEpoch: LeaderEpoch
}

export type FetchedRecords =
  /** `bytes` are whole batches; empty when there is not even one. */
  | { readonly ok: true; readonly bytes: Buffer; readonly baseOffset: Offset }
  | { readonly ok: false; readonly problem: string }

/** A cut batch at the end is left out: a leader may send as many bytes as it was allowed, and not more. */
export function checkFetchedRecords(records: Buffer, rules: FetchedRecordRules): FetchedRecords {
  const bad = (problem: string): FetchedRecords => ({ ok: false, problem })
  let nextOffset = -1
  let epoch = rules.lastEpoch
  let at = 0
  while (records.length - at >= batchHeaderBytes) {
    const size = batchBytes(records, at)
    if (size < batchHeaderBytes) return bad(`batch length ${size} is too small`)
    if (size > records.length - at) break
    if (batchMagic(records, at) !== 2) return bad(`magic ${batchMagic(records, at)}`)
    if (batchLastOffsetDelta(records, at) < 0) return bad(`last offset delta ${batchLastOffsetDelta(records, at)}`)
    const baseOffset = batchBaseOffset(records, at)
    if (baseOffset < 0 || baseOffset < nextOffset) return bad(`base offset ${baseOffset} after ${nextOffset}`)
    const leaderEpoch = batchLeaderEpoch(records, at)
    if (leaderEpoch < epoch || leaderEpoch > rules.currentLeaderEpoch)
      return bad(`leader epoch ${leaderEpoch} after ${epoch}, in epoch ${rules.currentLeaderEpoch}`)
    if (crc32c(records, at + batchChecksummedFrom, at + size) !== batchChecksum(records, at))
      return bad(`the checksum of the batch at ${baseOffset} does not match`)
    epoch = leaderEpoch
    nextOffset = batchLastOffset(records, at) + 1
    if (nextOffset <= rules.fetchOffset) return bad(`the batch at ${baseOffset} ends before ${rules.fetchOffset}`)
    at += size
  }
  return {
    ok: true,
    bytes: records.subarray(0, at),
    baseOffset: at === 0 ? rules.fetchOffset : batchBaseOffset(records),
  }
}
