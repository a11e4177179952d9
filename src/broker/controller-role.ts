/**
 * What a node does as a controller: the decisions about the cluster while it leads the quorum, and the APIs of its listeners.
 *
 * Owns the composition of this role, the first records of a new cluster, and the check whether a broker that fell silent is gone. The decisions are in `controller/`.
 */
import type { Uuid } from "../base/ids.js"
import type { ServerConfig } from "../config/server-config.js"
import type { Env } from "../env/env.js"
import { type MetadataImage, resourceTypes } from "../metadata/image.js"
import type { MetadataRecord } from "../metadata/records.js"
import type { Api, RequestInputOf, RequestOf, ResponseInputOf, ResponseOf } from "../protocol/message.js"
import type { SilentLeader } from "../raft/core.js"
import type { StateMachine } from "../rsm/state-machine.js"
import { controllerHandlers } from "./api/index.js"
import { configProblem } from "./config-view.js"
import type { LocalController } from "./controller-channel.js"
import { probe } from "./controller/probe.js"
import { bootstrapFeatures, metadataVersionNeeded, missingFeatures, supportedFeatures } from "./features.js"
import { MetadataController } from "./metadata-controller.js"
import type { RequestCounts } from "./request-counts.js"
import { type RequestDispatch, requestDispatch } from "./request-dispatch.js"
import type { ControllerServices, NodeServices, RequestConnection, RequestContext } from "./services.js"

export interface ControllerRoleOptions {
  readonly config: ServerConfig
  readonly node: NodeServices
  readonly quorum: ControllerServices["quorum"]
  readonly machine: StateMachine<MetadataImage, MetadataRecord>
  /** What `kafka-storage format` left for a new cluster. */
  readonly bootstrapRecords: readonly MetadataRecord[] | undefined
  readonly listenerName: (connection: RequestConnection) => string
  readonly counts: RequestCounts
  /** Of the broker of this node, if it is one. */
  readonly incarnationId: Uuid | undefined
  /** Resolves when this node acts on all metadata committed so far. */
  readonly applied: () => Promise<void>
  readonly onBroken: (error: Error) => void
}

/** A broker whose disk or event loop stood still for so long hands over what it leads. */
export const handOverStallMs = 1500
/** For so long after that it leads only what nobody else can. */
export const demotionMs = 30_000

/** Requests of this node to itself come over no connection. */
const ownConnection: RequestConnection = { state: {}, remoteAddress: "127.0.0.1", onClosed: () => () => {} }

export class ControllerRole {
  readonly controller: MetadataController
  readonly dispatch: RequestDispatch
  /** The door of this node's own broker. */
  readonly local: LocalController

  constructor(private readonly options: ControllerRoleOptions) {
    const { config, node, quorum, machine, applied, listenerName, onBroken } = options
    const { env } = node
    this.controller = new MetadataController({
      env,
      nodeId: node.nodeId,
      clusterId: node.clusterId,
      machine,
      topicSettings: node.configs.topicSettings,
      featureRules: {
        nodeId: node.nodeId,
        supported: supportedFeatures,
        metadataVersionNeeded,
        staticMinInsyncReplicas: () => config.string("min.insync.replicas") ?? "1",
        kraftVersion: () => quorum.kraftVersion,
      },
      upgradeVoters: () => quorum.upgradeVoters(),
      brokerTiming: {
        sessionTimeoutMs: config.int("broker.session.timeout.ms"),
        handOverStallMs,
        demotionMs,
      },
      electionTiming: {
        balanceIntervalMs: config.bool("auto.leader.rebalance.enable")
          ? config.long("leader.imbalance.check.interval.seconds") * 1000
          : undefined,
        uncleanIntervalMs: config.long("unclean.leader.election.interval.ms"),
      },
      interBrokerListenerName: config.listeners.interBrokerListenerName,
      ownIncarnationId: options.incarnationId,
      topicDefaults: () => ({
        numPartitions: node.configs.brokerNumber("num.partitions"),
        replicationFactor: node.configs.brokerNumber("default.replication.factor"),
        configProblem: (name, value) => configProblem(resourceTypes.topic, name, value ?? ""),
        newUuid: () => env.random.uuid(),
        randomInt: (below) => env.random.int(below),
      }),
      configRules: node.configs.rules,
      applied,
      probe: (endpoint) => probe(env, endpoint),
    })
    const services: ControllerServices = {
      ...node,
      image: () => machine.committed,
      controller: this.controller,
      quorum,
      answerEmbedded: (request, connection) => this.dispatch.answer(request, connection),
    }
    const handlers = controllerHandlers()
    this.dispatch = requestDispatch(services, {
      handlers,
      listenerName,
      counts: options.counts,
      onInvariantBroken: onBroken,
    })
    const byKey = new Map(handlers.map((handler) => [handler.api.key, handler]))
    this.local = async <A extends Api>(api: A, request: RequestInputOf<A>): Promise<ResponseOf<A>> => {
      const { handle } = byKey.get(api.key)!
      const full = api.request.create(request as never) as RequestOf<Api>
      const handled = handle(services, full, ownContext(env, api))
      const response = await ("accepted" in Object(handled) ? (handled as { reply: Promise<unknown> }).reply : handled)
      return api.response.create(response as ResponseInputOf<Api>) as ResponseOf<A>
    }
  }

  /** This node leads the quorum: first it brings the metadata into a state in which decisions count, then it decides. */
  onLeadership(epoch: number, silent?: SilentLeader): void {
    const { machine } = this.options
    const write = (records: readonly MetadataRecord[]) => void this.controller.write(records)
    // From here on decisions count.
    this.controller.onLeadership(epoch, silent)
    // What another controller began and never ended does not count, and would keep everything after it from counting.
    if (machine.head.openTransaction !== undefined)
      write([{ type: "AbortTransactionRecord", value: { reason: "the controller that began it is gone" } }])
    if (machine.head.offset < 0) write(this.#firstRecords())
    const missing = missingFeatures(machine.head.features)
    if (missing.length > 0) write(missing.map((value) => ({ type: "FeatureLevelRecord", value })))
  }

  #firstRecords(): MetadataRecord[] {
    const { bootstrapRecords, config } = this.options
    return [
      ...(bootstrapRecords ??
        bootstrapFeatures.map((value): MetadataRecord => ({ type: "FeatureLevelRecord", value: { ...value } }))),
      // A cluster-wide setting from the first, as Kafka does for clusters with eligible leader replicas (KIP-966).
      {
        type: "ConfigRecord",
        value: {
          resourceType: resourceTypes.broker,
          resourceName: "",
          name: "min.insync.replicas",
          value: config.string("min.insync.replicas") ?? "1",
        },
      },
    ]
  }
}

function ownContext(env: Env, api: Api): RequestContext {
  return {
    version: api.maxVersion,
    clientId: null,
    connection: ownConnection,
    listenerName: "",
    frame: { bytes: Buffer.alloc(0), isReusable: false, release() {} },
    keepFrame() {},
    onSent(run) {
      run()
    },
    nowMs: env.clock.wallMs(),
  }
}
