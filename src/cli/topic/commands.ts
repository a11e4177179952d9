/**
 * `ottla topic`: its verbs, their flags, and what `--help` says.
 *
 * Owns the words. What each verb does is loaded when it is called.
 */
import { buildCommand, buildRouteMap } from "@stricli/core"
import { dryRun, listing, listingAliases, names, oneName, parsed, text, texts, yes } from "../flags.js"
import { parsePartitions, parseSetting, wholeNumber } from "../units.js"
import type { AlterFlags, CreateFlags, DeleteFlags, DescribeFlags, ListFlags, TrimFlags } from "./topics.js"

const partitions = parsed(wholeNumber("--partitions", 1, 1_000_000), "count", "Partitions")

const list = buildCommand({
  docs: {
    brief: "List topics",
    fullDescription: "Example: ottla topic list -o json",
  },
  parameters: {
    flags: {
      ...listing,
      internal: { kind: "boolean", brief: "Also what belongs to the brokers", default: false },
      match: text("text", "Only names that contain it"),
    },
    aliases: listingAliases,
  },
  loader: async () => {
    const { list } = await import("./topics.js")
    return (flags: ListFlags) => list(flags)
  },
})

const create = buildCommand({
  docs: {
    brief: "Make topics",
    fullDescription:
      "Settings are Kafka's; sizes and durations may be written with units.\nExamples:\n  ottla topic create orders -p 6 -r 3 -c retention.ms=7d\n  ottla topic create a b c --if-not-exists",
  },
  parameters: {
    flags: {
      ...listing,
      partitions,
      replicas: parsed(wholeNumber("--replicas", 1, 1000), "count", "Replicas of each partition"),
      config: { ...texts("name=value", "A setting; may be given several times"), parse: parseSetting },
      ifNotExists: { kind: "boolean", brief: "One that is there already is no failure", default: false },
      dryRun,
    },
    aliases: { ...listingAliases, p: "partitions", r: "replicas", c: "config" },
    positional: names("topic", "Its name"),
  },
  loader: async () => {
    const { create } = await import("./topics.js")
    return (flags: CreateFlags, ...topics: string[]) => create(flags, topics)
  },
})

const describe = buildCommand({
  docs: {
    brief: "Tell where a topic's partitions are, where they begin and end, and what is set",
    fullDescription: "Example: ottla topic describe orders",
  },
  parameters: { flags: listing, aliases: listingAliases, positional: names("topic", "Its name") },
  loader: async () => {
    const { describe } = await import("./topics.js")
    return (flags: DescribeFlags, ...topics: string[]) => describe(flags, topics)
  },
})

const alter = buildCommand({
  docs: {
    brief: "Give a topic more partitions or other settings",
    fullDescription:
      "Tells each setting before and after.\nExamples:\n  ottla topic alter orders -c retention.ms=1d -c cleanup.policy=compact --dry-run\n  ottla topic alter orders --partitions 12 --unset retention.ms",
  },
  parameters: {
    flags: {
      ...listing,
      partitions,
      config: { ...texts("name=value", "A setting; may be given several times"), parse: parseSetting },
      unset: texts("name", "A setting that goes back to what is inherited"),
      dryRun,
    },
    aliases: { ...listingAliases, p: "partitions", c: "config" },
    positional: oneName("topic", "Its name"),
  },
  loader: async () => {
    const { alter } = await import("./change.js")
    return (flags: AlterFlags, topic: string) => alter(flags, topic)
  },
})

const remove = buildCommand({
  docs: {
    brief: "Delete topics and all that is in them",
    fullDescription:
      "Asks first on a terminal; elsewhere it needs --yes.\nExample: ottla topic delete old-orders --yes",
  },
  parameters: {
    flags: {
      ...listing,
      yes,
      dryRun,
      ifExists: { kind: "boolean", brief: "One that is not there is no failure", default: false },
    },
    aliases: { ...listingAliases, y: "yes" },
    positional: names("topic", "Its name"),
  },
  loader: async () => {
    const { remove } = await import("./change.js")
    return (flags: DeleteFlags, ...topics: string[]) => remove(flags, topics)
  },
})

const trim = buildCommand({
  docs: {
    brief: "Delete the oldest records of a topic",
    fullDescription:
      "Deletes what comes before a place: an offset, a time, or so many records before the end.\nExamples:\n  ottla topic trim orders --before @7d --dry-run\n  ottla topic trim orders -p 0 --before 1200 --yes\n  ottla topic trim orders --before latest --yes       (all records)",
  },
  parameters: {
    flags: {
      ...listing,
      before: { kind: "parsed", parse: String, brief: "Where what is kept begins", placeholder: "place" },
      partition: parsed(parsePartitions, "0,2-4", "Only these partitions"),
      yes,
      dryRun,
    },
    aliases: { ...listingAliases, p: "partition", y: "yes" },
    positional: oneName("topic", "Its name"),
  },
  loader: async () => {
    const { trim } = await import("./change.js")
    return (flags: TrimFlags, topic: string) => trim(flags, topic)
  },
})

export const topicRoutes = buildRouteMap({
  routes: { list, create, describe, alter, delete: remove, trim },
  docs: {
    brief: "Look at topics and change them",
    fullDescription: "Example: ottla topic create orders -p 6 && ottla topic describe orders",
  },
})
