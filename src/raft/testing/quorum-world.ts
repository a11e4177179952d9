/**
 * A quorum of real metadata logs on simulated machines.
 *
 * Owns the harness: nodes that start, crash and are cut off, a mirror of what each was told, and the invariants, checked as it is told. What is appended are texts, none twice.
 */
import assert from "node:assert/strict"
import type { BrokerId, Offset, Uuid } from "../../base/ids.js"
import type { Api, RequestOf, ResponseInputOf } from "../../protocol/message.js"
import { addRaftVoter } from "../../protocol/messages/add-raft-voter.js"
import { describeQuorum } from "../../protocol/messages/describe-quorum.js"
import { fetch } from "../../protocol/messages/fetch.js"
import { removeRaftVoter } from "../../protocol/messages/remove-raft-voter.js"
import { vote } from "../../protocol/messages/vote.js"
import type { DiskOptions } from "../../sim/disk.js"
import type { SimulatedNode } from "../../sim/node.js"
import { hashText } from "../../sim/random.js"
import { simulate, type World, type WorldOptions } from "../../sim/world.js"
import { LogManager } from "../../storage/log-manager.js"
import { MetadataLog, type MetadataLogEvents, type MetadataLogTiming } from "../metadata-log.js"
import type { SnapshotId } from "../snapshot-file.js"
import { kraftVersionControlRecord, votersControlRecord } from "../voter-history.js"
import { supportedKRaftVersions, VoterSet } from "../voter-set.js"
import { encodeSnapshot, snapshotFileName } from "../snapshot-file.js"
import { Invariants, type MirroredBatch } from "./invariants.js"
import { type Handle, QuorumNetwork, type QuorumNetworkOptions } from "./quorum-network.js"

export const clusterId: Uuid = "AAAAAAAAAAAAAAAAAAAAZQ"
const listenerName = "CONTROLLER"

export const defaultTiming: MetadataLogTiming = {
  electionTimeoutMs: 1000,
  fetchTimeoutMs: 2000,
  electionBackoffMaxMs: 1000,
  requestTimeoutMs: 2000,
  retryBackoffMs: 20,
}

export interface QuorumOptions {
  readonly seed?: string | number
  /** Node ids from 1 on; the others are observers. */
  readonly voters: number
  readonly observers?: number
  readonly network?: Partial<QuorumNetworkOptions>
  readonly timing?: Partial<MetadataLogTiming>
  readonly disk?: Partial<DiskOptions>
  /** kraft.version 1: the first voters are in a snapshot, as a format leaves it. */
  readonly dynamic?: boolean
  readonly world?: WorldOptions
  readonly virtualMsMax?: number
}

export const directoryIdOf = (id: BrokerId, disk = 0): Uuid =>
  Buffer.from([...Array.from({ length: 12 }, () => 7), 0, 0, disk, id]).toString("base64url")

export class QuorumNode {
  log: MetadataLog | undefined
  manager: LogManager | undefined
  /** The log from the latest snapshot on, as its owner was told. */
  batches: MirroredBatch[] = []
  /** What the state machine on top would hold below `batches`. */
  snapshot: { id: SnapshotId; values: string[]; digest: string } | undefined
  committedOffset: Offset = 0
  isLeader = false
  leaderId: BrokerId = -1
  failed: string | undefined
  /** Counts disks: a new one has another directory id. */
  disk = 0
  #starting = 0

  constructor(
    readonly quorum: QuorumWorld,
    readonly id: BrokerId,
    readonly node: SimulatedNode,
  ) {}

  get name(): string {
    return this.node.name
  }

  get directoryId(): Uuid {
    return directoryIdOf(this.id, this.disk)
  }

  get endOffset(): Offset {
    return this.batches.at(-1)?.nextOffset ?? this.snapshot?.id.endOffset ?? 0
  }

  get digest(): string {
    return this.batches.at(-1)?.digest ?? this.snapshot?.digest ?? ""
  }

  get values(): string[] {
    return [...(this.snapshot?.values ?? []), ...this.batches.flatMap(({ values }) => values)]
  }

  get committedValues(): string[] {
    const { committedOffset } = this
    const below = this.batches.filter(({ nextOffset }) => nextOffset <= committedOffset)
    return [...(this.snapshot?.values ?? []), ...below.flatMap(({ values }) => values)]
  }

  async start(): Promise<void> {
    const { quorum, node } = this
    const number = ++this.#starting
    const env = node.alive ? node.env : node.restart()
    this.batches = []
    this.snapshot = undefined
    this.committedOffset = 0
    this.isLeader = false
    this.leaderId = -1
    this.failed = undefined
    const path = `/disk${this.disk}`
    await quorum.prepareDisk(this, path)
    const manager = await LogManager.openDirectories(env, {
      directories: [path],
      nodeId: this.id,
      newClusterId: clusterId,
      configOf: () => {
        throw new Error("no topics here")
      },
      foreignTopics: new Set(["__cluster_metadata"]),
      checkpointIntervalMs: 5000,
      onDirectoryFailed: (_directory, reason) => (this.failed = reason),
    })
    const home = manager.directories[0]!
    const log = await MetadataLog.open(env, home, {
      nodeId: this.id,
      directoryId: this.directoryId,
      clusterId,
      isController: quorum.isController(this.id),
      voters: quorum.options.dynamic ? [] : quorum.staticVoters.ids.map((id) => ({ id, host: `n${id}`, port: 1 })),
      bootstrapServers: quorum.staticVoters.voters.map(({ endpoints }) => endpoints[0]!),
      ownEndpoint: () => (quorum.isController(this.id) ? { host: this.name, port: 1 } : undefined),
      listenerName,
      connect: (address) => quorum.network.connect(node, address),
      timing: quorum.timing,
    })
    const found = await log.latestSnapshot()
    if (found !== undefined && found.id.endOffset > 0) this.#takeSnapshot(found.values, found.id)
    for await (const { values, baseOffset, nextOffset, epoch } of log.batchesFrom(found?.id.endOffset ?? 0))
      this.#push(values.map(String), baseOffset, nextOffset, epoch)
    if (number !== this.#starting || !node.alive) return
    quorum.invariants.durable.opened(this.id, log.logEndOffset)
    this.log = log
    this.manager = manager
    await manager.loadLogs()
    quorum.network.serve(this.name, this.#handle(log))
    const events: MetadataLogEvents = {
      onAppended: (values, baseOffset, nextOffset, epoch) =>
        this.#push(values.map(String), baseOffset, nextOffset, epoch),
      onTruncated: (endOffset) => {
        quorum.invariants.appendOnly.truncated(this.id, this.isLeader && quorum.options.disk === undefined)
        quorum.invariants.durable.truncated(this.id, endOffset)
        assert.ok(endOffset >= this.committedOffset, `node ${this.id} cuts what is committed, to ${endOffset}`)
        while (this.endOffset > endOffset && this.batches.length > 0) this.batches.pop()
        assert.equal(this.endOffset, endOffset)
      },
      onSnapshot: (snapshotValues, id) => {
        quorum.invariants.durable.truncated(this.id, id.endOffset)
        this.#takeSnapshot(snapshotValues, id)
      },
      onCommitted: (highWatermark) => this.#committed(highWatermark),
      onLeadership: (epoch) => {
        quorum.invariants.elections.leads(this.id, epoch)
        quorum.invariants.committed.leads(this.id, epoch, this.batches, this.snapshot)
        assert.equal(this.endOffset, log.logEndOffset, "a leader's owner knows everything in its log")
        this.isLeader = true
      },
      onResigned: () => (this.isLeader = false),
      onLeaderChanged: ({ leaderId }) => (this.leaderId = leaderId),
      onFailed: (reason) => (this.failed = reason),
    }
    await log.start(quorum.watched(events))
  }

  #handle(log: MetadataLog): Handle {
    const { durable } = this.quorum.invariants
    return async <A extends Api>(api: A, request: RequestOf<A>, version: number): Promise<ResponseInputOf<A>> => {
      if (api.key === fetch.key) {
        const { replicaState, topics } = request as unknown as RequestOf<typeof fetch>
        durable.fetched(replicaState.replicaId, topics[0]!.partitions[0]!.fetchOffset)
      }
      const response = await log.handle(api, request, version)
      if (api.key === fetch.key) {
        const partition = (response as unknown as ResponseInputOf<typeof fetch>).responses[0]?.partitions[0]
        const { replicaState } = request as unknown as RequestOf<typeof fetch>
        // It will cut its log, and may be cut off in the middle of that.
        if ((partition?.divergingEpoch?.epoch ?? -1) >= 0) durable.truncated(replicaState.replicaId, 0)
      }
      if (api.key === vote.key) {
        const asked = (request as unknown as RequestOf<typeof vote>).topics[0]!.partitions[0]!
        const granted = (response as unknown as ResponseInputOf<typeof vote>).topics[0]?.partitions[0]?.voteGranted
        if (granted && !asked.preVote) durable.voted(this.id, asked.replicaEpoch, asked.replicaId)
      }
      return response
    }
  }

  #push(values: readonly string[], baseOffset: Offset, nextOffset: Offset, epoch: number): void {
    assert.equal(baseOffset, this.endOffset, `node ${this.id} is told of offset ${baseOffset} after ${this.endOffset}`)
    const digest = hashText(`${this.digest} ${epoch} ${baseOffset} ${nextOffset} ${values.join()}`).toString(36)
    const batch = { values, baseOffset, nextOffset, epoch, digest }
    this.batches.push(batch)
    this.quorum.invariants.matching.has(this.id, batch)
  }

  #takeSnapshot(values: readonly Buffer[], id: SnapshotId): void {
    const texts = values.map(String)
    const digest = texts.shift()!
    this.batches = []
    this.snapshot = { id, values: texts, digest }
    this.committedOffset = id.endOffset
  }

  #committed(highWatermark: Offset): void {
    assert.ok(highWatermark > this.committedOffset, "a high watermark never goes back")
    for (const batch of this.batches)
      if (batch.nextOffset > this.committedOffset && batch.nextOffset <= highWatermark)
        this.quorum.invariants.committed.committed(this.id, batch, this.log!.epoch)
    this.committedOffset = highWatermark
    const { voters } = this.log!
    if (this.isLeader && this.quorum.options.dynamic) this.quorum.noteVoters(this.log!, voters.ids)
  }

  append(value: string): Offset | undefined {
    const appended = this.isLeader ? this.log!.append([Buffer.from(value)], this.node.env.clock.wallMs()) : undefined
    if (appended === undefined) return undefined
    this.#push([value], appended.baseOffset, appended.nextOffset, appended.epoch)
    return appended.nextOffset
  }

  async takeSnapshot(): Promise<void> {
    const last = this.batches.findLast(({ nextOffset }) => nextOffset <= this.committedOffset)
    if (last === undefined || this.log === undefined) return
    const { nextOffset, digest, epoch } = last
    const values = [digest, ...this.committedValues].map((text) => Buffer.from(text))
    await this.log.snapshot(values, { endOffset: nextOffset, epoch })
  }

  /** `lossy`: nothing that is not synced survives the power cut; else some of it may. */
  crash(how: "kill" | "power", lossy = false): void {
    if (!this.node.alive) return
    this.node.crash(how, lossy ? { keep: 0, keepNames: 0, tear: 0 } : {})
    this.quorum.network.crashed(this.node, how)
    this.log = undefined
    this.isLeader = false
  }

  async stop(): Promise<void> {
    await this.log?.resign()
    await this.manager?.close()
    this.crash("kill")
  }
}

export class QuorumWorld {
  readonly nodes: QuorumNode[] = []
  readonly invariants = new Invariants()
  readonly network: QuorumNetwork
  readonly timing: MetadataLogTiming
  readonly staticVoters: VoterSet
  readonly controllers = new Set<BrokerId>()
  #nextValue = 0
  #violation: unknown

  constructor(
    readonly world: World,
    readonly options: QuorumOptions,
  ) {
    this.network = new QuorumNetwork(world, {
      delayMs: { least: 0.1, spread: 0.4 },
      lossChance: 0,
      retransmitMs: 200,
      connectTimeoutMs: 60_000,
      ...options.network,
    })
    this.timing = { ...defaultTiming, ...options.timing }
    const ids = Array.from({ length: options.voters }, (_, index) => index + 1)
    for (const id of ids) this.controllers.add(id)
    this.staticVoters = VoterSet.static(
      ids.map((id) => ({ id, host: `n${id}`, port: 1 })),
      listenerName,
    )
    for (let id = 1; id <= options.voters + (options.observers ?? 0); id++) {
      const node = world.addNode(`n${id}`, { disk: options.disk ?? {} })
      this.network.add(node)
      this.nodes.push(new QuorumNode(this, id, node))
    }
  }

  /** A contradiction found while a node is told something ends the scenario, whoever's call it was in. */
  watched(events: MetadataLogEvents): MetadataLogEvents {
    const watch =
      <A extends unknown[]>(run: (...args: A) => void) =>
      (...args: A): void => {
        try {
          run(...args)
        } catch (error) {
          this.#violation ??= error
        }
      }
    return Object.fromEntries(
      Object.entries(events).map(([name, run]) => [name, watch(run as (...args: unknown[]) => void)]),
    ) as unknown as MetadataLogEvents
  }

  checkViolation(): void {
    if (this.#violation !== undefined) throw this.#violation
  }

  isController(id: BrokerId): boolean {
    return this.controllers.has(id)
  }

  /** What `kafka-storage format` would leave: who this disk is, and the first voters. */
  async prepareDisk(node: QuorumNode, path: string): Promise<void> {
    const { disk } = node.node.env
    const folder = `${path}/__cluster_metadata-0`
    if ((await disk.stat(`${path}/meta.properties`)) !== undefined) return
    await disk.makeDirectory(folder)
    const write = async (name: string, content: Buffer) => {
      const file = await disk.open(name, { create: true })
      await file.write([content], 0)
      await file.sync()
      await file.close()
    }
    if (this.options.dynamic && node.disk === 0 && node.id <= this.options.voters) {
      const voters = new VoterSet(
        this.staticVoters.voters.map((voter) => ({
          ...voter,
          directoryId: directoryIdOf(voter.id),
          ...supportedKRaftVersions,
        })),
      )
      const id = { endOffset: 0, epoch: 0 }
      const controls = [kraftVersionControlRecord(1), votersControlRecord(voters)]
      await write(`${folder}/${snapshotFileName(id)}`, encodeSnapshot([], id, 0, controls))
    }
    await write(
      `${path}/meta.properties`,
      Buffer.from(`cluster.id=${clusterId}\ndirectory.id=${node.directoryId}\nnode.id=${node.id}\nversion=1\n`),
    )
    for (const each of [folder, path, "/"]) await disk.syncDirectory(each)
  }

  noteVoters(log: MetadataLog, voters: readonly BrokerId[]): void {
    if (log.votersOffset < log.highWatermark) this.invariants.voters.committed(log.votersOffset, voters)
  }

  node(id: BrokerId): QuorumNode {
    return this.nodes[id - 1]!
  }

  get running(): QuorumNode[] {
    return this.nodes.filter(({ node, log }) => node.alive && log !== undefined)
  }

  get leader(): QuorumNode | undefined {
    const leaders = this.running.filter(({ isLeader }) => isLeader)
    return leaders.sort((a, b) => b.log!.epoch - a.log!.epoch)[0]
  }

  /** Time passes, and what was found meanwhile is thrown. */
  async sleep(ms: number): Promise<void> {
    await this.world.sleep(ms)
    this.checkViolation()
  }

  async start(...ids: BrokerId[]): Promise<void> {
    await Promise.all((ids.length > 0 ? ids.map((id) => this.node(id)) : this.nodes).map((node) => node.start()))
  }

  /** Fails after `withinMs` of virtual time. */
  async until(what: string, holds: () => boolean, withinMs = 10_000): Promise<void> {
    const untilMs = this.world.nowMs + withinMs
    while (!holds()) {
      this.checkViolation()
      assert.ok(this.world.nowMs < untilMs, `not within ${withinMs} ms: ${what}`)
      await this.world.sleep(5)
    }
  }

  /** A leader that the majority follows; its id. */
  async elected(withinMs = 10_000): Promise<QuorumNode> {
    const follows = (leader: QuorumNode) =>
      this.running.filter(({ leaderId, log }) => leaderId === leader.id && log!.epoch === leader.log!.epoch)
    await this.until(
      "a leader",
      () =>
        this.leader !== undefined &&
        follows(this.leader).filter(({ id }) => this.leader!.log!.voters.get(id)).length >=
          this.leader.log!.voters.majority,
      withinMs,
    )
    return this.leader!
  }

  nextValue(): string {
    return `v${++this.#nextValue}`
  }

  /** Appends one value at the leader and waits until everybody that runs has it committed; another one where a leader was deposed before that. */
  async replicate(withinMs = 10_000): Promise<string> {
    const untilMs = this.world.nowMs + withinMs
    for (;;) {
      const value = this.nextValue()
      const { leader } = this
      const appended = leader?.append(value)
      const isIn = () => this.running.every(({ committedOffset }) => committedOffset >= appended!)
      if (appended !== undefined) {
        while (leader!.isLeader && !isIn() && this.world.nowMs < untilMs) await this.sleep(1)
        if (isIn()) return value
      }
      assert.ok(this.world.nowMs < untilMs, `not within ${withinMs} ms: a commit everywhere`)
      await this.sleep(5)
    }
  }

  isolate(id: BrokerId): void {
    for (const other of this.nodes) {
      if (other.id === id) continue
      this.network.cut(this.node(id).name, other.name)
      this.network.cut(other.name, this.node(id).name)
    }
  }

  async describe(): Promise<ResponseInputOf<typeof describeQuorum>> {
    const topics = [{ topicName: "__cluster_metadata", partitions: [{ partitionIndex: 0 }] }]
    return this.leader!.log!.handle(describeQuorum, { topics }, 2)
  }

  addVoter(id: BrokerId, timeoutMs = 2000): Promise<ResponseInputOf<typeof addRaftVoter>> {
    const { name, directoryId } = this.node(id)
    return this.leader!.log!.handle(
      addRaftVoter,
      {
        clusterId,
        timeoutMs,
        voterId: id,
        voterDirectoryId: directoryId,
        listeners: [{ name: listenerName, host: name, port: 1 }],
        ackWhenCommitted: true,
      },
      1,
    )
  }

  removeVoter(id: BrokerId, directoryId = this.node(id).directoryId): Promise<ResponseInputOf<typeof removeRaftVoter>> {
    return this.leader!.log!.handle(removeRaftVoter, { clusterId, voterId: id, voterDirectoryId: directoryId }, 0)
  }
}

/** Runs a story in a world of its own. */
export async function inQuorumWorld(
  options: QuorumOptions,
  scenario: (quorum: QuorumWorld) => Promise<void>,
): Promise<QuorumWorld> {
  let quorum: QuorumWorld | undefined
  await simulate(
    options.seed ?? 1,
    (world) => {
      quorum = new QuorumWorld(world, options)
      return scenario(quorum)
    },
    { interleaveChance: 0, ...options.world, ...(options.virtualMsMax && { virtualMsMax: options.virtualMsMax }) },
  )
  return quorum!
}
