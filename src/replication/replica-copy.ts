/**
 * Copies one log into another, batch by batch, until it has caught up.
 *
 * Owns the loop of a move between directories. The copy is byte for byte: offsets, epochs and checksums stay. Only what is on the source's medium is copied, so
 * that no crash and no full disk can leave the copy with more than the original.
 */
import type { Env, Payload } from "../env/env.js"
import { isFileRegion } from "../env/env.js"
import { batchBaseOffset } from "../protocol/batch-header.js"
import type { Log } from "../storage/log.js"

/** Read and appended at a time; one such piece is in memory. */
export const copyBytesMax = 1024 * 1024

/**
 * Resolves with true when `target` holds everything that was in `source` at the call; false when `isStopped` said so, or a log did not play along, which is
 * logged. Rejects with the `DiskError` of whichever disk failed.
 */
export async function copyLog(source: Log, target: Log, env: Env, isStopped: () => boolean): Promise<boolean> {
  const stopped = (log: Log, reason: string): false => {
    env.log.log("error", "a copy between directories stopped", { log: log.name, path: log.path, reason })
    return false
  }
  const end = source.logEndOffset
  if (!(await source.flush())) return stopped(source, source.offlineReason ?? "it could not be flushed")
  while (target.logEndOffset < Math.min(end, source.logEndOffset)) {
    if (isStopped()) return false
    const offset = Math.max(target.logEndOffset, source.logStartOffset)
    const read = await source.read(offset, { maxBytes: copyBytesMax, maxOffset: source.flushedOffset })
    if (!read.ok) return stopped(source, read.message)
    let bytes: Buffer
    try {
      bytes = await inMemory(read.payloads, read.bytes)
    } finally {
      read.release()
    }
    if (bytes.length === 0) return stopped(source, `nothing could be read at ${offset}`)
    // The first batch may begin below the log start, inside of which records were deleted.
    if (source.logStartOffset > target.logEndOffset) await target.truncateFullyAndStartAt(batchBaseOffset(bytes))
    const appended = target.append(bytes, { origin: "replication", leaderEpoch: -1, nowMs: env.clock.wallMs() })
    if (!appended.ok) return stopped(target, appended.message)
    // One piece at a time, so that a fast source does not pile up in memory.
    await target.written()
  }
  return true
}

/** A copy: what was read may be memory that is used again. */
export async function inMemory(payloads: readonly Payload[], bytes: number): Promise<Buffer> {
  const copy = Buffer.allocUnsafe(bytes)
  let at = 0
  for (const payload of payloads) {
    if (isFileRegion(payload)) at += await payload.file.read(copy, at, payload.length, payload.position)
    else {
      copy.set(payload, at)
      at += payload.length
    }
  }
  return copy.subarray(0, at)
}
