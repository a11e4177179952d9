/**
 * The cluster as an operator's client sees it: Kafka's protocol and nothing else, so that it works with Apache Kafka too.
 *
 * Owns the connections of one command, and which broker is asked what. Every answer is checked here: what comes back is data, or a ClusterError that says what was refused and why.
 */
import type { BrokerId, Uuid } from "../../base/ids.js"
import type { Env } from "../../env/env.js"
import { FramePool } from "../../net/frame-pool.js"
import { SharedReceiveBuffer } from "../../net/frame-reader.js"
import { type Peer, type PeerAddress, PeerError } from "../../net/peer.js"
import { PeerConnection } from "../../net/peer-connection.js"
import { errorByCode, Errors } from "../../protocol/errors.js"
import type { Api, RequestInputOf, ResponseOf } from "../../protocol/message.js"
import { addRaftVoter } from "../../protocol/messages/add-raft-voter.js"
import { alterPartitionReassignments } from "../../protocol/messages/alter-partition-reassignments.js"
import { describeCluster } from "../../protocol/messages/describe-cluster.js"
import { describeConfigs } from "../../protocol/messages/describe-configs.js"
import { describeLogDirs } from "../../protocol/messages/describe-log-dirs.js"
import { describeQuorum } from "../../protocol/messages/describe-quorum.js"
import { electLeaders } from "../../protocol/messages/elect-leaders.js"
import { listPartitionReassignments } from "../../protocol/messages/list-partition-reassignments.js"
import { metadata } from "../../protocol/messages/metadata.js"
import { removeRaftVoter } from "../../protocol/messages/remove-raft-voter.js"
import { unregisterBroker } from "../../protocol/messages/unregister-broker.js"

/** What the cluster refused, or why it could not be asked. */
export class ClusterError extends Error {
  override name = "ClusterError"
}

export interface Reassignment {
  readonly topic: string
  readonly partition: number
  /** Null: cancel what is on its way. */
  readonly replicas: readonly BrokerId[] | null
}

/** How long one request may take. */
export const adminRequestTimeoutMs = 15_000
/** Between two tries of a request that no broker could take now. */
const retryPauseMs = 200
/** How long one that may be retried is. */
const retryForMs = 15_000
/** Topics whose settings are asked for at once. */
const describedTopicsMax = 500

const brokerResource = 4
const topicResource = 2

export class ClusterAdmin {
  readonly #shared = new SharedReceiveBuffer()
  readonly #pool = new FramePool(0)
  readonly #peers = new Map<string, Peer>()
  /** Where requests go that any broker may answer, in turn. */
  #addresses: readonly PeerAddress[]
  #next = 0

  constructor(
    readonly env: Env,
    private readonly bootstrap: readonly PeerAddress[],
  ) {
    this.#addresses = bootstrap
  }

  close(): void {
    for (const peer of this.#peers.values()) peer.close()
  }

  // What there is.

  async metadata(): Promise<ResponseOf<typeof metadata>> {
    const answer = await this.any(metadata, {
      topics: null,
      allowAutoTopicCreation: false,
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: false,
    })
    if (answer.brokers.length > 0)
      this.#addresses = [...answer.brokers, ...this.bootstrap].map(({ host, port }) => ({ host, port }))
    return answer
  }

  async brokers(): Promise<ResponseOf<typeof describeCluster>> {
    const answer = await this.any(describeCluster, {
      endpointType: 1,
      includeFencedBrokers: true,
      includeClusterAuthorizedOperations: false,
    })
    check("the brokers of the cluster", answer)
    return answer
  }

  async quorum() {
    const answer = await this.any(describeQuorum, {
      topics: [{ topicName: "__cluster_metadata", partitions: [{ partitionIndex: 0 }] }],
    })
    check("the metadata quorum", answer)
    const partition = answer.topics[0]?.partitions[0]
    if (partition === undefined) throw new ClusterError("the cluster told nothing of its metadata quorum")
    return { ...partition, nodes: answer.nodes }
  }

  /** A setting of each topic; topics that are gone meanwhile are left out. */
  async topicSetting(topics: readonly string[], name: string): Promise<Map<string, string>> {
    const found = new Map<string, string>()
    for (let from = 0; from < topics.length; from += describedTopicsMax) {
      const { results } = await this.any(describeConfigs, {
        resources: topics.slice(from, from + describedTopicsMax).map((resourceName) => ({
          resourceType: topicResource,
          resourceName,
          configurationKeys: [name],
        })),
      })
      for (const { resourceName, configs } of results) {
        const value = configs.find((config) => config.name === name)?.value
        if (value != null) found.set(resourceName, value)
      }
    }
    return found
  }

  /** A setting of one broker, which it is asked itself. Undefined: it has none of that name, or does not answer. */
  async brokerSetting(broker: PeerAddress & { readonly id: BrokerId }, name: string): Promise<string | undefined> {
    const resources = [{ resourceType: brokerResource, resourceName: String(broker.id), configurationKeys: [name] }]
    try {
      const { results } = await this.at(broker, describeConfigs, { resources })
      return results[0]?.configs.find((config) => config.name === name)?.value ?? undefined
    } catch (error) {
      if (error instanceof PeerError) return undefined
      throw error
    }
  }

  /** Bytes in the log directories of one broker, and whether one of them has failed. Undefined: it does not answer. */
  async logDirs(broker: PeerAddress): Promise<{ bytes: number; failed: string[] } | undefined> {
    try {
      const { results } = await this.at(broker, describeLogDirs, { topics: null })
      const bytes = results
        .flatMap(({ topics }) => topics.flatMap(({ partitions }) => partitions))
        .reduce((sum, { partitionSize }) => sum + partitionSize, 0)
      return { bytes, failed: results.filter(({ errorCode }) => errorCode !== Errors.NONE).map(({ logDir }) => logDir) }
    } catch (error) {
      if (error instanceof PeerError) return undefined
      throw error
    }
  }

  async reassignments(): Promise<
    Map<string, { replicas: readonly BrokerId[]; adding: readonly BrokerId[]; removing: readonly BrokerId[] }>
  > {
    const answer = await this.any(listPartitionReassignments, { topics: null })
    check("the reassignments", answer)
    return new Map(
      answer.topics.flatMap(({ name, partitions }) =>
        partitions.map(({ partitionIndex, replicas, addingReplicas, removingReplicas }) => [
          `${name}-${partitionIndex}`,
          { replicas, adding: addingReplicas, removing: removingReplicas },
        ]),
      ),
    )
  }

  // What is changed.

  /** Resolves when the controller has taken them all; rejects with the first that it refused, after which the others may have begun. */
  async reassign(wanted: readonly Reassignment[]): Promise<void> {
    const topics = new Map<string, { partitionIndex: number; replicas: BrokerId[] | null }[]>()
    for (const { topic, partition, replicas } of wanted) {
      const list = topics.get(topic) ?? []
      list.push({ partitionIndex: partition, replicas: replicas && [...replicas] })
      topics.set(topic, list)
    }
    const answer = await this.any(alterPartitionReassignments, {
      topics: [...topics].map(([name, partitions]) => ({ name, partitions })),
    })
    check("the reassignment", answer)
    for (const { name, partitions } of answer.responses)
      for (const { partitionIndex, errorCode, errorMessage } of partitions)
        if (errorCode !== Errors.NO_REASSIGNMENT_IN_PROGRESS)
          check(`the reassignment of ${name}-${partitionIndex}`, { errorCode, errorMessage })
  }

  /** Gives partitions to their preferred leaders, all of them or those named. Returns how many changed. */
  async electPreferredLeaders(partitions: readonly { topic: string; partition: number }[] | null): Promise<number> {
    const topics = new Map<string, number[]>()
    for (const { topic, partition } of partitions ?? []) topics.set(topic, [...(topics.get(topic) ?? []), partition])
    const answer = await this.any(electLeaders, {
      electionType: 0,
      topicPartitions: partitions && [...topics].map(([topic, indexes]) => ({ topic, partitions: indexes })),
    })
    check("the elections", { errorCode: answer.errorCode, errorMessage: null })
    return answer.replicaElectionResults
      .flatMap(({ partitionResult }) => partitionResult)
      .filter(({ errorCode }) => errorCode === Errors.NONE).length
  }

  async unregisterBroker(brokerId: BrokerId): Promise<void> {
    check(`the removal of broker ${brokerId}`, await this.any(unregisterBroker, { brokerId }))
  }

  async addVoter(id: BrokerId, directoryId: Uuid, endpoint: PeerAddress & { readonly name: string }): Promise<void> {
    const request = { clusterId: null, timeoutMs: adminRequestTimeoutMs, voterId: id, voterDirectoryId: directoryId }
    check(`the new voter ${id}`, await this.any(addRaftVoter, { ...request, listeners: [{ ...endpoint }] }))
  }

  async removeVoter(id: BrokerId, directoryId: Uuid): Promise<void> {
    const request = { clusterId: null, voterId: id, voterDirectoryId: directoryId }
    check(`the removal of voter ${id}`, await this.any(removeRaftVoter, request))
  }

  // The way there.

  /** Asks one node. Rejects with PeerError. */
  async at<A extends Api>(address: PeerAddress, api: A, request: RequestInputOf<A>): Promise<ResponseOf<A>> {
    const name = `${address.host}:${address.port}`
    let peer = this.#peers.get(name)
    if (peer === undefined) {
      const { env } = this
      peer = new PeerConnection(address, { env, clientId: "ottla", shared: this.#shared, pool: this.#pool })
      this.#peers.set(name, peer)
    }
    return (await peer.request(api, request, { timeoutMs: adminRequestTimeoutMs })).response
  }

  /** Asks whichever broker answers; again, where the answer says that it is worth it. Rejects with ClusterError. */
  async any<A extends Api>(api: A, request: RequestInputOf<A>): Promise<ResponseOf<A>> {
    const { clock, timers } = this.env
    const endMs = clock.monotonicMs() + retryForMs
    let problem = "no broker is known"
    for (let failed = 0; ; ) {
      const address = this.#addresses[this.#next % this.#addresses.length]!
      try {
        const response = await this.at(address, api, request)
        const code = errorCodeOf(response)
        if (!isWorthAnotherTry(code)) return response
        problem = `${address.host}:${address.port} answered ${errorName(code)}`
      } catch (error) {
        if (!(error instanceof PeerError)) throw error
        if (error.code === "unsupported") throw new ClusterError(error.message)
        problem = error.message
        failed += 1
      }
      this.#next += 1
      // Every address once at least, and then only while something may change.
      if (failed >= this.#addresses.length && this.#addresses === this.bootstrap)
        throw new ClusterError(
          `no broker answers: ${problem}. Is --bootstrap-server right, and is a broker running there?`,
        )
      if (clock.monotonicMs() >= endMs) throw new ClusterError(`the cluster does not answer ${api.name}: ${problem}`)
      await new Promise<void>((resolve) => timers.after(retryPauseMs, resolve))
    }
  }
}

const errorName = (code: number): string => errorByCode(code)?.name ?? `error ${code}`

const errorCodeOf = (response: object): number =>
  "errorCode" in response && typeof response.errorCode === "number" ? response.errorCode : Errors.NONE

/** Somebody else leads now, or soon. */
const isWorthAnotherTry = (code: number): boolean =>
  code === Errors.NOT_CONTROLLER || code === Errors.NOT_LEADER_OR_FOLLOWER || code === Errors.COORDINATOR_NOT_AVAILABLE

export function check(
  what: string,
  answer: { readonly errorCode: number; readonly errorMessage: string | null },
): void {
  if (answer.errorCode === Errors.NONE) return
  const row = errorByCode(answer.errorCode)
  throw new ClusterError(
    `${what} was refused: ${answer.errorMessage ?? row?.message ?? "no reason was given"} (${errorName(answer.errorCode)})`,
  )
}
