/**
 * A place in a partition, as people name it: an end, an offset, so many records from an end, a time.
 *
 * Owns how it is written (`-o` of consume, `--to` of group seek), and how it becomes offsets.
 */
import type { Admin, TopicPartition } from "../client/index.js"
import { UsageError } from "./errors.js"
import { parseTime } from "./units.js"

export type Place =
  | { readonly kind: "earliest" | "latest" }
  | { readonly kind: "offset" | "after-start" | "before-end"; readonly count: bigint }
  | { readonly kind: "time"; readonly timestamp: number }

/** `nowMs` is wall time. Errors: UsageError. */
export function parsePlace(text: string, nowMs: number): Place {
  if (text === "earliest" || text === "start" || text === "beginning") return { kind: "earliest" }
  if (text === "latest" || text === "end") return { kind: "latest" }
  if (text.startsWith("@")) return { kind: "time", timestamp: parseTime(text.slice(1), nowMs) }
  const match = /^([+-]?)(\d{1,18})$/.exec(text)
  if (match === null)
    throw new UsageError(
      `${text} is no place; write earliest, latest, an offset such as 47, -5 (five before the end), +5 (five after the start), @2026-01-31T10:00:00Z or @10m (ten minutes ago)`,
    )
  const kind = match[1] === "+" ? "after-start" : match[1] === "-" ? "before-end" : "offset"
  return { kind, count: BigInt(match[2]!) }
}

export interface Bounds {
  readonly start: bigint
  readonly end: bigint
}

export interface Placed extends TopicPartition, Bounds {
  readonly offset: bigint
}

/** Where a place is between the ends; never outside of them. Undefined: that takes the cluster to say. */
export function offsetOf(place: Place, { start, end }: Bounds): bigint | undefined {
  const within = (offset: bigint) => (offset < start ? start : offset > end ? end : offset)
  switch (place.kind) {
    case "earliest":
      return start
    case "latest":
      return end
    case "offset":
      return within(place.count)
    case "after-start":
      return within(start + place.count)
    case "before-end":
      return within(end - place.count)
    case "time":
      return undefined
  }
}

/** The offsets of a place in these partitions, with where each begins and ends. Errors: those of the client. */
export async function locate(admin: Admin, partitions: readonly TopicPartition[], place: Place): Promise<Placed[]> {
  const of = <At>(at: At) => partitions.map(({ topic, partition }) => ({ topic, partition, at }))
  const [starts, ends, times] = await Promise.all([
    offsets(admin, of("earliest" as const)),
    offsets(admin, of("latest" as const)),
    place.kind === "time" ? offsets(admin, of({ timestamp: place.timestamp })) : undefined,
  ])
  return partitions.map(({ topic, partition }, index) => {
    const bounds = { start: starts[index]!, end: ends[index]! }
    const found = times?.[index] ?? -1n
    // Nothing is as young: what comes will be.
    const offset = offsetOf(place, bounds) ?? (found < 0n ? bounds.end : found)
    return { topic, partition, ...bounds, offset }
  })
}

async function offsets(admin: Admin, queries: Parameters<Admin["listOffsets"]>[0]): Promise<bigint[]> {
  return (await admin.listOffsets(queries)).map((each) => {
    if (each.error !== undefined) throw each.error
    return each.offset
  })
}
