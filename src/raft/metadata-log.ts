/**
 * The metadata log on this node: what drives the quorum's rules with a log, a vote file, snapshots and other nodes.
 *
 * Owns the order in which things happen: what rests on a vote leaves only when the vote is on the medium, and whoever is above is told of appends, cuts and commits in the order of the
 * log. What a record means is not its business: values go in and come out as bytes.
 */
import { type BrokerId, type Offset, type Uuid, zeroUuid } from "../base/ids.js"
import { MalformedError } from "../base/reader.js"
import type { Env, Timer } from "../env/env.js"
import { type ConnectPeer, type PeerAddress, PeerError } from "../net/peer.js"
import type { Api, RequestOf, ResponseInputOf } from "../protocol/message.js"
import { leaderChangeMessage } from "../protocol/messages/control-records.js"
import { beginQuorumEpoch } from "../protocol/messages/begin-quorum-epoch.js"
import { endQuorumEpoch } from "../protocol/messages/end-quorum-epoch.js"
import { fetch } from "../protocol/messages/fetch.js"
import { vote } from "../protocol/messages/vote.js"
import { controlRecordKey, controlRecordTypes } from "../protocol/record-batch.js"
import { readDurableFile, replaceFile } from "../storage/checkpoint-files.js"
import type { LogDirectory } from "../storage/log-directory.js"
import { isShortage } from "../storage/shortage.js"
import { RaftCore, type RaftTiming, type SilentLeader } from "./core.js"
import type { Effects } from "./effects.js"
import { type ElectionState, noElection } from "./election-state.js"
import { FetchWaiters } from "./fetch-waiters.js"
import { QuorumPeers } from "./quorum-peers.js"
import { QuorumServer } from "./quorum-server.js"
import { formatQuorumState, parseQuorumState, quorumStateFile } from "./quorum-state.js"
import { type AppendedBatch, type AppendedRecords, MetadataLogError, RaftLog } from "./raft-log.js"
import type { Outgoing, OutgoingFetch, RequestFailure } from "./requests.js"
import { SnapshotDownload } from "./snapshot-download.js"
import type { SnapshotId } from "./snapshot-file.js"
import { kraftVersionControlRecord, votersControlRecord } from "./voter-history.js"
import { VoterChanges } from "./voter-changes.js"
import { noVoters, type ReplicaKey, VoterSet } from "./voter-set.js"
import {
  beginRequest,
  endRequest,
  fetchRequest,
  readEpochResponse,
  readFetchResponse,
  type Sender,
  voteRequest,
} from "./wire.js"

export { type AppendedBatch, MetadataLogError } from "./raft-log.js"

export interface MetadataLogTiming extends RaftTiming {
  readonly requestTimeoutMs: number
}

export interface MetadataLogOptions {
  readonly nodeId: BrokerId
  readonly directoryId: Uuid
  readonly clusterId: Uuid
  /** False: this node never votes, whatever the voters say. */
  readonly isController: boolean
  /**
   * Those of `controller.quorum.voters`. Empty: they are in the log, or learned from the bootstrap servers; where there are none either, a controller is its own quorum.
   */
  readonly voters: readonly ({ readonly id: BrokerId } & PeerAddress)[]
  readonly bootstrapServers: readonly PeerAddress[]
  /** Where this node's controller listener is reached; undefined while it is not known, and on nodes without one. */
  readonly ownEndpoint: () => PeerAddress | undefined
  readonly listenerName: string
  readonly connect: ConnectPeer
  readonly timing: MetadataLogTiming
}

export interface LeaderInfo {
  /** -1: none is known. */
  readonly leaderId: BrokerId
  readonly epoch: number
  readonly address: PeerAddress | undefined
}

export interface MetadataLogEvents {
  /** Another leader's batch is in this log, or a control batch of any leader (`values` empty). Not committed yet. */
  onAppended(values: readonly Buffer[], baseOffset: Offset, nextOffset: Offset, epoch: number): void
  /** What was appended at or above `endOffset`, where the log now ends, is gone: it diverged, or the disk is full. */
  onTruncated(endOffset: Offset): void
  /** The log now starts with this snapshot: nothing before counts. */
  onSnapshot(values: readonly Buffer[], id: SnapshotId): void
  /** Everything below is committed. */
  onCommitted(highWatermark: Offset): void
  /** This node leads and may append. Everything it has is in its own log, committed or not. `silent`: the leader before it, when that has not been heard of. */
  onLeadership(epoch: number, silent: SilentLeader | undefined): void
  /** It does not lead any more. */
  onResigned(): void
  onLeaderChanged(leader: LeaderInfo): void
  /** Nothing can be appended any more on this node. */
  onFailed(reason: string): void
}

/** How long a fetch may wait at the leader, in parts of the fetch timeout, and at most. */
const fetchWaitPart = 4
export const fetchMaxWaitMs = 500
/** Bytes of one fetch, as Kafka's. */
export const fetchBytesMax = 8 * 1024 * 1024
/** A vote that finds no room on the disk is tried again. */
const persistRetryMs = 1000
/** How long a clean stop waits for the others to hear of it. */
const handoverMs = 1000
const handoverCheckMs = 5

const noEvents: MetadataLogEvents = {
  onAppended() {},
  onTruncated() {},
  onSnapshot() {},
  onCommitted() {},
  onLeadership() {},
  onResigned() {},
  onLeaderChanged() {},
  onFailed() {},
}

export class MetadataLog {
  readonly #core: RaftCore
  readonly #peers: QuorumPeers
  readonly #waiters: FetchWaiters
  readonly #download: SnapshotDownload
  readonly #server: QuorumServer
  readonly #voterChanges: VoterChanges
  #events: MetadataLogEvents = noEvents
  #performing = false
  #timer: Timer | undefined
  #timerAtMs = Number.POSITIVE_INFINITY
  #unwritten: ElectionState | undefined
  #isPersisting = false
  /** What may leave only when the vote file says what it rests on. */
  #afterPersist: (() => void)[] = []
  #toldLeader = ""
  #isStopped = false
  #isFailed = false
  /** Settles `start` of a node that is its only voter. */
  #onlyVoterLeads: ((problem: string | undefined) => void) | undefined

  private constructor(
    private readonly env: Env,
    private readonly options: MetadataLogOptions,
    private readonly log: RaftLog,
    election: ElectionState,
  ) {
    const { timing } = options
    this.#core = new RaftCore({
      self: this.#self,
      voters: this.#votersThatCount(),
      election,
      log,
      timing,
      randomInt: (below) => env.random.int(below),
    })
    this.#peers = new QuorumPeers(
      options.connect,
      options.nodeId,
      options.listenerName,
      options.bootstrapServers,
      () => log.history.latest.voters,
    )
    this.#waiters = new FetchWaiters(env.timers)
    this.#download = new SnapshotDownload(env, log, this.#core, {
      sender: () => this.#sender,
      fetchPeer: (leaderId, use) => this.#withFetchPeer(leaderId, use),
      timeoutMs: this.#fetchTimeoutMs,
      onInstalled: (values, id) => {
        this.#tellVoters()
        this.#events.onSnapshot(values, id)
        this.#perform()
      },
      onChange: () => this.#perform(),
      onFailed: (error) => this.#fail(error),
    })
    this.#voterChanges = new VoterChanges({
      env,
      core: this.#core,
      history: log.history,
      options,
      append: (voters, newVersion) => this.#appendVoters(voters, newVersion),
      ownEndpoint: options.ownEndpoint,
      resign: () => {
        this.#core.resign(this.#nowMs)
        this.#perform()
      },
    })
    this.#server = new QuorumServer({
      env,
      core: this.#core,
      log,
      waiters: this.#waiters,
      options,
      voterChanges: this.#voterChanges,
      leaderAddress: () => this.leader.address,
      learn: (id, epoch, address) => this.#peers.learn(id, epoch, address),
      afterPersist: () => this.#persisted(),
      perform: () => this.#perform(),
    })
  }

  /**
   * Opens the metadata log in a log directory; makes it in a new one.
   *
   * Errors: MetadataLogError (damage that only a person can judge), DiskError.
   */
  static async open(env: Env, directory: LogDirectory, options: MetadataLogOptions): Promise<MetadataLog> {
    const { nodeId, listenerName } = options
    const isAlone = options.voters.length === 0 && options.bootstrapServers.length === 0 && options.isController
    const voters = isAlone ? [{ id: nodeId, host: "localhost", port: 0 }] : options.voters
    const log = await RaftLog.open(env, directory, VoterSet.static(voters, listenerName))
    const saved = await readDurableFile(env.disk, log.path, quorumStateFile)
    const quorumState = saved === undefined ? { election: noElection } : parseQuorumState(saved.toString("utf8"))
    if (quorumState === undefined) {
      throw new MetadataLogError(
        `${log.path}/${quorumStateFile} is damaged: this node's vote is not known. With one node, remove the file.`,
      )
    }
    return new MetadataLog(env, options, log, quorumState.election)
  }

  get epoch(): number {
    return this.#core.epoch
  }

  get isLeader(): boolean {
    return this.#core.isLeader
  }

  /** How long the active controller has not heard of a majority: others may have elected another. 0 on other nodes. */
  get majoritySilenceMs(): number {
    return this.#core.majoritySilenceMs(this.#nowMs)
  }

  get leader(): LeaderInfo {
    const { leaderId, epoch } = this.#core
    const address = leaderId === this.options.nodeId ? this.options.ownEndpoint() : this.#peers.addressOf(leaderId)
    return { leaderId, epoch, address: leaderId === -1 ? undefined : address }
  }

  /** Who leads and who votes, and where they are, as far as this node knows. */
  describe(): {
    readonly leaderId: BrokerId
    readonly epoch: number
    readonly voters: ({ readonly id: BrokerId } & PeerAddress)[]
  } {
    const { leaderId, epoch } = this.#core
    const voters = this.voters.ids.flatMap((id) => {
      const address = id === this.options.nodeId ? this.options.ownEndpoint() : this.#peers.addressOf(id)
      return address === undefined ? [] : [{ id, host: address.host, port: address.port }]
    })
    return { leaderId, epoch, voters }
  }

  /** The newest voters in the log, committed or not. */
  get voters(): VoterSet {
    return this.log.history.latest.voters
  }

  get kraftVersion(): number {
    return this.log.history.latest.kraftVersion
  }

  /** To kraft.version 1, on the active controller: resolves when it is committed, or with what stands in the way. */
  upgradeVoters(): Promise<{ readonly errorCode: number; readonly errorMessage: string | null }> {
    return this.#voterChanges.upgrade()
  }

  /** Of the record that names them; -1: configuration, or what a format left. */
  get votersOffset(): Offset {
    return this.log.history.latest.offset
  }

  get logEndOffset(): Offset {
    return this.log.logEndOffset
  }

  get highWatermark(): Offset {
    return this.#core.highWatermark
  }

  get logStartOffset(): Offset {
    return this.log.logStartOffset
  }

  /** The records that `kafka-storage format` left for a new cluster; undefined where there are none. */
  bootstrapValues(directory: string): Promise<Buffer[] | undefined> {
    return this.log.bootstrapValues(directory)
  }

  /** The newest snapshot that is whole; what it holds is the result of everything below its end offset. */
  latestSnapshot(): Promise<{ id: SnapshotId; values: Buffer[] } | undefined> {
    return this.log.readLatestSnapshot()
  }

  /** All batches in the log from `offset` on, in order, control batches without values. Before `start` only; nobody knows yet how much of it is committed. */
  batchesFrom(offset: Offset): AsyncGenerator<AppendedBatch> {
    return this.log.batchesFrom(offset)
  }

  /**
   * Takes part in the quorum. A node that is its only voter leads when this resolves, without asking anybody and without waiting for any timer; on others it resolves at once.
   *
   * Errors: MetadataLogError, where the only voter cannot lead.
   */
  async start(events: Partial<MetadataLogEvents>): Promise<void> {
    await this.log.finishReading()
    this.#events = { ...noEvents, ...events }
    this.log.log.listener = {
      onAdvance: () => {
        this.#core.onFlushed(this.#nowMs)
        this.#perform()
        this.#waiters.look()
      },
      onAppendsLost: (_log, endOffset) => this.#onAppendsLost(endOffset),
      onDamaged: () => {},
      onOffline: (_log, reason) => this.#onOffline(reason),
    }
    this.#tellVoters()
    this.#core.start(this.#nowMs)
    const leads =
      this.#core.role === "candidate"
        ? new Promise<string | undefined>((resolve) => (this.#onlyVoterLeads = resolve))
        : undefined
    this.#perform()
    const problem = await leads
    if (problem !== undefined) throw new MetadataLogError(problem)
  }

  /** Appends one atomic batch. Undefined: this node may not append now. */
  append(values: readonly Buffer[], nowMs: number): AppendedRecords | undefined {
    if (!this.#core.isLeader) return undefined
    return this.log.appendAsLeader(
      values.map((value) => ({ value })),
      { isControl: false, epoch: this.#core.epoch, nowMs },
    )
  }

  /** Answers a request of another node, or of a tool. `version` is the request's. */
  handle<A extends Api>(api: A, request: RequestOf<A>, version: number): Promise<ResponseInputOf<A>> {
    return this.#server.handle(api, request, version)
  }

  /**
   * Takes no part any more. A leader hands over first: when it resolves, the others know, or had a second to listen. The log stays readable, and is closed by its directory.
   */
  async resign(): Promise<void> {
    if (this.#isStopped) return
    if (this.#core.role === "leader" && this.#core.voters.size > 1) {
      this.#core.resign(this.#nowMs)
      this.#perform()
      const untilMs = this.#nowMs + handoverMs
      for (;;) {
        if ((this.#core.toBeTold ?? 0) === 0 || this.#nowMs >= untilMs) break
        await new Promise<void>((resolve) => this.env.timers.after(handoverCheckMs, resolve))
      }
    }
    this.stop()
  }

  /** Takes no part any more, at once: for a start that failed, and after `resign`. */
  stop(): void {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#core.halt()
    this.#perform()
    this.#timer?.cancel()
    this.#peers.close()
    this.#waiters.wakeAll()
  }

  /** Whether a snapshot is on its way to the medium. */
  get isSnapshotting(): boolean {
    return this.log.isSnapshotting
  }

  /** Bytes in the log since the last snapshot. */
  get bytesSinceSnapshot(): number {
    return this.log.bytesSinceSnapshot
  }

  /**
   * Writes a snapshot of everything below `endOffset`, which is committed, and lets go of older ones and of the log before them. One at a time: a call during another does nothing.
   * Rejects with DiskError; the log is as it was then.
   */
  async snapshot(values: Iterable<Buffer>, id: SnapshotId): Promise<void> {
    if (this.#core.isBusy) return
    const { voters, leaderState } = this.#core
    const isAlone = voters.isOnly(this.#self) && leaderState?.observers(voters, this.#nowMs).length === 0
    await this.log.snapshot(values, id, !isAlone)
  }

  /** Puts everything on the medium. The directory closes the log itself. */
  async flush(): Promise<boolean> {
    return this.log.flush()
  }

  // The rules' wishes.

  get #nowMs(): number {
    return this.env.clock.monotonicMs()
  }

  get #self(): ReplicaKey {
    return { id: this.options.nodeId, directoryId: this.options.directoryId }
  }

  get #sender(): Sender {
    const { clusterId, listenerName } = this.options
    const own = this.options.ownEndpoint()
    return { clusterId, self: this.#self, endpoints: own === undefined ? [] : [{ name: listenerName, ...own }] }
  }

  get #fetchTimeoutMs(): number {
    return Math.max(1, Math.min(this.options.timing.requestTimeoutMs, this.options.timing.fetchTimeoutMs / 2))
  }

  /** A node without the role of a controller has no vote, whatever its log says. */
  #votersThatCount(): VoterSet {
    const { voters } = this.log.history.latest
    return this.options.isController || !voters.has(this.#self) ? voters : noVoters
  }

  #tellVoters(): void {
    this.#core.onVoters(this.#votersThatCount(), this.log.history.latest.kraftVersion > 0, this.#nowMs)
  }

  /** Does what the rules want, until they want nothing. What is told on the way may make them want more. */
  #perform(): void {
    if (this.#performing) return
    this.#performing = true
    try {
      for (let effects = this.#core.take(); effects !== undefined; effects = this.#core.take()) this.#do(effects)
    } finally {
      this.#performing = false
    }
    this.#schedule()
    this.#waiters.look()
  }

  #do(effects: Effects): void {
    const { persist, send, sendAfterPersist, appendLeaderChange, truncateTo, fetchSnapshot, highWatermark } = effects
    if (effects.broken !== undefined) {
      this.#onOffline(effects.broken)
      return
    }
    if (persist !== undefined) this.#persist(persist)
    for (const request of send) this.#send(request)
    for (const request of sendAfterPersist) {
      this.#afterPersist.push(() => {
        // The world may have moved on meanwhile.
        if (request.epoch === this.#core.epoch) this.#send(request)
      })
    }
    if (effects.resigned) {
      this.#voterChanges.onResigned()
      this.#events.onResigned()
    }
    if (effects.leaderChanged) this.#tellLeader()
    if (truncateTo !== undefined) this.#truncate(truncateTo)
    if (fetchSnapshot !== undefined) this.#download.begin(fetchSnapshot)
    if (appendLeaderChange !== undefined) this.#beginLeadership(appendLeaderChange)
    if (highWatermark !== undefined) {
      this.log.log.updateHighWatermark(highWatermark)
      this.#voterChanges.onCommitted(highWatermark)
      this.#events.onCommitted(highWatermark)
    }
  }

  #tellLeader(): void {
    const { leader } = this
    const told = `${leader.leaderId} ${leader.epoch} ${leader.address?.host}:${leader.address?.port}`
    if (told === this.#toldLeader) return
    this.#toldLeader = told
    this.env.log.log("info", "the quorum's leader, as this node knows it", {
      leaderId: leader.leaderId,
      epoch: leader.epoch,
      role: this.#core.role,
    })
    this.#events.onLeaderChanged(leader)
  }

  #schedule(): void {
    const { nextTickMs } = this.#core
    // Deadlines move away all the time: a timer that comes too early looks again, which is cheaper than a new one each time.
    if (this.#isStopped || nextTickMs >= this.#timerAtMs) return
    this.#timer?.cancel()
    this.#timerAtMs = nextTickMs
    this.#timer = this.env.timers.after(Math.max(0, nextTickMs - this.#nowMs), () => {
      this.#timerAtMs = Number.POSITIVE_INFINITY
      this.#core.onTick(this.#nowMs)
      this.#perform()
    })
  }

  // The vote file.

  #persist(election: ElectionState): void {
    this.#unwritten = election
    if (!this.#isPersisting) void this.#writeElections()
  }

  async #writeElections(): Promise<void> {
    this.#isPersisting = true
    while (this.#unwritten !== undefined && !this.#isFailed) {
      const election = this.#unwritten
      const { voters, kraftVersion } = this.log.history.latest
      const saved = formatQuorumState({ election, dataVersion: kraftVersion > 0 ? 1 : 0 }, voters.ids)
      try {
        await replaceFile(this.env.disk, this.log.path, quorumStateFile, Buffer.from(saved))
      } catch (error) {
        if (!isShortage(error)) {
          this.#fail(error)
          break
        }
        this.env.log.log("error", "no room for this node's vote", { file: quorumStateFile })
        this.#onlyVoterLeads?.("there is no room for this node's vote: is the disk full?")
        await new Promise<void>((resolve) => this.env.timers.after(persistRetryMs, resolve))
        continue
      }
      if (this.#unwritten === election) this.#unwritten = undefined
      this.#core.onPersisted(election, this.#nowMs)
      if (!this.#core.mustPersist) for (const go of this.#afterPersist.splice(0)) go()
      this.#perform()
    }
    this.#isPersisting = false
  }

  /** Resolves when everything said up to now rests on what is on the medium. */
  #persisted(): Promise<void> {
    if (!this.#core.mustPersist) return Promise.resolve()
    return new Promise((resolve) => this.#afterPersist.push(resolve))
  }

  // The log.

  #beginLeadership({ epoch, grantingVoters }: NonNullable<Effects["appendLeaderChange"]>): void {
    const { voters, kraftVersion, offset } = this.log.history.latest
    // Static voters have no directory that all agree on, and Kafka's record of them none either.
    const version = kraftVersion > 0 ? 1 : 0
    const keyOf = (id: BrokerId) => ({
      voterId: id,
      voterDirectoryId: version === 0 ? zeroUuid : (voters.get(id)?.directoryId ?? zeroUuid),
    })
    const message = {
      version,
      leaderId: this.options.nodeId,
      voters: voters.ids.map(keyOf),
      grantingVoters: grantingVoters.map(keyOf),
    }
    const value = leaderChangeMessage.encodeToBuffer(message, version)
    const records = [{ key: controlRecordKey(controlRecordTypes.leaderChange), value }]
    // Voters that a format left are known to this node only: from here on they are in the log.
    if (kraftVersion > 0 && offset === -1)
      records.push(kraftVersionControlRecord(kraftVersion), votersControlRecord(voters))
    const appended = this.log.appendAsLeader(records, { isControl: true, epoch, nowMs: this.env.clock.wallMs() })
    this.#core.onLeaderChangeAppended(appended?.baseOffset, this.#nowMs)
    const settle = this.#onlyVoterLeads
    this.#onlyVoterLeads = undefined
    if (appended === undefined) {
      settle?.(this.log.log.offlineReason ?? "the metadata log takes no appends: is its disk full?")
      return
    }
    if (records.length > 1) this.#tellVoters()
    this.#events.onAppended([], appended.baseOffset, appended.nextOffset, epoch)
    this.#events.onLeadership(epoch, this.#core.silentLeader(this.#nowMs))
    settle?.(undefined)
  }

  #appendVoters(voters: VoterSet, kraftVersion: number | undefined): AppendedRecords | undefined {
    const { epoch } = this.#core
    const records = [votersControlRecord(voters)]
    if (kraftVersion !== undefined) records.unshift(kraftVersionControlRecord(kraftVersion))
    const appended = this.log.appendAsLeader(records, { isControl: true, epoch, nowMs: this.env.clock.wallMs() })
    if (appended === undefined) return undefined
    // The newest voters count at once, committed or not.
    this.#tellVoters()
    this.#events.onAppended([], appended.baseOffset, appended.nextOffset, epoch)
    this.#perform()
    return appended
  }

  #truncate(offset: Offset): void {
    this.env.log.log("info", "the metadata log diverges from the leader's and is cut", {
      from: this.log.logEndOffset,
      to: offset,
    })
    this.log.truncateTo(offset).then(
      () => {
        this.#tellVoters()
        this.#events.onTruncated(this.log.logEndOffset)
        this.#core.onTruncated(this.#nowMs)
        this.#perform()
      },
      (error: unknown) => this.#fail(error),
    )
  }

  #onAppendsLost(endOffset: Offset): void {
    if (this.log.forgetFrom(endOffset)) this.#tellVoters()
    this.#events.onTruncated(endOffset)
    this.#core.onAppendsLost(this.#nowMs)
    this.#perform()
  }

  #fail(error: unknown): void {
    this.#onOffline(error instanceof Error ? error.message : String(error))
  }

  #onOffline(reason: string): void {
    if (this.#isFailed) return
    this.#isFailed = true
    this.stop()
    this.#onlyVoterLeads?.(reason)
    this.#events.onFailed(reason)
  }

  // Other nodes.

  #send(request: Outgoing): void {
    if (this.#isStopped) return
    void (request.kind === "fetch" ? this.#sendFetch(request) : this.#sendToVoter(request))
  }

  async #sendToVoter(request: Exclude<Outgoing, OutgoingFetch>): Promise<void> {
    const { to } = request
    const peer = this.#peers.voter(to)
    const voter = this.#core.voters.get(to)
    if (peer === undefined || voter === undefined) {
      this.#core.onRequestFailed(request, "unreachable", this.#nowMs)
      this.#perform()
      return
    }
    const timeoutMs = Math.min(this.options.timing.requestTimeoutMs, this.options.timing.electionTimeoutMs)
    try {
      const { response, release } = await this.#askVoter(request, peer, voter, timeoutMs)
      const answer = readEpochResponse(response)
      const endpoint = response.nodeEndpoints.find(({ nodeId }) => nodeId === answer?.leaderId)
      if (answer !== undefined) this.#peers.learn(answer.leaderId, answer.epoch, endpoint && { ...endpoint })
      const { errorCode } = response
      release()
      if (answer === undefined) {
        this.env.log.log("warn", "a voter refuses this node", { voter: to, errorCode })
        this.#core.onRequestFailed(request, "refused by the node", this.#nowMs)
      } else if (request.kind === "vote") this.#core.onVoteAnswer(request, answer, this.#nowMs)
      else if (request.kind === "beginQuorumEpoch") this.#core.onBeginAnswer(request, answer, this.#nowMs)
      else this.#core.onEndAnswer(request, answer, this.#nowMs)
    } catch (error) {
      this.#core.onRequestFailed(request, failureOf(error), this.#nowMs)
    }
    this.#perform()
  }

  async #askVoter(
    request: Exclude<Outgoing, OutgoingFetch>,
    peer: ReturnType<ConnectPeer>,
    voter: ReplicaKey,
    timeoutMs: number,
  ) {
    const options = { timeoutMs }
    switch (request.kind) {
      case "vote":
        return peer.request(vote, voteRequest(request, voter, this.#sender), options)
      case "beginQuorumEpoch":
        return peer.request(beginQuorumEpoch, beginRequest(request, voter, this.#sender), options)
      case "endQuorumEpoch":
        return peer.request(endQuorumEpoch, endRequest(request, this.#sender), options)
    }
  }

  async #withFetchPeer<T>(leaderId: BrokerId, use: (peer: ReturnType<ConnectPeer>) => Promise<T>): Promise<T> {
    const peer = this.#peers.fetchFrom(leaderId)
    if (peer === undefined) throw new PeerError("unreachable", `nobody knows where node ${leaderId} is`)
    return this.#peers.duringFetch(peer, () => use(peer))
  }

  async #sendFetch(request: OutgoingFetch): Promise<void> {
    const maxWaitMs = Math.floor(Math.min(fetchMaxWaitMs, this.options.timing.fetchTimeoutMs / fetchWaitPart))
    const limits = { maxWaitMs: request.mayWait ? maxWaitMs : 0, maxBytes: fetchBytesMax }
    const timeoutMs = Math.max(this.#fetchTimeoutMs, 2 * limits.maxWaitMs)
    try {
      const { response, release } = await this.#withFetchPeer(request.to, (peer) =>
        peer.request(fetch, fetchRequest(request, limits, this.#sender), { timeoutMs }),
      )
      const read = readFetchResponse(response)
      const leader = response.nodeEndpoints.find(({ nodeId }) => nodeId === read?.answer.leaderId)
      // The log keeps the bytes, and the response's memory is not ours.
      const records = Buffer.from(read?.records ?? [])
      const { errorCode } = response
      release()
      if (read === undefined) {
        this.env.log.log("warn", "a node of the quorum refuses this node", { node: request.to, errorCode })
        this.#core.onFetchFailed(request, "refused by the node", this.#nowMs)
      } else {
        this.#peers.learn(read.answer.leaderId, read.answer.epoch, leader && { ...leader })
        if (this.#core.onFetchAnswer(request, read.answer, this.#nowMs)) this.#appendFetched(records, request)
      }
    } catch (error) {
      this.#core.onFetchFailed(request, failureOf(error), this.#nowMs)
    }
    this.#perform()
  }

  #appendFetched(records: Buffer, { epoch, to }: OutgoingFetch): void {
    let usable = true
    if (records.length > 0) {
      try {
        const batches = this.log.appendAsFollower(records, epoch, this.env.clock.wallMs())
        usable = batches !== undefined
        const voters = this.log.history.latest
        for (const { values, baseOffset, nextOffset, epoch: batchEpoch } of batches ?? [])
          this.#events.onAppended(values, baseOffset, nextOffset, batchEpoch)
        if (voters.voters !== this.#core.voters) this.#tellVoters()
      } catch (error) {
        if (!(error instanceof MalformedError)) throw error
        usable = false
        this.env.log.log("error", "what the leader sent is no continuation of the metadata log", {
          leader: to,
          reason: error.message,
        })
      }
    }
    this.#core.onAppended(usable, this.#nowMs)
  }
}

function failureOf(error: unknown): RequestFailure {
  if (error instanceof PeerError) return error.code
  throw error
}
