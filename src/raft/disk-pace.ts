/**
 * Whether the disk of a leader keeps the others waiting: it hangs, or is slower than theirs.
 *
 * Owns since when records have been on their way to the leader's medium, and how much later than a majority of the others it had them. Compares and never judges by itself: where all disks are slow nobody
 * is better, so what counts is that the others, without this node, are ahead. Pure: told everything, time included.
 */
import type { Offset } from "../base/ids.js"
import type { LogView } from "./log-view.js"

/** A leader hands over when nothing of what is on its way to the medium has arrived for so long, and the others have all they could get. */
export const diskStallMs = 1500
/** A leader that had records so much later than a majority of the others is late. */
export const diskLateMs = 50
/** Late each time, for so long and so often, it hands over. */
export const diskLateForMs = 2000
export const diskLateTimesMin = 3
/** Who handed over in vain waits twice as long the next time, up to so many times: every disk may be like that. */
const patienceDoublingsMax = 6
/** How soon to look again whether the others are ahead. */
const lookAgainMs = 100
/** Positions of the others that this node has not reached, remembered with their time. */
const marksMax = 64

interface Mark {
  readonly offset: Offset
  readonly reachedMs: number
}

export class DiskPace {
  /** Since when nothing has arrived, though something is on its way; undefined: nothing is. */
  #waitingSinceMs: number | undefined
  #flushedOffset: Offset = -1
  #othersOffset: Offset = -1
  #marks: Mark[] = []
  #lateSinceMs: number | undefined
  #lateTimes = 0
  #lookMs = 0
  /** How often it handed over since it was last quick. */
  #handedOver = 0

  /** Something may have moved: this node's log, or the others (`othersOffset`: what a majority without this node has; -1: they are none). True: it is time to hand over. */
  look(log: LogView, othersOffset: Offset, nowMs: number): boolean {
    this.#takeIn(log, nowMs)
    this.#compare(log.flushedOffset, othersOffset, nowMs)
    if (othersOffset < 0) return false
    return this.#isStalled(log, othersOffset, nowMs) || this.#isLate(nowMs)
  }

  #isStalled(log: LogView, othersOffset: Offset, nowMs: number): boolean {
    const isWaiting = this.#waitingSinceMs !== undefined && nowMs >= this.#waitingSinceMs + diskStallMs * this.#patience
    // Asking the disk costs more than looking at offsets.
    if (!isWaiting && nowMs < this.#lookMs) return false
    this.#lookMs = nowMs + lookAgainMs
    if (othersOffset < Math.min(log.writtenOffset, log.flushedOffset + 1)) return false
    return isWaiting || log.diskStalledMs >= diskStallMs * this.#patience
  }

  /** When to look, if nothing moves before. */
  get nextLookMs(): number {
    if (this.#waitingSinceMs === undefined) return Number.POSITIVE_INFINITY
    return Math.max(this.#waitingSinceMs + diskStallMs * this.#patience, this.#lookMs)
  }

  /** A leadership begins: what was measured in another does not count. */
  begin(): void {
    this.#othersOffset = -1
    this.#marks = []
    this.#lateSinceMs = undefined
    this.#lateTimes = 0
    this.#lookMs = 0
  }

  handedOver(): void {
    this.#handedOver = Math.min(patienceDoublingsMax, this.#handedOver + 1)
  }

  get #patience(): number {
    return 2 ** this.#handedOver
  }

  /** Of whatever role: a disk that is quick again has its full credit back. */
  #takeIn({ flushedOffset, logEndOffset }: LogView, nowMs: number): void {
    const hasMoved = flushedOffset !== this.#flushedOffset
    this.#flushedOffset = flushedOffset
    if (hasMoved && this.#waitingSinceMs !== undefined && nowMs - this.#waitingSinceMs < diskLateMs)
      this.#handedOver = 0
    if (flushedOffset >= logEndOffset) this.#waitingSinceMs = undefined
    else if (hasMoved || this.#waitingSinceMs === undefined) this.#waitingSinceMs = nowMs
  }

  #compare(flushedOffset: Offset, othersOffset: Offset, nowMs: number): void {
    let reached: Mark | undefined
    while (this.#marks.length > 0 && this.#marks[0]!.offset <= flushedOffset) reached = this.#marks.shift()
    if (reached !== undefined) this.#wasLateBy(nowMs - reached.reachedMs, nowMs)
    if (othersOffset <= this.#othersOffset) return
    this.#othersOffset = othersOffset
    // This node was there before them.
    if (othersOffset <= flushedOffset) this.#wasInTime()
    // One that finds no room is like the last one: those before it tell of the lateness.
    else if (this.#marks.length < marksMax) this.#marks.push({ offset: othersOffset, reachedMs: nowMs })
  }

  #wasLateBy(ms: number, nowMs: number): void {
    if (ms < diskLateMs) {
      this.#wasInTime()
      return
    }
    this.#lateSinceMs ??= nowMs
    this.#lateTimes++
  }

  #wasInTime(): void {
    this.#lateSinceMs = undefined
    this.#lateTimes = 0
  }

  #isLate(nowMs: number): boolean {
    return (
      this.#lateSinceMs !== undefined &&
      this.#lateTimes >= diskLateTimesMin &&
      nowMs - this.#lateSinceMs >= diskLateForMs * this.#patience
    )
  }
}
