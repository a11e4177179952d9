/**
 * What an operator or a tool does with a cluster, as methods.
 *
 * Owns the list. One convention holds everywhere: who asks about several items gets one result for each, in the order they were named, and a result that was refused has `error`; who asks about one
 * thing gets it, or the error is thrown. What may succeed later is tried again until `timeoutMs` is over. Offsets are bigint, times milliseconds since 1970.
 *
 * Errors: BrokerError for what a broker refused; ConnectionError where no broker answers; ClosedError.
 */
import type { Env } from "../../env/env.js"
import type { Cluster } from "../cluster.js"
import { ClosedError } from "../errors.js"
import * as clusters from "./cluster.js"
import * as configs from "./configs.js"
import * as groupOffsets from "./group-offsets.js"
import * as groups from "./groups.js"
import * as records from "./records.js"
import * as replicas from "./replicas.js"
import { Routing } from "./routing.js"
import * as topics from "./topics.js"

export interface AdminOptions {
  /** How long a call is tried where it does not say. */
  readonly timeoutMs: number
}

type Method<A extends unknown[], R> = (routing: Routing, ...rest: A) => Promise<R>

export class Admin {
  readonly #routing: Routing
  #isClosed = false

  constructor(env: Env, cluster: Cluster, { timeoutMs }: AdminOptions) {
    this.#routing = new Routing(env, cluster, timeoutMs)
  }

  #method<A extends unknown[], R>(run: Method<A, R>): (...rest: A) => Promise<R> {
    return async (...rest) => {
      if (this.#isClosed) throw new ClosedError("the admin")
      return run(this.#routing, ...rest)
    }
  }

  // Topics.

  /** Each is made or refused alone. */
  readonly createTopics = this.#method(topics.createTopics)
  readonly deleteTopics = this.#method(topics.deleteTopics)
  /** More partitions; never fewer. */
  readonly createPartitions = this.#method(topics.createPartitions)
  /** In the order of their names. */
  readonly listTopics = this.#method(topics.listTopics)
  /** These, or all. */
  readonly describeTopics = this.#method(topics.describeTopics)

  // Their records.

  readonly listOffsets = this.#method(records.listOffsets)
  /** What is before an offset is gone for good. */
  readonly deleteRecords = this.#method(records.deleteRecords)
  readonly describeProducers = this.#method(records.describeProducers)

  // Settings.

  readonly describeConfigs = this.#method(configs.describeConfigs)
  /** All changes of a resource happen, or none. */
  readonly incrementalAlterConfigs = this.#method(configs.incrementalAlterConfigs)
  /** Of these types, or of all. */
  readonly listConfigResources = this.#method(configs.listConfigResources)

  // Groups.

  readonly listGroups = this.#method(groups.listGroups)
  /** Classic groups and those of the consumer protocol in one shape. */
  readonly describeGroups = this.#method(groups.describeGroups)
  /** Only groups without members. */
  readonly deleteGroups = this.#method(groups.deleteGroups)
  readonly removeMembers = this.#method(groups.removeMembers)
  readonly explainGroup = this.#method(groups.explainGroup)
  readonly listGroupOffsets = this.#method(groupOffsets.listGroupOffsets)
  readonly alterGroupOffsets = this.#method(groupOffsets.alterGroupOffsets)
  readonly deleteGroupOffsets = this.#method(groupOffsets.deleteGroupOffsets)

  // The cluster.

  readonly describeCluster = this.#method(clusters.describeCluster)
  readonly describeQuorum = this.#method(clusters.describeQuorum)
  readonly addVoter = this.#method(clusters.addVoter)
  readonly removeVoter = this.#method(clusters.removeVoter)
  readonly describeFeatures = this.#method(clusters.describeFeatures)
  readonly updateFeatures = this.#method(clusters.updateFeatures)
  readonly unregisterBroker = this.#method(clusters.unregisterBroker)

  // Replicas.

  readonly describeLogDirs = this.#method(replicas.describeLogDirs)
  readonly alterReplicaLogDirs = this.#method(replicas.alterReplicaLogDirs)
  readonly alterPartitionReassignments = this.#method(replicas.alterPartitionReassignments)
  readonly listPartitionReassignments = this.#method(replicas.listPartitionReassignments)
  readonly electLeaders = this.#method(replicas.electLeaders)

  /** The connections are the client's, and stay. */
  async close(): Promise<void> {
    this.#isClosed = true
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
