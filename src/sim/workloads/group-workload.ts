/**
 * Groups on a broker that crashes: members of every kind, who stall, crash, come back and commit what they processed.
 *
 * Owns the course of a run and its end: faults stop, groups settle and catch up, everything is read back, the power goes once more and everything is read again. The broker is the real one;
 * what members saw is judged by the checkers of groups.
 */
import { loadServerConfig, type ServerConfig } from "../../config/server-config.js"
import type { SimulatedClient } from "../client.js"
import { ViolationError } from "../history.js"
import type { SimulatedNode } from "../node.js"
import { SeededRandom } from "../random.js"
import type { World } from "../world.js"
import { Ending } from "./groups/ending.js"
import { GroupAdministrator } from "./groups/group-administrator.js"
import { GroupsModel } from "./groups/model.js"
import { drawGroupOptions, type GroupsOptionsDrawn } from "./groups/options.js"
import { MemberSlot } from "./groups/slot.js"
import { TopicAdministrator, TrickleProducer } from "./groups/topics.js"
import { addBrokerNode, BrokerLives, finishesWithinMs } from "./lives/broker-lives.js"
import { hasNetworkFaults } from "./lives/faults.js"
import { brokerPort } from "./lives/lives-model.js"
import type { Workload } from "./workload.js"

class GroupRun {
  readonly clients: readonly SimulatedNode[]
  readonly model: GroupsModel
  readonly lives: BrokerLives
  readonly random: SeededRandom
  readonly slots: readonly MemberSlot[]

  constructor(
    readonly world: World,
    readonly options: GroupsOptionsDrawn,
  ) {
    this.random = world.random.fork("workload")
    const node = addBrokerNode(world, options)
    this.clients = Array.from({ length: options.clients }, (_, index) =>
      world.addNode(`client${index}`, { clock: { wallSkewMs: this.random.between(-5000, 5000) } }),
    )
    const model = new GroupsModel(world, options, node, world.random.fork("clients"))
    this.model = model
    const config = configOf(options, node.address)
    this.lives = new BrokerLives(model, config, this.random, this.clients, () => model.brokerDied())
    this.slots = options.groups.flatMap((group) =>
      Array.from({ length: group.members }, (_, index) => new MemberSlot(model, group, index, () => this.#env())),
    )
  }

  #env() {
    return this.random.pick(this.clients).env
  }

  async run(): Promise<GroupsModel["counts"]> {
    const { model, options, random, lives } = this
    const topics = new TopicAdministrator(model, this.#env()).run()
    const others = [new TrickleProducer(model, this.#env()).run(), new GroupAdministrator(model, this.#env()).run()]
    const members = this.slots.map((slot) => slot.run())
    for (let life = 1; life <= options.lives; life++) {
      await lives.live(random.between(1, options.lifeMs))
      model.history.verify()
      await this.world.sleep(random.magnitude(1, 4096))
    }
    await this.#end([topics, ...others])
    await Promise.all(members)
    return model.counts
  }

  async #end(work: readonly Promise<void>[]): Promise<void> {
    const { model, world, lives } = this
    lives.faults.heal()
    model.isQuiet = true
    await lives.bootHealthy()
    model.isEnding = true
    const finished = await Promise.race([
      Promise.all(work).then(() => true),
      world.sleep(finishesWithinMs).then(() => false),
    ])
    model.history.verify()
    if (!finished)
      throw new ViolationError(`liveness: administrators or the producer wait for answers after ${finishesWithinMs} ms`)
    const ending = new Ending(model, this.slots, this.random)
    await this.#with("auditor", async (client) => {
      await ending.audit(client)
      await ending.settled(client)
      await ending.caughtUp(client)
      await ending.audit(client)
    })
    lives.die(true)
    await lives.bootHealthy()
    await this.#with("auditor after the last crash", async (client) => {
      await ending.audit(client)
      await ending.settled(client)
    })
    model.isOver = true
    model.healthySinceMs = undefined
    await lives.stop()
    model.history.verify()
  }

  async #with(name: string, ask: (client: SimulatedClient) => Promise<void>): Promise<void> {
    const { model } = this
    const client = await model.connect(this.clients[0]!.env, name)
    if (client === undefined) throw new ViolationError("liveness: the broker does not take a connection")
    await ask(client)
    if (!client.isOpen) throw new ViolationError("liveness: a connection was closed though nothing is broken")
    client.close()
  }
}

function configOf(options: GroupsOptionsDrawn, address: string): ServerConfig {
  const { config, errors } = loadServerConfig({
    overrides: {
      listeners: `PLAINTEXT://${address}:${brokerPort}`,
      "log.dirs": Array.from({ length: options.directories }, (_, index) => `/data${index}`).join(","),
      "auto.create.topics.enable": "false",
      "log.flush.offset.checkpoint.interval.ms": String(options.checkpointMs),
      "replica.high.watermark.checkpoint.interval.ms": String(options.checkpointMs),
      "metadata.log.max.record.bytes.between.snapshots": String(options.snapshotBytes),
      "offsets.topic.num.partitions": String(options.offsetsPartitions),
      "offsets.topic.replication.factor": "1",
      "offsets.retention.minutes": String(options.retentionMinutes),
      "offsets.retention.check.interval.ms": String(options.expiryCheckMs),
      "group.initial.rebalance.delay.ms": String(options.initialRebalanceDelayMs),
      "group.min.session.timeout.ms": "100",
      "group.consumer.min.session.timeout.ms": "100",
      "group.consumer.session.timeout.ms": String(options.consumerSessionTimeoutMs),
      "group.consumer.min.heartbeat.interval.ms": "10",
      "group.consumer.heartbeat.interval.ms": String(options.consumerHeartbeatIntervalMs),
      "group.consumer.assignment.interval.ms": String(options.assignmentIntervalMs),
      "group.consumer.migration.policy": options.migrationPolicy,
    },
  })
  if (config === undefined) throw new Error(errors.join("\n"))
  return config
}

export const groupWorkload: Workload = {
  name: "groups",
  prepare(seed) {
    const options = drawGroupOptions(new SeededRandom(seed).fork("options"))
    let run: GroupRun | undefined
    return {
      options: { ...options, networkFaults: hasNetworkFaults(options) },
      world: {
        interleaveChance: options.interleaveChance,
        network: { chunkBytesMax: options.chunkBytesMax },
        onLog: ({ node, level, message, fields }) => {
          if (node === "broker") run?.lives.onLog(level, message, fields)
        },
      },
      run: (world) => {
        run = new GroupRun(world, options)
        return run.run()
      },
    }
  },
}
