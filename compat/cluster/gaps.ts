/**
 * How long producers had to wait for an acknowledgement around a fault.
 *
 * Owns what a gap is: the longest time between two acknowledgements of one partition and one producer, of which the second came after the fault.
 */
import type { RecordedEvent } from "./recorder.js"

/** By partition: when its acknowledgements came. */
export type AckTimes = ReadonlyMap<number, readonly number[]>

export function ackTimesOf(events: readonly RecordedEvent[], producer: string): AckTimes {
  const times = new Map<number, number[]>()
  for (const { client, event, atUs } of events) {
    if (client !== producer || event.kind !== "acked") continue
    let list = times.get(event.partition)
    if (list === undefined) times.set(event.partition, (list = []))
    list.push(atUs)
  }
  return times
}

/** Of the worst partition, in milliseconds. A partition without any acknowledgement up to `untilUs` has waited until then. */
export function longestGapMs(times: AckTimes, partitions: readonly number[], fromUs: number, untilUs: number): number {
  let longestUs = 0
  for (const partition of partitions) {
    const list = times.get(partition) ?? []
    let index = list.findIndex((at) => at >= fromUs)
    if (index < 0) index = list.length
    let before = list[index - 1] ?? fromUs
    let hasCome = false
    for (; index < list.length && list[index]! <= untilUs; index++) {
      longestUs = Math.max(longestUs, list[index]! - before)
      before = list[index]!
      hasCome = true
    }
    if (!hasCome) longestUs = Math.max(longestUs, untilUs - before)
  }
  return longestUs / 1000
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}

export function summary(values: readonly number[]): string {
  const at = (share: number) => percentile(values, share).toFixed(0)
  return `n ${values.length}, p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`
}
