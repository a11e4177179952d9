/**
 * Brokers, disks, replicas and the quorum, as an admin sees and moves them.
 *
 * Owns the requests about the cluster as a whole, and their shapes for users.
 */
import { Errors } from "../../protocol/errors.js"
import type { ResponseOf } from "../../protocol/message.js"
import { addRaftVoter } from "../../protocol/messages/add-raft-voter.js"
import { apiVersions } from "../../protocol/messages/api-versions.js"
import { describeCluster as describeClusterApi } from "../../protocol/messages/describe-cluster.js"
import { describeQuorum as describeQuorumApi } from "../../protocol/messages/describe-quorum.js"
import { removeRaftVoter } from "../../protocol/messages/remove-raft-voter.js"
import { unregisterBroker as unregisterBrokerApi } from "../../protocol/messages/unregister-broker.js"
import { updateFeatures as updateFeaturesApi } from "../../protocol/messages/update-features.js"
import { type CallOptions, outcome, type Result, results, type Routing } from "./routing.js"
import type { ValidateOptions } from "./topics.js"

export interface BrokerDescription {
  readonly id: number
  readonly host: string
  readonly port: number
  readonly rack: string | null
  /** Registered, and not serving. */
  readonly isFenced: boolean
}

export interface ClusterDescription {
  readonly clusterId: string
  /** The broker to which clients may send what the controller decides. */
  readonly controllerId: number
  readonly brokers: readonly BrokerDescription[]
}

export interface QuorumMember {
  readonly id: number
  readonly directoryId: string
  readonly logEndOffset: bigint
  /** By the leader's clock; -1: never, or not told. */
  readonly lastFetchTimestamp: number
  readonly lastCaughtUpTimestamp: number
  /** Where its controller listeners are. */
  readonly endpoints: readonly { readonly name: string; readonly host: string; readonly port: number }[]
}

export interface QuorumDescription {
  /** -1: none. */
  readonly leaderId: number
  readonly leaderEpoch: number
  readonly highWatermark: bigint
  readonly voters: readonly QuorumMember[]
  readonly observers: readonly QuorumMember[]
}

export interface FeatureLevels {
  readonly name: string
  /** What holds in the cluster; 0: not in use. */
  readonly level: number
  /** What the broker that answered could do. */
  readonly minVersion: number
  readonly maxVersion: number
}

const upgradeTypes = { upgrade: 1, "safe-downgrade": 2, "unsafe-downgrade": 3 } as const

export interface FeatureUpdate {
  readonly name: string
  /** 0: not in use any more. */
  readonly level: number
  /** Default: "upgrade". */
  readonly type?: keyof typeof upgradeTypes
}

const metadataTopic = "__cluster_metadata"

export async function describeCluster(
  routing: Routing,
  { includeFenced = false, ...options }: CallOptions & { readonly includeFenced?: boolean } = {},
): Promise<ClusterDescription> {
  const { clusterId, controllerId, brokers } = await routing.one(routing.begin(options), async (call) => {
    const request = {
      includeClusterAuthorizedOperations: false,
      endpointType: 1,
      includeFencedBrokers: includeFenced,
    }
    const answer = await routing.any(describeClusterApi, request, call)
    return outcome(answer.errorCode, "the brokers of the cluster", answer, answer.errorMessage)
  })
  return {
    clusterId,
    controllerId,
    brokers: brokers.map(({ brokerId, ...each }) => ({ id: brokerId, ...each })).sort((a, b) => a.id - b.id),
  }
}

export async function describeQuorum(routing: Routing, options: CallOptions = {}): Promise<QuorumDescription> {
  const { nodes, ...quorum } = await routing.one(routing.begin(options), async (call) => {
    const request = { topics: [{ topicName: metadataTopic, partitions: [{ partitionIndex: 0 }] }] }
    const answer = await routing.any(describeQuorumApi, request, call)
    const partition = answer.topics[0]?.partitions[0]
    const { errorCode, errorMessage } = answer.errorCode !== Errors.NONE || partition === undefined ? answer : partition
    const refusal = partition === undefined && errorCode === Errors.NONE ? Errors.UNKNOWN_SERVER_ERROR : errorCode
    return outcome(refusal, "the metadata quorum", { ...partition!, nodes: answer.nodes }, errorMessage)
  })
  const memberOf = (
    each: ResponseOf<typeof describeQuorumApi>["topics"][number]["partitions"][number]["observers"][number],
  ) => ({
    id: each.replicaId,
    directoryId: each.replicaDirectoryId,
    logEndOffset: BigInt(each.logEndOffset),
    lastFetchTimestamp: each.lastFetchTimestamp,
    lastCaughtUpTimestamp: each.lastCaughtUpTimestamp,
    endpoints: nodes.find(({ nodeId }) => nodeId === each.replicaId)?.listeners ?? [],
  })
  return {
    leaderId: quorum.leaderId,
    leaderEpoch: quorum.leaderEpoch,
    highWatermark: BigInt(quorum.highWatermark),
    voters: quorum.currentVoters.map(memberOf),
    observers: quorum.observers.map(memberOf),
  }
}

export async function describeFeatures(routing: Routing, options: CallOptions = {}): Promise<FeatureLevels[]> {
  const answer = await routing.one(routing.begin(options), async (call) => {
    const request = { clientSoftwareName: "ottla", clientSoftwareVersion: "1" }
    const versions = await routing.any(apiVersions, request, call)
    return outcome(versions.errorCode, "the features of the cluster", versions)
  })
  const names = new Set([...answer.supportedFeatures, ...answer.finalizedFeatures].map(({ name }) => name))
  return [...names].sort().map((name) => {
    const supported = answer.supportedFeatures.find((each) => each.name === name)
    return {
      name,
      level: answer.finalizedFeatures.find((each) => each.name === name)?.maxVersionLevel ?? 0,
      minVersion: supported?.minVersion ?? -1,
      maxVersion: supported?.maxVersion ?? -1,
    }
  })
}

/** All of them happen, or none. */
export async function updateFeatures(
  routing: Routing,
  updates: readonly FeatureUpdate[],
  { validateOnly = false, ...options }: ValidateOptions = {},
): Promise<Result<{ readonly name: string }>[]> {
  const outcomes = await routing.each(updates, routing.begin(options), async (batch, call) => {
    const answer = await routing.any(
      updateFeaturesApi,
      {
        timeoutMs: routing.leftMs(call),
        featureUpdates: batch.map(({ name, level, type = "upgrade" }) => ({
          feature: name,
          maxVersionLevel: level,
          allowDowngrade: false,
          upgradeType: upgradeTypes[type],
        })),
        validateOnly,
      },
      call,
    )
    return batch.map(({ name }) => {
      const own = answer.results.find(({ feature }) => feature === name)
      const { errorCode, errorMessage } = answer.errorCode !== Errors.NONE ? answer : (own ?? answer)
      return outcome(errorCode, `feature ${name}`, {}, errorMessage)
    })
  })
  return results(
    updates.map(({ name }) => ({ name })),
    outcomes,
  )
}

/** The cluster forgets a broker; one that runs registers again. */
export async function unregisterBroker(routing: Routing, brokerId: number, options: CallOptions = {}): Promise<void> {
  await routing.one(routing.begin(options), async (call) => {
    const { errorCode, errorMessage } = await routing.any(unregisterBrokerApi, { brokerId }, call)
    return outcome(errorCode, `the removal of broker ${brokerId}`, {}, errorMessage)
  })
}

export interface VoterName {
  readonly id: number
  /** Of the disk that votes. */
  readonly directoryId: string
}

export async function addVoter(
  routing: Routing,
  {
    id,
    directoryId,
    endpoint,
  }: VoterName & { readonly endpoint: { readonly name: string; readonly host: string; readonly port: number } },
  options: CallOptions = {},
): Promise<void> {
  await routing.one(routing.begin(options), async (call) => {
    const request = {
      clusterId: null,
      timeoutMs: routing.leftMs(call),
      voterId: id,
      voterDirectoryId: directoryId,
      listeners: [{ ...endpoint }],
    }
    const { errorCode, errorMessage } = await routing.any(addRaftVoter, request, call)
    return outcome(errorCode, `the new voter ${id}`, {}, errorMessage)
  })
}

export async function removeVoter(
  routing: Routing,
  { id, directoryId }: VoterName,
  options: CallOptions = {},
): Promise<void> {
  await routing.one(routing.begin(options), async (call) => {
    const request = { clusterId: null, voterId: id, voterDirectoryId: directoryId }
    const { errorCode, errorMessage } = await routing.any(removeRaftVoter, request, call)
    return outcome(errorCode, `the removal of voter ${id}`, {}, errorMessage)
  })
}
