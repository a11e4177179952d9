/**
 * Storing records: one, many in one body, or as many lines as there are.
 *
 * Owns what is checked before anything is written (so that a bad request writes nothing), and the answer of each record. Nothing waits for one record before it sends the next: requests that are there together go into the same batches.
 */
import type { Buffer } from "node:buffer"
import * as v from "valibot"
import type { TopicView } from "../client/cluster.js"
import type { RecordMetadata, Settled } from "../client/producer/producer.js"
import type { Outcome } from "./idempotency.js"
import { batchRecordsMax } from "./limits.js"
import { storeLines } from "./produce-lines.js"
import {
  isSurelyRecord,
  isSurelyRecordWithId,
  type RecordInput,
  recordSchema,
  recordWithIdSchema,
  toProducerRecord,
  topicNameSchema,
} from "./payload.js"
import { defect, type Problem, problemOf, unknownPartition } from "./problem.js"
import type { PlainAnswer } from "./plain.js"
import { type Call, responseOf, type Route, route } from "./route.js"
import type { Services } from "./services.js"

const params = v.strictObject({ topic: topicNameSchema })
const integer = v.pipe(v.number(), v.integer())

export const storedSchema = v.strictObject({
  topic: v.string(),
  partition: integer,
  offset: v.pipe(
    integer,
    v.description("-1: stored before, by a try whose answer was lost, at an offset nobody remembers"),
  ),
  timestamp: integer,
})
const batchSchema = v.strictObject({
  messages: v.pipe(
    v.array(recordWithIdSchema, "messages: give an array of records"),
    v.minLength(1, "messages: give at least one record"),
    v.maxLength(batchRecordsMax, `messages: give at most ${batchRecordsMax} records`),
  ),
})
function isSurelyBatch(value: unknown): value is v.InferOutput<typeof batchSchema> {
  if (typeof value !== "object" || value === null) return false
  let isOther = false
  for (const name in value) if (name !== "messages") isOther = true
  const { messages } = value as { messages?: unknown }
  return (
    !isOther &&
    Array.isArray(messages) &&
    messages.length > 0 &&
    messages.length <= batchRecordsMax &&
    messages.every(isSurelyRecordWithId)
  )
}
const batchAnswerSchema = v.strictObject({
  topic: v.string(),
  offsets: v.pipe(v.array(integer), v.description("Of each message, in their order")),
  partitions: v.pipe(v.array(integer), v.description("Of each message, in their order")),
})
export const problemSchema = v.strictObject({
  type: v.string(),
  title: v.string(),
  status: integer,
  detail: v.string(),
  field: v.optional(v.string()),
  remedy: v.optional(v.string()),
  kafka_error: v.strictObject({ code: integer, name: v.string(), retriable: v.boolean() }),
})
export const resultSchema = v.strictObject({
  index: integer,
  id: v.optional(v.string()),
  status: integer,
  partition: v.optional(integer),
  offset: v.optional(integer),
  timestamp: v.optional(integer),
  error: v.optional(problemSchema),
})
const mixedSchema = v.strictObject({ topic: v.string(), results: v.array(resultSchema) })

const problems = {
  400: "the body is no such record: `field` says where",
  404: "the topic or the partition does not exist; nothing is written",
  413: "the body, or a record, is too large",
  415: "the body is not JSON",
  422: "the Idempotency-Key came with another body",
  429: "too much is under way; Retry-After says when to try again",
  503: "no broker can be reached, or not enough replicas are in sync; nothing is written",
  504: "no answer in time; it may have been written",
}
const headers = {
  "Idempotency-Key":
    "Up to 255 characters of the caller's choice. The same request with the same key is done once and answered the same, within ten minutes, by this gateway; a replayed answer says Idempotency-Replayed: true.",
}

export function produceRoutes(services: Services): Route[] {
  const { lookup, producer } = services

  const place = async (topic: string): Promise<TopicView> => lookup.known(topic) ?? (await lookup.find(topic))

  const send = (topic: string, record: RecordInput, view: TopicView, at?: string): Promise<RecordMetadata> => {
    const { partition } = record
    if (partition !== undefined && partition >= view.partitions.length)
      throw unknownPartition(topic, partition, view.partitions.length)
    return producer.send(toProducerRecord(topic, record, at))
  }

  const storeOne = async (topic: string, record: RecordInput): Promise<Outcome> => {
    const view = lookup.known(topic) ?? (await lookup.find(topic))
    const stored = await send(topic, record, view)
    return done(200, storedText(stored))
  }

  const storeBatch = async (topic: string, messages: readonly RecordInput[]): Promise<Outcome> => {
    const view = await place(topic)
    const count = view.partitions.length
    // All of them are looked at before the first is sent.
    const records = messages.map((message, index) => {
      const { partition } = message
      if (partition !== undefined && partition >= count)
        throw at(unknownPartition(topic, partition, count), `messages.${index}.partition`)
      return toProducerRecord(topic, message, `messages.${index}.`)
    })
    const settled = await producer.sendAllSettled(records)
    const { offsets, partitions, failed } = settled
    if (failed.size === 0) return done(200, JSON.stringify({ topic, offsets, partitions }))
    if (failed.size === messages.length) throw problemFor(failed.get(0))
    const results = messages.map(({ id }, index) =>
      resultOf(index, id, failed.has(index) ? undefined : placeIn(settled, index), failed.get(index)),
    )
    return done(207, JSON.stringify({ topic, results }))
  }

  const answer = async <P, Q, B>(
    call: Call<P, Q, B>,
    bytes: Buffer,
    work: () => Promise<Outcome>,
  ): Promise<Response> => {
    const key = call.context.req.header("idempotency-key")
    if (key === undefined) return responseOf(plainOf(await work(), false))
    const scope = `POST ${call.context.req.path.replace(/^\/v1\//, "/")}`
    // A problem is an outcome here: the next one with this key hears the same.
    const { outcome, isReplay } = await services.idempotency.once(scope, key, bytes, () =>
      work().catch((error: unknown) => {
        const problem = problemOf(error)
        if (problem === undefined) throw error
        return done(problem.status, JSON.stringify(problem.body), "application/problem+json", problem.status !== 504)
      }),
    )
    return responseOf(plainOf(outcome, isReplay))
  }

  return [
    route({
      method: "POST",
      path: "/topics/{topic}/messages",
      tag: "Produce",
      summary: "Store one record, or a stream of them",
      description:
        "Answers when the record is stored on all in-sync replicas. As application/x-ndjson the body is a record a line, of any number; each is answered with a line in the same order, while the body is still being sent.",
      params,
      body: recordSchema,
      headers,
      otherBodies: {
        "application/x-ndjson": {
          description: "A record a line. Answers application/x-ndjson, a result a line.",
          handle: async (call) => {
            const { topic } = call.params
            return storeLines(services, call.context.req.raw, async () => {
              const view = await place(topic)
              return (record) => send(topic, record, view)
            })
          },
        },
      },
      answers: {
        200: {
          description: "Stored. To lines: a result for each.",
          schema: storedSchema,
          contentTypes: ["application/json", "application/x-ndjson"],
        },
      },
      problems,
      isSurely: isSurelyRecord,
      plain: async (topic, body) => plainOf(await storeOne(topic, body), false),
      handle: (call, bytes) => answer(call, bytes, () => storeOne(call.params.topic, call.body)),
    }),
    route({
      method: "POST",
      path: "/topics/{topic}/messages/batch",
      tag: "Produce",
      summary: "Store many records",
      description:
        "Answers when all are stored, or have failed. Where some are and some are not: 207 with a result for each. All are checked before the first is written.",
      params,
      body: batchSchema,
      headers,
      answers: {
        200: { description: "All are stored.", schema: batchAnswerSchema },
        207: { description: "Some are stored: `status` says which.", schema: mixedSchema },
      },
      problems,
      isSurely: isSurelyBatch,
      plain: async (topic, body) => plainOf(await storeBatch(topic, body.messages), false),
      handle: (call, bytes) => answer(call, bytes, () => storeBatch(call.params.topic, call.body.messages)),
    }),
  ]
}

/** Both are plain characters or numbers; a topic's name needs no escape. */
const storedText = ({ topic, partition, offset, timestamp }: RecordMetadata): string =>
  `{"topic":"${topic}","partition":${partition},"offset":${offset},"timestamp":${timestamp}}`

const done = (status: number, body: string, contentType = "application/json", isUndone = false): Outcome => ({
  status,
  body,
  contentType,
  isUndone,
})

const plainHeaders = { "content-type": "application/json" }

function plainOf({ status, body, contentType }: Outcome, isReplay: boolean): PlainAnswer {
  const headers = isReplay
    ? { "content-type": contentType, "idempotency-replayed": "true" }
    : contentType === "application/json"
      ? plainHeaders
      : { "content-type": contentType }
  return { status, headers, body }
}

/** What a result says of where a record is. */
type Place = Pick<RecordMetadata, "partition" | "timestamp"> & { readonly offset: number | bigint }

const placeIn = ({ partitions, offsets, timestamps }: Settled, index: number): Place => ({
  partition: partitions[index]!,
  offset: offsets[index]!,
  timestamp: timestamps[index]!,
})

const problemFor = (error: unknown): Problem => problemOf(error) ?? defect()

const at = (problem: Problem, field: string): Problem => Object.assign(problem, { body: { ...problem.body, field } })

export function resultOf(
  index: number,
  id: string | undefined,
  stored: Place | undefined,
  error: unknown,
): v.InferOutput<typeof resultSchema> {
  const named = id === undefined ? {} : { id }
  if (stored !== undefined) {
    const { partition, offset, timestamp } = stored
    return { index, ...named, status: 200, partition, offset: Number(offset), timestamp }
  }
  const { status, body } = problemFor(error)
  return { index, ...named, status, error: body }
}
