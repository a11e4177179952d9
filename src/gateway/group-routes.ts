/**
 * Reading as a member of a group.
 *
 * Owns what a caller may say to its consumer, and what is refused before the consumer hears it: partitions that are not its own, offsets that are not there. Polling never commits.
 */
import * as v from "valibot"
import type { GroupConsumer, GroupSession } from "./group-sessions.js"
import { leaseMsDefault, leaseMsMax, leaseMsMin } from "./group-sessions.js"
import { earliestTimestamp, latestTimestamp } from "./lookup.js"
import { isTopicName, offsetOutOfRange, outputRecordSchema, toOutputRecord, topicNameSchema } from "./payload.js"
import { badField, Problem, unknownPartition } from "./problem.js"
import { linesOf, offsetMax, valueFormSchema } from "./read-routes.js"
import { accepts, integerText, jsonAnswer, type Route, route } from "./route.js"
import type { Services } from "./services.js"

export const pollRecordsMax = 10_000
const pollRecordsDefault = 500
export const pollTimeoutMsMax = 60_000
const pollTimeoutMsDefault = 1_000
export const subscribedTopicsMax = 1_000

const ndjson = "application/x-ndjson"
export const groupNameSchema = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxLength(249, "group: a name has at most 249 characters"),
)
const params = v.strictObject({ group: groupNameSchema })
const consumerIdSchema = v.pipe(
  v.optional(v.pipe(v.string(), v.maxLength(64))),
  v.description("As subscribe returned it. May be left out while the group has one consumer here."),
)
const offsetSchema = v.pipe(
  v.number("offset: give a whole number from 0"),
  v.integer("offset: give a whole number from 0"),
  v.minValue(0, "offset: give a whole number from 0"),
  v.maxValue(offsetMax, "offset: give a whole number from 0"),
)
const offsetsSchema = v.record(
  v.string(),
  v.record(v.string(), offsetSchema, "offsets: give {topic: {partition: offset}}"),
  "offsets: give {topic: {partition: offset}}",
)
const partitionSchema = v.pipe(v.number("partition: give a number"), v.integer(), v.minValue(0), v.maxValue(0x7fffffff))
const assignedSchema = v.array(v.strictObject({ topic: v.string(), partition: v.pipe(v.number(), v.integer()) }))
const consumerProblems = {
  400: "a field is wrong: `field` says which; nothing is committed",
  404: "there is no such consumer any more; subscribe again",
  409: "the group has several consumers here and none is named, is rebalancing, or is being polled already",
  503: "no broker can be reached",
}

export function groupRoutes(services: Services): Route[] {
  const { lookup, groups } = services

  /** What may be committed: of partitions that are there, not beyond their end. */
  const checkOffsets = async (offsets: Readonly<Record<string, Readonly<Record<string, number>>>>) => {
    const wanted = Object.entries(offsets).flatMap(([topic, partitions]) => {
      if (!isTopicName(topic))
        throw badField("offsets", `${topic} is no name of a topic`, "give {topic: {partition: offset}}")
      return Object.entries(partitions).map(([text, offset]) => {
        if (!/^\d{1,10}$/.test(text))
          throw badField(`offsets.${topic}`, `${text} is no partition`, "give {topic: {partition: offset}}")
        return { topic, partition: Number(text), offset }
      })
    })
    await Promise.all(
      wanted.map(async ({ topic, partition, offset }) => {
        const { partitions } = await lookup.find(topic)
        if (partition >= partitions.length) throw unknownPartition(topic, partition, partitions.length)
        const end = await lookup.offsetAt(topic, partition, latestTimestamp)
        if (offset <= end) return
        const first = await lookup.offsetAt(topic, partition, earliestTimestamp)
        throw offsetOutOfRange(`offsets.${topic}.${partition}`, offset, first, end)
      }),
    )
    return wanted.map((each) => ({ ...each, offset: BigInt(each.offset) }))
  }

  return [
    route({
      method: "POST",
      path: "/consumers/{group}/subscribe",
      tag: "Consume",
      summary: "Make a consumer of a group",
      description:
        "A group may have several; each call makes one. It leaves when it is deleted, or when nobody has asked for it for lease_ms. Where the group has committed nothing yet, it begins with `from`.",
      params,
      body: v.strictObject({
        topics: v.pipe(
          v.array(topicNameSchema, "topics: give an array of names"),
          v.minLength(1, "topics: give at least one"),
          v.maxLength(subscribedTopicsMax, `topics: give at most ${subscribedTopicsMax}`),
        ),
        from: v.optional(v.picklist(["earliest", "latest"], "from: give earliest or latest"), "earliest"),
        lease_ms: v.optional(
          v.pipe(v.number("lease_ms: give a number"), v.integer(), v.minValue(leaseMsMin), v.maxValue(leaseMsMax)),
          leaseMsDefault,
        ),
      }),
      answers: {
        200: {
          description: "The consumer is there.",
          schema: v.strictObject({
            consumer_id: v.string(),
            group: v.string(),
            topics: v.array(v.string()),
            lease_ms: v.pipe(v.number(), v.integer()),
          }),
        },
      },
      problems: {
        400: "a field is wrong",
        404: "a topic does not exist",
        429: "too many consumers are here",
        503: "no broker can be reached",
      },
      async handle({ params: { group }, body }) {
        const topics = [...new Set(body.topics)]
        await Promise.all(topics.map((topic) => lookup.find(topic)))
        const session = groups.subscribe({ group, topics, from: body.from, leaseMs: body.lease_ms })
        const { consumerId, leaseMs } = session
        return jsonAnswer({ consumer_id: consumerId, group, topics, lease_ms: leaseMs })
      },
    }),
    route({
      method: "GET",
      path: "/consumers/{group}/poll",
      tag: "Consume",
      summary: "Take the next records",
      description:
        "As soon as there are any, or none when timeout_ms is over. Nothing is committed by it. When the caller goes away, what it would have been given is given to the next poll.",
      params,
      query: v.strictObject({
        max_records: v.optional(integerText("max_records", 1, pollRecordsMax)),
        timeout_ms: v.optional(integerText("timeout_ms", 0, pollTimeoutMsMax)),
        consumer_id: consumerIdSchema,
        value: valueFormSchema,
      }),
      answers: {
        200: {
          description: "The records; none when there were none in time.",
          schema: v.strictObject({ messages: v.array(outputRecordSchema) }),
          contentTypes: ["application/json", ndjson],
        },
      },
      problems: consumerProblems,
      async handle({ context, params: { group }, query, signal }) {
        const session = groups.get(group, query.consumer_id)
        const records = await poll(session, {
          max: query.max_records ?? pollRecordsDefault,
          timeoutMs: query.timeout_ms ?? pollTimeoutMsDefault,
          signal: signal(),
        })
        const messages = records.map((record) => toOutputRecord(record, query.value))
        if (accepts(context, ndjson)) return new Response(linesOf(messages), { headers: { "content-type": ndjson } })
        return jsonAnswer({ messages })
      },
    }),
    route({
      method: "POST",
      path: "/consumers/{group}/offsets",
      tag: "Consume",
      summary: "Commit offsets",
      description:
        "Each is the offset of the next record to be read. Without `offsets`: of everything that was polled. All of them are checked first; one that is wrong commits none.",
      params,
      isBodyOptional: true,
      body: v.strictObject({ offsets: v.optional(offsetsSchema), consumer_id: consumerIdSchema }),
      query: v.strictObject({ consumer_id: consumerIdSchema }),
      answers: {
        200: {
          description: "Committed.",
          schema: v.strictObject({
            offsets: v.record(v.string(), v.record(v.string(), v.pipe(v.number(), v.integer()))),
          }),
        },
      },
      problems: consumerProblems,
      async handle({ params: { group }, query, body }) {
        const session = groups.get(group, body.consumer_id ?? query.consumer_id)
        const offsets = body.offsets === undefined ? [...session.polled.values()] : await checkOffsets(body.offsets)
        for (const { topic, partition } of offsets)
          mustBeAssigned(session.consumer, topic, partition, `offsets.${topic}.${partition}`)
        if (offsets.length > 0) await session.consumer.commit(offsets)
        const committed: Record<string, Record<string, number>> = {}
        for (const { topic, partition, offset } of offsets) (committed[topic] ??= {})[partition] = Number(offset)
        return jsonAnswer({ offsets: committed })
      },
    }),
    route({
      method: "POST",
      path: "/consumers/{group}/seek",
      tag: "Consume",
      summary: "Go on reading elsewhere",
      description: "At an offset, the beginning, the end, or the first record that is not older than a time.",
      params,
      query: v.strictObject({ consumer_id: consumerIdSchema }),
      body: v.strictObject({
        topic: topicNameSchema,
        partition: partitionSchema,
        offset: v.optional(
          v.union(
            [offsetSchema, v.picklist(["earliest", "latest"])],
            "offset: give a number from 0, earliest or latest",
          ),
        ),
        timestamp: v.optional(
          v.pipe(v.number("timestamp: give a number"), v.integer(), v.minValue(0), v.maxValue(8.64e15)),
        ),
        consumer_id: consumerIdSchema,
      }),
      answers: {
        200: {
          description: "The next poll begins there.",
          schema: v.strictObject({
            topic: v.string(),
            partition: v.pipe(v.number(), v.integer()),
            offset: v.pipe(v.number(), v.integer()),
          }),
        },
      },
      problems: consumerProblems,
      async handle({ params: { group }, query, body }) {
        const session = groups.get(group, body.consumer_id ?? query.consumer_id)
        const { topic, partition, offset, timestamp } = body
        if ((offset === undefined) === (timestamp === undefined))
          throw badField(
            "offset",
            "give exactly one of offset and timestamp",
            'give {"offset": 0}, {"offset": "earliest"} or {"timestamp": 0}',
          )
        await lookup.findPartition(topic, partition)
        mustBeAssigned(session.consumer, topic, partition, "partition")
        const [first, end] = await Promise.all([
          lookup.offsetAt(topic, partition, earliestTimestamp),
          lookup.offsetAt(topic, partition, latestTimestamp),
        ])
        const target =
          typeof offset === "number"
            ? offset
            : timestamp !== undefined
              ? await lookup.offsetAt(topic, partition, timestamp)
              : offset === "latest"
                ? end
                : first
        if (target < first || target > end) throw offsetOutOfRange("offset", target, first, end)
        session.consumer.seek(topic, partition, BigInt(target))
        session.polled.delete(`${topic}-${partition}`)
        return jsonAnswer({ topic, partition, offset: target })
      },
    }),
    route({
      method: "GET",
      path: "/consumers/{group}/{consumerId}",
      tag: "Consume",
      summary: "What a consumer has",
      params: v.strictObject({ group: groupNameSchema, consumerId: v.string() }),
      answers: {
        200: {
          description: "Its topics and the partitions that are its own now.",
          schema: v.strictObject({
            consumer_id: v.string(),
            group: v.string(),
            topics: v.array(v.string()),
            lease_ms: v.pipe(v.number(), v.integer()),
            assignment: assignedSchema,
          }),
        },
      },
      problems: { 404: consumerProblems[404] },
      handle({ params: { group, consumerId } }) {
        const { topics, leaseMs, consumer } = groups.get(group, consumerId)
        return jsonAnswer({
          consumer_id: consumerId,
          group,
          topics,
          lease_ms: leaseMs,
          assignment: consumer.assignment.map(({ topic, partition }) => ({ topic, partition })),
        })
      },
    }),
    route({
      method: "DELETE",
      path: "/consumers/{group}/{consumerId}",
      tag: "Consume",
      summary: "End a consumer",
      description: "It leaves its group; what it did not commit is given to others.",
      params: v.strictObject({ group: groupNameSchema, consumerId: v.string() }),
      answers: { 204: { description: "It has left." } },
      problems: { 404: consumerProblems[404] },
      async handle({ params: { group, consumerId } }) {
        await groups.remove(group, consumerId)
        return new Response(null, { status: 204 })
      },
    }),
  ]
}

async function poll(session: GroupSession, options: { max: number; timeoutMs: number; signal: AbortSignal }) {
  if (session.isPolling)
    throw new Problem({
      status: 409,
      slug: "being-polled",
      title: "The consumer is being polled",
      detail: "another request waits for this consumer's records",
      remedy: "wait for its answer, or subscribe a consumer for each that polls",
      retriable: true,
    })
  session.isPolling = true
  try {
    const records = await session.consumer.poll(options)
    if (options.signal.aborted) {
      giveBack(session.consumer, records)
      return []
    }
    for (const { topic, partition, offset } of records)
      session.polled.set(`${topic}-${partition}`, { topic, partition, offset: offset + 1n })
    return records
  } finally {
    session.isPolling = false
  }
}

/** Nobody is there to take them: they are read again. */
function giveBack(
  consumer: GroupConsumer,
  records: readonly { topic: string; partition: number; offset: bigint }[],
): void {
  const first = new Map<string, (typeof records)[number]>()
  for (const record of records) {
    const name = `${record.topic}-${record.partition}`
    if (!first.has(name)) first.set(name, record)
  }
  for (const { topic, partition, offset } of first.values())
    if (consumer.assignment.some((each) => each.topic === topic && each.partition === partition))
      consumer.seek(topic, partition, offset)
}

function mustBeAssigned(consumer: GroupConsumer, topic: string, partition: number, field: string): void {
  if (consumer.assignment.some((each) => each.topic === topic && each.partition === partition)) return
  throw new Problem({
    status: 409,
    slug: "not-assigned",
    title: "The partition is not this consumer's",
    field,
    detail: `${topic}-${partition} is not assigned to this consumer now`,
    remedy: "poll first, so that it joins its group; GET /consumers/{group}/{consumerId} says what it has",
    kafka: "REBALANCE_IN_PROGRESS",
  })
}
