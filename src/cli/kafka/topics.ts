/**
 * `kafka-topics.sh`.
 *
 * Owns its flags and lines.
 */
import { BrokerError, type NewTopic, type PartitionDescription, type TopicDescription } from "../../client/index.js"
import { Errors } from "../../protocol/errors.js"
import { exitCodes } from "../errors.js"
import type { Session } from "../session.js"
import { matcher, numberOf, OptionError, type Options, propertiesOf, readOptions, required } from "./options.js"
import { exceptionText, print, withCluster } from "./tool.js"

const actions = ["list", "describe", "create", "alter", "delete"] as const

const spec = {
  "bootstrap-server": "value",
  list: "flag",
  describe: "flag",
  create: "flag",
  alter: "flag",
  delete: "flag",
  topic: "value",
  partitions: "value",
  "replication-factor": "value",
  "replica-assignment": "value",
  config: "values",
  "if-exists": "flag",
  "if-not-exists": "flag",
  "exclude-internal": "flag",
  "under-replicated-partitions": "flag",
  "unavailable-partitions": "flag",
  "topics-with-overrides": "flag",
} as const

export async function topics(args: readonly string[]): Promise<void> {
  const options = readOptions(spec, args)
  const chosen = actions.filter((action) => options.has(action))
  if (chosen.length !== 1)
    throw new OptionError("Command must include exactly one action: --list, --describe, --create, --alter or --delete")
  const run = { list, describe, create, alter, delete: remove }[chosen[0]!]
  await withCluster(options, async (session) => {
    try {
      return await run(session, options)
    } catch (error) {
      if (!(error instanceof BrokerError || error instanceof MissingTopic)) throw error
      print(`Error while executing topic command : ${messageOf(error)}`)
      process.stderr.write(`ERROR ${exceptionText(error)}\n`)
      return exitCodes.failed
    }
  })
}

class MissingTopic extends Error {
  override name = "MissingTopic"
}

/** The broker's own words, without what was asked of it. */
const messageOf = ({ message }: Error): string => message.replace(/^topic \S+: /, "")

/** Those that are meant; without --topic all. */
async function meant({ admin }: Session, options: Options): Promise<string[]> {
  const pattern = options.value("topic")
  const all = await admin.listTopics({ includeInternal: !options.has("exclude-internal") })
  const matches = pattern === undefined ? () => true : matcher(pattern)
  const names = all.map(({ name }) => name).filter(matches)
  if (names.length === 0 && pattern !== undefined && !options.has("if-exists") && !options.has("list"))
    throw new MissingTopic(`Topic '${pattern}' does not exist as expected`)
  return names
}

async function list(session: Session, options: Options): Promise<undefined> {
  for (const name of await meant(session, options)) print(name)
  return undefined
}

async function create({ admin }: Session, options: Options): Promise<undefined> {
  const name = required(options, "topic")
  if (/[._]/.test(name))
    print(
      "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide. To avoid issues it is best to use either, but not both.",
    )
  const topic: NewTopic = {
    name,
    partitions: numberOf(options, "partitions"),
    replicationFactor: numberOf(options, "replication-factor"),
    assignments: assignmentOf(options),
    configs: Object.fromEntries(propertiesOf(options, "config")),
  }
  const [made] = await admin.createTopics([topic])
  const { error } = made!
  const isThere = error instanceof BrokerError && error.errorCode === Errors.TOPIC_ALREADY_EXISTS
  if (error === undefined) print(`Created topic ${name}.`)
  else if (!(isThere && options.has("if-not-exists"))) throw error
  return undefined
}

/** `1:2,2:3`: the brokers of each partition. */
function assignmentOf(options: Options): number[][] {
  const text = options.value("replica-assignment")
  if (text === undefined) return []
  return text.split(",").map((part) =>
    part.split(":").map((id) => {
      if (!/^\s*\d+\s*$/.test(id)) throw new OptionError(`Cannot parse argument '${text}' of option replica-assignment`)
      return Number(id)
    }),
  )
}

async function alter(session: Session, options: Options): Promise<undefined> {
  const count = numberOf(options, "partitions")
  if (count === undefined) throw new OptionError('Missing required argument "[partitions]"')
  required(options, "topic")
  const names = await meant(session, options)
  const before = new Map((await session.admin.listTopics({ includeInternal: true })).map((each) => [each.name, each]))
  const assignments = assignmentOf(options)
  const wanted = names.map((name) => ({
    name,
    count,
    ...(assignments.length > 0 ? { assignments: assignments.slice(before.get(name)?.partitions ?? 0) } : {}),
  }))
  for (const { error } of await session.admin.createPartitions(wanted)) if (error !== undefined) throw error
  return undefined
}

async function remove(session: Session, options: Options): Promise<undefined> {
  required(options, "topic")
  for (const { error } of await session.admin.deleteTopics(await meant(session, options)))
    if (error !== undefined) throw error
  return undefined
}

async function describe(session: Session, options: Options): Promise<undefined> {
  const { admin } = session
  const names = await meant(session, options)
  const [told, configs, moving] = await Promise.all([
    admin.describeTopics(names),
    admin.describeConfigs(names.map((name) => ({ type: "topic", name }) as const)),
    admin.listPartitionReassignments(),
  ])
  const isFiltered = options.has("under-replicated-partitions") || options.has("unavailable-partitions")
  for (const [index, topic] of told.entries()) {
    if (topic.error !== undefined) throw topic.error
    const of = configs[index]!
    const entries = of.error === undefined ? of.configs.filter(({ isDefault }) => !isDefault) : []
    if (options.has("topics-with-overrides") && !entries.some(({ source }) => source === "topic")) continue
    const settings = entries.map(({ name, value }) => `${name}=${value ?? ""}`).join(",")
    if (!isFiltered) print(topicLine(topic.name, topic, settings))
    if (options.has("topics-with-overrides")) continue
    for (const partition of topic.partitions) {
      if (options.has("under-replicated-partitions") && partition.isr.length >= partition.replicas.length) continue
      if (options.has("unavailable-partitions") && partition.leader >= 0) continue
      const move = moving.find((each) => each.topic === topic.name && each.partition === partition.partition)
      print(partitionLine(topic.name, partition, move))
    }
  }
  return undefined
}

export function topicLine(name: string, { topicId, partitions }: TopicDescription, settings: string): string {
  const replicas = partitions[0]?.replicas.length ?? 0
  return `Topic: ${name}\tTopicId: ${topicId}\tPartitionCount: ${partitions.length}\tReplicationFactor: ${replicas}\tConfigs: ${settings}`
}

export function partitionLine(
  topic: string,
  { partition, leader, replicas, isr, eligibleLeaders, lastKnownEligibleLeaders }: PartitionDescription,
  move?: { readonly adding: readonly number[]; readonly removing: readonly number[] },
): string {
  const line = `\tTopic: ${topic}\tPartition: ${partition}\tLeader: ${leader < 0 ? "none" : leader}\tReplicas: ${replicas.join(",")}\tIsr: ${isr.join(",")}`
  const moving =
    move === undefined
      ? ""
      : `\tAdding Replicas: ${move.adding.join(",")}\tRemoving Replicas: ${move.removing.join(",")}`
  return `${line}${moving}\tElr: ${eligibleLeaders.join(",")}\tLastKnownElr: ${lastKnownEligibleLeaders.join(",")}`
}
