/**
 * An active controller on virtual time, with brokers that are heartbeats and nothing else.
 *
 * Owns the harness: a real state machine over a log that commits a moment after an append, or not at all when the story says so.
 */
import assert from "node:assert/strict"
import type { BrokerId } from "../../../base/ids.js"
import type { TopicSettings } from "../../../controller/controller-view.js"
import { directoryOf, idOf } from "../../../controller/testing/cluster-test.js"
import type { Timer } from "../../../env/env.js"
import { emptyImage, type MetadataImage } from "../../../metadata/image.js"
import type { MetadataRecord } from "../../../metadata/records.js"
import { replayBatch } from "../../../metadata/replay.js"
import type { RequestInputOf } from "../../../protocol/message.js"
import { brokerHeartbeat } from "../../../protocol/messages/broker-heartbeat.js"
import { brokerRegistration } from "../../../protocol/messages/broker-registration.js"
import { StateMachine } from "../../../rsm/state-machine.js"
import { World } from "../../../sim/world.js"
import { supportedFeatures } from "../../features.js"
import { MetadataController } from "../../metadata-controller.js"
import type { ProbeResult } from "../broker-life.js"

export const sessionTimeoutMs = 2000
export const heartbeatIntervalMs = 500
export const demotionMs = 30_000
export const balanceIntervalMs = 60_000
const commitDelayMs = 2

export class ControllerWorld {
  readonly machine: StateMachine<MetadataImage, MetadataRecord>
  controller: MetadataController
  /** What a probe of a broker finds; `accepted` unless it is said. */
  readonly probes = new Map<BrokerId, ProbeResult>()
  probed = 0
  commits = true
  leads = true
  /** Sizes of the batches that were appended. */
  readonly batches: number[] = []
  #nextOffset = 0
  readonly #beating = new Map<BrokerId, Timer>()
  readonly settings: Partial<TopicSettings> = {}

  constructor(readonly world: World) {
    this.machine = new StateMachine<MetadataImage, MetadataRecord>(
      { append: (records) => this.#append(records.length) },
      { initial: emptyImage, replay: replayBatch, onCommitted: () => {}, pendingMax: 100 },
    )
    this.controller = this.newController()
  }

  readonly #node = () => this.world.nodes.get("controller")!

  get env() {
    return this.#node().env
  }

  newController(ownIncarnationId?: string): MetadataController {
    return new MetadataController({
      env: this.env,
      nodeId: 100,
      clusterId: "c",
      machine: this.machine,
      topicDefaults: () => ({
        numPartitions: 1,
        replicationFactor: 1,
        configProblem: () => undefined,
        newUuid: () => this.env.random.uuid(),
        randomInt: () => 0,
      }),
      topicSettings: () => ({
        minInsyncReplicas: 1,
        uncleanLeaderElectionEnable: false,
        survivesCrash: true,
        ...this.settings,
      }),
      configRules: {
        nodeId: () => 100,
        isPerBroker: () => false,
        problem: () => undefined,
        isList: () => false,
        inherited: () => "",
      },
      featureRules: {
        nodeId: 100,
        supported: supportedFeatures,
        metadataVersionNeeded: () => undefined,
        staticMinInsyncReplicas: () => "1",
        kraftVersion: () => 1,
      },
      upgradeVoters: () => assert.fail("there is no quorum"),
      brokerTiming: { sessionTimeoutMs, handOverStallMs: 500, demotionMs },
      electionTiming: { balanceIntervalMs, uncleanIntervalMs: balanceIntervalMs },
      interBrokerListenerName: "PLAINTEXT",
      ownIncarnationId,
      probe: async ({ port }) => {
        this.probed++
        return this.probes.get(port) ?? "accepted"
      },
      applied: async () => {},
    })
  }

  #append(count: number) {
    if (!this.leads) return undefined
    this.batches.push(count)
    const baseOffset = this.#nextOffset
    this.#nextOffset += count
    if (this.commits) this.world.at(commitDelayMs, "commit", () => this.machine.committedTo(this.#nextOffset))
    return { baseOffset, nextOffset: this.#nextOffset, epoch: 1 }
  }

  get image(): MetadataImage {
    return this.machine.committed
  }

  isFenced(brokerId: BrokerId): boolean {
    return this.image.brokers.get(brokerId)!.fenced
  }

  async register(
    brokerId: BrokerId,
    request: Partial<RequestInputOf<typeof brokerRegistration>> = {},
  ): Promise<{ errorCode: number; brokerEpoch?: number | undefined }> {
    return this.controller.registerBroker(
      brokerRegistration.request.create({
        brokerId,
        clusterId: "c",
        incarnationId: idOf("life", this.#nextOffset),
        listeners: [{ name: "PLAINTEXT", host: "h", port: brokerId, securityProtocol: 0 }],
        features: supportedFeatures,
        rack: null,
        logDirs: [directoryOf(brokerId)],
        ...request,
      }),
    )
  }

  heartbeat(brokerId: BrokerId, request: Partial<RequestInputOf<typeof brokerHeartbeat>> = {}) {
    return this.controller.brokerHeartbeat(
      brokerHeartbeat.request.create({
        brokerId,
        brokerEpoch: this.machine.head.brokers.get(brokerId)!.brokerEpoch,
        currentMetadataOffset: this.machine.head.offset,
        ...request,
      }),
    )
  }

  /** Registers, serves, and goes on sending heartbeats. */
  async start(...brokerIds: BrokerId[]): Promise<void> {
    for (const brokerId of brokerIds) {
      assert.equal((await this.register(brokerId)).errorCode, 0)
      await this.heartbeat(brokerId)
      this.beat(brokerId)
    }
  }

  beat(brokerId: BrokerId): void {
    this.#beating.set(
      brokerId,
      this.world.nodes.get("brokers")!.env.timers.after(heartbeatIntervalMs, () => {
        void this.heartbeat(brokerId)
        this.beat(brokerId)
      }),
    )
  }

  /** No heartbeat comes any more. */
  silence(brokerId: BrokerId): void {
    this.#beating.get(brokerId)?.cancel()
  }

  async topic(name: string, ...assignments: BrokerId[][]): Promise<void> {
    const [result] = await this.controller.createTopics(
      [
        {
          name,
          numPartitions: -1,
          replicationFactor: -1,
          assignments: assignments.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds })),
          configs: [],
        },
      ],
      { validateOnly: false },
    )
    assert.ok("ok" in result!, JSON.stringify(result))
  }

  leader(topic: string, partition = 0): BrokerId {
    return this.image.topics.get(topic)!.partitions[partition]!.leader
  }

  passTime(ms: number): Promise<void> {
    return this.world.sleep(ms)
  }
}

export async function inControllerWorld(story: (t: ControllerWorld) => Promise<void>): Promise<void> {
  const world = new World("controller")
  world.addNode("controller")
  world.addNode("brokers")
  await world.run(
    async () => {
      const t = new ControllerWorld(world)
      t.controller.onLeadership(1)
      const level = (name: string, featureLevel: number): MetadataRecord => ({
        type: "FeatureLevelRecord",
        value: { name, featureLevel },
      })
      await t.controller.write([level("metadata.version", 30), level("eligible.leader.replicas.version", 1)])
      await story(t)
    },
    { virtualMsMax: 3_600_000 },
  )
}
