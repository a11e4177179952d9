/**
 * `ottla topic alter`, `delete` and `trim`.
 *
 * Owns what is compared and asked before anything changes, and what is told afterwards.
 */
import { BrokerError, type ClientError } from "../../client/index.js"
import { Errors } from "../../protocol/errors.js"
import { changesOf, differences } from "../config/settings.js"
import { confirm } from "../confirm.js"
import { NotFoundError, UsageError } from "../errors.js"
import { type Change, tellChanges } from "../output.js"
import { locate, parsePlace } from "../place.js"
import { runSession, type Session } from "../session.js"
import type { AlterFlags, DeleteFlags, TrimFlags } from "./topics.js"

export const alter = (flags: AlterFlags, name: string): Promise<void> =>
  runSession(flags, async ({ admin, say }) => {
    const { partitions: count, config = [], unset = [], dryRun } = flags
    if (count === undefined && config.length === 0 && unset.length === 0)
      throw new UsageError("say what is to change: --partitions, --config name=value or --unset name")
    const [topic] = await admin.describeTopics([name])
    if (topic!.error !== undefined) throw topic!.error
    const resource = { type: "topic", name } as const
    const changes = changesOf(config, unset)
    const [before] = await admin.describeConfigs([resource])
    if (before!.error !== undefined) throw before!.error
    const diff = differences(before!.configs, changes)
    const lines = diff.map(({ setting, before: was, after }) => `  ${setting}: ${was ?? "(none)"} -> ${after}`)
    if (count !== undefined) lines.push(`  partitions: ${topic!.partitions.length} -> ${count}`)
    let error: ClientError | undefined
    if (changes.length > 0) {
      const [altered] = await admin.incrementalAlterConfigs([{ ...resource, changes }], { validateOnly: dryRun })
      error = altered!.error
    }
    const isMore = count !== undefined && count !== topic!.partitions.length
    if (error === undefined && isMore) {
      const [grown] = await admin.createPartitions([{ name, count }], { validateOnly: dryRun })
      error = grown!.error
    }
    const done = [`topic ${name} ${dryRun ? "would be" : "was"} changed:`, ...lines].join("\n")
    const data = {
      partitions: count ?? topic!.partitions.length,
      configs: Object.fromEntries(diff.map(({ setting, before: was, after }) => [setting, { before: was, after }])),
      dryRun,
    }
    return tellChanges([{ name, done, data, error }], flags.output, say)
  })

export const remove = (flags: DeleteFlags, names: readonly string[]): Promise<void> =>
  runSession(flags, async ({ admin, say }) => {
    const { dryRun, ifExists } = flags
    const isGone = (error: ClientError | undefined) =>
      error instanceof BrokerError && error.errorCode === Errors.UNKNOWN_TOPIC_OR_PARTITION
    if (!dryRun) await confirm(`Delete ${names.join(", ")} with all records?`, flags.yes)
    const told = dryRun ? await admin.describeTopics(names) : await admin.deleteTopics(names)
    const changes = told.map(({ name, error }): Change => {
      const missing = isGone(error)
      return {
        name,
        done: missing ? `there is no topic ${name}` : `topic ${name} ${dryRun ? "would be" : "was"} deleted`,
        data: { dryRun },
        error: ifExists && missing ? undefined : error,
      }
    })
    return tellChanges(changes, flags.output, say)
  })

export const trim = (flags: TrimFlags, topic: string): Promise<void> =>
  runSession(flags, async (session) => {
    const { admin, env, say } = session
    const { dryRun } = flags
    const place = parsePlace(flags.before, env.clock.wallMs())
    const placed = await locate(admin, await partitionsOf(session, topic, flags.partition), place)
    const records = placed.reduce((sum, { offset, start }) => sum + (offset - start), 0n)
    if (!dryRun) await confirm(`Delete ${records} records of ${topic}?`, flags.yes)
    const told = dryRun
      ? undefined
      : await admin.deleteRecords(placed.map((each) => ({ ...each, before: each.offset })))
    const changes = placed.map(({ partition, offset, start }, index): Change => {
      const name = `${topic}-${partition}`
      return {
        name,
        done: `${name}: ${offset - start} records before ${offset} ${dryRun ? "would be" : "were"} deleted`,
        data: { topic, partition, before: offset, records: offset - start, dryRun },
        error: told?.[index]?.error,
      }
    })
    return tellChanges(changes, flags.output, say)
  })

/** Of a topic: those that are named, or all. Errors: NotFoundError. */
export async function partitionsOf(
  { admin }: Pick<Session, "admin">,
  topic: string,
  wanted: readonly number[] | undefined,
): Promise<{ topic: string; partition: number }[]> {
  const [told] = await admin.describeTopics([topic])
  if (told!.error !== undefined) throw told!.error
  const count = told!.partitions.length
  const missing = wanted?.find((partition) => partition >= count)
  if (missing !== undefined)
    throw new NotFoundError(`topic ${topic} has no partition ${missing}, only 0 to ${count - 1}`)
  return (wanted ?? told!.partitions.map(({ partition }) => partition)).map((partition) => ({ topic, partition }))
}
