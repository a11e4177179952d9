/**
 * What a process of group load is asked to do, and what it tells.
 *
 * Owns the messages between the benchmark and `worker.ts`, one JSON object per line. Invariant: a worker that cannot do what it was asked ends with an error; what it
 * tells is of work that was done without one.
 */

interface Where {
  readonly port: number
  readonly topic: string
  readonly partitions: number
}

/** Members that do nothing but live. Tells `steady` when all of them have their partitions, and `done` after `steadySeconds`. */
export interface HeartbeatTask extends Where {
  readonly task: "heartbeats"
  readonly protocol: "classic" | "consumer"
  readonly groups: number
  readonly membersPerGroup: number
  readonly heartbeatIntervalMs: number
  /** Between the last join and `steady`. */
  readonly quietSeconds: number
  readonly steadySeconds: number
}

/** One group under the consumer protocol, and one more member again and again. Tells `settled` for the first members together, then for each that joins. */
export interface SettleTask extends Where {
  readonly task: "settle"
  /** With the one that joins. */
  readonly members: number
  readonly joins: number
}

/** Each connection commits for a group of its own. Tells `steady` after `warmSeconds`, and `done` after `steadySeconds` more. */
export interface CommitTask extends Where {
  readonly task: "commits"
  readonly connections: number
  readonly inFlightPerConnection: number
  /** The first so many partitions of the topic, in every commit. */
  readonly partitionsPerCommit: number
  readonly warmSeconds: number
  readonly steadySeconds: number
}

/** Stores one offset of every partition for every group, and ends. */
export interface StoreTask extends Where {
  readonly task: "store"
  readonly groups: number
  readonly partitionsPerCommit: number
}

export type GroupTask = HeartbeatTask | SettleTask | CommitTask | StoreTask

export type GroupEvent =
  | { readonly event: "steady" }
  | { readonly event: "settled"; readonly ms: number }
  /** `count`: heartbeats or commits since `steady`. */
  | { readonly event: "done"; readonly count: number; readonly seconds: number }

export const storedGroup = (index: number): string => `stored-${index}`
/** What was stored for a partition, so that what is loaded can be compared with it. */
export const storedOffset = (group: number, partition: number): number => group * 1000 + partition
