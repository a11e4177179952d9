/**
 * `ottla group seek` and `reset`: where a group goes on reading.
 *
 * Owns which partitions are meant, and the difference that is told before and after.
 */
import { UsageError } from "../errors.js"
import type { OutputForm } from "../forms.js"
import { type Change, tellChanges } from "../output.js"
import { locate, parsePlace } from "../place.js"
import { runSession, type SessionFlags } from "../session.js"
import { partitionsOf } from "../topic/change.js"

export interface SeekFlags extends SessionFlags {
  readonly output: OutputForm
  readonly to: string
  readonly topic?: string
  readonly partition?: readonly number[]
  readonly dryRun: boolean
}

export const seek = (flags: SeekFlags, groupId: string): Promise<void> =>
  runSession(flags, async ({ admin, env, say }) => {
    const { topic, partition, dryRun } = flags
    if (partition !== undefined && topic === undefined) throw new UsageError("--partition needs --topic: of which one?")
    const place = parsePlace(flags.to, env.clock.wallMs())
    const committed = await admin.listGroupOffsets(groupId)
    if (topic === undefined && committed.length === 0) {
      const [group] = await admin.describeGroups([groupId])
      if (group!.error !== undefined) throw group!.error
      throw new UsageError(`group ${groupId} has committed nothing: say --topic, which it is to read`)
    }
    const partitions = topic === undefined ? committed : await partitionsOf({ admin }, topic, partition)
    const placed = await locate(admin, partitions, place)
    const told = dryRun ? undefined : await admin.alterGroupOffsets(groupId, placed)
    const changes = placed.map((each, index): Change => {
      const before = committed.find((old) => old.topic === each.topic && old.partition === each.partition)?.offset
      const name = `${each.topic}-${each.partition}`
      return {
        name,
        done: `${name}: ${before ?? "(none)"} -> ${each.offset}${dryRun ? " (not done)" : ""}`,
        data: { topic: each.topic, partition: each.partition, before: before ?? null, after: each.offset, dryRun },
        error: told?.[index]?.error,
      }
    })
    return tellChanges(changes, flags.output, say)
  })
