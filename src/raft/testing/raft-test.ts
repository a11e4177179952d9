/**
 * The quorum's rules of several nodes, moved by hand: one message, one disk write, one timer at a time.
 *
 * Owns the messages under way, the clock, and what each node's disk has done; says what happens in words. Everything is deterministic: timeouts are the longer the higher the id.
 */
import assert from "node:assert/strict"
import { type BrokerId, zeroUuid } from "../../base/ids.js"
import { errorByCode } from "../../protocol/errors.js"
import { RaftCore, type RaftTiming } from "../core.js"
import { type ElectionState, noElection } from "../election-state.js"
import type { FetchAnswer, Outgoing, QuorumAnswer, RequestFailure, VoteAnswer } from "../requests.js"
import { supportedKRaftVersions, VoterSet } from "../voter-set.js"
import { MemoryLog, type MemoryRecord } from "./memory-log.js"

export const testTiming: RaftTiming = {
  electionTimeoutMs: 1000,
  fetchTimeoutMs: 2000,
  electionBackoffMaxMs: 1000,
  retryBackoffMs: 20,
}

/** How long a fetch waits for news. */
const maxWaitMs = 500

export const votersOf = (ids: readonly BrokerId[]): VoterSet =>
  new VoterSet(ids.map((id) => ({ id, directoryId: zeroUuid, endpoints: [], ...supportedKRaftVersions })))

type Answer = VoteAnswer | QuorumAnswer | (FetchAnswer & { readonly records: readonly MemoryRecord[] })

export type Traveller =
  | { readonly from: BrokerId; readonly to: BrokerId; readonly request: Outgoing; readonly answer: undefined }
  | { readonly from: BrokerId; readonly to: BrokerId; readonly request: Outgoing; readonly answer: Answer }

export interface RaftTestOptions {
  readonly voters: readonly BrokerId[]
  readonly observers?: readonly BrokerId[]
  readonly say?: (line: string) => void
}

export class RaftTestNode {
  core!: RaftCore
  persisted: ElectionState = noElection
  alive = true
  /** Writes of vote and log end only when told. */
  slowDisk = false
  /** On its way to the medium. */
  unwritten: ElectionState | undefined
  afterPersist: (() => void)[] = []
  /** Fetches that wait here for news. */
  waiting: { readonly traveller: Traveller; readonly untilMs: number }[] = []
  voters: readonly BrokerId[]

  constructor(
    readonly id: BrokerId,
    public log: MemoryLog,
    voters: readonly BrokerId[],
  ) {
    this.voters = voters
  }
}

export class RaftTest {
  nowMs = 0
  readonly nodes = new Map<BrokerId, RaftTestNode>()
  readonly travellers: Traveller[] = []
  readonly #say: (line: string) => void
  isQuiet = false

  constructor({ voters, observers = [], say = () => {} }: RaftTestOptions) {
    this.#say = (line) => {
      if (!this.isQuiet) say(line)
    }
    for (const id of [...voters, ...observers]) this.nodes.set(id, new RaftTestNode(id, new MemoryLog(), voters))
  }

  node(id: BrokerId): RaftTestNode {
    const node = this.nodes.get(id)
    assert.ok(node !== undefined, `no node ${id}`)
    return node
  }

  core(id: BrokerId): RaftCore {
    return this.node(id).core
  }

  /** With what its disk holds. */
  start(id: BrokerId): void {
    const node = this.node(id)
    node.alive = true
    node.unwritten = undefined
    node.afterPersist = []
    node.core = new RaftCore({
      self: { id, directoryId: zeroUuid },
      voters: votersOf(node.voters),
      election: node.persisted,
      log: node.log,
      timing: testTiming,
      randomInt: (below) => Math.floor((below * id) / 10),
    })
    node.core.start(this.nowMs)
    this.#perform(node)
  }

  startAll(): void {
    for (const id of this.nodes.keys()) this.start(id)
  }

  crash(id: BrokerId): void {
    const node = this.node(id)
    node.alive = false
    node.log.losePower()
    for (const { traveller } of node.waiting.splice(0)) this.#fail(traveller, "closed")
    this.#dropWhere(({ from, answer }) => from === id && answer !== undefined)
    this.#dropWhere(({ from }) => from === id)
  }

  /** Its timer fires: time passes until then. */
  tick(id: BrokerId): void {
    const node = this.node(id)
    const { nextTickMs } = node.core
    assert.ok(nextTickMs < Number.POSITIVE_INFINITY, `node ${id} waits for no timer`)
    this.nowMs = Math.max(this.nowMs, nextTickMs)
    node.core.onTick(this.nowMs)
    this.#perform(node)
  }

  /** Its timers fire until it stands for election. What it asked before that is forgotten. */
  stand(id: BrokerId): void {
    const { core } = this.node(id)
    const before = this.epochAndRole(id)
    while (core.role !== "prospective" && this.epochAndRole(id) === before) this.tick(id)
    for (const traveller of this.travellers.filter(({ from, request }) => from === id && request.kind === "fetch"))
      this.travellers.splice(this.travellers.indexOf(traveller), 1)
  }

  epochAndRole(id: BrokerId): string {
    return `${this.core(id).role} ${this.core(id).epoch}`
  }

  /** Time passes; the timers of all nodes fire, and nothing arrives. */
  pass(ms: number): void {
    const untilMs = this.nowMs + ms
    for (;;) {
      const next = this.#alive().sort((a, b) => a.core.nextTickMs - b.core.nextTickMs)[0]
      const waited = Math.min(...this.#alive().flatMap(({ waiting }) => waiting.map((each) => each.untilMs)), untilMs)
      if (waited < untilMs && waited < (next?.core.nextTickMs ?? untilMs)) {
        this.nowMs = Math.max(this.nowMs, waited)
        for (const node of this.#alive()) this.#look(node)
        continue
      }
      if (next === undefined || next.core.nextTickMs > untilMs) break
      this.tick(next.id)
    }
    this.nowMs = untilMs
  }

  #alive(): RaftTestNode[] {
    return [...this.nodes.values()].filter(({ alive, core }) => alive && core !== undefined)
  }

  /** The oldest message of a node to another arrives, of one kind if it is named. False: there is none. */
  deliver(from: BrokerId, to: BrokerId, kind?: string): boolean {
    const at = this.travellers.findIndex(
      (each) => each.from === from && each.to === to && (kind === undefined || each.request.kind === kind),
    )
    if (at < 0) return false
    const [traveller] = this.travellers.splice(at, 1)
    this.#say(`${from}->${to} ${describe(traveller!)}`)
    const node = this.node(to)
    if (!node.alive) {
      if (traveller!.answer === undefined) this.#fail(traveller!, "refused")
      return true
    }
    if (traveller!.answer === undefined) this.#ask(node, traveller!)
    else this.#answer(node, traveller!.request, traveller!.answer)
    this.#perform(node)
    return true
  }

  /** Until nothing is under way, or only what waits for a disk. */
  settle(): void {
    for (let round = 0; round < 1000; round++) {
      const next = this.travellers[0]
      if (next === undefined) return
      this.deliver(next.from, next.to)
    }
    assert.fail("the nodes do not come to rest")
  }

  /** What is under way between them is lost; whoever asked finds out by its timeout. */
  drop(from: BrokerId, to: BrokerId): void {
    const { waiting } = this.node(to)
    const isTheirs = ({ traveller }: (typeof waiting)[number]) => traveller.from === from
    this.travellers.push(...waiting.filter(isTheirs).map(({ traveller }) => traveller))
    this.node(to).waiting = waiting.filter((each) => !isTheirs(each))
    this.#dropWhere((each) => each.from === from && each.to === to)
  }

  #dropWhere(isDropped: (traveller: Traveller) => boolean): void {
    for (const traveller of this.travellers.filter(isDropped)) {
      this.travellers.splice(this.travellers.indexOf(traveller), 1)
      this.#say(`${traveller.from}->${traveller.to} ${describe(traveller)}: lost`)
      this.#fail(traveller, "timed out")
    }
  }

  #fail({ from, to, request, answer }: Traveller, reason: RequestFailure): void {
    const asker = this.node(answer === undefined ? from : to)
    if (!asker.alive) return
    if (request.kind === "fetch") asker.core.onFetchFailed(request, reason, this.nowMs)
    else asker.core.onRequestFailed(request, reason, this.nowMs)
    this.#perform(asker)
  }

  append(id: BrokerId, value: string): void {
    const node = this.node(id)
    assert.ok(node.core.isLeader, `node ${id} does not lead`)
    node.log.append({ epoch: node.core.epoch, value })
    this.#flushed(node)
  }

  /** The disk of a node has done everything. */
  sync(id: BrokerId): void {
    const node = this.node(id)
    const { unwritten } = node
    if (unwritten !== undefined) {
      node.unwritten = undefined
      node.persisted = unwritten
      this.#say(`${id} has on its medium: ${electionText(unwritten)}`)
      node.core.onPersisted(unwritten, this.nowMs)
      if (!node.core.mustPersist) for (const go of node.afterPersist.splice(0)) go()
      this.#perform(node)
    }
    node.log.flush()
    node.core.onFlushed(this.nowMs)
    this.#perform(node)
  }

  #flushed(node: RaftTestNode): void {
    if (!node.slowDisk) node.log.flush()
    this.#look(node)
    node.core.onFlushed(this.nowMs)
    this.#perform(node)
  }

  resign(id: BrokerId): void {
    this.core(id).resign(this.nowMs)
    this.#perform(this.node(id))
  }

  setVoters(id: BrokerId, voters: readonly BrokerId[]): void {
    const node = this.node(id)
    node.voters = voters
    node.core.onVoters(votersOf(voters), true, this.nowMs)
    this.#perform(node)
  }

  #ask(node: RaftTestNode, { from, request }: Traveller, hasWaited = false): void {
    const { core } = node
    const key = { id: node.id, directoryId: zeroUuid }
    const reply = (answer: Answer) => {
      const send = () => {
        this.travellers.push({ from: node.id, to: from, request, answer })
      }
      if (core.mustPersist) node.afterPersist.push(send)
      else send()
    }
    switch (request.kind) {
      case "vote":
        reply(core.onVote(request, key, this.nowMs))
        break
      case "beginQuorumEpoch":
        reply(core.onBeginQuorumEpoch({ leaderId: from, epoch: request.epoch }, key, this.nowMs))
        break
      case "endQuorumEpoch": {
        const { epoch, preferredCandidates } = request
        reply(core.onEndQuorumEpoch({ leaderId: from, epoch, preferredCandidates }, this.nowMs))
        break
      }
      case "fetch": {
        const { epoch, fetchOffset, lastFetchedEpoch } = request
        const replica = { id: from, directoryId: zeroUuid }
        const position = { replica, epoch, fetchOffset, lastFetchedEpoch }
        const answer = hasWaited ? core.judgeFetch(position) : core.onFetch(position, this.nowMs)
        const isValid = answer.errorCode === 0 && answer.judgement.kind === "valid"
        if (isValid && !hasWaited && !this.#hasNews(node, request))
          node.waiting.push({
            traveller: { from, to: node.id, request, answer: undefined },
            untilMs: this.nowMs + maxWaitMs,
          })
        else reply({ ...answer, records: isValid ? node.log.from(fetchOffset) : [] })
      }
    }
  }

  #hasNews({ core, log }: RaftTestNode, request: Outgoing): boolean {
    if (request.kind !== "fetch") return true
    const { epoch, fetchOffset, highWatermark } = request
    return core.leaderOnlyProblem(epoch) !== 0 || log.writtenOffset > fetchOffset || core.highWatermark > highWatermark
  }

  /** Asks again on behalf of those who wait, where there is news. */
  #look(node: RaftTestNode): void {
    const due = node.waiting.filter(
      ({ traveller, untilMs }) => untilMs <= this.nowMs || this.#hasNews(node, traveller.request),
    )
    node.waiting = node.waiting.filter((each) => !due.includes(each))
    for (const { traveller } of due) this.#ask(node, traveller, true)
  }

  #answer(node: RaftTestNode, request: Outgoing, answer: Answer): void {
    const { core, log } = node
    switch (request.kind) {
      case "vote":
        core.onVoteAnswer(request, answer as VoteAnswer, this.nowMs)
        break
      case "beginQuorumEpoch":
        core.onBeginAnswer(request, answer, this.nowMs)
        break
      case "endQuorumEpoch":
        core.onEndAnswer(request, answer, this.nowMs)
        break
      case "fetch": {
        const { records, ...fetched } = answer as FetchAnswer & { records: readonly MemoryRecord[] }
        if (!core.onFetchAnswer(request, fetched, this.nowMs)) return
        log.append(...records)
        core.onAppended(true, this.nowMs)
        if (!node.slowDisk) log.flush()
        core.onFlushed(this.nowMs)
      }
    }
  }

  #perform(node: RaftTestNode): void {
    const { core, id } = node
    for (let effects = core.take(); effects !== undefined; effects = core.take()) {
      if (effects.broken !== undefined) this.#say(`${id} is broken: ${effects.broken}`)
      if (effects.persist !== undefined) {
        node.unwritten = effects.persist
        if (node.slowDisk) this.#say(`${id} writes: ${electionText(effects.persist)}`)
      }
      for (const request of effects.send) this.#send(node, request)
      for (const request of effects.sendAfterPersist) node.afterPersist.push(() => this.#send(node, request))
      if (effects.leaderChanged) this.#say(`${id} is ${core.role} in epoch ${core.epoch}${leaderText(core, id)}`)
      if (effects.truncateTo !== undefined) {
        this.#say(`${id} cuts its log to ${effects.truncateTo}`)
        node.log.truncateTo(effects.truncateTo)
        core.onTruncated(this.nowMs)
      }
      if (effects.appendLeaderChange !== undefined) {
        const offset = node.log.logEndOffset
        node.log.append({ epoch: core.epoch, value: `leader=${id}` })
        core.onLeaderChangeAppended(offset, this.nowMs)
        this.#flushed(node)
      }
      if (effects.highWatermark !== undefined)
        this.#say(`${id} has committed everything below ${effects.highWatermark}`)
      if (node.unwritten !== undefined && !node.slowDisk) this.#writeQuietly(node)
    }
    this.#look(node)
  }

  #writeQuietly(node: RaftTestNode): void {
    const election = node.unwritten!
    node.unwritten = undefined
    node.persisted = election
    node.core.onPersisted(election, this.nowMs)
    if (!node.core.mustPersist) for (const go of node.afterPersist.splice(0)) go()
  }

  #send(node: RaftTestNode, request: Outgoing): void {
    // Whoever asks at random asks the others in turn.
    const to = request.to >= 0 ? request.to : this.#anyOther(node)
    if (to !== undefined)
      this.travellers.push({ from: node.id, to, request: { ...request, to: request.to }, answer: undefined })
  }

  #asked = 0
  #anyOther(node: RaftTestNode): BrokerId | undefined {
    const others = node.voters.filter((id) => id !== node.id)
    return others[this.#asked++ % others.length]
  }

  stateText(id: BrokerId): string {
    const { core, log, alive } = this.node(id)
    if (!alive) return `${id} is down, log ${log}`
    return `${id} is ${core.role} in epoch ${core.epoch}${leaderText(core, id)}, committed below ${core.highWatermark}, log ${log}`
  }
}

const leaderText = (core: RaftCore, id: BrokerId): string =>
  core.leaderId === -1 || core.leaderId === id ? "" : `, led by ${core.leaderId}`

const electionText = ({ leaderEpoch, votedId, leaderId }: ElectionState): string =>
  `epoch ${leaderEpoch}${votedId === -1 ? "" : `, vote for ${votedId}`}${leaderId === -1 ? "" : `, leader ${leaderId}`}`

function describe({ request, answer }: Traveller): string {
  if (answer === undefined) return describeRequest(request)
  const error = answer.errorCode === 0 ? "" : ` ${errorByCode(answer.errorCode)?.name}`
  const leader = answer.leaderId === -1 ? "" : ` leader ${answer.leaderId}`
  const head = `${titles[request.kind]} answer:${error} epoch ${answer.epoch}${leader}`
  if (answer.errorCode !== 0) return head
  if ("granted" in answer && request.kind === "vote") return `${head}, ${answer.granted ? "granted" : "refused"}`
  if (!("records" in answer)) return head
  const { judgement, records, highWatermark } = answer
  if (judgement.kind === "diverging")
    return `${head}, diverges: epoch ${judgement.epoch} ends at ${judgement.endOffset}`
  if (judgement.kind === "snapshot") return `${head}, snapshot ${judgement.id.endOffset}`
  const values = records.map(({ epoch, value }) => `${epoch}:${value}`).join(" ")
  return `${head}, [${values}], committed below ${highWatermark}`
}

const titles = {
  vote: "Vote",
  beginQuorumEpoch: "BeginQuorumEpoch",
  endQuorumEpoch: "EndQuorumEpoch",
  fetch: "Fetch",
}

function describeRequest(request: Outgoing): string {
  switch (request.kind) {
    case "vote":
      return `${request.preVote ? "Pre-vote" : "Vote"} epoch ${request.epoch}, log ends at ${request.lastOffset} in epoch ${request.lastEpoch}`
    case "beginQuorumEpoch":
      return `BeginQuorumEpoch epoch ${request.epoch}`
    case "endQuorumEpoch":
      return `EndQuorumEpoch epoch ${request.epoch}, next ${request.preferredCandidates.map(({ id }) => id).join(", ")}`
    case "fetch":
      return `Fetch epoch ${request.epoch}, from ${request.fetchOffset} after epoch ${request.lastFetchedEpoch}`
  }
}
