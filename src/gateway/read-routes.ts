/**
 * Reading without a group: a page of a partition, or a topic as it grows.
 *
 * Owns cursors: what a reader goes on with is in its hands, `next_offset` of a page and the id of an event. Nothing is remembered here between two requests.
 */
import { Buffer } from "node:buffer"
import * as v from "valibot"
import type { Consumer } from "../client/consumer/consumer.js"
import { answerBytesMax, answerRecordsMax } from "./limits.js"
import { earliestTimestamp, latestTimestamp } from "./lookup.js"
import {
  offsetOutOfRange,
  type OutputRecord,
  outputRecordSchema,
  toOutputRecord,
  topicNameSchema,
  type ValueForm,
  valueForms,
} from "./payload.js"
import { badField, problemOf, defect } from "./problem.js"
import { accepts, integerText, jsonAnswer, type Route, route } from "./route.js"
import type { Services } from "./services.js"
import { streamOf } from "./streams.js"

export const offsetMax = Number.MAX_SAFE_INTEGER
const limitDefault = 100
/** An event stream says that it is alive. */
export const heartbeatIntervalMs = 15_000
const streamRecordsMax = 500

const ndjson = "application/x-ndjson"
export const partitionText = integerText("partition", 0, 0x7fffffff)
export const timestampText = integerText("timestamp", 0, 8.64e15)
export const valueFormSchema = v.pipe(
  v.optional(v.picklist(valueForms, `value: give ${valueForms.join(", ")}`), "base64"),
  v.description("How values come where they can: base64 as `value`, UTF-8 as `valueText`, JSON as `valueJson`"),
)
const offsetText = v.union(
  [integerText("offset", 0, offsetMax), v.picklist(["earliest", "latest"])],
  "offset: give a number from 0, earliest or latest",
)
const pageSchema = v.strictObject({
  messages: v.array(outputRecordSchema),
  next_offset: v.pipe(v.number(), v.integer(), v.description("Where the next page begins")),
  log_start_offset: v.pipe(v.number(), v.integer()),
  high_watermark: v.pipe(
    v.number(),
    v.integer(),
    v.description("The end: one more than the last record that is there for readers"),
  ),
})

export const linesOf = (records: readonly OutputRecord[]): string =>
  records.map((record) => `${JSON.stringify(record)}\n`).join("")

export function readRoutes(services: Services): Route[] {
  const { lookup } = services
  return [
    route({
      method: "GET",
      path: "/topics/{topic}/partitions/{partition}/records",
      tag: "Read",
      summary: "Read a page of a partition",
      description:
        "Records that are there now, from an offset or a time on. Without either: from the beginning. Read on with offset = next_offset. Accept: application/x-ndjson gives a record a line, and next_offset in the header Next-Offset.",
      params: v.strictObject({ topic: topicNameSchema, partition: partitionText }),
      query: v.strictObject({
        offset: v.optional(offsetText),
        timestamp: v.optional(timestampText),
        limit: v.optional(integerText("limit", 1, answerRecordsMax)),
        value: valueFormSchema,
      }),
      answers: {
        200: {
          description: "The page; empty at the end.",
          schema: pageSchema,
          contentTypes: ["application/json", ndjson],
        },
      },
      problems: {
        400: "a field is wrong, or the offset is before the first or after the end",
        404: "the topic or the partition does not exist",
        503: "no broker can be reached, or nobody leads the partition",
      },
      async handle({ context, params: { topic, partition }, query }) {
        const { offset, timestamp, limit = limitDefault, value } = query
        if (offset !== undefined && timestamp !== undefined)
          throw badField("timestamp", "offset and timestamp are both given", "give one of them")
        const from =
          typeof offset === "number"
            ? offset
            : await lookup.offsetAt(
                topic,
                partition,
                timestamp ?? (offset === "latest" ? latestTimestamp : earliestTimestamp),
              )
        const page = await lookup.read(topic, partition, from, { limit, maxBytes: answerBytesMax })
        if (page.isOutOfRange) throw offsetOutOfRange("offset", from, page.logStartOffset, page.highWatermark)
        const messages = page.records.map((record) => toOutputRecord(record, value))
        if (accepts(context, ndjson))
          return new Response(linesOf(messages), {
            headers: { "content-type": ndjson, "next-offset": String(page.nextOffset) },
          })
        return jsonAnswer({
          messages,
          next_offset: page.nextOffset,
          log_start_offset: page.logStartOffset,
          high_watermark: page.highWatermark,
        })
      },
    }),
    route({
      method: "GET",
      path: "/topics/{topic}/stream",
      tag: "Read",
      summary: "Follow a topic",
      description:
        "Server-sent events: `event: record` with a record as data; its id is the place after it in every partition, and Last-Event-ID goes on there. `event: error` with a problem ends the stream. A comment says every 15 seconds that it lives. Accept: application/x-ndjson gives a record a line instead.",
      params: v.strictObject({ topic: topicNameSchema }),
      query: v.strictObject({
        from: v.optional(v.picklist(["earliest", "latest"], "from: give earliest or latest"), "latest"),
        partition: v.optional(partitionText),
        value: valueFormSchema,
      }),
      headers: { "Last-Event-ID": "Id of the last event that was seen; the stream goes on after it." },
      answers: {
        200: { description: "The stream.", schema: outputRecordSchema, contentTypes: ["text/event-stream", ndjson] },
      },
      problems: {
        400: "a field is wrong, or Last-Event-ID is none or beyond the end",
        404: "the topic or the partition does not exist",
        429: "too many streams are open",
        503: "no broker can be reached",
      },
      async handle({ context, params: { topic }, query }) {
        const { partitions } =
          query.partition === undefined ? await lookup.find(topic) : await lookup.findPartition(topic, query.partition)
        const wanted = query.partition === undefined ? partitions.map((_, index) => index) : [query.partition]
        const cursor = await startOf(services, topic, wanted, context.req.header("last-event-id"), query.from)
        services.occupancy.takeStream()
        const { consumer, close } = services.reader(topic, wanted, query.from)
        for (const [partition, offset] of cursor) consumer.seek(topic, partition, BigInt(offset))
        const asLines = accepts(context, ndjson)
        const leaving = new AbortController()
        const events = follow(consumer, cursor, asLines, query.value, leaving.signal)
        return new Response(
          streamOf(events, () => {
            leaving.abort()
            services.occupancy.endStream()
            void close()
          }),
          { headers: { "content-type": asLines ? ndjson : "text/event-stream", "cache-control": "no-store" } },
        )
      },
    }),
  ]
}

/** The next offset of each partition. Told anew with each event, for the caller may come back with it. */
type Cursor = Map<number, number>

async function startOf(
  { lookup }: Services,
  topic: string,
  partitions: readonly number[],
  lastEventId: string | undefined,
  from: "earliest" | "latest",
): Promise<Cursor> {
  const told = lastEventId === undefined || lastEventId === "" ? new Map<number, number>() : parseCursor(lastEventId)
  const timestamp = from === "earliest" ? earliestTimestamp : latestTimestamp
  const starts = await Promise.all(
    partitions.map(async (partition) => {
      const offset = told.get(partition)
      if (offset === undefined) {
        // A partition that is new to a cursor has nothing that its reader has seen.
        const start = await lookup.offsetAt(topic, partition, told.size > 0 ? earliestTimestamp : timestamp)
        return [partition, start] as const
      }
      const [first, end] = await Promise.all([
        lookup.offsetAt(topic, partition, earliestTimestamp),
        lookup.offsetAt(topic, partition, latestTimestamp),
      ])
      if (offset > end) throw offsetOutOfRange("header Last-Event-ID", offset, first, end)
      return [partition, Math.max(first, offset)] as const
    }),
  )
  return new Map(starts)
}

function parseCursor(text: string): Cursor {
  const cursor: Cursor = new Map()
  for (const part of text.split(",")) {
    const match = /^(\d{1,10}):(\d{1,16})$/.exec(part)
    const offset = Number(match?.[2])
    if (match === null || offset > offsetMax)
      throw badField(
        "header Last-Event-ID",
        "it is no id of an event of this stream",
        "give the id as it came, or leave it out",
      )
    cursor.set(Number(match[1]), offset)
  }
  return cursor
}

const cursorText = (cursor: Cursor): string =>
  [...cursor].map(([partition, offset]) => `${partition}:${offset}`).join(",")

async function* follow(
  consumer: Consumer,
  cursor: Cursor,
  asLines: boolean,
  form: ValueForm,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  // Whoever connects learns at once that it worked, and where it is.
  if (!asLines) yield Buffer.from(`id: ${cursorText(cursor)}\nevent: open\ndata: {}\n\n`)
  while (!signal.aborted) {
    let text = ""
    try {
      const records = await consumer.poll({ max: streamRecordsMax, timeoutMs: heartbeatIntervalMs, signal })
      if (signal.aborted) return
      for (const record of records) {
        cursor.set(record.partition, Number(record.offset) + 1)
        const data = JSON.stringify(toOutputRecord(record, form))
        text += asLines ? `${data}\n` : `id: ${cursorText(cursor)}\nevent: record\ndata: ${data}\n\n`
      }
      if (records.length === 0) text = asLines ? "\n" : ": alive\n\n"
    } catch (error) {
      if (signal.aborted) return
      const { body } = problemOf(error) ?? defect()
      yield Buffer.from(
        asLines ? `${JSON.stringify({ error: body })}\n` : `event: error\ndata: ${JSON.stringify(body)}\n\n`,
      )
      return
    }
    yield Buffer.from(text)
  }
}
