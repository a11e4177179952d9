import assert from "node:assert/strict"
import { test } from "node:test"
import { zeroUuid } from "../base/ids.js"
import { Errors } from "../protocol/errors.js"
import { type CoreOptions, RaftCore } from "./core.js"
import { DiskPace, diskLateMs, diskStallMs } from "./disk-pace.js"
import { noElection } from "./election-state.js"
import type { Outgoing, OutgoingFetch, OutgoingVote, VoteRequest } from "./requests.js"
import { MemoryLog } from "./testing/memory-log.js"
import { RaftTest, testTiming, votersOf } from "./testing/raft-test.js"
import { VoterSet } from "./voter-set.js"

const directory = "AAAAAAAAAAAAAAAAAAAACQ"
const self = { id: 1, directoryId: directory }

function coreOf(options: Partial<CoreOptions> = {}): RaftCore {
  const core = new RaftCore({
    self,
    voters: votersOf([1, 2, 3]),
    election: noElection,
    log: new MemoryLog(),
    timing: testTiming,
    randomInt: () => 0,
    ...options,
  })
  core.start(0)
  return core
}

/** Does what a core wants of its disk, and grants what it asks node 2 for, until it wants nothing. */
function indulge(core: RaftCore): Outgoing[] {
  const sent: Outgoing[] = []
  for (let effects = core.take(); effects !== undefined; effects = core.take()) {
    if (effects.persist !== undefined) core.onPersisted(effects.persist, 1000)
    for (const request of [...effects.send, ...effects.sendAfterPersist]) {
      sent.push(request)
      if (request.kind === "vote" && request.to === 2)
        core.onVoteAnswer(request, { errorCode: 0, leaderId: -1, epoch: core.epoch, granted: true }, 1000)
    }
  }
  return sent
}

/** A node that leads the epoch after those of the given log. */
function leaderOf(log: MemoryLog = new MemoryLog()): RaftCore {
  const core = coreOf({ log })
  indulge(core)
  core.onTick(1000)
  indulge(core)
  assert.equal(core.role, "leader")
  const offset = log.logEndOffset
  log.append({ epoch: core.epoch, value: "leader" })
  core.onLeaderChangeAppended(offset, 1000)
  indulge(core)
  return core
}

/** A node that follows 2 in epoch 4, and its first fetch. */
function followerOf(log: MemoryLog): { core: RaftCore; request: OutgoingFetch } {
  const core = coreOf({ log })
  indulge(core)
  core.onBeginQuorumEpoch({ leaderId: 2, epoch: 4 }, undefined, 0)
  return { core, request: indulge(core).find(({ kind }) => kind === "fetch") as OutgoingFetch }
}

const fetchOf = (core: RaftCore): OutgoingFetch => {
  core.onTick(0)
  return indulge(core).findLast(({ kind }) => kind === "fetch") as OutgoingFetch
}

const vote = (request: Partial<VoteRequest> = {}): VoteRequest => ({
  candidate: { id: 2, directoryId: zeroUuid },
  epoch: 5,
  preVote: false,
  lastEpoch: 0,
  lastOffset: 0,
  ...request,
})

const fetched = (endOffset: number, epoch = 1, id = 2) => ({
  replica: { id, directoryId: zeroUuid },
  epoch,
  fetchOffset: endOffset,
  lastFetchedEpoch: endOffset === 0 ? 0 : epoch,
})

test("the only voter persists its vote and its leadership in one write, in an epoch never used before", () => {
  const first = (election = noElection, log = new MemoryLog()) =>
    coreOf({ voters: votersOf([1]), election, log }).take()!
  assert.deepEqual(first().persist, { leaderId: 1, leaderEpoch: 1, votedId: 1, votedDirectoryId: directory })
  assert.equal(first(noElection, MemoryLog.of(1, 7)).persist!.leaderEpoch, 8)
  assert.equal(first({ ...noElection, leaderEpoch: 9 }, MemoryLog.of(7)).persist!.leaderEpoch, 10)
  assert.deepEqual(first().send, [])
})

// Raft §5.4.2: a leader commits only entries of its own epoch, and older ones with them.
test("nothing is committed before a record of the leader's own epoch is on a majority's media", () => {
  const log = MemoryLog.of(1, 1, 1)
  const core = leaderOf(log)
  assert.equal(core.epoch, 2)
  log.flush()
  core.onFetch({ ...fetched(3, 2), lastFetchedEpoch: 1 }, 1000)
  assert.equal(core.highWatermark, 0)
  core.onFetch(fetched(4, 2), 1000)
  assert.equal(core.highWatermark, 4)
})

test("what is not on the leader's own medium is not committed, whoever else has it", () => {
  const log = new MemoryLog()
  const core = leaderOf(log)
  core.onFetch(fetched(1), 1000)
  core.onFetch(fetched(1, 1, 3), 1000)
  assert.equal(core.highWatermark, 0)
  log.flush()
  core.onFlushed(1000)
  assert.equal(core.highWatermark, 1)
})

test("an observer is not counted, and neither is a node with a voter's id and another disk", () => {
  const log = new MemoryLog()
  const core = leaderOf(log)
  core.onVoters(
    new VoterSet(
      [1, 2, 3].map((id) => ({ id, directoryId: directory, endpoints: [], minKRaftVersion: 0, maxKRaftVersion: 1 })),
    ),
    true,
    1000,
  )
  log.flush()
  core.onFetch(fetched(1, 1, 9), 1000)
  core.onFetch({ ...fetched(1), replica: { id: 2, directoryId: "AAAAAAAAAAAAAAAAAAAAEQ" } }, 1000)
  assert.equal(core.highWatermark, 0)
  assert.equal(core.leaderState!.observers(core.voters, 1000).length, 2)
  core.onFetch({ ...fetched(1), replica: { id: 2, directoryId: directory } }, 1000)
  assert.equal(core.highWatermark, 1)
})

test("the high watermark never goes back, not with other voters either", () => {
  const log = new MemoryLog()
  const core = leaderOf(log)
  log.flush()
  core.onFetch(fetched(1), 1000)
  assert.equal(core.highWatermark, 1)
  core.onVoters(votersOf([1, 3, 4]), true, 1000)
  core.onFlushed(1000)
  assert.equal(core.highWatermark, 1)
})

// Raft §5.2: one vote in an epoch, first come first served; Raft §5.4.1: not for a log that lacks something.
test("a vote goes to one candidate of an epoch, whose log is as good as the own", () => {
  const core = coreOf({ log: MemoryLog.of(1, 2, 2) })
  const grants = (request: Partial<VoteRequest>) => core.onVote(vote(request), undefined, 0).granted
  assert.ok(!grants({ lastEpoch: 1, lastOffset: 9 }), "an older last epoch")
  assert.ok(!grants({ lastEpoch: 2, lastOffset: 2 }), "a shorter log")
  assert.ok(grants({ lastEpoch: 2, lastOffset: 3 }))
  assert.ok(grants({ lastEpoch: 2, lastOffset: 3 }), "the same again: its answer was lost")
  assert.ok(!grants({ candidate: { id: 3, directoryId: zeroUuid }, lastEpoch: 4, lastOffset: 9 }), "another")
  assert.ok(
    grants({ candidate: { id: 3, directoryId: zeroUuid }, epoch: 6, lastEpoch: 4, lastOffset: 9 }),
    "a later epoch",
  )
})

test("a vote, and a new epoch, wait for the medium; a pre-vote changes nothing and waits for nothing", () => {
  const core = coreOf()
  core.take()
  assert.ok(core.onVote(vote({ preVote: true, epoch: 0 }), undefined, 0).granted)
  assert.ok(!core.mustPersist)
  assert.ok(core.onVote(vote(), undefined, 0).granted)
  assert.ok(core.mustPersist)
  const { persist } = core.take()!
  assert.equal(persist!.votedId, 2)
  core.onPersisted(persist!, 0)
  assert.ok(!core.mustPersist)
  core.onVote(vote({ epoch: 8, lastEpoch: 9 }), undefined, 0)
  assert.ok(!core.mustPersist, "an invalid request changes nothing")
})

test("a node that led an epoch, or followed in it, votes for nobody in it after a restart", () => {
  for (const leaderId of [1, 3]) {
    const election = { leaderId, leaderEpoch: 5, votedId: -1, votedDirectoryId: zeroUuid }
    const core = coreOf({ election })
    assert.ok(!core.onVote(vote(), undefined, 0).granted)
    assert.ok(core.onVote(vote({ epoch: 6 }), undefined, 0).granted)
  }
})

test("where the vote file is lost and the log is not, no vote is given in an epoch of the log", () => {
  const core = coreOf({ log: MemoryLog.of(5) })
  assert.equal(core.epoch, 5)
  assert.ok(!core.onVote(vote({ lastEpoch: 4, lastOffset: 9 }), undefined, 0).granted)
  assert.ok(core.onVote(vote({ epoch: 6, lastEpoch: 5, lastOffset: 1 }), undefined, 0).granted)
})

test("requests of older epochs, for other nodes, of strangers, and impossible ones are refused", () => {
  const core = coreOf({ election: { ...noElection, leaderEpoch: 5 } })
  const error = (request: Partial<VoteRequest>, voterKey = self as typeof self | undefined) =>
    core.onVote(vote(request), voterKey, 0).errorCode
  assert.equal(error({ epoch: 4 }), Errors.FENCED_LEADER_EPOCH)
  assert.equal(error({ candidate: { id: -1, directoryId: zeroUuid } }), Errors.INVALID_REQUEST)
  assert.equal(error({ candidate: self }), Errors.INVALID_REQUEST)
  assert.equal(error({ lastEpoch: 5 }), Errors.INVALID_REQUEST)
  assert.equal(error({ lastOffset: -1 }), Errors.INVALID_REQUEST)
  assert.equal(error({}, { id: 7, directoryId: directory }), Errors.INVALID_VOTER_KEY)
  // reliability.md R6: a node that lost its disk is another voter.
  assert.equal(error({}, { id: 1, directoryId: "AAAAAAAAAAAAAAAAAAAAEQ" }), Errors.INVALID_VOTER_KEY)
  assert.equal(error({}, { id: 1, directoryId: zeroUuid }), Errors.NONE)
  // Two nodes that were told different voters could elect two leaders.
  assert.equal(error({ candidate: { id: 9, directoryId: zeroUuid } }), Errors.INCONSISTENT_VOTER_SET)
  assert.equal(
    core.onBeginQuorumEpoch({ leaderId: 9, epoch: 6 }, undefined, 0).errorCode,
    Errors.INCONSISTENT_VOTER_SET,
  )
  assert.equal(core.epoch, 5)
})

// KIP-853: whether somebody is a voter is known by those whose log is newer.
test("with voters in the log, a candidate that is unknown here may be one already", () => {
  const core = coreOf()
  core.onVoters(votersOf([1, 2, 3]), true, 0)
  assert.ok(core.onVote(vote({ candidate: { id: 9, directoryId: directory } }), undefined, 0).granted)
})

test("two leaders of one epoch are not believed", () => {
  const core = coreOf()
  assert.equal(core.onBeginQuorumEpoch({ leaderId: 2, epoch: 4 }, undefined, 0).errorCode, Errors.NONE)
  const other = core.onBeginQuorumEpoch({ leaderId: 3, epoch: 4 }, undefined, 0)
  assert.deepEqual(other, { errorCode: Errors.INCONSISTENT_VOTER_SET, leaderId: 2, epoch: 4 })
})

// KIP-996
test("a voter that hears from its leader refuses a pre-vote; one that does not, or knows it to be gone, grants it", () => {
  const log = MemoryLog.of(4)
  const { core, request } = followerOf(log)
  const asks = () => core.onVote(vote({ preVote: true, epoch: 4, lastEpoch: 4, lastOffset: 1 }), undefined, 0).granted
  assert.ok(asks(), "it has never had an answer")
  core.onFetchAnswer(
    request,
    { errorCode: 0, leaderId: 2, epoch: 4, judgement: { kind: "valid" }, highWatermark: 1 },
    0,
  )
  assert.ok(!asks())
  core.onAppended(true, 0)
  core.onFetchFailed(fetchOf(core), "timed out", 0)
  assert.ok(!asks(), "it may only be slow")
  core.onTick(core.nextTickMs)
  core.onFetchFailed(fetchOf(core), "refused", 0)
  assert.ok(asks())
})

test("a leader grants no pre-vote", () => {
  assert.ok(!leaderOf().onVote(vote({ preVote: true, epoch: 1 }), undefined, 1000).granted)
})

test("a leader of an older epoch steps down when it hears of a newer one, and says so once", () => {
  const core = leaderOf()
  core.onBeginQuorumEpoch({ leaderId: 3, epoch: 2 }, undefined, 1000)
  const effects = core.take()!
  assert.ok(effects.resigned)
  assert.equal(core.role, "follower")
  assert.equal(core.take()?.resigned ?? false, false)
})

test("a fetch position is told only when everything in the log is on the medium", () => {
  const log = MemoryLog.of(4)
  log.append({ epoch: 4, value: "x" })
  const { core, request } = followerOf(log)
  assert.equal(request, undefined)
  log.flush()
  assert.equal(fetchOf(core).fetchOffset, 2)
})

test("a fetch in a new epoch waits until the epoch is on the medium", () => {
  const core = coreOf()
  core.take()
  core.onBeginQuorumEpoch({ leaderId: 2, epoch: 4 }, undefined, 0)
  const { persist, send, sendAfterPersist } = core.take()!
  assert.equal(persist!.leaderEpoch, 4)
  assert.deepEqual([send.length, sendAfterPersist.map(({ kind }) => kind)], [0, ["fetch"]])
})

test("nobody stands for election with a log that the disk may still refuse, or that is full", () => {
  const log = MemoryLog.of(4)
  const { core, request } = followerOf(log)
  log.append({ epoch: 4, value: "x" })
  core.onFetchFailed(request, "refused", 0)
  core.onTick(100)
  assert.equal(core.role, "follower")
  log.flush()
  log.takesAppends = false
  core.onTick(200)
  assert.equal(core.role, "follower")
  log.takesAppends = true
  core.onTick(300)
  assert.equal(core.role, "prospective")
})

test("a follower is never cut below its high watermark: something committed would be lost", () => {
  const { core, request } = followerOf(MemoryLog.of(1, 2, 4))
  const answer = { errorCode: 0, leaderId: 2, epoch: 4, highWatermark: 3 }
  core.onFetchAnswer(request, { ...answer, judgement: { kind: "valid" } }, 0)
  core.onAppended(true, 0)
  assert.equal(core.highWatermark, 3)
  core.onFetchAnswer(fetchOf(core), { ...answer, judgement: { kind: "diverging", epoch: 2, endOffset: 2 } }, 0)
  const effects = core.take()!
  assert.match(effects.broken!, /below the high watermark/)
  assert.equal(effects.truncateTo, undefined)
})

test("a refused connection to the leader makes a follower stand within 50 ms, and longer each time the others disagree", () => {
  const { core, request } = followerOf(MemoryLog.of(4))
  let [nowMs, fetch] = [0, request]
  for (const [randomMs, withinMs] of [
    [50, 51],
    [100, 101],
    [200, 201],
  ] as const) {
    assert.ok(randomMs < withinMs)
    core.onFetchFailed(fetch, "refused", nowMs)
    assert.ok(core.nextTickMs <= nowMs + withinMs)
    nowMs = core.nextTickMs
    core.onTick(nowMs)
    assert.equal(core.role, "prospective")
    for (const request of core.take()!.send) {
      const refused = { errorCode: 0, leaderId: 2, epoch: 4, granted: false }
      core.onVoteAnswer(request as OutgoingVote, refused, nowMs)
    }
    assert.equal(core.role, "follower")
    fetch = fetchOf(core)
  }
})

/** A follower of 2 that knows it to be gone and stands for election, and what it asks the others. */
function standingOf(log: MemoryLog) {
  const { core, request } = followerOf(log)
  core.onFetchFailed(request, "refused", 0)
  core.onTick(core.nextTickMs)
  assert.equal(core.role, "prospective")
  const asked = core.take()!.send as OutgoingVote[]
  return { core, toLeader: asked.find(({ to }) => to === 2)!, toOther: asked.find(({ to }) => to === 3)! }
}
const refusedVote = { errorCode: 0, leaderId: -1, epoch: 4, granted: false }

test("who is refused a vote, and for the rest depends on a voter that is gone, does not wait out the election", () => {
  for (const isGoneFirst of [true, false]) {
    const { core, toLeader, toOther } = standingOf(MemoryLog.of(4))
    if (isGoneFirst) core.onRequestFailed(toLeader, "refused", 0)
    assert.equal(core.role, "prospective", "a voter that starts anew may answer soon")
    core.onVoteAnswer(toOther, refusedVote, 0)
    if (!isGoneFirst) core.onRequestFailed(toLeader, "refused", 0)
    assert.equal(core.role, "follower")
  }
})

test("two candidates of one epoch, with the third voter gone, stand again soon", () => {
  const { core, toOther } = standingOf(MemoryLog.of(4))
  core.onVoteAnswer(toOther, { ...refusedVote, granted: true }, 0)
  assert.equal(core.role, "candidate")
  const asked: OutgoingVote[] = []
  for (let effects = core.take(); effects !== undefined; effects = core.take()) {
    if (effects.persist !== undefined) core.onPersisted(effects.persist, 0)
    asked.push(...([...effects.send, ...effects.sendAfterPersist] as OutgoingVote[]))
  }
  core.onVoteAnswer(asked.find(({ to }) => to === 3)!, { ...refusedVote, epoch: 5 }, 0)
  core.onRequestFailed(asked.find(({ to }) => to === 2)!, "refused", 0)
  core.onTick(50)
  assert.equal(core.role, "prospective")
})

test("a voter whose log is behind asks for votes itself by now: it is asked again", () => {
  const { core, toOther } = standingOf(MemoryLog.of(4, 4))
  core.onVoteAnswer(toOther, refusedVote, 0)
  assert.equal(core.role, "prospective")
  core.take()
  const behind = vote({
    preVote: true,
    epoch: 4,
    lastEpoch: 4,
    lastOffset: 1,
    candidate: { id: 3, directoryId: zeroUuid },
  })
  assert.ok(!core.onVote(behind, undefined, 0).granted)
  assert.deepEqual(
    core.take()!.send.map(({ kind, to }) => `${kind} ${to}`),
    ["vote 3"],
  )
})

test("a leader that answers that it is none is gone for its followers", () => {
  const { core, request } = followerOf(MemoryLog.of(4))
  const answer = { errorCode: Errors.NOT_LEADER_OR_FOLLOWER, leaderId: -1, epoch: 4, highWatermark: -1 }
  core.onFetchAnswer(request, { ...answer, judgement: { kind: "valid" } }, 0)
  core.onTick(51)
  assert.equal(core.role, "prospective")
})

test("a leader whose disk is full hands over; the only voter waits for room", () => {
  const core = leaderOf()
  core.onAppendsLost(1000)
  assert.equal(core.role, "resigned")
  const lonely = coreOf({ voters: votersOf([1]) })
  lonely.onPersisted(lonely.take()!.persist!, 0)
  lonely.onLeaderChangeAppended(0, 0)
  lonely.onAppendsLost(0)
  assert.equal(lonely.role, "leader")
})

test("a leader that may not append its first record leads nobody", () => {
  const raft = new RaftTest({ voters: [1, 2, 3] })
  raft.startAll()
  raft.stand(1)
  raft.settle()
  const core = raft.core(1)
  core.onLeaderChangeAppended(undefined, raft.nowMs)
  assert.equal(core.role, "resigned")
})

test("a node that is no voter stands for nothing", () => {
  const raft = new RaftTest({ voters: [1, 2, 3], observers: [4] })
  raft.start(4)
  raft.pass(60_000)
  assert.equal(raft.core(4).role, "unattached")
  assert.equal(raft.core(4).epoch, 0)
})

test("a node that is a voter no more does not disturb the others", () => {
  const raft = new RaftTest({ voters: [1, 2, 3] })
  raft.startAll()
  raft.stand(1)
  raft.settle()
  for (const id of [1, 2]) raft.setVoters(id, [1, 2])
  raft.drop(3, 1)
  for (let round = 0; round < 50; round++) {
    raft.pass(100)
    raft.drop(3, 1)
    raft.settle()
  }
  assert.deepEqual([raft.core(1).role, raft.core(1).epoch], ["leader", 1])
})

test("after a failure of its log a node takes no part any more", () => {
  const core = leaderOf()
  core.halt()
  assert.ok(core.take()!.resigned)
  assert.equal(core.nextTickMs, Number.POSITIVE_INFINITY)
  assert.equal(core.onVote(vote(), undefined, 0).errorCode, Errors.BROKER_NOT_AVAILABLE)
  assert.equal(core.onFetch(fetched(0), 0).errorCode, Errors.BROKER_NOT_AVAILABLE)
})

/** A leader of three with one record of its own on the medium, known to both others at `nowMs`. */
function settledLeader(): { core: RaftCore; log: MemoryLog } {
  const log = new MemoryLog()
  const core = leaderOf(log)
  log.flush()
  core.onFlushed(1000)
  for (const id of [2, 3]) core.onFetch(fetched(1, 1, id), 1000)
  return { core, log }
}

test("a leader whose disk hangs hands over when the others have all they can get", () => {
  const { core, log } = settledLeader()
  log.append({ epoch: 1, value: "a" })
  core.onFlushed(2000)
  for (const id of [2, 3]) core.onFetch(fetched(2, 1, id), 2010)
  assert.ok(core.nextTickMs <= 2000 + diskStallMs)
  core.onTick(2000 + diskStallMs - 1)
  assert.equal(core.role, "leader")
  core.onTick(2000 + diskStallMs)
  assert.equal(core.role, "resigned")
})

test("a leader whose writes hang hands over too, though the others have nothing that it has not", () => {
  const { core, log } = settledLeader()
  log.append({ epoch: 1, value: "a" })
  log.writtenOffset = 1
  core.onFlushed(2000)
  core.onTick(2000 + diskStallMs)
  assert.equal(core.role, "resigned")
})

test("a leader with nothing to write hands over when its disk does nothing for others", () => {
  const { core, log } = settledLeader()
  log.diskStalledMs = diskStallMs - 1
  for (const id of [2, 3]) core.onFetch(fetched(1, 1, id), 2000)
  assert.equal(core.role, "leader")
  log.diskStalledMs = diskStallMs
  for (const id of [2, 3]) core.onFetch(fetched(1, 1, id), 2500)
  assert.equal(core.role, "resigned")
})

test("the first fetch of a leader, and one after a failure, is answered at once", () => {
  const { core, request } = followerOf(MemoryLog.of(4))
  assert.equal(request.mayWait, false)
  const answer = { errorCode: Errors.NONE, leaderId: 2, epoch: 4, highWatermark: -1 }
  core.onFetchAnswer(request, { ...answer, judgement: { kind: "valid" } }, 0)
  core.onAppended(true, 0)
  const next = fetchOf(core)
  assert.equal(next.mayWait, true)
  core.onFetchFailed(next, "timed out", 0)
  core.onTick(core.nextTickMs)
  const again = indulge(core).findLast(({ kind }) => kind === "fetch") as OutgoingFetch
  assert.equal(again.mayWait, false)
})

test("a leader whose disk hangs stays where the others are no better, or cannot go on without it", () => {
  for (const others of [[], [2]]) {
    const { core, log } = settledLeader()
    log.append({ epoch: 1, value: "a" })
    core.onFlushed(2000)
    for (const id of others) core.onFetch(fetched(2, 1, id), 2010)
    let ticks = 0
    for (let nowMs = 2000; nowMs < 5000; nowMs = Math.max(nowMs + 1, core.nextTickMs), ticks++) {
      for (const id of [2, 3]) core.onFetch(fetched(others.includes(id) ? 2 : 1, 1, id), nowMs)
      core.onTick(nowMs)
      indulge(core)
    }
    assert.equal(core.role, "leader", `${others}`)
    assert.ok(ticks < 100)
  }
})

test("a leader that is later than the others each time for two seconds hands over", () => {
  for (const [lateMs, role] of [
    [diskLateMs + 50, "resigned"],
    [diskLateMs - 10, "leader"],
  ] as const) {
    const { core, log } = settledLeader()
    for (let nowMs = 2000; nowMs < 6000 && core.role === "leader"; nowMs += 500) {
      log.append({ epoch: 1, value: "a" })
      core.onFlushed(nowMs)
      for (const id of [2, 3]) core.onFetch(fetched(log.logEndOffset, 1, id), nowMs + 5)
      log.flush()
      core.onFlushed(nowMs + 5 + lateMs)
    }
    assert.equal(core.role, role, `${lateMs}`)
  }
})

test("who was late once, or while the others were late too, keeps its leadership", () => {
  const { core, log } = settledLeader()
  for (let nowMs = 2000; nowMs < 20_000; nowMs += 500) {
    log.append({ epoch: 1, value: "a" })
    core.onFlushed(nowMs)
    const isLate = nowMs % 1500 !== 0
    if (isLate) for (const id of [2, 3]) core.onFetch(fetched(log.logEndOffset, 1, id), nowMs + 5)
    log.flush()
    core.onFlushed(nowMs + 200)
    if (!isLate) for (const id of [2, 3]) core.onFetch(fetched(log.logEndOffset, 1, id), nowMs + 205)
  }
  assert.equal(core.role, "leader")
})

test("where every disk is so slow, leaders are more patient each time", () => {
  const pace = new DiskPace()
  const log = new MemoryLog()
  for (let times = 0, nowMs = 0; times < 3; times++, nowMs += 100_000) {
    pace.begin()
    log.append({ epoch: 1, value: "a" })
    assert.equal(pace.look(log, log.flushedOffset + 1, nowMs), false)
    const patienceMs = diskStallMs * 2 ** times
    assert.equal(pace.look(log, log.flushedOffset + 1, nowMs + patienceMs - 1), false)
    assert.equal(pace.look(log, log.flushedOffset + 1, nowMs + patienceMs), true)
    pace.handedOver()
    log.flush()
    pace.look(log, -1, nowMs + patienceMs + 1000)
  }
  // Quick again.
  log.append({ epoch: 1, value: "a" })
  pace.look(log, -1, 900_000)
  log.flush()
  pace.look(log, -1, 900_001)
  pace.begin()
  log.append({ epoch: 1, value: "a" })
  pace.look(log, log.flushedOffset + 1, 910_000)
  assert.equal(pace.look(log, log.flushedOffset + 1, 910_000 + diskStallMs), true)
})
