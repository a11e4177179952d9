/**
 * What is in partitions, as an admin sees it: where their records begin and end, who writes them, and deleting the oldest.
 *
 * Owns the requests that go to the leaders of partitions, and their shapes for users.
 */
import { deleteRecords as deleteRecordsApi } from "../../protocol/messages/delete-records.js"
import { describeProducers as describeProducersApi } from "../../protocol/messages/describe-producers.js"
import { listOffsets as listOffsetsApi } from "../../protocol/messages/list-offsets.js"
import {
  byTopic,
  type CallOptions,
  matched,
  nameOf,
  outcome,
  type Outcome,
  type Result,
  results,
  type Routing,
  type TopicPartition,
} from "./routing.js"

/** "latest": after the last record. "maxTimestamp": the record with the latest timestamp. A timestamp: the first record that is not older. */
export type OffsetAt = "earliest" | "latest" | "maxTimestamp" | { readonly timestamp: number }

export interface OffsetQuery extends TopicPartition {
  /** Default: "latest". */
  readonly at?: OffsetAt
}

export interface FoundOffset {
  /** -1n: there is no such record. */
  readonly offset: bigint
  /** Of the record that was looked for by its timestamp; -1 otherwise. */
  readonly timestamp: number
  /** -1: not known. */
  readonly leaderEpoch: number
}

export interface Producing {
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly lastSequence: number
  /** -1: none. */
  readonly lastTimestamp: number
  readonly coordinatorEpoch: number
  /** Where its open transaction begins; undefined: none is open. */
  readonly transactionStartOffset: bigint | undefined
}

const specials = { latest: -1, earliest: -2, maxTimestamp: -3 } as const
const highWatermark = -1n

export async function listOffsets(
  routing: Routing,
  queries: readonly OffsetQuery[],
  { readCommitted = false, ...options }: CallOptions & { readonly readCommitted?: boolean } = {},
): Promise<Result<TopicPartition, FoundOffset>[]> {
  const outcomes = await routing.byLeader(queries, routing.begin(options), async (nodeId, items, call) => {
    const found = new Map<OffsetQuery, Outcome<FoundOffset>>()
    await Promise.all(
      layersOf(items).map(async (layer) => {
        const answer = await routing.node(
          nodeId,
          listOffsetsApi,
          {
            replicaId: -1,
            isolationLevel: readCommitted ? 1 : 0,
            topics: [...byTopic(layer)].map(([name, partitions]) => ({
              name,
              partitions: partitions.map(({ partition, at = "latest" }) => ({
                partitionIndex: partition,
                timestamp: typeof at === "string" ? specials[at] : at.timestamp,
              })),
            })),
            timeoutMs: routing.leftMs(call),
          },
          call,
        )
        const each = matched(layer, nameOf, answersOf(answer.topics), (told, item) =>
          outcome(told.errorCode, `partition ${nameOf(item)}`, {
            offset: BigInt(told.offset),
            timestamp: told.timestamp,
            leaderEpoch: told.leaderEpoch,
          }),
        )
        for (const [index, item] of layer.entries()) found.set(item, each[index]!)
      }),
    )
    return items.map((item) => found.get(item)!)
  })
  return results(
    queries.map(({ topic, partition }) => ({ topic, partition })),
    outcomes,
  )
}

/** A request asks of a partition once: each part names it once. */
function layersOf<Item extends TopicPartition>(items: readonly Item[]): Item[][] {
  const layers: Item[][] = []
  const counts = new Map<string, number>()
  for (const item of items) {
    const layer = counts.get(nameOf(item)) ?? 0
    counts.set(nameOf(item), layer + 1)
    ;(layers[layer] ??= []).push(item)
  }
  return layers
}

/** Offsets before which records are deleted; "latest": all that are committed. */
export async function deleteRecords(
  routing: Routing,
  partitions: readonly (TopicPartition & { readonly before: bigint | "latest" })[],
  options: CallOptions = {},
): Promise<Result<TopicPartition, { readonly logStartOffset: bigint }>[]> {
  const outcomes = await routing.byLeader(partitions, routing.begin(options), async (nodeId, items, call) => {
    const answer = await routing.node(
      nodeId,
      deleteRecordsApi,
      {
        topics: [...byTopic(items)].map(([name, own]) => ({
          name,
          partitions: own.map(({ partition, before }) => ({
            partitionIndex: partition,
            offset: Number(before === "latest" ? highWatermark : before),
          })),
        })),
        timeoutMs: routing.leftMs(call),
      },
      call,
    )
    return matched(items, nameOf, answersOf(answer.topics), ({ errorCode, lowWatermark }, item) =>
      outcome(errorCode, `partition ${nameOf(item)}`, { logStartOffset: BigInt(lowWatermark) }),
    )
  })
  return results(
    partitions.map(({ topic, partition }) => ({ topic, partition })),
    outcomes,
  )
}

export async function describeProducers(
  routing: Routing,
  partitions: readonly TopicPartition[],
  options: CallOptions = {},
): Promise<Result<TopicPartition, { readonly producers: readonly Producing[] }>[]> {
  const outcomes = await routing.byLeader(partitions, routing.begin(options), async (nodeId, items, call) => {
    const answer = await routing.node(
      nodeId,
      describeProducersApi,
      {
        topics: [...byTopic(items)].map(([name, own]) => ({
          name,
          partitionIndexes: own.map(({ partition }) => partition),
        })),
      },
      call,
    )
    return matched(items, nameOf, answersOf(answer.topics), (told, item) =>
      outcome(
        told.errorCode,
        `partition ${nameOf(item)}`,
        {
          producers: told.activeProducers.map(({ producerId, currentTxnStartOffset, ...each }) => ({
            ...each,
            producerId: BigInt(producerId),
            transactionStartOffset: currentTxnStartOffset < 0 ? undefined : BigInt(currentTxnStartOffset),
          })),
        },
        told.errorMessage,
      ),
    )
  })
  return results(
    partitions.map(({ topic, partition }) => ({ topic, partition })),
    outcomes,
  )
}

function answersOf<Answer extends { readonly partitionIndex: number }>(
  topics: readonly { readonly name: string; readonly partitions: readonly Answer[] }[],
): [string, Answer][] {
  return topics.flatMap(({ name, partitions }) =>
    partitions.map((each): [string, Answer] => [nameOf({ topic: name, partition: each.partitionIndex }), each]),
  )
}
