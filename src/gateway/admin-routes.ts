/**
 * Topics and groups: list, make, look at, delete.
 *
 * Owns what of Kafka's answers a caller sees. Asks the cluster anew each time; remembers nothing.
 */
import * as v from "valibot"
import { BrokerError } from "../client/errors.js"
import { Errors } from "../protocol/errors.js"
import { createTopics } from "../protocol/messages/create-topics.js"
import { deleteTopics } from "../protocol/messages/delete-topics.js"
import { groupNameSchema } from "./group-routes.js"
import { deleteGroup, describeGroup, groupLag, listAllGroups } from "./groups-of-cluster.js"
import { earliestTimestamp, latestTimestamp } from "./lookup.js"
import { topicNameSchema } from "./payload.js"
import { jsonAnswer, type Route, route } from "./route.js"
import type { Services } from "./services.js"

const noTopicId = "AAAAAAAAAAAAAAAAAAAAAA"
const adminTimeoutMs = 15_000

const integer = v.pipe(v.number(), v.integer())
const params = v.strictObject({ topic: topicNameSchema })
const topicSchema = v.strictObject({
  topic: v.string(),
  partitions: integer,
  replication_factor: integer,
  internal: v.boolean(),
})
const describedSchema = v.strictObject({
  topic: v.string(),
  topic_id: v.string(),
  internal: v.boolean(),
  partitions: v.array(
    v.strictObject({
      partition: integer,
      leader: v.pipe(integer, v.description("-1: nobody leads it")),
      leader_epoch: integer,
      replicas: v.array(integer),
      isr: v.array(integer),
      earliest_offset: v.nullable(integer),
      latest_offset: v.nullable(integer),
    }),
  ),
})
const groupSchema = v.strictObject({ group: v.string(), type: v.string(), protocol: v.string(), state: v.string() })
const lagSchema = v.array(
  v.strictObject({
    topic: v.string(),
    partition: integer,
    committed_offset: integer,
    end_offset: integer,
    lag: integer,
  }),
)

export function adminRoutes(services: Services): Route[] {
  const { lookup } = services
  return [...topicRoutes(services), ...clusterGroupRoutes(services), clusterRoute()]

  function clusterRoute(): Route {
    return route({
      method: "GET",
      path: "/cluster",
      tag: "Administrate",
      summary: "The cluster and its brokers",
      answers: {
        200: {
          description: "Who is there.",
          schema: v.strictObject({
            cluster_id: v.nullable(v.string()),
            controller: integer,
            brokers: v.array(
              v.strictObject({ broker: integer, host: v.string(), port: integer, rack: v.nullable(v.string()) }),
            ),
          }),
        },
      },
      problems: { 503: "no broker can be reached" },
      async handle() {
        const { clusterId, controllerId, brokers } = await lookup.metadata([])
        return jsonAnswer({
          cluster_id: clusterId,
          controller: controllerId,
          brokers: brokers.map(({ nodeId, host, port, rack }) => ({ broker: nodeId, host, port, rack })),
        })
      },
    })
  }
}

function topicRoutes({ lookup }: Services): Route[] {
  return [
    route({
      method: "GET",
      path: "/topics",
      tag: "Administrate",
      summary: "List topics",
      answers: {
        200: { description: "All topics, by name.", schema: v.strictObject({ topics: v.array(topicSchema) }) },
      },
      problems: { 503: "no broker can be reached" },
      async handle() {
        const { topics } = await lookup.metadata(null)
        const found = topics.flatMap(({ name, isInternal, partitions }) =>
          name === null
            ? []
            : [
                {
                  topic: name,
                  partitions: partitions.length,
                  replication_factor: partitions[0]?.replicaNodes.length ?? 0,
                  internal: isInternal,
                },
              ],
        )
        return jsonAnswer({ topics: found.sort((a, b) => (a.topic < b.topic ? -1 : 1)) })
      },
    }),
    route({
      method: "POST",
      path: "/topics",
      tag: "Administrate",
      summary: "Make a topic",
      description: "Without `partitions` and `replication_factor`: as many as the cluster's defaults say.",
      body: v.strictObject({
        topic: topicNameSchema,
        partitions: v.optional(
          v.pipe(v.number("partitions: give a number"), v.integer(), v.minValue(1), v.maxValue(10_000)),
        ),
        replication_factor: v.optional(
          v.pipe(v.number("replication_factor: give a number"), v.integer(), v.minValue(1), v.maxValue(32_767)),
        ),
        configs: v.optional(v.record(v.string(), v.string(), "configs: give an object of texts, with Kafka's names")),
      }),
      answers: { 201: { description: "It is there.", schema: topicSchema } },
      problems: {
        400: "a field is wrong, or the cluster refuses a setting",
        409: "there is a topic of this name",
        503: "no broker, or no controller, can be reached",
      },
      async handle({ body: { topic, partitions = -1, replication_factor: replicationFactor = -1, configs = {} } }) {
        const { topics } = await lookup.ask(createTopics, {
          topics: [
            {
              name: topic,
              numPartitions: partitions,
              replicationFactor,
              assignments: [],
              configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
            },
          ],
          timeoutMs: adminTimeoutMs,
        })
        const made = topics[0]!
        if (made.errorCode !== Errors.NONE) throw new BrokerError(made.errorCode, `topic ${topic}`, made.errorMessage)
        lookup.cluster.forget(topic)
        return jsonAnswer(
          {
            topic,
            partitions: made.numPartitions,
            replication_factor: made.replicationFactor,
            internal: false,
          },
          201,
        )
      },
    }),
    route({
      method: "GET",
      path: "/topics/{topic}",
      tag: "Administrate",
      summary: "Describe a topic",
      params,
      answers: {
        200: { description: "Its partitions, who leads them, where they begin and end.", schema: describedSchema },
      },
      problems: { 404: "the topic does not exist", 503: "no broker can be reached" },
      async handle({ params: { topic } }) {
        await lookup.find(topic)
        const described = (await lookup.metadata([topic])).topics[0]!
        if (described.partitions.length === 0) throw new BrokerError(described.errorCode, `topic ${topic}`)
        const partitions = await Promise.all(
          described.partitions.map(async ({ partitionIndex, leaderId, leaderEpoch, replicaNodes, isrNodes }) => {
            const offsets =
              leaderId < 0
                ? [null, null]
                : await Promise.all(
                    [earliestTimestamp, latestTimestamp].map((timestamp) =>
                      lookup.offsetAt(topic, partitionIndex, timestamp).catch(() => null),
                    ),
                  )
            return {
              partition: partitionIndex,
              leader: leaderId,
              leader_epoch: leaderEpoch,
              replicas: replicaNodes,
              isr: isrNodes,
              earliest_offset: offsets[0],
              latest_offset: offsets[1],
            }
          }),
        )
        return jsonAnswer({
          topic,
          topic_id: described.topicId,
          internal: described.isInternal,
          partitions: partitions.sort((a, b) => a.partition - b.partition),
        })
      },
    }),
    route({
      method: "DELETE",
      path: "/topics/{topic}",
      tag: "Administrate",
      summary: "Delete a topic",
      description: "With all its records, for good.",
      params,
      answers: { 204: { description: "It is gone." } },
      problems: { 404: "the topic does not exist", 503: "no broker, or no controller, can be reached" },
      async handle({ params: { topic } }) {
        const { responses } = await lookup.ask(deleteTopics, {
          topics: [{ name: topic, topicId: noTopicId }],
          topicNames: [topic],
          timeoutMs: adminTimeoutMs,
        })
        lookup.cluster.forget(topic)
        const { errorCode, errorMessage } = responses[0]!
        if (errorCode !== Errors.NONE) throw new BrokerError(errorCode, `topic ${topic}`, errorMessage)
        return new Response(null, { status: 204 })
      },
    }),
  ]
}

function clusterGroupRoutes({ lookup }: Services): Route[] {
  const groupParams = v.strictObject({ group: groupNameSchema })
  return [
    route({
      method: "GET",
      path: "/groups",
      tag: "Administrate",
      summary: "List groups",
      answers: {
        200: {
          description: "All groups of the cluster, by name.",
          schema: v.strictObject({ groups: v.array(groupSchema) }),
        },
      },
      problems: { 503: "a broker cannot be reached, so the list would not be whole" },
      async handle() {
        return jsonAnswer({ groups: await listAllGroups(lookup) })
      },
    }),
    route({
      method: "GET",
      path: "/groups/{group}",
      tag: "Administrate",
      summary: "Describe a group",
      params: groupParams,
      answers: {
        200: {
          description: "Its state and its members.",
          schema: v.strictObject({
            group: v.string(),
            type: v.string(),
            state: v.string(),
            assignor: v.string(),
            members: v.array(
              v.strictObject({
                member_id: v.string(),
                instance_id: v.nullable(v.string()),
                client_id: v.string(),
                host: v.string(),
              }),
            ),
          }),
        },
      },
      problems: { 404: "there is no such group", 503: "its coordinator cannot be reached" },
      async handle({ params: { group } }) {
        return jsonAnswer(await describeGroup(lookup, group))
      },
    }),
    route({
      method: "GET",
      path: "/groups/{group}/lag",
      tag: "Administrate",
      summary: "How far a group is behind",
      params: groupParams,
      answers: {
        200: {
          description: "Of each partition the group has committed an offset of; `lag` in records.",
          schema: v.strictObject({ group: v.string(), total_lag: integer, partitions: lagSchema }),
        },
      },
      problems: { 404: "there is no such group", 503: "its coordinator cannot be reached" },
      async handle({ params: { group } }) {
        await describeGroup(lookup, group)
        const partitions = await groupLag(lookup, group)
        return jsonAnswer({ group, total_lag: partitions.reduce((sum, { lag }) => sum + lag, 0), partitions })
      },
    }),
    route({
      method: "DELETE",
      path: "/groups/{group}",
      tag: "Administrate",
      summary: "Delete a group",
      description: "With its offsets; only one without members.",
      params: groupParams,
      answers: { 204: { description: "It is gone." } },
      problems: { 404: "there is no such group", 409: "it has members", 503: "its coordinator cannot be reached" },
      async handle({ params: { group } }) {
        await deleteGroup(lookup, group)
        return new Response(null, { status: 204 })
      },
    }),
  ]
}
