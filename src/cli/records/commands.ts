/**
 * `ottla produce`, `consume`, `cat` and `tail`: their flags, and what `--help` says.
 *
 * Owns the words. What each does is loaded when it is called.
 */
import { buildCommand } from "@stricli/core"
import { bootstrapServer, oneName, parsed, text, texts } from "../flags.js"
import { parseDuration, parsePartitions, parseRate, wholeNumber } from "../units.js"
import type { ConsumeFlags, ReadingFlags } from "./consume.js"
import type { ProduceFlags } from "./produce.js"

const topic = oneName("topic", "Its name")

export const produceCommand = buildCommand({
  docs: {
    brief: "Send records to a topic: a line of stdin each",
    fullDescription:
      "Examples:\n  echo hello | ottla produce greetings\n  printf 'k1:v1\\nk2:v2\\n' | ottla produce orders -K :\n  ottla produce orders -k customer-7 -H source=shell --file order.json        (the whole file is one record)\n  ottla produce logs --rate 100/s -o jsonl < app.log",
  },
  parameters: {
    flags: {
      bootstrapServer,
      key: text("key", "Key of every record"),
      keyDelimiter: text("text", "What parts key and value in a line"),
      header: texts("name=value", "A header of every record; may be given several times"),
      partition: parsed(wholeNumber("--partition", 0, 1_000_000), "number", "Partition of every record"),
      null: { kind: "boolean", brief: "Records with an empty value have none: tombstones", default: false },
      file: text("path", "Send this file as one record"),
      rate: parsed(parseRate, "100/s", "Records per second at most"),
      acks: { kind: "enum", values: ["all", "1"], brief: "When a record counts as stored", default: "all" },
      compression: {
        kind: "enum",
        values: ["none", "gzip", "snappy", "lz4", "zstd"],
        brief: "Of batches",
        default: "none",
      },
      output: {
        kind: "enum",
        values: ["none", "jsonl"],
        brief: "What is printed of each record that was stored",
        default: "none",
      },
    },
    aliases: {
      b: "bootstrapServer",
      k: "key",
      K: "keyDelimiter",
      H: "header",
      p: "partition",
      z: "compression",
      o: "output",
    },
    positional: topic,
  },
  loader: async () => {
    const { produce } = await import("./produce.js")
    return (flags: ProduceFlags, name: string) => produce(flags, name)
  },
})

const format = {
  kind: "parsed",
  parse: String,
  brief:
    "Form of a record: json, or a text with %t topic, %p partition, %o offset, %k key, %v value, %h headers, %d time, %T milliseconds, %K and %S bytes of key and value, \\n, \\t",
  default: "%v\\n",
  placeholder: "format",
} as const

const reading = {
  bootstrapServer,
  format,
  partition: parsed(parsePartitions, "0,2-4", "Only these partitions"),
  count: parsed(wholeNumber("--count", 1, Number.MAX_SAFE_INTEGER), "count", "Stop after so many records"),
} as const

const readingAliases = { b: "bootstrapServer", f: "format", p: "partition", n: "count" } as const

export const consumeCommand = buildCommand({
  docs: {
    brief: "Print the records of a topic",
    fullDescription:
      "Without --end it waits for what comes. An offset is earliest, latest, 47, -5 (five before the end), +5 (five after the start), @2026-01-31T10:00:00Z or @10m (ten minutes ago).\nExamples:\n  ottla consume orders -o earliest -e -f '%p %o %k %v\\n'\n  ottla consume orders -o -10 -n 10\n  ottla consume orders -o @1h -f json\n  ottla consume orders -g billing -o earliest        (-o for what the group has not read yet)",
  },
  parameters: {
    flags: {
      ...reading,
      offset: text("place", "Where reading begins; latest if not given"),
      group: text("group", "Read as a member of this group, from where it was, and commit what was printed"),
      end: { kind: "boolean", brief: "Stop at the end, as it is now", default: false },
      follow: { kind: "boolean", brief: "Go on at the end, as without --end", default: false },
      timeout: parsed(parseDuration, "10s", "Stop when nothing came for so long, with exit code 124"),
    },
    aliases: { ...readingAliases, o: "offset", g: "group", e: "end", F: "follow" },
    positional: topic,
  },
  loader: async () => {
    const { consume } = await import("./consume.js")
    return (flags: ConsumeFlags, name: string) => consume(flags, name)
  },
})

export const catCommand = buildCommand({
  docs: {
    brief: "Print all records of a topic and stop: consume -o earliest --end",
    fullDescription: "Example: ottla cat orders -f json > orders.jsonl",
  },
  parameters: { flags: reading, aliases: readingAliases, positional: topic },
  loader: async () => {
    const { consume } = await import("./consume.js")
    return (flags: ReadingFlags & Pick<ConsumeFlags, "count">, name: string) =>
      consume({ ...flags, offset: "earliest", end: true, follow: false }, name)
  },
})

export const tailCommand = buildCommand({
  docs: {
    brief: "Print the last records of each partition of a topic, and what comes",
    fullDescription: "Example: ottla tail orders -n 20",
  },
  parameters: {
    flags: {
      bootstrapServer,
      format,
      partition: reading.partition,
      lines: {
        kind: "parsed",
        parse: wholeNumber("--lines", 0, Number.MAX_SAFE_INTEGER),
        brief: "Records of each partition to begin with",
        default: "10",
        placeholder: "count",
      },
    },
    aliases: { b: "bootstrapServer", f: "format", p: "partition", n: "lines" },
    positional: topic,
  },
  loader: async () => {
    const { consume } = await import("./consume.js")
    return (flags: ReadingFlags & { readonly lines: number }, name: string) =>
      consume({ ...flags, offset: `-${flags.lines}`, end: false, follow: true }, name)
  },
})
