/**
 * One life of a topic under load: clients, faults, the drain, the verdict.
 *
 * Owns the clients of the run and what follows its end: everything sent is acknowledged, everything acknowledged is read by all readers, the judge is content.
 */
import type { ForgetfulDisk } from "../power-cut/forgetful-disk.js"
import type { SeededRandom } from "../random.js"
import { expect } from "../work.js"
import { audit } from "./auditor.js"
import { ClientProcess } from "./client-process.js"
import { type Cluster, nodeCount } from "./cluster.js"
import type { Fault, Scene } from "./faults.js"
import { ackTimesOf, longestGapMs } from "./gaps.js"
import { judge, proveJudge } from "./judge.js"
import { loadClients } from "./load-clients.js"
import { nowUs, Recorder } from "./recorder.js"
import { ClusterView, type PartitionView } from "./view.js"

const recoveryMsMax = 30_000
const readersCatchUpMs = 30_000
const settleMs = 100
const preferredMsMax = 2_000
const calmMsMax = 300
const lookAgainMs = 10

export interface FaultReport {
  readonly fault: string
  readonly nodes: readonly number[]
  /** Of librdkafka, until its partitions took records again. */
  readonly gapMs: number
  /** Records that a producer gave up. */
  readonly failed: number
  /** From the fault until every node runs again. */
  readonly tookMs: number
}

export interface RunReport {
  readonly acknowledged: number
  readonly read: number
  readonly failed: number
  readonly violations: readonly string[]
}

export class LoadedTopic {
  readonly recorder = new Recorder()
  readonly view: ClusterView
  readonly #clients: ClientProcess[] = []
  /** Number and partition of what the measured producer had acknowledged last, found again without looking at everything. */
  #seenEvents = 0
  readonly #lastAcked = new Map<number, number>()
  #lastSent = -1

  private constructor(
    readonly cluster: Cluster,
    readonly topic: string,
    readonly partitions: number,
  ) {
    this.view = new ClusterView(cluster.bootstrap)
  }

  static async start(
    cluster: Cluster,
    topic: string,
    partitions: number,
    hasStaleLeaders: boolean,
  ): Promise<LoadedTopic> {
    const loaded = new LoadedTopic(cluster, topic, partitions)
    await loaded.view.ask((client) => client.createTopic(topic, partitions, {}, nodeCount))
    await loaded.view.inSync(topic)
    for (const command of await loadClients({ bootstrap: cluster.bootstrap, topic, partitions, hasStaleLeaders }))
      loaded.#clients.push(await ClientProcess.start(command, loaded.recorder))
    await loaded.takesRecords(Array.from({ length: partitions }, (_, partition) => partition))
    return loaded
  }

  /** The producer by whose acknowledgements gaps are told. */
  get #measured(): string {
    return this.#clients[0]!.name
  }

  /** Resolves when a record that was sent from now on is acknowledged in each of the partitions. */
  async takesRecords(partitions: readonly number[]): Promise<void> {
    this.#catchUp()
    const sentBefore = this.#lastSent
    const deadlineMs = Date.now() + recoveryMsMax
    for (;;) {
      this.#catchUp()
      if (partitions.every((partition) => (this.#lastAcked.get(partition) ?? -1) > sentBefore)) return
      for (const client of this.#clients) client.expectFine()
      if (Date.now() > deadlineMs)
        throw new Error(
          `no acknowledgements for ${recoveryMsMax} ms: ${JSON.stringify(await this.#state())}${this.#remarks()}`,
        )
      await new Promise((resolve) => setTimeout(resolve, lookAgainMs))
    }
  }

  #catchUp(): void {
    const { events } = this.recorder
    for (; this.#seenEvents < events.length; this.#seenEvents++) {
      const { client, event } = events[this.#seenEvents]!
      if (client !== this.#measured) continue
      if (event.kind === "acked") this.#lastAcked.set(event.partition, event.number)
      if (event.kind === "sent") this.#lastSent = event.number
    }
  }

  #remarks(): string {
    return this.#clients.map(({ name, errors }) => `\n${name}:\n  ${errors.slice(-5).join("\n  ")}`).join("")
  }

  async #state(): Promise<unknown> {
    return this.view.partitions(this.topic).catch((error: Error) => error.message)
  }

  /** One fault, from calm to calm. Errors: throws when the cluster does not recover in time. */
  async suffer(fault: Fault, random: SeededRandom, disks: readonly ForgetfulDisk[]): Promise<FaultReport> {
    const { cluster, view } = this
    await view.inSync(this.topic, recoveryMsMax)
    await view.electPreferred()
    const isPreferred = ({ leader, replicas }: PartitionView) => leader === replicas[0]
    // A node that stood still leads nothing for half a minute: then it is as it is.
    await view.until(this.topic, "led by the preferred", isPreferred, preferredMsMax).catch(() => undefined)
    await new Promise((resolve) => setTimeout(resolve, settleMs + random.int(calmMsMax)))
    const partitions = await view.inSync(this.topic, recoveryMsMax)
    await this.takesRecords(partitions.map(({ partition }) => partition))
    cluster.expectAlive()
    for (const { partition, leader, leaderEpoch } of partitions)
      this.recorder.note("metadata", { kind: "leader", partition, leaderEpoch, leader })
    const scene: Scene = {
      ...{ cluster, random, partitions, disks, network: cluster.options.network },
      controller: await view.controller(),
      recovered: (which) => this.takesRecords(which),
      look: () => view.partitions(this.topic),
    }
    const target = fault.choose(scene)
    const failedBefore = this.recorder.count("failed")
    const fromUs = nowUs()
    await fault.begin(scene, target)
    const begunUs = nowUs()
    await fault.end(scene, target)
    // While a majority is down nobody can take anything.
    const untilUs = target.nodes.length > 1 ? nowUs() : begunUs
    const times = ackTimesOf(this.recorder.events, this.#measured)
    return {
      fault:
        target.nodes.length === 1 && target.nodes[0]!.id === scene.controller && fault.name !== "controller"
          ? `${fault.name} of the controller`
          : fault.name,
      nodes: target.nodes.map(({ id }) => id),
      gapMs: Math.round(longestGapMs(times, target.partitions, fromUs, untilUs)),
      failed: this.recorder.count("failed") - failedBefore,
      tookMs: Math.round((nowUs() - fromUs) / 1000),
    }
  }

  /** Ends the load, reads everything, judges. `proof`: the judge is tried on this very history. */
  async finish(proof: SeededRandom | undefined): Promise<RunReport> {
    const { recorder, topic, partitions } = this
    await this.view.inSync(topic, recoveryMsMax)
    const readers = this.#clients.filter(({ isReader }) => isReader)
    for (const client of this.#clients) if (!client.isReader) await client.stop()
    const read = await audit(topic, this.view, this.cluster.options.network, recorder)
    const violations: string[] = []
    for (const reader of readers) {
      const behind = await this.#catchesUp(reader, read)
      if (behind !== 0) violations.push(`${reader.name} has read ${read - behind} of ${read} records`)
      await reader.stop()
    }
    violations.push(...judge(recorder, topic, partitions))
    const acknowledged = recorder.count("acked")
    expect(acknowledged > 0, "nothing was acknowledged")
    if (violations.length === 0 && proof !== undefined) proveJudge(recorder, topic, partitions, proof)
    return { acknowledged, read, failed: recorder.count("failed"), violations }
  }

  /** How many of the records a reader still has not read when the time for it is over. */
  async #catchesUp(reader: ClientProcess, records: number): Promise<number> {
    const deadlineMs = Date.now() + readersCatchUpMs
    for (;;) {
      const { events } = this.recorder
      const read = events.filter(({ client, event }) => client === reader.name && event.kind === "read").length
      if (read >= records || Date.now() > deadlineMs) return records - read
      reader.expectFine()
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}
