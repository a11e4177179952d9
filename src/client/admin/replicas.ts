/**
 * Where replicas are, as an admin sees and moves them: between brokers, between disks, and who of them leads.
 *
 * Owns the requests, and their shapes for users.
 */
import { Errors } from "../../protocol/errors.js"
import { alterPartitionReassignments as alterPartitionReassignmentsApi } from "../../protocol/messages/alter-partition-reassignments.js"
import { alterReplicaLogDirs as alterReplicaLogDirsApi } from "../../protocol/messages/alter-replica-log-dirs.js"
import { describeLogDirs as describeLogDirsApi } from "../../protocol/messages/describe-log-dirs.js"
import { electLeaders as electLeadersApi } from "../../protocol/messages/elect-leaders.js"
import { listPartitionReassignments as listPartitionReassignmentsApi } from "../../protocol/messages/list-partition-reassignments.js"
import { BrokerError } from "../errors.js"
import {
  accept,
  byTopic,
  type CallOptions,
  matched,
  nameOf,
  outcome,
  type Result,
  results,
  type Routing,
  type TopicPartition,
} from "./routing.js"

export interface LogDirectory {
  readonly path: string
  /** Why its replicas cannot be used; undefined: they can. */
  readonly error: BrokerError | undefined
  /** Of the disk; undefined: not told. */
  readonly totalBytes: bigint | undefined
  readonly usableBytes: bigint | undefined
  readonly replicas: readonly (TopicPartition & {
    readonly bytes: bigint
    readonly offsetLag: bigint
    /** A copy on its way from another directory. */
    readonly isFuture: boolean
  })[]
}

export interface Reassignment extends TopicPartition {
  /** The preferred leader first. Null: take back what is on its way. */
  readonly replicas: readonly number[] | null
}

export interface OngoingReassignment extends TopicPartition {
  readonly replicas: readonly number[]
  readonly adding: readonly number[]
  readonly removing: readonly number[]
}

const electionTypes = { preferred: 0, unclean: 1 } as const

/** Of these brokers; undefined: of all that are running. */
export async function describeLogDirs(
  routing: Routing,
  brokers?: readonly number[],
  options: CallOptions = {},
): Promise<Result<{ readonly broker: number }, { readonly directories: readonly LogDirectory[] }>[]> {
  const call = routing.begin(options)
  if (brokers === undefined)
    await routing.one(call, async () => outcome((await routing.topics([], call)).errorCode, "the list of brokers", {}))
  const items = (brokers ?? routing.cluster.brokerIds).map((broker) => ({ broker }))
  const outcomes = await routing.byBroker(items, call, async (nodeId, batch) => {
    const answer = await routing.node(nodeId, describeLogDirsApi, { topics: null }, call)
    accept(answer.errorCode, `the log directories of broker ${nodeId}`)
    const known = (bytes: number) => (bytes < 0 ? undefined : BigInt(bytes))
    const directories = answer.results.map(({ logDir, errorCode, totalBytes, usableBytes, topics }) => ({
      path: logDir,
      error: errorCode === Errors.NONE ? undefined : new BrokerError(errorCode, `${logDir} of broker ${nodeId}`),
      totalBytes: known(totalBytes),
      usableBytes: known(usableBytes),
      replicas: topics.flatMap(({ name, partitions }) =>
        partitions.map(({ partitionIndex, partitionSize, offsetLag, isFutureKey }) => ({
          topic: name,
          partition: partitionIndex,
          bytes: BigInt(partitionSize),
          offsetLag: BigInt(offsetLag),
          isFuture: isFutureKey,
        })),
      ),
    }))
    return batch.map(() => ({ value: { directories } }))
  })
  return results(items, outcomes)
}

export interface ReplicaMove extends TopicPartition {
  readonly broker: number
  /** A log directory of that broker, as it tells it. */
  readonly path: string
}

/** Answered when the moves have begun. */
export async function alterReplicaLogDirs(
  routing: Routing,
  moves: readonly ReplicaMove[],
  options: CallOptions = {},
): Promise<Result<ReplicaMove>[]> {
  const outcomes = await routing.byBroker(moves, routing.begin(options), async (nodeId, batch, call) => {
    const paths = new Map<string, ReplicaMove[]>()
    for (const item of batch) paths.set(item.path, [...(paths.get(item.path) ?? []), item])
    const answer = await routing.node(
      nodeId,
      alterReplicaLogDirsApi,
      {
        dirs: [...paths].map(([path, own]) => ({
          path,
          topics: [...byTopic(own)].map(([name, partitions]) => ({
            name,
            partitions: partitions.map(({ partition }) => partition),
          })),
        })),
      },
      call,
    )
    return matched(
      batch,
      nameOf,
      answer.results.flatMap(({ topicName, partitions }) =>
        partitions.map((each) => [nameOf({ topic: topicName, partition: each.partitionIndex }), each] as const),
      ),
      ({ errorCode }, item) => outcome(errorCode, `replica ${nameOf(item)} of broker ${nodeId}`, {}),
    )
  })
  return results(moves, outcomes)
}

/** Answered when the controller has taken them; the replicas then move. */
export async function alterPartitionReassignments(
  routing: Routing,
  reassignments: readonly Reassignment[],
  options: CallOptions = {},
): Promise<Result<TopicPartition>[]> {
  const outcomes = await routing.each(reassignments, routing.begin(options), async (batch, call) => {
    const answer = await routing.any(
      alterPartitionReassignmentsApi,
      {
        timeoutMs: routing.leftMs(call),
        topics: [...byTopic(batch)].map(([name, partitions]) => ({
          name,
          partitions: partitions.map(({ partition, replicas }) => ({
            partitionIndex: partition,
            replicas: replicas && [...replicas],
          })),
        })),
      },
      call,
    )
    accept(answer.errorCode, "the reassignment", answer.errorMessage)
    return matched(
      batch,
      nameOf,
      answer.responses.flatMap(({ name, partitions }) =>
        partitions.map((each) => [nameOf({ topic: name, partition: each.partitionIndex }), each] as const),
      ),
      ({ errorCode, errorMessage }, item) =>
        outcome(errorCode, `the reassignment of ${nameOf(item)}`, {}, errorMessage),
    )
  })
  return results(
    reassignments.map(({ topic, partition }) => ({ topic, partition })),
    outcomes,
  )
}

/** Of these partitions; undefined: of all. */
export async function listPartitionReassignments(
  routing: Routing,
  partitions?: readonly TopicPartition[],
  options: CallOptions = {},
): Promise<OngoingReassignment[]> {
  const { topics } = await routing.one(routing.begin(options), async (call) => {
    const wanted = partitions && [...byTopic(partitions)]
    const request = {
      timeoutMs: routing.leftMs(call),
      topics: wanted?.map(([name, own]) => ({ name, partitionIndexes: own.map(({ partition }) => partition) })) ?? null,
    }
    const answer = await routing.any(listPartitionReassignmentsApi, request, call)
    return outcome(answer.errorCode, "the reassignments", answer, answer.errorMessage)
  })
  return topics.flatMap(({ name, partitions: moving }) =>
    moving.map(({ partitionIndex, replicas, addingReplicas, removingReplicas }) => ({
      topic: name,
      partition: partitionIndex,
      replicas,
      adding: addingReplicas,
      removing: removingReplicas,
    })),
  )
}

/** Of these partitions; undefined: of all, where those that need none are not among the results. `elected`: false where there was no need. */
export async function electLeaders(
  routing: Routing,
  partitions?: readonly TopicPartition[],
  { type = "preferred", ...options }: CallOptions & { readonly type?: keyof typeof electionTypes } = {},
): Promise<Result<TopicPartition, { readonly elected: boolean }>[]> {
  const call = routing.begin(options)
  const told = await routing.one(call, async () => {
    const request = {
      electionType: electionTypes[type],
      topicPartitions:
        partitions === undefined
          ? null
          : [...byTopic(partitions)].map(([topic, own]) => ({
              topic,
              partitions: own.map(({ partition }) => partition),
            })),
      timeoutMs: routing.leftMs(call),
    }
    const answer = await routing.any(electLeadersApi, request, call)
    return outcome(answer.errorCode, "the elections", answer)
  })
  const answers = told.replicaElectionResults.flatMap(({ topic, partitionResult }) =>
    partitionResult.map((each) => ({ topic, partition: each.partitionId, each })),
  )
  const items = partitions ?? answers.map(({ topic, partition }) => ({ topic, partition }))
  return results(
    items.map(({ topic, partition }) => ({ topic, partition })),
    matched(
      items,
      nameOf,
      answers.map((answer) => [nameOf(answer), answer.each] as const),
      ({ errorCode, errorMessage }, item) => {
        const isNeeded = errorCode !== Errors.ELECTION_NOT_NEEDED
        return outcome(
          isNeeded ? errorCode : Errors.NONE,
          `the election of ${nameOf(item)}`,
          { elected: isNeeded },
          errorMessage,
        )
      },
    ),
  )
}
