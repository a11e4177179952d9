/**
 * The quorum's rules, without clock, disk or network: an event goes in, what to persist, send, append and announce comes out.
 *
 * Owns epoch, vote, role and high watermark of this node. Never waits: what is asynchronous comes back as another event. One invariant above all: nothing leaves this node that
 * rests on a vote, an epoch or a log position that is not on the medium (reliability.md R6). Source: KIP-595, KIP-853, KIP-996; Raft §5.2-5.4.
 */
import { invariant } from "../base/assert.js"
import type { BrokerId, Offset } from "../base/ids.js"
import { type ErrorCode, Errors } from "../protocol/errors.js"
import { DiskPace } from "./disk-pace.js"
import { type Effects, EffectsDraft } from "./effects.js"
import { type ElectionState, noElection, sameVote } from "./election-state.js"
import { FetchPace } from "./fetch-pace.js"
import { LeaderState } from "./leader-state.js"
import { isSettled, isUpToDate, judgePosition, type LogView, truncationOffset } from "./log-view.js"
import {
  type FetchAnswer,
  type OutgoingBegin,
  type OutgoingEnd,
  type OutgoingFetch,
  type OutgoingVote,
  type QuorumAnswer,
  type RequestFailure,
  type VoteAnswer,
  type VoteRequest,
  VoterRequests,
} from "./requests.js"
import { type Asked, leaderProblem, voteProblem } from "./request-checks.js"
import type { FollowerRole, ResignedRole, Role, RoleName, StandingRole } from "./role.js"
import { type ReplicaKey, sameReplica, type VoterSet } from "./voter-set.js"

export interface RaftTiming {
  readonly electionTimeoutMs: number
  readonly fetchTimeoutMs: number
  readonly electionBackoffMaxMs: number
  readonly retryBackoffMs: number
}

export interface CoreOptions {
  readonly self: ReplicaKey
  readonly voters: VoterSet
  /** What `quorum-state` held. */
  readonly election: ElectionState
  readonly log: LogView
  readonly timing: RaftTiming
  /** Uniform integer in [0, below). */
  readonly randomInt: (below: number) => number
}

export interface SilentLeader {
  readonly id: BrokerId
  readonly silentMs: number
}

/** A follower that knows its leader to be gone stands for election after up to so long: enough for two not to stand at once on a fast network. */
export const goneJitterMs = 50
/** Each time the others do not agree that it is gone, the next time twice as long, up to so many times: whoever asks too often disturbs. */
const goneDoublingsMax = 5
/** A leader without fetches of a majority for so many fetch timeouts resigns: a bit later than its followers give it up. */
export const checkQuorumFactor = 1.5
/** A node that starts asks for an election early: a pre-vote disturbs nobody. In parts of the election timeout. */
const startPart = 0.2
/** The first pause after a lost election, doubled with each further one. */
const electionBackoffMs = 50
/** How soon to look again whether what forbids an election (the log being cut or not yet on the medium) has passed. */
const standAgainMs = 10

export class RaftCore {
  readonly #self: ReplicaKey
  readonly #log: LogView
  readonly #timing: RaftTiming
  readonly #requests: VoterRequests
  readonly #effects = new EffectsDraft()
  #voters: VoterSet
  /** False: voters come from configuration, and nobody else may become one (kraft.version 0). */
  #dynamic = false
  #election: ElectionState
  /** What `quorum-state` holds. */
  #persisted: ElectionState
  #role: Role
  #highWatermark: Offset = 0
  /** As the leader said it, which may be beyond what is here. */
  #leaderHighWatermark: Offset = -1
  readonly #fetch: FetchPace
  /** The log is being cut, or a snapshot is being read or put in its place. */
  #busy: "cutting" | "snapshot" | undefined
  readonly #pace = new DiskPace()
  /** How often the leader was believed to be gone since it was last heard from. */
  #suspicions = 0
  /** The leader that was heard last, and when. */
  #lastHeard: { readonly id: BrokerId; readonly atMs: number } | undefined
  /** The log has failed: this node takes no part any more. */
  #halted = false

  constructor(private readonly options: CoreOptions) {
    this.#self = options.self
    this.#log = options.log
    this.#timing = options.timing
    this.#voters = options.voters
    this.#requests = new VoterRequests(options.timing.retryBackoffMs)
    this.#fetch = new FetchPace(options.timing.retryBackoffMs)
    this.#persisted = options.election
    this.#election = options.election
    // A snapshot holds nothing but what was committed.
    this.#highWatermark = Math.max(options.log.logStartOffset, options.log.latestSnapshot?.endOffset ?? 0)
    this.#role = { kind: "unattached", deadlineMs: Number.POSITIVE_INFINITY }
  }

  get epoch(): number {
    return this.#election.leaderEpoch
  }

  /** -1: not known. A leader that resigned is none. */
  get leaderId(): BrokerId {
    return this.#role.kind === "leader" || this.#role.kind === "follower" ? this.#election.leaderId : -1
  }

  get role(): RoleName {
    return this.#role.kind
  }

  get isLeader(): boolean {
    return this.#role.kind === "leader" && this.#role.state.epochStartOffset !== Number.POSITIVE_INFINITY
  }

  /** Of a leader: the one it followed before, and how long that has not been heard of. Undefined: there was none, or it lives, for it has voted. */
  silentLeader(nowMs: number): SilentLeader | undefined {
    const heard = this.#lastHeard
    if (heard === undefined || this.#role.kind !== "leader") return undefined
    return this.#role.state.grantingVoters.includes(heard.id)
      ? undefined
      : { id: heard.id, silentMs: nowMs - heard.atMs }
  }

  /** How long a leader has not heard of a majority; 0 where nobody need be heard of. */
  majoritySilenceMs(nowMs: number): number {
    if (this.#role.kind !== "leader" || this.#voters.isOnly(this.#self)) return 0
    return nowMs - (this.#role.state.checkQuorumDeadlineMs - this.#timing.fetchTimeoutMs * checkQuorumFactor)
  }

  get isVoter(): boolean {
    return this.#voters.has(this.#self)
  }

  get voters(): VoterSet {
    return this.#voters
  }

  get highWatermark(): Offset {
    return this.#highWatermark
  }

  /** Of a leader only. */
  get leaderState(): LeaderState | undefined {
    return this.#role.kind === "leader" ? this.#role.state : undefined
  }

  /** Whether there is an epoch or a vote that is not on the medium yet. */
  get mustPersist(): boolean {
    return !sameVote(this.#election, this.#persisted)
  }

  get isBusy(): boolean {
    return this.#busy !== undefined
  }

  /** What is to be done now, once; undefined: nothing. */
  take(): Effects | undefined {
    return this.#effects.take()
  }

  // Beginning.

  /** The only voter leads at once: nobody else has a say, and there is nothing to wait for. */
  start(nowMs: number): void {
    // The log may be ahead of a quorum-state file that was lost, and an epoch must never be used twice. Nor a vote: who knows to whom this node's went.
    if (this.#log.lastEpoch > this.epoch) {
      const { id, directoryId } = this.#self
      this.#election = { leaderId: -1, leaderEpoch: this.#log.lastEpoch, votedId: id, votedDirectoryId: directoryId }
      this.#effects.now.persist = this.#election
    }
    if (this.#voters.isOnly(this.#self)) {
      this.#becomeCandidate(nowMs, 0)
      return
    }
    const span = Math.max(1, Math.floor(this.#timing.electionTimeoutMs * startPart))
    this.#enter({ kind: "unattached", deadlineMs: nowMs + span + this.options.randomInt(span) })
    this.#effects.now.leaderChanged = true
    this.#advance(nowMs)
  }

  /** The newest voter set in the log, committed or not (KIP-853); `dynamic` from kraft.version 1 on. */
  onVoters(voters: VoterSet, dynamic: boolean, nowMs: number): void {
    this.#voters = voters
    this.#dynamic = dynamic
    if (this.#role.kind === "leader") this.#role.state.votersChanged(nowMs)
    this.#advance(nowMs)
  }

  // Time.

  /** When `onTick` has something to do, if nothing else happens before. */
  get nextTickMs(): number {
    if (this.#halted) return Number.POSITIVE_INFINITY
    const role = this.#role
    const fetchMs = this.#wantsFetch() ? this.#fetch.nextMs : Number.POSITIVE_INFINITY
    switch (role.kind) {
      case "unattached":
        return Math.min(this.isVoter ? role.deadlineMs : Number.POSITIVE_INFINITY, fetchMs)
      case "follower":
        return Math.min(role.standAtMs ?? role.deadlineMs, fetchMs)
      case "prospective":
      case "candidate":
        if (this.#isRejected(role.votes)) return role.deadlineMs
        return Math.min(role.deadlineMs, this.#requests.nextMs(this.#undecided(role.votes)))
      case "leader":
        if (this.#voters.isOnly(this.#self)) return Number.POSITIVE_INFINITY
        return Math.min(
          role.state.checkQuorumDeadlineMs,
          this.#pace.nextLookMs,
          this.#requests.nextMs(this.#otherVoters()),
        )
      case "resigned":
        return Math.min(
          role.deadlineMs,
          this.#requests.nextMs(this.#otherVoters().filter((id) => !role.acknowledged.has(id))),
        )
      default:
        return Number.POSITIVE_INFINITY
    }
  }

  onTick(nowMs: number): void {
    if (this.#halted) return
    const role = this.#role
    switch (role.kind) {
      case "unattached":
        if (this.isVoter && nowMs >= role.deadlineMs) this.#stand(nowMs, 0, (again) => (role.deadlineMs = again))
        break
      case "follower":
        this.#tickFollower(role, nowMs)
        break
      case "prospective":
        if (nowMs >= role.deadlineMs) this.#giveUpStanding(nowMs, role.lost)
        break
      case "candidate":
        // An election without a result, or the pause after a lost one is over: ask again whether another could be won.
        if (nowMs >= role.deadlineMs) this.#stand(nowMs, role.lost + 1, (again) => (role.deadlineMs = again))
        break
      case "leader":
        if (nowMs >= role.state.checkQuorumDeadlineMs && !this.#voters.isOnly(this.#self)) this.#resign(nowMs)
        break
      case "resigned":
        if (nowMs >= role.deadlineMs) this.#becomeUnattached(this.epoch, nowMs, 0)
        break
    }
    this.#advance(nowMs)
  }

  #tickFollower(role: FollowerRole, nowMs: number): void {
    if (role.standAtMs === undefined && nowMs >= role.deadlineMs) this.#suspectLeader(nowMs)
    if (role.standAtMs === undefined || nowMs < role.standAtMs) return
    if (this.isVoter) this.#stand(nowMs, 0, (again) => (role.standAtMs = again))
    else this.#becomeUnattached(this.epoch, nowMs, 0)
  }

  /** What time and state allow to be sent now. */
  #advance(nowMs: number): void {
    if (this.#halted) return
    this.#lookAtDisk(nowMs)
    const role = this.#role
    if (role.kind === "prospective" || role.kind === "candidate") this.#askForVotes(role, nowMs)
    else if (role.kind === "leader") this.#announceLeadership(role.state, nowMs)
    else if (role.kind === "resigned") this.#announceEnd(role, nowMs)
    else this.#maybeFetch(nowMs)
    this.#moveHighWatermark()
  }

  /** A leader whose disk hangs, or is the slowest, keeps everybody waiting: nothing is committed without it. */
  #lookAtDisk(nowMs: number): void {
    const role = this.#role
    const othersOffset = role.kind === "leader" ? role.state.othersOffset(this.#voters) : -1
    if (!this.#pace.look(this.#log, othersOffset, nowMs)) return
    this.#pace.handedOver()
    this.#resign(nowMs)
  }

  // Elections.

  /** Stands for election if this node may now; else `later` is told when to look again. */
  #stand(nowMs: number, lost: number, later: (againMs: number) => void): void {
    // What is claimed must be what will be there: nothing that the disk may still refuse (Raft §5.4.1 rests on it), and nothing that is being cut.
    if (
      this.#busy === "cutting" ||
      !isSettled(this.#log) ||
      !(this.#log.takesAppends || this.#voters.isOnly(this.#self))
    ) {
      later(nowMs + standAgainMs)
      return
    }
    // KIP-996: first ask whether an election could be won. Nothing changes anywhere if not.
    const votes = new Map([[this.#self.id, true]])
    this.#enter({ kind: "prospective", votes, deadlineMs: nowMs + this.#randomElectionTimeout(), lost })
    this.#effects.now.leaderChanged = true
    this.#tally(nowMs)
  }

  #becomeCandidate(nowMs: number, lost: number): void {
    const leaderEpoch = Math.max(this.#election.leaderEpoch, this.#log.lastEpoch) + 1
    // The only voter has won as soon as its vote is on the medium, so one write says both.
    const leaderId = this.#voters.isOnly(this.#self) ? this.#self.id : -1
    this.#election = { leaderId, leaderEpoch, votedId: this.#self.id, votedDirectoryId: this.#self.directoryId }
    this.#enter({ kind: "candidate", votes: new Map(), deadlineMs: nowMs + this.#randomElectionTimeout(), lost })
    this.#effects.now.persist = this.#election
    this.#effects.now.leaderChanged = true
  }

  /** `quorum-state` says this now. Our own vote counts from here on, and what waited for it may go. */
  onPersisted(election: ElectionState, nowMs: number): void {
    this.#persisted = election
    const role = this.#role
    if (role.kind === "candidate" && !this.mustPersist && !this.#halted) {
      role.votes.set(this.#self.id, true)
      this.#tally(nowMs)
    }
    this.#advance(nowMs)
  }

  #askForVotes(role: StandingRole, nowMs: number): void {
    if (this.#isRejected(role.votes)) return
    for (const to of this.#undecided(role.votes)) {
      if (!this.#requests.mayAsk(to, nowMs)) continue
      this.#requests.asked(to)
      this.#send({
        kind: "vote",
        to,
        epoch: this.epoch,
        round: this.#requests.round,
        candidate: this.#self,
        preVote: role.kind === "prospective",
        lastEpoch: this.#log.lastEpoch,
        lastOffset: this.#log.logEndOffset,
      })
    }
  }

  #tally(nowMs: number): void {
    const role = this.#role
    if (role.kind !== "prospective" && role.kind !== "candidate") return
    const granted = this.#voters.ids.filter((id) => role.votes.get(id) === true).length
    if (granted >= this.#voters.majority) {
      if (role.kind === "prospective") this.#becomeCandidate(nowMs, role.lost)
      else this.#becomeLeader(nowMs)
    } else if (this.#isRejected(role.votes)) {
      if (role.kind === "prospective") this.#giveUpStanding(nowMs, role.lost)
      else role.deadlineMs = nowMs + this.#electionBackoff(role.lost)
    }
  }

  /** A voter that nobody listens for is waited for only while nobody has refused: it may be about to start. */
  #isRejected(votes: ReadonlyMap<BrokerId, boolean>): boolean {
    const rejected = this.#voters.ids.filter((id) => votes.get(id) === false).length
    if (rejected === 0) return false
    const gone = this.#undecided(votes).filter((id) => this.#requests.isGone(id)).length
    return rejected + gone > this.#voters.size - this.#voters.majority
  }

  /** No majority would vote for this node now: it goes back to what it was. */
  #giveUpStanding(nowMs: number, lost: number): void {
    const { leaderId, leaderEpoch } = this.#election
    if (leaderId !== -1 && leaderId !== this.#self.id) this.#becomeFollower(leaderEpoch, leaderId, nowMs)
    else this.#becomeUnattached(leaderEpoch, nowMs, lost + 1)
  }

  #becomeLeader(nowMs: number): void {
    const role = this.#role
    invariant(
      role.kind === "candidate" && !this.mustPersist,
      "only a candidate whose vote is on the medium becomes leader",
    )
    const granting = [...role.votes].filter(([, granted]) => granted).map(([id]) => id)
    this.#pace.begin()
    this.#enter({
      kind: "leader",
      state: new LeaderState(
        this.#self,
        granting.sort((a, b) => a - b),
        this.#timing.fetchTimeoutMs * checkQuorumFactor,
        nowMs,
      ),
    })
    if (this.#election.leaderId !== this.#self.id) {
      this.#election = { ...this.#election, leaderId: this.#self.id }
      this.#effects.now.persist = this.#election
    }
    this.#effects.now.leaderChanged = true
    this.#effects.now.appendLeaderChange = { epoch: this.epoch, grantingVoters: granting }
    this.#advance(nowMs)
  }

  /** The leader change record, the first of its epoch, is in the log at `offset`; undefined: the log took no record, so somebody else must lead. */
  onLeaderChangeAppended(offset: Offset | undefined, nowMs: number): void {
    if (this.#role.kind !== "leader") return
    if (offset === undefined) this.#resign(nowMs)
    else this.#role.state.epochStartOffset = offset
    this.#advance(nowMs)
  }

  // Questions from other nodes.

  /**
   * Somebody wants this node's vote, or in a pre-vote to know whether it would get it.
   *
   * The answer may leave this node only once `mustPersist` is false again. Source: Raft §5.2, §5.4.1; KIP-996.
   */
  onVote(request: VoteRequest, voterKey: ReplicaKey | undefined, nowMs: number): VoteAnswer {
    const errorCode = voteProblem(this.#asked, request, voterKey)
    if (errorCode !== Errors.NONE) return { ...this.#answer(errorCode), granted: false }
    if (request.epoch > this.epoch) this.#becomeUnattached(request.epoch, nowMs, 0)
    const granted = this.#grants(request)
    if (request.preVote && !granted) this.#hasGivenUpLeader(request.candidate.id)
    if (granted && !request.preVote) {
      const { id, directoryId } = request.candidate
      const isNew = this.#election.votedId === -1
      this.#election = { leaderId: -1, leaderEpoch: this.epoch, votedId: id, votedDirectoryId: directoryId }
      // Whoever has just given its vote away waits for that election to end.
      if (this.#role.kind !== "unattached" || isNew)
        this.#enter({ kind: "unattached", deadlineMs: nowMs + this.#randomElectionTimeout() })
      if (isNew) this.#effects.now.persist = this.#election
    }
    this.#advance(nowMs)
    return { ...this.#answer(Errors.NONE), granted }
  }

  /** A voter whose log is behind asks for votes: if it has refused its own because it still heard from the leader, it would not now. */
  #hasGivenUpLeader(id: BrokerId): void {
    const role = this.#role
    if (role.kind !== "prospective" || role.votes.get(id) !== false) return
    role.votes.delete(id)
    this.#requests.askAgain(id)
  }

  #grants(request: VoteRequest): boolean {
    // What is being cut or replaced can't be compared.
    if (this.#busy === "cutting" || !isUpToDate(this.#log, request)) return false
    const role = this.#role
    if (request.preVote) {
      if (role.kind === "leader") return false
      // KIP-996: who hears from the leader does not help to depose it.
      return role.kind !== "follower" || !role.hasFetched || role.standAtMs !== undefined
    }
    if (role.kind === "leader" || role.kind === "follower" || role.kind === "candidate" || role.kind === "resigned")
      return false
    const { leaderId, votedId, votedDirectoryId } = this.#election
    // One vote per epoch (Raft §5.2), and none where somebody has won it.
    if (votedId !== -1) return sameReplica({ id: votedId, directoryId: votedDirectoryId }, request.candidate)
    return leaderId === -1
  }

  /** A leader says that it is one. */
  onBeginQuorumEpoch(
    request: { readonly leaderId: BrokerId; readonly epoch: number },
    voterKey: ReplicaKey | undefined,
    nowMs: number,
  ): QuorumAnswer {
    const errorCode = leaderProblem(this.#asked, request, voterKey)
    if (errorCode === Errors.NONE) this.#learn(request.leaderId, request.epoch, nowMs)
    this.#advance(nowMs)
    return this.#answer(errorCode)
  }

  /** The leader stops, and says who should come next: the first stands at once, each other a little later. */
  onEndQuorumEpoch(
    request: {
      readonly leaderId: BrokerId
      readonly epoch: number
      readonly preferredCandidates: readonly ReplicaKey[]
    },
    nowMs: number,
  ): QuorumAnswer {
    const errorCode = leaderProblem(this.#asked, request, undefined)
    if (errorCode === Errors.NONE) {
      this.#learn(request.leaderId, request.epoch, nowMs)
      if (this.#role.kind === "follower" && this.#election.leaderId === request.leaderId) {
        const place = request.preferredCandidates.findIndex((key) => sameReplica(key, this.#self))
        const last = Math.max(1, request.preferredCandidates.length)
        const part = this.#timing.electionBackoffMaxMs / 2 ** Math.max(0, last - (place < 0 ? last : place))
        this.#role.standAtMs = place === 0 ? nowMs : nowMs + Math.min(part, this.#timing.electionBackoffMaxMs)
        if (place === 0) this.onTick(nowMs)
      }
    }
    this.#advance(nowMs)
    return this.#answer(errorCode)
  }

  get #asked(): Asked {
    return {
      self: this.#self,
      epoch: this.epoch,
      leaderId: this.leaderId,
      leads: this.#role.kind === "leader",
      voters: this.#voters,
      isDynamic: this.#dynamic,
      isHalted: this.#halted,
    }
  }

  /** A replica fetches: its position is what it has on its medium. The error is NONE where the position could be judged. */
  onFetch(
    request: {
      readonly replica: ReplicaKey
      readonly epoch: number
      readonly fetchOffset: Offset
      readonly lastFetchedEpoch: number
    },
    nowMs: number,
  ): FetchAnswer {
    const judged = this.judgeFetch(request)
    const role = this.#role
    if (judged.errorCode !== Errors.NONE || role.kind !== "leader" || request.replica.id < 0) return judged
    if (judged.judgement.kind === "valid") {
      role.state.fetched(request.replica, request.fetchOffset, this.#log.logEndOffset, this.#voters, nowMs)
      this.#lookAtDisk(nowMs)
      this.#moveHighWatermark()
    } else role.state.heardFrom(request.replica, this.#voters, nowMs)
    return { ...judged, highWatermark: this.#highWatermark }
  }

  /** As `onFetch`, without taking note of the replica: for a fetch that waited, whose news were taken when it came. */
  judgeFetch(request: {
    readonly replica: ReplicaKey
    readonly epoch: number
    readonly fetchOffset: Offset
    readonly lastFetchedEpoch: number
  }): FetchAnswer {
    const errorCode = this.leaderOnlyProblem(request.epoch)
    const refused = (code: ErrorCode): FetchAnswer => ({
      ...this.#answer(code),
      judgement: { kind: "valid" },
      highWatermark: -1,
    })
    if (errorCode !== Errors.NONE) return refused(errorCode)
    if (
      request.fetchOffset < 0 ||
      request.lastFetchedEpoch < 0 ||
      request.lastFetchedEpoch > request.epoch ||
      request.replica.id === this.#self.id
    )
      return refused(Errors.INVALID_REQUEST)
    const judgement = judgePosition(this.#log, request.fetchOffset, request.lastFetchedEpoch)
    return { ...this.#answer(Errors.NONE), judgement, highWatermark: this.#highWatermark }
  }

  /** A voter reads a snapshot: it follows. */
  onFetchSnapshot(replica: ReplicaKey, nowMs: number): void {
    if (this.#role.kind === "leader") this.#role.state.heardFrom(replica, this.#voters, nowMs)
  }

  /** NONE where this node leads in exactly this epoch. */
  leaderOnlyProblem(epoch: number): ErrorCode {
    if (this.#halted) return Errors.BROKER_NOT_AVAILABLE
    if (epoch < this.epoch) return Errors.FENCED_LEADER_EPOCH
    if (epoch > this.epoch) return Errors.UNKNOWN_LEADER_EPOCH
    return this.isLeader ? Errors.NONE : Errors.NOT_LEADER_OR_FOLLOWER
  }

  #answer(errorCode: ErrorCode): QuorumAnswer {
    // A leader that is believed to be gone is not recommended to others.
    const isGone = this.#role.kind === "follower" && this.#role.standAtMs !== undefined
    return { errorCode, leaderId: isGone ? -1 : this.leaderId, epoch: this.epoch }
  }

  // Answers of other nodes.

  onVoteAnswer(request: OutgoingVote, answer: VoteAnswer, nowMs: number): void {
    this.#requests.answered(request)
    const role = this.#role
    const isCurrent = request.round === this.#requests.round
    // That another still names the leader which this node gave up is no news: the votes are counted.
    if (answer.epoch !== this.epoch || answer.leaderId !== this.#election.leaderId)
      this.#learn(answer.leaderId, answer.epoch, nowMs)
    if (isCurrent && role === this.#role && (role.kind === "prospective" || role.kind === "candidate")) {
      if (answer.errorCode === Errors.NONE && answer.epoch <= this.epoch) {
        role.votes.set(request.to, answer.granted)
        this.#tally(nowMs)
      } else this.#requests.failed(request, "refused by the node", nowMs)
    }
    this.#advance(nowMs)
  }

  onBeginAnswer(request: OutgoingBegin, answer: QuorumAnswer, nowMs: number): void {
    this.#requests.answered(request, nowMs + this.#timing.fetchTimeoutMs / 2)
    this.#learn(answer.leaderId, answer.epoch, nowMs)
    this.#advance(nowMs)
  }

  onEndAnswer(request: OutgoingEnd, answer: QuorumAnswer, nowMs: number): void {
    this.#requests.answered(request)
    if (this.#role.kind === "resigned" && request.round === this.#requests.round)
      this.#role.acknowledged.add(request.to)
    this.#learn(answer.leaderId, answer.epoch, nowMs)
    this.#advance(nowMs)
  }

  /** A vote, begin or end request came to nothing. */
  onRequestFailed(request: OutgoingVote | OutgoingBegin | OutgoingEnd, reason: RequestFailure, nowMs: number): void {
    this.#requests.failed(request, reason, nowMs)
    if (reason === "refused" && request.round === this.#requests.round) this.#tally(nowMs)
    this.#advance(nowMs)
  }

  /**
   * The answer to a fetch. True: its records continue the log, and the caller appends them now, before anything else happens.
   */
  onFetchAnswer(request: OutgoingFetch, answer: FetchAnswer, nowMs: number): boolean {
    const isCurrent = request.round === this.#fetch.round
    if (isCurrent) this.#fetch.answered(nowMs)
    const wasFollowing =
      this.#role.kind === "follower" && this.#election.leaderId === request.to && request.epoch === this.epoch
    this.#learn(answer.leaderId, answer.epoch, nowMs)
    const role = this.#role
    if (
      !isCurrent ||
      request.round !== this.#fetch.round ||
      role.kind !== "follower" ||
      request.to !== this.#election.leaderId
    ) {
      // Asked at random whether somebody leads; nobody does, or it was not told.
      if (isCurrent && request.round === this.#fetch.round) this.#fetch.failed("refused by the node", nowMs)
      this.#advance(nowMs)
      return false
    }
    if (answer.errorCode !== Errors.NONE) {
      this.#fetch.failed("refused by the node", nowMs)
      // It never leads again in this epoch: it has resigned, or was restarted.
      if (wasFollowing && answer.epoch === this.epoch && answer.errorCode === Errors.NOT_LEADER_OR_FOLLOWER)
        this.#suspectLeader(nowMs)
      this.#advance(nowMs)
      return false
    }
    this.#heardFromLeader(role, nowMs)
    const { judgement } = answer
    if (judgement.kind === "diverging") this.#cutTo(truncationOffset(this.#log, judgement))
    else if (judgement.kind === "snapshot") {
      this.#busy = "snapshot"
      this.#effects.now.fetchSnapshot = judgement.id
    } else {
      this.#leaderHighWatermark = Math.max(this.#leaderHighWatermark, answer.highWatermark)
      if (this.#log.takesAppends) return true
      this.#fetch.failed("refused by the node", nowMs)
    }
    this.#advance(nowMs)
    return false
  }

  /** What `onFetchAnswer` allowed is in the log; or its bytes could not be used, and must be asked for again. */
  onAppended(usable: boolean, nowMs: number): void {
    if (!usable) this.#fetch.failed("refused by the node", nowMs)
    this.#advance(nowMs)
  }

  onFetchFailed(request: OutgoingFetch, reason: RequestFailure, nowMs: number): void {
    if (request.round !== this.#fetch.round) return
    this.#fetch.failed(reason, nowMs)
    // Its machine answers and its process does not: it is gone (a hint; a majority must see the same before anything happens).
    if (reason === "refused" && this.#role.kind === "follower" && request.to === this.#election.leaderId)
      this.#suspectLeader(nowMs)
    this.#advance(nowMs)
  }

  /** Bytes of the snapshot come in: the leader lives. */
  onSnapshotProgress(nowMs: number): void {
    if (this.#role.kind === "follower") this.#heardFromLeader(this.#role, nowMs)
  }

  /** The snapshot is whole and is being put in the place of the log: no way back. */
  onSnapshotInstalling(): void {
    this.#busy = "cutting"
  }

  /** The snapshot is in place (true) or was given up. */
  onSnapshotDone(installed: boolean, nowMs: number): void {
    this.#busy = undefined
    if (installed) this.#highWatermark = Math.max(this.#highWatermark, this.#log.logStartOffset)
    else this.#fetch.failed("refused by the node", nowMs)
    this.#advance(nowMs)
  }

  // The disk.

  /** More of the log is in the file or on the medium. */
  onFlushed(nowMs: number): void {
    this.#advance(nowMs)
  }

  /** The log was cut as asked. */
  onTruncated(nowMs: number): void {
    this.#busy = undefined
    this.#advance(nowMs)
  }

  /** Appends at the end are gone: the disk is full. Nobody has seen them, for only what is in the file is served. */
  onAppendsLost(nowMs: number): void {
    if (this.#role.kind === "leader") {
      // Somebody with room should lead. The only voter has nobody to hand over to, and goes on when there is room.
      if (!this.#voters.isOnly(this.#self)) this.#resign(nowMs)
    } else this.#fetch.failed("refused by the node", nowMs)
    this.#advance(nowMs)
  }

  /** The log has failed: this node takes no part any more. */
  halt(): void {
    this.#leave()
    this.#halted = true
    this.#effects.now.leaderChanged = true
    this.#role = { kind: "unattached", deadlineMs: Number.POSITIVE_INFINITY }
  }

  // Leading.

  #announceLeadership(state: LeaderState, nowMs: number): void {
    for (const to of this.#otherVoters()) {
      if (!this.#requests.mayAsk(to, nowMs)) continue
      // Who fetches knows. Looked at again in half a fetch timeout: it may have been restarted and have forgotten.
      const { lastFetchMs } = state.progressOf(this.#voters.get(to)!)
      const knowsUntilMs = lastFetchMs < 0 ? nowMs : lastFetchMs + this.#timing.fetchTimeoutMs / 2
      const request: OutgoingBegin = { kind: "beginQuorumEpoch", to, epoch: this.epoch, round: this.#requests.round }
      if (knowsUntilMs > nowMs) this.#requests.answered(request, knowsUntilMs)
      else {
        this.#requests.asked(to)
        this.#send(request)
      }
    }
  }

  /** Hands over: at a clean stop, or when a majority does not listen. Does nothing on others. */
  resign(nowMs: number): void {
    if (this.#role.kind === "leader") this.#resign(nowMs)
    this.#advance(nowMs)
  }

  /** The voters who are to be told that this leader stops, and are there to hear it; undefined: it has not resigned, or is past it. */
  get toBeTold(): number | undefined {
    const role = this.#role
    if (role.kind !== "resigned") return undefined
    return this.#otherVoters().filter((id) => !role.acknowledged.has(id) && !this.#requests.isGone(id)).length
  }

  #resign(nowMs: number): void {
    invariant(this.#role.kind === "leader", "only a leader resigns")
    const preferredCandidates = this.#role.state.successors(this.#voters)
    // Long enough for the others to elect one of them.
    const deadlineMs = nowMs + this.#randomElectionTimeout()
    this.#enter({ kind: "resigned", deadlineMs, preferredCandidates, acknowledged: new Set() })
    this.#effects.now.leaderChanged = true
  }

  #announceEnd(role: ResignedRole, nowMs: number): void {
    for (const to of this.#otherVoters()) {
      if (role.acknowledged.has(to) || !this.#requests.mayAsk(to, nowMs)) continue
      this.#requests.asked(to)
      const { preferredCandidates } = role
      this.#send({ kind: "endQuorumEpoch", to, epoch: this.epoch, round: this.#requests.round, preferredCandidates })
    }
  }

  /**
   * Moves the high watermark; never back, and never beyond what is in this node's own file.
   *
   * A leader: to what a majority of voters has on the medium, once that covers the start of its epoch (Raft §5.4.2). A follower: to what the leader said.
   */
  #moveHighWatermark(): void {
    const role = this.#role
    let offset = -1
    if (role.kind === "leader") {
      const majority = role.state.majorityOffset(this.#voters, this.#log.flushedOffset)
      if (majority > role.state.epochStartOffset) offset = majority
    } else if (role.kind === "follower" && this.#busy === undefined)
      offset = Math.min(this.#leaderHighWatermark, this.#log.writtenOffset)
    if (offset <= this.#highWatermark) return
    this.#highWatermark = offset
    this.#effects.now.highWatermark = offset
  }

  // Following.

  /** Something was said of epoch and leader by somebody who may know. */
  #learn(leaderId: BrokerId, epoch: number, nowMs: number): void {
    if (epoch < this.epoch || this.#halted) return
    const known = leaderId >= 0 && leaderId !== this.#self.id
    if (epoch > this.epoch) {
      if (known) this.#becomeFollower(epoch, leaderId, nowMs)
      else this.#becomeUnattached(epoch, nowMs, 0)
      return
    }
    const { kind } = this.#role
    if (known && (kind === "unattached" || kind === "prospective" || kind === "candidate")) {
      if (this.#election.leaderId !== -1 && this.#election.leaderId !== leaderId) return
      this.#becomeFollower(epoch, leaderId, nowMs)
    }
  }

  #becomeFollower(epoch: number, leaderId: BrokerId, nowMs: number): void {
    this.#newEpoch(epoch, leaderId)
    this.#enter({
      kind: "follower",
      deadlineMs: nowMs + this.#timing.fetchTimeoutMs,
      hasFetched: false,
      standAtMs: undefined,
    })
    this.#leaderHighWatermark = -1
    this.#effects.now.leaderChanged = true
  }

  #becomeUnattached(epoch: number, nowMs: number, lost: number): void {
    this.#newEpoch(epoch, -1)
    const pauseMs = lost > 0 ? this.#electionBackoff(lost - 1) : this.#randomElectionTimeout()
    this.#enter({ kind: "unattached", deadlineMs: nowMs + pauseMs })
    this.#effects.now.leaderChanged = true
  }

  #newEpoch(epoch: number, leaderId: BrokerId): void {
    invariant(epoch >= this.epoch, "an epoch never goes back")
    if (epoch > this.epoch) this.#suspicions = 0
    const { votedId, votedDirectoryId } = epoch > this.epoch ? noElection : this.#election
    // Within an epoch the leader is remembered: nobody else can win it.
    const next = {
      leaderId: epoch === this.epoch && leaderId === -1 ? this.#election.leaderId : leaderId,
      leaderEpoch: epoch,
      votedId,
      votedDirectoryId,
    }
    if (next.leaderId === this.#election.leaderId && epoch === this.epoch) return
    this.#election = next
    this.#effects.now.persist = next
  }

  #heardFromLeader(role: FollowerRole, nowMs: number): void {
    role.hasFetched = true
    this.#lastHeard = { id: this.#election.leaderId, atMs: nowMs }
    this.#suspicions = 0
    role.standAtMs = undefined
    role.deadlineMs = nowMs + this.#timing.fetchTimeoutMs
  }

  /** From here on this node would vote for another; it stands itself after a short, random time. */
  #suspectLeader(nowMs: number): void {
    if (this.#role.kind !== "follower" || this.#role.standAtMs !== undefined) return
    const jitterMs = goneJitterMs * 2 ** Math.min(this.#suspicions++, goneDoublingsMax)
    this.#role.standAtMs = nowMs + this.options.randomInt(jitterMs + 1)
  }

  #cutTo(offset: Offset): void {
    if (offset < this.#highWatermark) {
      this.#effects.now.broken = `the leader of epoch ${this.epoch} wants the log cut to ${offset}, below the high watermark ${this.#highWatermark}: something committed was lost`
      return
    }
    this.#busy = "cutting"
    this.#effects.now.truncateTo = offset
  }

  #wantsFetch(): boolean {
    if (this.#fetch.isInFlight || this.#busy !== undefined) return false
    return (this.#role.kind === "follower" || this.#role.kind === "unattached") && isSettled(this.#log)
  }

  #maybeFetch(nowMs: number): void {
    if (!this.#wantsFetch() || nowMs < this.#fetch.nextMs) return
    const to = this.#role.kind === "follower" ? this.#election.leaderId : -1
    if (!this.#log.takesAppends) {
      this.#fetch.failed("refused by the node", nowMs)
      return
    }
    this.#fetch.sent()
    this.#send({
      kind: "fetch",
      to,
      epoch: this.epoch,
      round: this.#fetch.round,
      fetchOffset: this.#log.logEndOffset,
      lastFetchedEpoch: this.#log.lastEpoch,
      highWatermark: this.#highWatermark,
      mayWait: this.#fetch.isHeard && to !== -1,
    })
  }

  // Small change.

  #enter(role: Role): void {
    this.#leave()
    // What is not being put in place yet can be given up: the next leader says what is wanted.
    if (this.#busy === "snapshot") this.#busy = undefined
    this.#role = role
    this.#requests.restart()
    this.#fetch.restart()
  }

  #leave(): void {
    if (this.#role.kind === "leader") this.#effects.now.resigned = true
  }

  #send(request: OutgoingVote | OutgoingBegin | OutgoingEnd | OutgoingFetch): void {
    if (this.mustPersist) this.#effects.now.sendAfterPersist.push(request)
    else this.#effects.now.send.push(request)
  }

  #otherVoters(): BrokerId[] {
    return this.#voters.ids.filter((id) => id !== this.#self.id)
  }

  #undecided(votes: ReadonlyMap<BrokerId, boolean>): BrokerId[] {
    return this.#otherVoters().filter((id) => !votes.has(id))
  }

  #randomElectionTimeout(): number {
    return this.#timing.electionTimeoutMs + this.options.randomInt(this.#timing.electionTimeoutMs)
  }

  #electionBackoff(lost: number): number {
    const most = Math.min(this.#timing.electionBackoffMaxMs, electionBackoffMs * 2 ** Math.min(lost, 10))
    return 1 + this.options.randomInt(Math.max(1, Math.floor(most)))
  }
}
