/**
 * What being a member of a group means to the rest of the consumer, whichever protocol it is by.
 *
 * Owns the contract between a membership, which decides and is pure, and the loop that performs it (`membership-loop.ts`): at most one request on its way, at most one piece of work with
 * partitions. Every input carries the time; nothing here reads a clock. Invariant of both: a partition is worked on only between the `assign` that brought it and the `revoke` that took it.
 */
import type { Api, RequestInputOf, ResponseOf } from "../../../protocol/message.js"
import type { ClientError } from "../../errors.js"
import type { TopicPartition } from "../record-reader.js"

export interface MembershipOptions {
  readonly groupId: string
  /** Each once. */
  readonly topics: readonly string[]
  /** Null: a dynamic member. */
  readonly instanceId: string | null
  /** Empty: none. */
  readonly rackId: string
  readonly sessionTimeoutMs: number
  readonly heartbeatIntervalMs: number
  /** How long a rebalance waits for this member. */
  readonly rebalanceTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly retryBackoffMs: number
}

/** A request, with what is done with its answer. The answer's memory is used again afterwards. */
export interface Outgoing {
  readonly api: Api
  readonly request: RequestInputOf<Api>
  readonly timeoutMs: number
  /** Returns the answer's error code. */
  answered(response: ResponseOf<Api>, nowMs: number): number
}

export function outgoing<A extends Api>(
  api: A,
  request: RequestInputOf<A>,
  timeoutMs: number,
  answered: (response: ResponseOf<A>, nowMs: number) => number,
): Outgoing {
  return {
    api,
    request: request as RequestInputOf<Api>,
    timeoutMs,
    answered: answered as Outgoing["answered"],
  }
}

export type Work =
  /** `isLost`: somebody else may have them already; nothing of them is committed. */
  | { readonly type: "revoke"; readonly partitions: readonly TopicPartition[]; readonly isLost: boolean }
  | { readonly type: "assign"; readonly partitions: readonly TopicPartition[] }
  /** To know the partitions of these topics, or that there are none. */
  | { readonly type: "look up"; readonly topics: readonly string[] }
  /** To see what topics there are now. */
  | { readonly type: "refresh" }

/** Partitions of topics, as far as they are known to be there. */
export type PartitionCounts = ReadonlyMap<string, number>

/** Whoever commits is identified by this. */
export interface Identity {
  readonly memberId: string
  /** The generation of a classic member, the epoch of another; -1: not a member now. */
  readonly epoch: number
}

export interface Membership {
  readonly identity: Identity
  /** Members ask for offsets by their epoch, too (KIP-848). */
  readonly fetchesWithEpoch: boolean
  /** Why it ended. */
  readonly failure: ClientError | undefined
  /** The request to send now, or when to ask again: on the monotonic clock, infinite if only an event changes that. Not called while one is on its way. */
  next(nowMs: number): Outgoing | number
  /** The request was not answered: the connection broke, or it took too long. */
  unanswered(nowMs: number): void
  /** What to do with partitions. Not called while something is being done. */
  work(): Work | undefined
  done(counts: PartitionCounts): void
  /** A commit was refused to a member of this epoch. */
  refused(errorCode: number, epoch: number): void
  /** Topics may have changed. */
  seen(counts: PartitionCounts): void
  /** Topics whose partitions matter to it beside its own. */
  readonly watchedTopics: readonly string[]
  /** Whoever works with the records does not come back for more: others shall have the partitions. */
  overslept(): void
  /** It did come back. True: it had been gone. */
  awoke(): boolean
  /** The last request of all; undefined: the group does not know this member, or shall keep its place. */
  leave(reason: string): Outgoing | undefined
}

/** So that one that is lost leaves time for another within the session. */
export const heartbeatTimeoutMs = ({ sessionTimeoutMs, requestTimeoutMs }: MembershipOptions): number =>
  Math.min(requestTimeoutMs, Math.max(1, Math.floor(sessionTimeoutMs / 3)))

export const partitionKey = (topic: string, partition: number): string => `${topic}/${partition}`

/** By topic, in the order they come. */
export function byTopic<T extends { readonly topic: string }>(all: Iterable<T>): Map<string, T[]> {
  const topics = new Map<string, T[]>()
  for (const each of all) {
    const known = topics.get(each.topic)
    if (known === undefined) topics.set(each.topic, [each])
    else known.push(each)
  }
  return topics
}
