/**
 * `ottla bench`: its verbs, their flags, and what `--help` says.
 *
 * Owns the words. What each verb does is loaded when it is called.
 */
import { buildCommand, buildRouteMap } from "@stricli/core"
import type { BenchFlags, BenchProduceFlags } from "./bench.js"
import { bootstrapServer, oneName } from "./flags.js"
import { parseSize, wholeNumber } from "./units.js"

const common = {
  bootstrapServer,
  records: {
    kind: "parsed",
    parse: wholeNumber("--records", 1, 1_000_000_000),
    brief: "As many records, or all there are",
    default: "1000000",
    placeholder: "count",
  },
  output: { kind: "enum", values: ["table", "json"], brief: "Form of what is printed", default: "table" },
} as const
const aliases = { b: "bootstrapServer", n: "records", o: "output" } as const

const produce = buildCommand({
  docs: {
    brief: "Send records as fast as they are taken",
    fullDescription: "The records stay in the topic.\nExample: ottla bench produce load -n 1000000 --size 100B",
  },
  parameters: {
    flags: {
      ...common,
      size: { kind: "parsed", parse: parseSize, brief: "Of a value", default: "100B", placeholder: "size" },
      acks: { kind: "enum", values: ["all", "1"], brief: "When a record counts as stored", default: "all" },
    },
    aliases: { ...aliases, s: "size" },
    positional: oneName("topic", "Its name"),
  },
  loader: async () => {
    const { benchProduce } = await import("./bench.js")
    return (flags: BenchProduceFlags, topic: string) => benchProduce(flags, topic)
  },
})

const consume = buildCommand({
  docs: {
    brief: "Read a topic from its beginning as fast as it comes",
    fullDescription: "Example: ottla bench consume load",
  },
  parameters: { flags: common, aliases, positional: oneName("topic", "Its name") },
  loader: async () => {
    const { benchConsume } = await import("./bench.js")
    return (flags: BenchFlags, topic: string) => benchConsume(flags, topic)
  },
})

export const benchRoutes = buildRouteMap({
  routes: { produce, consume },
  docs: {
    brief: "See how much goes through",
    fullDescription: "Example: ottla bench produce load && ottla bench consume load",
  },
})
