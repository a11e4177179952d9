/**
 * `ottla group`: its verbs, their flags, and what `--help` says.
 *
 * Owns the words. What each verb does is loaded when it is called.
 */
import { buildCommand, buildRouteMap } from "@stricli/core"
import { dryRun, listing, listingAliases, names, oneName, parsed, text, yes } from "../flags.js"
import { parseDuration, parsePartitions } from "../units.js"
import type { ExplainFlags } from "./explain.js"
import type { DeleteFlags, ListFlags } from "./groups.js"
import type { LagFlags, WatchFlags } from "./lag.js"
import type { SeekFlags } from "./seek.js"

const list = buildCommand({
  docs: { brief: "List groups", fullDescription: "Example: ottla group list --state Stable -o name" },
  parameters: {
    flags: { ...listing, state: text("state", "Only groups in this state, such as Stable or Empty") },
    aliases: listingAliases,
  },
  loader: async () => {
    const { list } = await import("./groups.js")
    return (flags: ListFlags) => list(flags)
  },
})

const describe = buildCommand({
  docs: {
    brief: "Tell who is in a group, and who reads what",
    fullDescription: "Example: ottla group describe billing",
  },
  parameters: { flags: listing, aliases: listingAliases, positional: names("group", "Its id") },
  loader: async () => {
    const { describe } = await import("./groups.js")
    return (flags: Omit<ListFlags, "state">, ...groupIds: string[]) => describe(flags, groupIds)
  },
})

const lag = buildCommand({
  docs: {
    brief: "Tell how far behind a group is, partition by partition",
    fullDescription: "Example: ottla group lag billing -o json",
  },
  parameters: { flags: listing, aliases: listingAliases, positional: names("group", "Its id") },
  loader: async () => {
    const { lag } = await import("./lag.js")
    return (flags: LagFlags, ...groupIds: string[]) => lag(flags, groupIds)
  },
})

const watch = buildCommand({
  docs: {
    brief: "Tell how far behind a group is, again and again",
    fullDescription: "Control-C ends it.\nExample: ottla group watch billing --interval 5s",
  },
  parameters: {
    flags: {
      bootstrapServer: listing.bootstrapServer,
      interval: { kind: "parsed", parse: parseDuration, brief: "Between two looks", default: "2s", placeholder: "2s" },
    },
    aliases: { b: "bootstrapServer" },
    positional: oneName("group", "Its id"),
  },
  loader: async () => {
    const { watch } = await import("./lag.js")
    return (flags: WatchFlags, groupId: string) => watch(flags, groupId)
  },
})

const places = {
  to: { kind: "parsed", parse: String, brief: "Where it goes on reading", placeholder: "place" },
  topic: text("topic", "Only this topic; also one it has not read yet"),
  partition: parsed(parsePartitions, "0,2-4", "With --topic: only these partitions"),
} as const

const placeText =
  "A place is earliest, latest, an offset such as 47, -5 (five before the end), +5 (five after the start), @2026-01-31T10:00:00Z, or @10m (ten minutes ago). Refused while the group has members."

const seek = buildCommand({
  docs: {
    brief: "Set where a group goes on reading",
    fullDescription: `${placeText}\nExamples:\n  ottla group seek billing --to @1h\n  ottla group seek billing --topic orders -p 0 --to 1200`,
  },
  parameters: {
    flags: { ...listing, ...places, dryRun },
    aliases: { ...listingAliases, p: "partition" },
    positional: oneName("group", "Its id"),
  },
  loader: async () => {
    const { seek } = await import("./seek.js")
    return (flags: SeekFlags, groupId: string) => seek(flags, groupId)
  },
})

const reset = buildCommand({
  docs: {
    brief: "As seek, but only tells what would be done unless it is told to --execute",
    fullDescription: `${placeText}\nExamples:\n  ottla group reset billing --to earliest\n  ottla group reset billing --to earliest --execute`,
  },
  parameters: {
    flags: {
      ...listing,
      ...places,
      execute: { kind: "boolean", brief: "Do it", default: false },
      dryRun: { kind: "boolean", brief: "Only tell, which is the default", default: false },
    },
    aliases: { ...listingAliases, p: "partition" },
    positional: oneName("group", "Its id"),
  },
  loader: async () => {
    const { seek } = await import("./seek.js")
    return ({ execute, dryRun: isDry, ...flags }: SeekFlags & { readonly execute: boolean }, groupId: string) =>
      seek({ ...flags, dryRun: isDry || !execute }, groupId)
  },
})

const remove = buildCommand({
  docs: {
    brief: "Delete groups without members, and their offsets",
    fullDescription: "Asks first on a terminal; elsewhere it needs --yes.\nExample: ottla group delete billing --yes",
  },
  parameters: {
    flags: { ...listing, yes, dryRun },
    aliases: { ...listingAliases, y: "yes" },
    positional: names("group", "Its id"),
  },
  loader: async () => {
    const { remove } = await import("./groups.js")
    return (flags: DeleteFlags, ...groupIds: string[]) => remove(flags, groupIds)
  },
})

const explain = buildCommand({
  docs: {
    brief: "Tell what happened to a consumer group, and why",
    fullDescription:
      "Prints the members of a group and who of them is late, how far the group is behind in each partition, and the last joins, departures and rebalances with their reasons. Works with Ottla only.\nExample: ottla group explain billing --bootstrap-server 127.0.0.1:9092",
  },
  parameters: {
    flags: {
      bootstrapServer: listing.bootstrapServer,
      output: { kind: "enum", values: ["table", "json"], brief: "Form of what is printed", default: "table" },
    },
    aliases: listingAliases,
    positional: oneName("group", "Its id"),
  },
  loader: async () => {
    const { explainGroupCommand } = await import("./explain.js")
    return (flags: ExplainFlags, groupId: string) => explainGroupCommand(groupId, flags)
  },
})

export const groupRoutes = buildRouteMap({
  routes: { list, describe, lag, seek, reset, delete: remove, explain, watch },
  docs: {
    brief: "Look at consumer groups, and say where they go on reading",
    fullDescription: "Example: ottla group lag billing",
  },
})
