/**
 * Deliberate faults in the quorum, the controller and replication.
 *
 * Owns the list of those that the cluster workload finds: the rules of Raft, who may lead a partition, what counts towards the high watermark, how a follower comes to hold what its leader holds. How they are
 * applied is with `mutants.ts`.
 */
import type { Mutant, MutantEdit } from "./mutants.js"

const several = (name: string, ...edits: readonly MutantEdit[]): Mutant => ({ name, edits, workload: "cluster" })

const one = (name: string, file: string, find: string, replace: string): Mutant =>
  several(name, { file, find, replace })

const quorumMutants: readonly Mutant[] = [
  one(
    "quorum: tells a vote that is not written down",
    "raft/core.js",
    "if (isNew) this.#effects.now.persist = this.#election;",
    "this.#persisted = this.#election;",
  ),
  one(
    "quorum: asks for votes before its own is written down",
    "raft/core.js",
    "if (this.mustPersist) this.#effects.now.sendAfterPersist.push(request);\n    else this.#effects.now.send.push(request);",
    "this.#effects.now.send.push(request);",
  ),
  one(
    "quorum: votes twice in an epoch",
    "raft/core.js",
    "if (votedId !== -1) return sameReplica({ id: votedId, directoryId: votedDirectoryId }, request.candidate);\n    return leaderId === -1;",
    "return true;",
  ),
  one(
    "quorum: votes for a log that is behind",
    "raft/core.js",
    'if (this.#busy === "cutting" || !isUpToDate(this.#log, request)) return false;',
    'if (this.#busy === "cutting") return false;',
  ),
  one(
    "quorum: takes one vote for a majority",
    "raft/core.js",
    "if (granted >= this.#voters.majority) {",
    "if (granted >= 1) {",
  ),
  one(
    "quorum: uses an epoch again",
    "raft/core.js",
    "const leaderEpoch = Math.max(this.#election.leaderEpoch, this.#log.lastEpoch) + 1;",
    "const leaderEpoch = Math.max(1, this.#election.leaderEpoch, this.#log.lastEpoch);",
  ),
  one(
    "quorum: commits what only it has",
    "raft/leader-state.js",
    "return Math.min(flushedOffset, offsets[voters.majority - 1] ?? -1);",
    "return flushedOffset;",
  ),
  one(
    "quorum: counts what it has not synced",
    "raft/core.js",
    "role.state.majorityOffset(this.#voters, this.#log.flushedOffset)",
    "role.state.majorityOffset(this.#voters, this.#log.logEndOffset)",
  ),
  one(
    "quorum: a voter tells a position that it has not synced",
    "raft/log-view.js",
    "const isSettled = (log) => log.flushedOffset === log.logEndOffset;",
    "const isSettled = () => true;",
  ),
  one(
    "quorum: a leader does not notice that a follower's log diverges",
    "raft/log-view.js",
    "return end.leaderEpoch !== lastFetchedEpoch || end.endOffset < fetchOffset ?",
    "return false ?",
  ),
  one(
    "quorum: a follower cuts only what the leader's epoch does not have",
    "raft/log-view.js",
    "return own.leaderEpoch === diverging.epoch ? Math.min(own.endOffset, diverging.endOffset) : own.endOffset;",
    "return own.endOffset;",
  ),
  one(
    "quorum: what a leader appended and lost leadership over stays decided",
    "raft/core.js",
    'if (this.#role.kind === "leader") this.#effects.now.resigned = true;',
    "",
  ),
]

const controllerMutants: readonly Mutant[] = [
  one(
    "controller: elects from outside the in-sync replicas",
    "controller/partition-change.js",
    "const canLead = (id) => eligible.includes(id) && lives(id);",
    "const canLead = (id) => lives(id);",
  ),
  one(
    "controller: elects a broker that is fenced",
    "controller/partition-change.js",
    "const lives = (id) => rules.canLead(id) && rules.hasDirectory(",
    "const lives = (id) => rules.hasDirectory(",
  ),
  one(
    "controller: elects uncleanly by default",
    "controller/partition-change.js",
    'if (election !== "unclean") return { leader: noLeader, isUnclean: false };',
    "",
  ),
  one(
    "controller: remembers eligible leaders while enough replicas are in sync",
    "controller/partition-change.js",
    "if (!rules.elrEnabled || isr.length >= minimum(replicas, rules)) return nobody;",
    "if (!rules.elrEnabled) return nobody;",
  ),
  one(
    "controller: forgets eligible leaders",
    "controller/partition-change.js",
    "const elr = before.elr.filter(stays);",
    "const elr = [];",
  ),
  one(
    "controller: the last in-sync replica that goes is not eligible to come back",
    "controller/partition-change.js",
    "for (const id of before.isr) if (stays(id) && !elr.includes(id)) elr.push(id);",
    "",
  ),
  one(
    "controller: a reassignment is complete before the new replicas are in sync",
    "controller/partition-change.js",
    "if (staying.length === 0 || staying.some((id) => !stayingIsr.includes(id))) return members;",
    "if (staying.length === 0) return members;",
  ),
  one(
    "controller: an election does not raise the leader epoch",
    "metadata/replay.js",
    "leaderEpoch: leaderChanged ? before.leaderEpoch + 1 : before.leaderEpoch,",
    "leaderEpoch: before.leaderEpoch,",
  ),
  one(
    "controller: an empty disk keeps its places",
    "controller/registration.js",
    "if (directory !== void 0 && !isReservedDirectory(directory) && !logDirs.includes(directory)) return false;",
    "",
  ),
  one(
    "controller: a fenced broker keeps its leaderships",
    "controller/broker-changes.js",
    "...leaveIsrs(view, brokerId, keepsAll, false),\n    registrationChange(brokerId, broker.brokerEpoch, { fenced: 1 })",
    "registrationChange(brokerId, broker.brokerEpoch, { fenced: 1 })",
  ),
  one(
    "controller: unfencing elects nobody",
    "controller/broker-changes.js",
    "for (const place of view.index.leaderless) {",
    "for (const place of []) {",
  ),
  one(
    "controller: takes proposals of brokers that are not the leader",
    "controller/alter-partition.js",
    "if (brokerId !== partition.leader) return Errors.INVALID_REQUEST;",
    "",
  ),
]

const replicationMutants: readonly Mutant[] = [
  one(
    "replication: the high watermark waits for no follower",
    "replication/leader-state.js",
    "if (counts) offset = follower.safeOffset;",
    "",
  ),
  one(
    "replication: a follower that has not fetched in this leadership does not count",
    "replication/leader-state.js",
    "if (follower.safeOffset >= offset) continue;",
    "if (follower.safeOffset < 0 || follower.safeOffset >= offset) continue;",
  ),
  one(
    "replication: positions of the last leadership count",
    "replication/leader-state.js",
    "safeOffset = -1;",
    "safeOffset = Number.MAX_SAFE_INTEGER;",
  ),
  one(
    "replication: the high watermark moves below min ISR",
    "replication/partition.js",
    "if (leader === void 0 || leader.isUnderMinIsr(this.#log.config.minInsyncReplicas)) return;",
    "if (leader === void 0) return;",
  ),
  one(
    "replication: a proposal to leave the in-sync set counts before it is decided",
    "replication/leader-state.js",
    "return this.#state.isr.includes(brokerId) || this.#proposed?.includes(brokerId) === true;",
    "return (this.#proposed ?? this.#state.isr).includes(brokerId);",
  ),
  one(
    "replication: a follower joins before it has what is committed",
    "replication/leader-state.js",
    "if (this.isInSync(brokerId) || safeOffset < highWatermark || safeOffset < this.epochStartOffset) continue;",
    "if (this.isInSync(brokerId)) continue;",
  ),
  one(
    "replication: a follower tells what it has not synced",
    "replication/replica-fetcher.js",
    "flushedOffset: state.toldSafeOffset",
    "flushedOffset: log.logEndOffset",
  ),
  one(
    "replication: a follower is cut to its high watermark (KIP-101)",
    "replication/follower-state.js",
    "return Math.min(own.endOffset, leaders.endOffset, log.logEndOffset);",
    "return Math.min(log.highWatermark, log.logEndOffset - 1);",
  ),
  one(
    "replication: a leader does not notice that a follower's log diverges",
    "replication/partition-reads.js",
    "if (end.leaderEpoch < request.lastFetchedEpoch || end.endOffset < request.fetchOffset) {",
    "if (false) {",
  ),
  one(
    "replication: a follower goes on without cutting where its log diverges",
    "replication/fetch-answers.js",
    "this.#cut(state, async () => (own) => own.truncateTo(offset));",
    "state.forgetTerms();\n    this.fetcher.ready(state, true);",
  ),
  one(
    "replication: a follower takes what it did not ask for at its end",
    "replication/fetch-answers.js",
    "if (!state.continuesIn(request)) return;",
    "",
  ),
  one(
    "replication: an answer of another epoch is heard",
    "replication/follower-state.js",
    "return this.toldIn <= request;",
    "return true;",
  ),
  one(
    "replication: a follower does not learn of idempotent producers",
    "storage/log.js",
    "const producersBefore = this.#takeInProducers(bytes);",
    'const producersBefore = origin === "replication" ? void 0 : this.#takeInProducers(bytes);',
  ),
  one(
    "replication: a follower does not write down epochs",
    "storage/log.js",
    "const epochsBefore = this.#takeInEpochs(bytes);",
    'const epochsBefore = origin === "replication" ? void 0 : this.#takeInEpochs(bytes);',
  ),
  one(
    "replication: all in-sync replicas are one (acks)",
    "broker/api/produce.js",
    "const waiters = acks === -1 ? partition.acknowledged : partition.safeHere;",
    "const waiters = partition.safeHere;",
  ),
  one(
    "replication: a follower that is new is taken to have everything",
    "replication/leader-state.js",
    "follower.safeOffset = fetch.safeOffset;",
    "follower.safeOffset = logEndOffset;",
  ),
  one(
    "replication: whoever once led appends for ever",
    "replication/partition.js",
    "if (this.#leader === void 0)\n      return refuseForNow(Errors.NOT_LEADER_OR_FOLLOWER",
    "if (false)\n      return refuseForNow(Errors.NOT_LEADER_OR_FOLLOWER",
  ),
  one(
    "replication: serves readers that know another epoch",
    "replication/partition.js",
    "return currentLeaderEpoch < this.leaderEpoch ? Errors.FENCED_LEADER_EPOCH : Errors.UNKNOWN_LEADER_EPOCH;",
    "return Errors.NONE;",
  ),
]

export const clusterMutants: readonly Mutant[] = [...quorumMutants, ...controllerMutants, ...replicationMutants]
