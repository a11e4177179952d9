/**
 * A cluster whose nodes crash, lose each other and get their disks damaged, and clients that follow its leaders and remember every answer.
 *
 * Owns the course of a run: nodes start, faults strike while clients work, faults stop, everything must come right in time, is read back, loses power all at once and is read again. The nodes are the real ones on
 * simulated machines; clients judge them by their answers, and checkers look at the wires and the disks.
 */
import { loadServerConfig, type ServerConfig } from "../../config/server-config.js"
import { ViolationError } from "../history.js"
import type { SimulatedNode } from "../node.js"
import { SeededRandom } from "../random.js"
import type { World } from "../world.js"
import { ClusterAdministrator } from "./cluster/administrator.js"
import { ClusterConsumer } from "./cluster/consumer.js"
import { ClusterEnding } from "./cluster/ending.js"
import { ClusterFaults, hasDiskFaults } from "./cluster/faults.js"
import { capacityBytes } from "./cluster/machine-faults.js"
import { type Address, brokerPort, ClusterModel, controllerPort } from "./cluster/model.js"
import { NodeLife } from "./cluster/node-life.js"
import { type ClusterOptionsDrawn, drawClusterOptions, type NodeSpec } from "./cluster/options.js"
import { ClusterProducer } from "./cluster/producer.js"
import { ClusterWatch } from "./cluster/watch.js"
import type { Workload } from "./workload.js"

/** Clients finish what they began. */
const finishesWithinMs = 180_000

export class ClusterRun {
  readonly lives: readonly NodeLife[]
  readonly clients: readonly SimulatedNode[]
  readonly model: ClusterModel
  readonly faults: ClusterFaults
  readonly watch: ClusterWatch
  readonly random: SeededRandom
  /** Have lost power. */
  readonly #lossy = new Set<NodeLife>()
  /** Have died since they were last in sync: whether by a kill or by loss of power they cannot know themselves, so the controller trusts neither. */
  readonly #unsettled = new Map<NodeLife, { power: boolean }>()

  constructor(
    readonly world: World,
    readonly options: ClusterOptionsDrawn,
  ) {
    this.random = world.random.fork("workload")
    const machines = options.nodes.map((spec) => world.addNode(`node${spec.id}`, machineOf(options)))
    this.clients = Array.from({ length: options.clients }, (_, index) =>
      world.addNode(`client${index}`, { clock: { wallSkewMs: this.random.between(-5000, 5000) } }),
    )
    const addressOf = (spec: NodeSpec): string => machines[options.nodes.indexOf(spec)]!.address
    const bootstrap = options.nodes
      .filter(({ isBroker }) => isBroker)
      .map((spec): Address => ({ host: addressOf(spec), port: brokerPort }))
    this.model = new ClusterModel(world, options, bootstrap, world.random.fork("clients"))
    this.lives = options.nodes.map(
      (spec, index) =>
        new NodeLife(
          this.model,
          spec,
          machines[index]!,
          configOf(options, spec, addressOf),
          this.random.fork(`life of ${spec.id}`),
          hasDiskFaults(options.faults),
          (life, power) => this.#onDeath(life, power),
          () => this.watch.newDisk(machines[index]!.name),
        ),
    )
    this.watch = new ClusterWatch(this.model, this.lives, () => this.faults.holdsUpMessages)
    world.network.watcher = this.watch
    this.faults = new ClusterFaults(
      this.model,
      this.lives,
      this.clients,
      () => this.lives.find(({ spec }) => spec.id === this.watch.quorumLeaderId),
      this.watch.states,
      this.watch.replays,
      this.random.fork("faults"),
    )
  }

  async run(): Promise<ClusterModel["counts"]> {
    const { model, options, random, world, faults } = this
    const ending = new ClusterEnding(model, this.lives, this.clients[0]!, random.fork("ending"), () =>
      this.watch.whyNotConverged(),
    )
    this.#startAll()
    const isTriedFromTheStart = random.chance(0.3)
    if (!isTriedFromTheStart) await ending.allServe()
    const actors = this.#startClients()
    const striking = faults.run()
    void this.#inspect()
    for (let left = options.runMs; left > 0; left -= 5_000) {
      await world.sleep(Math.min(left, 5_000))
      model.verify()
    }
    await faults.heal()
    await striking
    // Streams that are held up are not broken, and nobody gives them up before their time.
    await world.sleep(Math.max(0, this.watch.heldUpUntilMs - world.nowMs))
    await ending.settles()
    model.isEnding = true
    const finished = await Promise.race([actors.then(() => true), world.sleep(finishesWithinMs).then(() => false)])
    model.verify()
    if (!finished)
      throw new ViolationError(`liveness: producers or the administrator wait for answers after ${finishesWithinMs} ms`)
    await ending.audit()
    await ending.converges()
    model.isOver = true
    for (const life of this.lives) life.kill(true)
    await world.sleep(random.magnitude(1, 10_000))
    this.#startAll()
    await ending.settles()
    await ending.audit()
    await ending.converges()
    await Promise.all(this.lives.map((life) => life.stop()))
    this.watch.inspect()
    model.verify()
    return model.counts
  }

  #startAll(): void {
    for (const life of this.random.shuffle([...this.lives]))
      this.world.at(this.random.chance(0.5) ? 0 : this.random.int(2000), "first start", () => life.start())
  }

  #startClients(): Promise<unknown> {
    const { model, options, random } = this
    const env = () => random.pick(this.clients).env
    const producers = Array.from({ length: options.producers }, () => {
      const isIdempotent = random.chance(0.6)
      return new ClusterProducer(model, env(), isIdempotent, isIdempotent ? -1 : random.pick([0, 1, 1, -1]))
    })
    const brokerIds = options.nodes.filter(({ isBroker }) => isBroker).map(({ id }) => id)
    const administrator = new ClusterAdministrator(model, env(), brokerIds)
    for (let i = 0; i < options.consumers; i++) void new ClusterConsumer(model, env()).run()
    return Promise.all([...producers, administrator].map((actor) => actor.run()))
  }

  async #inspect(): Promise<void> {
    while (!this.model.isOver) {
      await this.world.sleep(this.options.inspectMs)
      this.watch.inspect()
    }
  }

  /** What the policies of topics do not promise to survive. */
  #onDeath(life: NodeLife, power: boolean): void {
    const { model } = this
    if (power) this.#lossy.add(life)
    for (const each of this.#unsettled.keys())
      if (each.isUp && this.watch.states.isInSync(each.spec.id)) this.#unsettled.delete(each)
    this.#unsettled.set(life, { power: power || this.#unsettled.get(life)?.power === true })
    const hasLost = [...this.#unsettled.values()].some((each) => each.power)
    for (const topic of model.everyTopic) {
      const { flushPolicy, minInsyncReplicas } = topic
      const isTooMany = this.#lossy.size >= minInsyncReplicas || (hasLost && this.#unsettled.size >= minInsyncReplicas)
      if (flushPolicy === "memory" || (flushPolicy === "replicated" && isTooMany)) model.allowLoss(topic)
    }
  }
}

const machineOf = (options: ClusterOptionsDrawn) => ({
  disk: {
    capacityBytes,
    syncFileSystem: options.syncFileSystem,
    latencyNs: { least: 5000, spread: 50_000 * options.readLatencyFactor },
    syncLatencyNs: { least: 100_000, spread: 400_000 * options.syncLatencyFactor },
  },
})

function configOf(options: ClusterOptionsDrawn, spec: NodeSpec, addressOf: (spec: NodeSpec) => string): ServerConfig {
  const { nodes } = options
  const own = addressOf(spec)
  const voters = nodes.filter(({ isController }) => isController)
  const brokers = nodes.filter(({ isBroker }) => isBroker).length
  const listeners = [
    ...(spec.isBroker ? [`PLAINTEXT://${own}:${brokerPort}`] : []),
    ...(spec.isController ? [`CONTROLLER://${own}:${controllerPort}`] : []),
  ]
  const roles = [...(spec.isBroker ? ["broker"] : []), ...(spec.isController ? ["controller"] : [])]
  const { config, errors } = loadServerConfig({
    overrides: {
      "node.id": String(spec.id),
      "process.roles": roles.join(","),
      listeners: listeners.join(","),
      "controller.listener.names": "CONTROLLER",
      "controller.quorum.voters": voters.map((each) => `${each.id}@${addressOf(each)}:${controllerPort}`).join(","),
      "log.dirs": Array.from({ length: options.directories }, (_, index) => `/data${index}`).join(","),
      ...(spec.isBroker && { "broker.rack": spec.rack }),
      "auto.create.topics.enable": "false",
      "offsets.topic.num.partitions": "1",
      "offsets.topic.replication.factor": String(Math.min(3, brokers)),
      "ottla.hot.cache.bytes": String(options.hotCacheBytes),
      "replica.lag.time.max.ms": String(options.lagTimeMaxMs),
      "log.flush.offset.checkpoint.interval.ms": String(options.checkpointMs),
      "replica.high.watermark.checkpoint.interval.ms": String(options.checkpointMs),
      "metadata.log.max.record.bytes.between.snapshots": String(options.snapshotBytes),
      ...(options.followsRacks && {
        "replica.selector.class": "org.apache.kafka.common.replica.RackAwareReplicaSelector",
      }),
      // A producer that a broker forgot in time may go on with any number: nothing could be checked.
      "producer.id.expiration.ms": "2147483647",
    },
  })
  if (config === undefined) throw new Error(errors.join("\n"))
  return config
}

export const clusterWorkload: Workload = {
  name: "cluster",
  prepare(seed) {
    const options = drawClusterOptions(new SeededRandom(seed).fork("options"))
    let run: ClusterRun | undefined
    return {
      options,
      world: {
        interleaveChance: options.interleaveChance,
        network: {
          chunkBytesMax: options.chunkBytesMax,
          latencyNs: { least: 20_000, spread: options.linkSpreadMs * 1e6 },
        },
        onLog: ({ node, level, message, fields }) =>
          run?.lives.find(({ name }) => name === node)?.onLog(level, message, fields),
      },
      run: (world) => {
        run = new ClusterRun(world, options)
        return run.run()
      },
    }
  },
}
