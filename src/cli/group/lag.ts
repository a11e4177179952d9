/**
 * `ottla group lag` and `watch`: how far behind a group is.
 *
 * Owns what lag is: records between what is committed and the end, never less than none and never more than there are.
 */
import type { Admin } from "../../client/index.js"
import { NotFoundError } from "../errors.js"
import type { OutputForm } from "../forms.js"
import { exitCodeOfAll, listingLines, type Listing, printLines, printListing } from "../output.js"
import { runSession, type SessionFlags } from "../session.js"

export interface LagFlags extends SessionFlags {
  readonly output: OutputForm
}

export interface WatchFlags extends SessionFlags {
  readonly interval: number
}

export interface LagRow {
  readonly groupId: string
  readonly topic: string
  readonly partition: number
  /** Null: nothing is. */
  readonly committed: bigint | null
  /** Null: nobody can say. */
  readonly end: bigint | null
  readonly lag: bigint | null
  /** Who reads it; null: nobody. */
  readonly memberId: string | null
  readonly clientId: string | null
  readonly clientHost: string | null
}

/** What was deleted is no lag: nobody can read it any more. */
export function lagOf(committed: bigint | null, start: bigint | null, end: bigint | null): bigint | null {
  if (end === null || committed === null) return null
  const from = start !== null && committed < start ? start : committed
  return from > end ? 0n : end - from
}

/** Partitions with a committed offset, and those that members read. Errors: those of the client; NotFoundError. */
export async function lagRows(admin: Admin, groupId: string): Promise<LagRow[]> {
  const [group] = await admin.describeGroups([groupId])
  if (group!.error !== undefined) throw group!.error
  const committed = new Map(
    (await admin.listGroupOffsets(groupId)).map((each) => [`${each.topic}-${each.partition}`, each]),
  )
  const readers = group!.members.flatMap((member) =>
    member.assignment.map((each) => ({ ...each, name: `${each.topic}-${each.partition}`, member })),
  )
  const partitions = new Map(
    [...committed.values(), ...readers].map(({ topic, partition }) => [`${topic}-${partition}`, { topic, partition }]),
  )
  const all = [...partitions.values()].sort((a, b) =>
    a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1,
  )
  const queries = (["earliest", "latest"] as const).flatMap((at) => all.map((each) => ({ ...each, at })))
  const found = await admin.listOffsets(queries)
  const offset = (index: number) => (found[index]!.error === undefined ? found[index]!.offset : null)
  return all.map(({ topic, partition }, index): LagRow => {
    const name = `${topic}-${partition}`
    const member = readers.find((each) => each.name === name)?.member
    const at = committed.get(name)?.offset ?? null
    const end = offset(all.length + index)
    return {
      groupId,
      topic,
      partition,
      committed: at,
      end,
      lag: lagOf(at, offset(index), end),
      memberId: member?.memberId ?? null,
      clientId: member?.clientId ?? null,
      clientHost: member?.clientHost ?? null,
    }
  })
}

const listingOf = (rows: readonly LagRow[], none: string): Listing<LagRow> => ({
  rows,
  columns: [
    { head: "GROUP", of: ({ groupId }) => groupId },
    { head: "TOPIC", of: ({ topic }) => topic },
    { head: "PARTITION", of: ({ partition }) => String(partition) },
    { head: "COMMITTED", of: ({ committed }) => String(committed ?? "-") },
    { head: "END", of: ({ end }) => String(end ?? "?") },
    { head: "LAG", of: ({ lag }) => String(lag ?? "-") },
    { head: "MEMBER", of: ({ memberId }) => memberId ?? "-" },
    { head: "HOST", of: ({ clientHost }) => clientHost ?? "-" },
  ],
  nameOf: ({ topic, partition }) => `${topic}-${partition}`,
  none,
})

export const lag = (flags: LagFlags, groupIds: readonly string[]): Promise<void> =>
  runSession(flags, async ({ admin, say }) => {
    const known = await admin.describeGroups(groupIds)
    for (const { error } of known) if (error !== undefined) say(error.message)
    const groups = known.filter(({ error }) => error === undefined)
    const rows = (await Promise.all(groups.map(({ groupId }) => lagRows(admin, groupId)))).flat()
    const none = groups.length === 0 ? "" : "nothing is committed, and nobody reads"
    printListing(listingOf(rows, none), flags.output)
    return exitCodeOfAll(known.map(({ error }) => error))
  })

export const watch = (flags: WatchFlags, groupId: string): Promise<void> =>
  runSession(flags, async ({ admin, env }) => {
    const stopping = new AbortController()
    process.once("SIGINT", () => stopping.abort())
    process.once("SIGTERM", () => stopping.abort())
    let before = new Map<string, LagRow>()
    while (!stopping.signal.aborted) {
      const rows = await lagRows(admin, groupId)
      if (rows.length === 0) throw new NotFoundError(`group ${groupId} has committed nothing, and nobody reads for it`)
      // On a terminal each look takes the place of the last one.
      if (process.stdout.isTTY) process.stdout.write("\x1b[H\x1b[2J")
      printLines([
        `${new Date(env.clock.wallMs()).toISOString()}  ${summary(rows, before, flags.interval)}`,
        ...listingLines(listingOf(rows, ""), "table"),
      ])
      before = new Map(rows.map((row) => [`${row.topic}-${row.partition}`, row]))
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, flags.interval)
        stopping.signal.addEventListener("abort", () => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
    return undefined
  })

/** All lag, and how fast records are committed since the last look. */
export function summary(rows: readonly LagRow[], before: ReadonlyMap<string, LagRow>, intervalMs: number): string {
  const total = rows.reduce((sum, { lag: own }) => sum + (own ?? 0n), 0n)
  if (before.size === 0) return `lag ${total}`
  const committed = rows.reduce((sum, row) => {
    const last = before.get(`${row.topic}-${row.partition}`)?.committed ?? row.committed
    return row.committed === null || last === null || last === undefined ? sum : sum + (row.committed - last)
  }, 0n)
  return `lag ${total}, ${Math.round((Number(committed) * 1000) / intervalMs)} records/s committed`
}
