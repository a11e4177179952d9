/**
 * `ottla config`: its verbs, their flags, and what `--help` says.
 *
 * Owns the words. What each verb does is loaded when it is called.
 */
import { buildCommand, buildRouteMap } from "@stricli/core"
import { dryRun, listing, listingAliases } from "../flags.js"
import type { GetFlags, SetFlags } from "./configs.js"

const resource = {
  parse: String,
  brief: "topic/<name>, broker/<id>, broker (all of them) or group/<id>",
  placeholder: "resource",
} as const

const withNames = (what: string, brief: string) =>
  ({
    kind: "array",
    parameter: { parse: String, brief: `${resource.brief}; then ${brief}`, placeholder: what },
    minimum: 1,
  }) as const

const get = buildCommand({
  docs: {
    brief: "Tell settings, and where their values come from",
    fullDescription:
      "Without names it tells what is set; --all also what is inherited.\nExamples:\n  ottla config get topic/orders\n  ottla config get broker/1 log.retention.ms\n  ottla config get topic/orders --all -o json",
  },
  parameters: {
    flags: { ...listing, all: { kind: "boolean", brief: "Also what is inherited", default: false } },
    aliases: { ...listingAliases, a: "all" },
    positional: withNames("resource|name", "names of settings"),
  },
  loader: async () => {
    const { get } = await import("./configs.js")
    return (flags: GetFlags, target: string, ...settings: string[]) => get(flags, target, settings)
  },
})

const set = buildCommand({
  docs: {
    brief: "Change settings",
    fullDescription:
      "All settings of one call change, or none. Sizes and durations may be written with units.\nExamples:\n  ottla config set topic/orders retention.ms=7d segment.bytes=64MiB --dry-run\n  ottla config set broker log.cleaner.threads=2",
  },
  parameters: {
    flags: { ...listing, dryRun },
    aliases: listingAliases,
    positional: withNames("resource|name=value", "settings"),
  },
  loader: async () => {
    const { set } = await import("./configs.js")
    return (flags: SetFlags, target: string, ...settings: string[]) => set(flags, target, settings)
  },
})

const unset = buildCommand({
  docs: {
    brief: "Let settings go back to what is inherited",
    fullDescription: "Example: ottla config unset topic/orders retention.ms",
  },
  parameters: {
    flags: { ...listing, dryRun },
    aliases: listingAliases,
    positional: withNames("resource|name", "names of settings"),
  },
  loader: async () => {
    const { unset } = await import("./configs.js")
    return (flags: SetFlags, target: string, ...settings: string[]) => unset(flags, target, settings)
  },
})

export const configRoutes = buildRouteMap({
  routes: { get, set, unset },
  docs: {
    brief: "Look at settings of topics, brokers and groups, and change them",
    fullDescription: "Example: ottla config get topic/orders",
  },
})
