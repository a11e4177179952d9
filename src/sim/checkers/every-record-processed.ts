/**
 * A group that has caught up has processed every record at least once, but for what somebody asked to skip (G3).
 *
 * Owns the ranges that any member of a group processed.
 */
import type { Checker, Observation } from "../history.js"

interface Progress {
  /** Sorted, apart from each other. */
  ranges: [from: number, to: number][]
  skippableBelow: number
}

export class EveryRecordProcessed implements Checker {
  readonly name = "every record is processed at least once"
  readonly #progress = new Map<string, Progress>()

  constructor(readonly report: (what: string) => void) {}

  #of(group: string, partition: string): Progress {
    const key = `${group} ${partition}`
    let progress = this.#progress.get(key)
    if (progress === undefined) this.#progress.set(key, (progress = { ranges: [], skippableBelow: 0 }))
    return progress
  }

  observe(seen: Observation): void {
    switch (seen.kind) {
      case "processed": {
        const progress = this.#of(seen.group, seen.partition)
        progress.ranges = merged([...progress.ranges, [seen.from, seen.to]])
        break
      }
      case "skippable": {
        const progress = this.#of(seen.group, seen.partition)
        progress.skippableBelow = Math.max(progress.skippableBelow, seen.below)
        break
      }
      case "caught up": {
        const { ranges, skippableBelow } = this.#of(seen.group, seen.partition)
        let next = skippableBelow
        for (const [from, to] of ranges) {
          if (from > next) break
          next = Math.max(next, to)
        }
        if (next < seen.to)
          this.report(
            `${seen.group}: nobody processed ${seen.partition} from ${next}, and it has caught up to ${seen.to}`,
          )
        break
      }
    }
  }
}

function merged(ranges: [number, number][]): [number, number][] {
  ranges.sort((a, b) => a[0] - b[0])
  const result: [number, number][] = []
  for (const [from, to] of ranges) {
    const last = result.at(-1)
    if (last !== undefined && from <= last[1]) last[1] = Math.max(last[1], to)
    else result.push([from, to])
  }
  return result
}
