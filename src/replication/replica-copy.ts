/**
 * Copies one log into another, batch by batch, until it has caught up.
 *
 * Owns the loop of a move between directories. The copy is byte for byte: offsets, epochs and checksums stay.
 */
import type { Env, Payload } from "../env/env.js"
import { isFileRegion } from "../env/env.js"
import type { Log } from "../storage/log.js"

/** Read and appended at a time; one such piece is in memory. */
export const copyBytesMax = 1024 * 1024

/**
 * Resolves with true when `target` ends where the file of `source` does; with false when it cannot get there, or `isStopped` says so. Rejects with the
 * `DiskError` of whichever disk failed.
 */
export async function copyLog(source: Log, target: Log, env: Env, isStopped: () => boolean): Promise<boolean> {
  if (target.logEndOffset < source.logStartOffset) await target.truncateFullyAndStartAt(source.logStartOffset)
  for (;;) {
    await source.written()
    if (isStopped()) return false
    // Only what is in the file: appends behind it may still be taken back for want of room.
    const endOffset = source.writtenOffset
    if (target.logEndOffset >= endOffset) return target.logEndOffset === endOffset
    const offset = Math.max(target.logEndOffset, source.logStartOffset)
    const read = await source.read(offset, { maxBytes: copyBytesMax, maxOffset: endOffset })
    if (!read.ok) {
      env.log.log("error", "a copy between directories stopped", { log: source.name, reason: read.message })
      return false
    }
    const bytes = await inMemory(read.payloads, read.bytes)
    read.release()
    if (bytes.length === 0) return false
    const appended = target.append(bytes, { origin: "replication", leaderEpoch: -1, nowMs: env.clock.wallMs() })
    if (!appended.ok) {
      env.log.log("error", "a copy between directories stopped", { log: target.name, reason: appended.message })
      return false
    }
    // One piece at a time, so that a fast source does not pile up in memory.
    await target.written()
  }
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
  return copy
}
