/**
 * Deliberate faults in replication.
 *
 * Owns the list of those that the cluster workload finds: what counts towards the high watermark, who joins, how a follower comes to hold what its leader holds, and nothing else. How they are applied is with `mutants.ts`.
 */
import type { Mutant } from "./mutants.js"

const one = (name: string, file: string, find: string, replace: string): Mutant => ({
  name,
  edits: [{ file, find, replace }],
  workload: "cluster",
})

export const replicationMutants: readonly Mutant[] = [
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
  one(
    "replication: a new leader takes all that it has to be committed",
    "replication/partition.js",
    "this.home.nowMs());\n    this.#maybeIncrementHighWatermark();",
    "this.home.nowMs());\n    this.#log.updateHighWatermark(this.#log.logEndOffset);",
  ),
  one(
    "replication: what waits while a leadership ends is acknowledged",
    "replication/partition.js",
    "if (wasLeader && !this.isLeader) this.#failWaiters(0, Errors.NOT_LEADER_OR_FOLLOWER);",
    "if (wasLeader && !this.isLeader) this.acknowledged.reached(this.#log.logEndOffset);",
  ),
  one(
    "replication: what waits while too few stay in sync is acknowledged",
    "replication/partition.js",
    "this.acknowledged.failed(0, Errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND);",
    "this.acknowledged.reached(this.#log.logEndOffset);",
  ),
  one(
    "replication: a retry is answered before what it repeats is safe",
    "broker/api/produce.js",
    "if (acks === 0 || isSafe) return answer;",
    "if (acks === 0 || isSafe || result.duplicate) return answer;",
  ),
  one(
    "replication: a leader that does not know what was committed says where the log ends",
    "replication/partition.js",
    "return this.#leader === void 0 || this.highWatermark >= this.#leader.epochStartOffset;",
    "return true;",
  ),
  one(
    "replication: a follower that lost records is counted as before",
    "replication/leader-state.js",
    "follower.safeOffset = fetch.safeOffset;",
    "follower.safeOffset = Math.max(follower.safeOffset, fetch.safeOffset);",
  ),
  one(
    "replication: a cut leaves producers as they were",
    "storage/log-truncation.js",
    "await this.#reloadProducers(await this.#removeSnapshotsAbove(this.#common.logEndOffset));",
    "await this.#removeSnapshotsAbove(this.#common.logEndOffset);",
  ),
  {
    name: "replication: a cut leaves epochs as they were (H05)",
    workload: "cluster",
    edits: [
      {
        file: "storage/log-truncation.js",
        find: "this.#common.epochs.truncateFromEnd(this.#common.logEndOffset);",
        replace: "",
      },
      {
        file: "storage/leader-epoch-cache.js",
        find: "if (last.epoch < epoch && last.startOffset < startOffset) break;",
        replace: "if (last.epoch < epoch) break;",
      },
    ],
  },
  one(
    "replication: a cut leaves what is in memory",
    "storage/log-truncation.js",
    "this.#memory.dropFrom(this.#common.logEndOffset);\n      this.#common.epochs",
    "this.#common.epochs",
  ),
  one(
    "replication: a cut leaves a hole in what is in memory",
    "storage/log-memory.js",
    "if (buffer.baseOffset < offset) offset = -1;",
    "",
  ),
  one(
    "replication: a cut is not on the medium before what follows",
    "storage/log-truncation.js",
    "await file.truncate(scan.position);\n        await file.sync();",
    "await file.truncate(scan.position);",
  ),
  one(
    "replication: records of an epoch that the leader does not know stay (KIP-279)",
    "replication/follower-state.js",
    "return Math.min(own.endOffset, leaders.endOffset, log.logEndOffset);",
    "return Math.min(leaders.endOffset, log.logEndOffset);",
  ),
  one(
    "replication: a follower tells where its log starts before that is on the medium",
    "replication/replica-fetcher.js",
    "logStartOffset: log.durableStartOffset,",
    "logStartOffset: log.logStartOffset,",
  ),
  one(
    "replication: a deletion waits for no follower",
    "replication/leader-state.js",
    "if (logStartOffset < lowest && brokers.isAlive(brokerId)) lowest = logStartOffset;",
    "",
  ),
  one(
    "replication: what was moved away or deleted while a broker was down stays",
    "replication/replica-logs.js",
    "if (isRemoved(log)) removed.push(log);",
    "",
  ),
  one(
    "replication: who was refused need not come first",
    "replication/partition.js",
    "this.#log.producers.refuse(batch);",
    "",
  ),
  one(
    "replication: who came before the partition need not come first",
    "replication/early-producers.js",
    "awaited.awaitFrom(batchProducerId(records), batchProducerEpoch(records), batchBaseSequence(records));",
    "",
  ),
]
