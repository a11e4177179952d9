/**
 * Keys, values and headers of records as JSON has them, in both directions.
 *
 * Owns the forms. One rule: a plain `key` and a header's plain `value` are text, a record's plain `value` is base64; another form says so in its name (`valueText`, `valueJson`, `keyBase64`, `keyJson`, `valueBase64` of a header). On
 * the way out bytes that are not UTF-8 come in the form that can hold them, so nothing is lost.
 */
import { Buffer, isUtf8 } from "node:buffer"
import * as v from "valibot"
import type { ConsumerRecord } from "../client/consumer/record.js"
import type { ProducerRecord } from "../client/producer/producer.js"
import type { Header } from "../client/producer/producer-batch.js"
import { badField, Problem } from "./problem.js"

const base64Pattern = /^[A-Za-z0-9+/]*={0,2}$/
const isBase64 = (text: string): boolean => text.length % 4 === 0 && base64Pattern.test(text)
const base64 = (what: string) =>
  v.pipe(
    v.string(`${what}: not text; write bytes as base64`),
    v.check(
      isBase64,
      `${what}: not base64 (RFC 4648, with padding); plain text goes into the form with Text in its name`,
    ),
    v.metadata({ contentEncoding: "base64" }),
  )
const anyJson = v.unknown()

export const headersMax = 1000
const partitionMax = 0x7fffffff
const timestampMax = 8.64e15
const idLengthMax = 200

const headerSchema = v.pipe(
  v.strictObject({
    name: v.string("a header's name is text"),
    value: v.optional(v.nullable(v.string("a header's value is text; bytes go into valueBase64"))),
    valueBase64: v.optional(base64("valueBase64")),
    valueJson: v.optional(anyJson),
  }),
  v.description(
    "One header. `value` is text, or null; `valueBase64` bytes; `valueJson` any JSON, stored as its text. At most one of them.",
  ),
)

const recordEntries = {
  key: v.optional(v.nullable(v.string("key: not text; bytes go into keyBase64, other JSON into keyJson"))),
  keyBase64: v.optional(base64("keyBase64")),
  keyJson: v.optional(anyJson),
  value: v.optional(v.nullable(base64("value"))),
  valueText: v.optional(v.string("valueText: not text")),
  valueJson: v.optional(anyJson),
  headers: v.optional(
    v.union(
      [v.pipe(v.array(headerSchema), v.maxLength(headersMax)), v.record(v.string(), v.string())],
      "headers: neither an array of {name, value} nor an object of texts",
    ),
  ),
  partition: v.optional(
    v.pipe(v.number("partition: not a number"), v.integer(), v.minValue(0), v.maxValue(partitionMax)),
  ),
  timestamp: v.optional(
    v.pipe(v.number("timestamp: not a number"), v.integer(), v.minValue(0), v.maxValue(timestampMax)),
  ),
}

/** A record to be stored. */
export const recordSchema = v.pipe(
  v.strictObject(recordEntries),
  v.description(
    "A record. `key` is text (or keyBase64, keyJson), `value` base64 (or valueText, valueJson); at most one form of each. Without a value, or with null: a tombstone. `timestamp` is in milliseconds since 1970.",
  ),
)
export const recordWithIdSchema = v.pipe(
  v.strictObject({ ...recordEntries, id: v.optional(v.pipe(v.string(), v.maxLength(idLengthMax))) }),
  v.description("A record as in POST /topics/{topic}/messages; `id` comes back with its result."),
)

const isWhole = (value: unknown, max: number): boolean =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max

/** True: `recordSchema` takes it, and makes the same of it. It looks at what most records have, at a small part of the cost; false says nothing. */
export function isSurelyRecord(value: unknown): value is v.InferOutput<typeof recordSchema> {
  return isSurely(value, false)
}

export function isSurelyRecordWithId(value: unknown): value is RecordInput {
  return isSurely(value, true)
}

function isSurely(value: unknown, mayHaveId: boolean): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false
  for (const name in value) {
    const field = (value as Record<string, unknown>)[name]
    switch (name) {
      case "key":
      case "valueText":
        if (typeof field !== "string") return false
        break
      case "value":
        if (typeof field !== "string" || !isBase64(field)) return false
        break
      case "partition":
        if (!isWhole(field, partitionMax)) return false
        break
      case "timestamp":
        if (!isWhole(field, timestampMax)) return false
        break
      case "id":
        if (!mayHaveId || typeof field !== "string" || field.length > idLengthMax) return false
        break
      default:
        return false
    }
  }
  return true
}

export type RecordInput = v.InferOutput<typeof recordWithIdSchema>

/**
 * The record that the producer is given.
 *
 * Errors: Problem for forms that exclude each other, `at` is the path before the field.
 */
export function toProducerRecord(topic: string, input: RecordInput, at = ""): ProducerRecord {
  const { headers, partition, timestamp } = input
  return {
    topic,
    key: chooseOne(at, "key", input.key, input.keyBase64, input.keyJson),
    value:
      input.valueText === undefined && input.valueJson === undefined
        ? bytesOf(input.value)
        : chooseOne(at, "value", input.valueText, input.value ?? undefined, input.valueJson),
    ...(headers !== undefined && { headers: toHeaders(headers, at) }),
    ...(partition !== undefined && { partition }),
    ...(timestamp !== undefined && { timestamp }),
  }
}

const bytesOf = (text: string | null | undefined): Buffer | null =>
  text === null || text === undefined ? null : Buffer.from(text, "base64")

function chooseOne(
  at: string,
  name: string,
  text: string | null | undefined,
  encoded: string | undefined,
  json: unknown,
): string | Buffer | null {
  const given = [text, encoded, json].filter((form) => form !== undefined)
  if (given.length > 1) throw badField(`${at}${name}`, `${at}${name} is given in two forms`, "give one of them")
  if (encoded !== undefined) return Buffer.from(encoded, "base64")
  if (json !== undefined) return JSON.stringify(json)
  return text ?? null
}

/** In their order; a name may be there several times. */
function toHeaders(headers: NonNullable<RecordInput["headers"]>, at: string): Header[] {
  if (!Array.isArray(headers)) return Object.entries(headers).map(([key, value]) => ({ key, value }))
  return headers.map(({ name, value, valueBase64, valueJson }, index) => ({
    key: name,
    value: chooseOne(`${at}headers.${index}.`, "value", value, valueBase64, valueJson),
  }))
}

/** How values are to be handed out where they can be. */
export const valueForms = ["base64", "text", "json"] as const
export type ValueForm = (typeof valueForms)[number]

export const outputHeaderSchema = v.strictObject({
  name: v.string(),
  value: v.optional(v.nullable(v.string())),
  valueBase64: v.optional(v.string()),
})
export const outputRecordSchema = v.pipe(
  v.strictObject({
    topic: v.string(),
    partition: v.pipe(v.number(), v.integer()),
    offset: v.pipe(v.number(), v.integer()),
    timestamp: v.pipe(v.number(), v.integer()),
    key: v.optional(v.nullable(v.string())),
    keyBase64: v.optional(v.string()),
    value: v.optional(v.nullable(v.string())),
    valueText: v.optional(v.string()),
    valueJson: v.optional(v.unknown()),
    headers: v.array(outputHeaderSchema),
  }),
  v.description(
    "A record that is stored. `key` and a header's `value` are text where the bytes are UTF-8, otherwise the same bytes come as `keyBase64` and `valueBase64`; null where there is none. `value` is base64, or null for a tombstone; asked for with value=text or value=json, bytes that are UTF-8, or JSON, come as `valueText` or `valueJson` in its place.",
  ),
)
export type OutputRecord = v.InferOutput<typeof outputRecordSchema>

export function toOutputRecord(record: ConsumerRecord, form: ValueForm): OutputRecord {
  const { topic, partition, offset, timestamp, key, value, headers } = record
  return {
    topic,
    partition,
    offset: Number(offset),
    timestamp,
    ...(key === null || isUtf8(key)
      ? { key: key === null ? null : key.toString() }
      : { keyBase64: key.toString("base64") }),
    ...valueAs(value, form),
    headers: headers.map(({ key: name, value: bytes }) =>
      bytes === null || isUtf8(bytes)
        ? { name, value: bytes === null ? null : bytes.toString() }
        : { name, valueBase64: bytes.toString("base64") },
    ),
  }
}

function valueAs(value: Buffer | null, form: ValueForm): Pick<OutputRecord, "value" | "valueText" | "valueJson"> {
  if (value === null) return { value: null }
  if (form === "base64" || !isUtf8(value)) return { value: value.toString("base64") }
  const text = value.toString()
  if (form === "text") return { valueText: text }
  try {
    return { valueJson: JSON.parse(text) as unknown }
  } catch {
    return { value: value.toString("base64") }
  }
}

/** Kafka's grammar of topic names (SEC-11). */
const topicPattern = /^[A-Za-z0-9._-]{1,249}$/
export const isTopicName = (name: string): boolean => topicPattern.test(name) && name !== "." && name !== ".."

export const topicNameSchema = v.pipe(
  v.string("topic: not text"),
  v.check(
    isTopicName,
    "topic: a name has 1 to 249 of the characters a-z, A-Z, 0-9, '.', '_' and '-', and is not . or ..",
  ),
  v.metadata({ pattern: topicPattern.source }),
)

/** Where reading at an offset that is not there goes. */
export const offsetOutOfRange = (field: string, offset: number, first: number, end: number): Problem =>
  new Problem({
    status: 400,
    slug: "offset-out-of-range",
    title: "There is nothing at this offset",
    field,
    detail: `${offset} is not between the first offset and the end`,
    remedy: `choose ${first} to ${end}`,
    kafka: "OFFSET_OUT_OF_RANGE",
  })
