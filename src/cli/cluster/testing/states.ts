/**
 * States of clusters for tests of what is made of them.
 *
 * Owns the shorthand: brokers by id with rack and machine, partitions by their replicas.
 */
import type { BrokerState, ClusterState, PartitionState, QuorumState, VoterState } from "../cluster-state.js"

export const broker = (id: number, fields: Partial<BrokerState> = {}): BrokerState => ({
  id,
  host: `h${id}`,
  port: 9092,
  rack: null,
  machine: `broker ${id}`,
  fenced: false,
  ...fields,
})

export const partition = (
  partition: number,
  replicas: readonly number[],
  fields: Partial<PartitionState> = {},
): PartitionState => ({
  topic: "t",
  partition,
  leader: replicas[0] ?? -1,
  replicas,
  isr: replicas,
  minIsr: Math.min(2, replicas.length),
  adding: [],
  removing: [],
  ...fields,
})

export const voter = (id: number, fields: Partial<VoterState> = {}): VoterState => ({
  id,
  directoryId: `d${id}`,
  logEndOffset: 10,
  lag: 0,
  silentMs: 0,
  endpoint: { host: `h${id}`, port: 9093 },
  ...fields,
})

export const quorum = (voters: readonly VoterState[], leaderId = voters[0]?.id ?? -1): QuorumState => ({
  leaderId,
  epoch: 1,
  highWatermark: 10,
  voters,
  observers: [],
})

export const cluster = (fields: Partial<ClusterState> = {}): ClusterState => ({
  clusterId: "c",
  brokers: [1, 2, 3].map((id) => broker(id)),
  partitions: [partition(0, [1, 2, 3]), partition(1, [2, 3, 1])],
  quorum: quorum([1, 2, 3].map((id) => voter(id))),
  ...fields,
})
