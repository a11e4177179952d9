/**
 * `ottla topic list`, `create` and `describe`.
 *
 * Owns what is asked and told of topics. What changes or deletes is in `change.ts`.
 */
import { BrokerError, type ConfigEntry, type NewTopic, type PartitionDescription } from "../../client/index.js"
import { Errors } from "../../protocol/errors.js"
import type { OutputForm } from "../forms.js"
import { exitCodeOfAll, jsonText, printLines, printListing, tellChanges } from "../output.js"
import { runSession, type Session, type SessionFlags } from "../session.js"
import { table } from "../text.js"
import { settingValue } from "../units.js"

export interface ListFlags extends SessionFlags {
  readonly output: OutputForm
  readonly internal: boolean
  readonly match?: string
}

export type DescribeFlags = SessionFlags & { readonly output: OutputForm }

export interface CreateFlags extends DescribeFlags {
  readonly partitions?: number
  readonly replicas?: number
  readonly config?: readonly (readonly [string, string])[]
  readonly ifNotExists: boolean
  readonly dryRun: boolean
}

export interface AlterFlags extends DescribeFlags {
  readonly partitions?: number
  readonly config?: readonly (readonly [string, string])[]
  readonly unset?: readonly string[]
  readonly dryRun: boolean
}

export interface DeleteFlags extends DescribeFlags {
  readonly yes: boolean
  readonly dryRun: boolean
  readonly ifExists: boolean
}

export interface TrimFlags extends DescribeFlags {
  readonly before: string
  readonly partition?: readonly number[]
  readonly yes: boolean
  readonly dryRun: boolean
}

export const list = (flags: ListFlags): Promise<void> =>
  runSession(flags, async ({ admin }) => {
    const topics = await admin.listTopics({ includeInternal: flags.internal })
    printListing(
      {
        rows: topics.filter(({ name }) => flags.match === undefined || name.includes(flags.match)),
        columns: [
          { head: "NAME", of: ({ name }) => name },
          { head: "PARTITIONS", of: ({ partitions }) => String(partitions) },
          { head: "REPLICAS", of: ({ replicationFactor }) => String(replicationFactor) },
        ],
        nameOf: ({ name }) => name,
        none: "there are no topics",
      },
      flags.output,
    )
    return undefined
  })

export const create = (flags: CreateFlags, names: readonly string[]): Promise<void> =>
  runSession(flags, async ({ admin, say }) => {
    const { partitions, replicas: replicationFactor, config = [], ifNotExists, dryRun } = flags
    const configs = Object.fromEntries(config.map(([name, value]) => [name, settingValue(name, value)]))
    const topics = names.map((name): NewTopic => ({ name, partitions, replicationFactor, configs }))
    const made = await admin.createTopics(topics, { validateOnly: dryRun })
    const changes = made.map((each) => {
      const isThere = each.error instanceof BrokerError && each.error.errorCode === Errors.TOPIC_ALREADY_EXISTS
      if (each.error !== undefined) {
        const data = { partitions: null, replicationFactor: null, dryRun }
        const done = `topic ${each.name} is there already`
        return { name: each.name, done, data, error: ifNotExists && isThere ? undefined : each.error }
      }
      const what = `${each.partitions} partition${each.partitions === 1 ? "" : "s"}, ${each.replicationFactor} replica${each.replicationFactor === 1 ? "" : "s"} each`
      return {
        name: each.name,
        done: `topic ${each.name} ${dryRun ? "would be" : "was"} made: ${what}`,
        data: { partitions: each.partitions, replicationFactor: each.replicationFactor, dryRun },
      }
    })
    return tellChanges(changes, flags.output, say)
  })

interface Described {
  readonly name: string
  readonly topicId: string
  readonly isInternal: boolean
  readonly partitions: readonly (PartitionDescription & {
    readonly startOffset: bigint | null
    readonly endOffset: bigint | null
  })[]
  /** What is set for the topic itself. */
  readonly configs: Readonly<Record<string, string | null>>
}

export const describe = (flags: DescribeFlags, names: readonly string[]): Promise<void> =>
  runSession(flags, async (session) => {
    const told = await session.admin.describeTopics(names)
    for (const { error } of told) if (error !== undefined) session.say(error.message)
    const found = told.flatMap((each) => (each.error === undefined ? [each] : []))
    const bounds = await boundsOf(session, found)
    const configs = await session.admin.describeConfigs(found.map(({ name }) => ({ type: "topic", name }) as const))
    const rows = found.map(
      ({ name, topicId, isInternal, partitions }, index): Described => ({
        name,
        topicId,
        isInternal,
        partitions: partitions.map((each) => ({ ...each, ...bounds(name, each.partition) })),
        configs: overrides(configs[index]!.error === undefined ? configs[index]!.configs : []),
      }),
    )
    if (flags.output === "json") printLines([jsonText(rows, 2)])
    else if (flags.output === "jsonl") printLines(rows.map((row) => jsonText(row)))
    else if (flags.output === "name") printLines(rows.map(({ name }) => name))
    else printLines(rows.flatMap((row, index) => [...(index > 0 ? [""] : []), ...describedLines(row)]))
    return exitCodeOfAll(told.map(({ error }) => error))
  })

const overrides = (configs: readonly ConfigEntry[]): Record<string, string | null> =>
  Object.fromEntries(configs.filter(({ source }) => source === "topic").map(({ name, value }) => [name, value]))

/** Where partitions begin and end; null where nobody can say. */
async function boundsOf(
  { admin }: Session,
  topics: readonly { readonly name: string; readonly partitions: readonly PartitionDescription[] }[],
): Promise<(topic: string, partition: number) => { startOffset: bigint | null; endOffset: bigint | null }> {
  const led = topics.flatMap(({ name, partitions }) =>
    partitions.filter(({ leader }) => leader >= 0).map(({ partition }) => ({ topic: name, partition })),
  )
  const ends = (["earliest", "latest"] as const).flatMap((at) => led.map((each) => ({ ...each, at })))
  const found = new Map<string, bigint>()
  for (const [index, each] of (await admin.listOffsets(ends)).entries())
    if (each.error === undefined) found.set(`${ends[index]!.at} ${each.topic}-${each.partition}`, each.offset)
  return (topic, partition) => ({
    startOffset: found.get(`earliest ${topic}-${partition}`) ?? null,
    endOffset: found.get(`latest ${topic}-${partition}`) ?? null,
  })
}

/** For people. */
export function describedLines({ name, topicId, partitions, configs }: Described): string[] {
  const replicas = Math.max(0, ...partitions.map((each) => each.replicas.length))
  const late = partitions.filter(({ isr, replicas: all }) => isr.length < all.length).length
  const settings = Object.entries(configs)
  return [
    `topic ${name} (${topicId}): ${partitions.length} partition${partitions.length === 1 ? "" : "s"}, ${replicas} replica${replicas === 1 ? "" : "s"} each${late > 0 ? `, ${late} with replicas out of sync` : ""}`,
    ...settings.map(([setting, value]) => `  ${setting} = ${value ?? "(secret)"}`),
    ...table(
      ["PARTITION", "LEADER", "EPOCH", "REPLICAS", "IN SYNC", "START", "END", "RECORDS"],
      partitions.map(({ partition, leader, leaderEpoch, replicas: all, isr, startOffset, endOffset }) => [
        String(partition),
        leader < 0 ? "none" : String(leader),
        String(leaderEpoch),
        all.join(","),
        isr.join(","),
        String(startOffset ?? "?"),
        String(endOffset ?? "?"),
        startOffset === null || endOffset === null ? "?" : String(endOffset - startOffset),
      ]),
    ),
  ]
}
