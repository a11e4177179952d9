/**
 * Deliberate faults in the quorum and the controller.
 *
 * Owns the list of those that the cluster workload finds: the rules of Raft, who may lead a partition, whose word counts. Those of replication have a file of their own; how all are applied is with `mutants.ts`.
 */
import type { Mutant, MutantEdit } from "./mutants.js"
import { replicationMutants } from "./replication-mutants.js"

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
    "quorum: what is cut from the log stays decided",
    "raft/metadata-log.js",
    "this.#events.onTruncated(this.log.logEndOffset);\n        this.#core.onTruncated(this.#nowMs);",
    "this.#core.onTruncated(this.#nowMs);",
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
  several(
    "controller: an empty disk keeps its places",
    {
      file: "controller/registration.js",
      find: "if (directory !== void 0 && !isReservedDirectory(directory) && !logDirs.includes(directory)) return false;",
      replace: "",
    },
    {
      file: "controller/partition-change.js",
      find: "rules.canLead(id) && rules.hasDirectory(id, directories?.get(id) ?? replicaDirectory(before, id));",
      replace: "rules.canLead(id);",
    },
    {
      file: "controller/directories.js",
      find: "if (!isNew || before === directoryId) return { directories };",
      replace: "return { directories };",
    },
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
    "controller: takes a proposal about an earlier state of the partition",
    "controller/alter-partition.js",
    "if (partitionEpoch < partition.partitionEpoch) return Errors.INVALID_UPDATE_VERSION;",
    "",
  ),
  one(
    "controller: hears an earlier life of a broker",
    "controller/heartbeat.js",
    "if (broker !== void 0 && broker.brokerEpoch === brokerEpoch) return void 0;",
    "if (broker !== void 0) return void 0;",
  ),
  several(
    "controller: takes in an earlier life of a follower (KIP-903)",
    {
      file: "controller/alter-partition.js",
      find: "return brokerEpoch === -1 || brokerEpoch === broker.brokerEpoch;",
      replace: "return true;",
    },
    {
      file: "replication/leader-state.js",
      find: "return brokerEpoch !== void 0 && (follower.brokerEpoch === -1 || follower.brokerEpoch === brokerEpoch);",
      replace: "return brokerEpoch !== void 0;",
    },
  ),
  several(
    "controller: takes in followers that are fenced",
    {
      file: "controller/alter-partition.js",
      find: "if (broker === void 0 || broker.fenced || broker.inControlledShutdown) return false;",
      replace: "if (broker === void 0) return false;",
    },
    {
      file: "replication/replica-manager.js",
      find: "return broker === void 0 || broker.fenced || broker.inControlledShutdown ? void 0 : broker.brokerEpoch;",
      replace: "return broker?.brokerEpoch;",
    },
  ),
  several(
    "controller: takes in a replica that was made anew elsewhere",
    {
      file: "controller/alter-partition.js",
      find: "!partition.isr.includes(id) && !hasDirectory(view.image, id, replicaDirectory(partition, id))",
      replace: "false",
    },
    {
      file: "replication/leader-state.js",
      find: "return directoryId === zeroUuid || assigned === zeroUuid || assigned === directoryId;",
      replace: "return true;",
    },
  ),
  one(
    "controller: a broker that comes back goes on where its last life was",
    "controller/registration.js",
    "const records = isSameLife ? [] : endOfLastLife(view, request, existing);",
    "const records = [];",
  ),
  one(
    "controller: whoever lost what was not synced stays an eligible leader",
    "controller/registration.js",
    "return isClean || view.settings(place.topic).survivesCrash;",
    "return true;",
  ),
  one(
    "controller: a failed directory keeps its places",
    "controller/broker-changes.js",
    'if (!failed.includes(replicaDirectory(partition, brokerId) ?? "")) continue;',
    "continue;",
  ),
]

export const clusterMutants: readonly Mutant[] = [...quorumMutants, ...controllerMutants, ...replicationMutants]
