/**
 * Deliberate faults, to prove that the simulator finds such faults.
 *
 * Owns the list: each is a change of one place (of two, where one alone changes nothing) in the built program, which the command applies to a copy. Nothing
 * of it is in the program itself. `find` must be there exactly once: a mutant that no longer fits its place is an error, not a success.
 */
import { clusterMutants } from "./cluster-mutants.js"
import { groupMutants } from "./group-mutants.js"

export interface MutantEdit {
  /** Below `src/`, as built. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

export interface Mutant {
  readonly name: string
  readonly edits: readonly MutantEdit[]
  /** Where the fault shows soonest. Default: `broker`. */
  readonly workload?: "broker" | "log" | "groups" | "cluster"
}

const one = (name: string, file: string, find: string, replace: string): Mutant => ({
  name,
  edits: [{ file, find, replace }],
})

const logAndBrokerMutants: readonly Mutant[] = [
  one(
    "acknowledges before the sync",
    "replication/partition.js",
    'if (flushPolicy === "flush") return this.#log.flushedOffset;',
    'if (flushPolicy === "flush") return this.#log.writtenOffset;',
  ),
  {
    name: "acknowledges before the write",
    edits: [
      {
        file: "replication/partition.js",
        find: 'return flushPolicy === "replicated" ? this.#log.writtenOffset : this.#log.logEndOffset;',
        replace: "return this.#log.logEndOffset;",
      },
      {
        file: "replication/partition.js",
        find: 'if (this.#log.config.flushPolicy === "memory") this.#advanced();',
        replace: "this.#advanced();",
      },
    ],
  },
  one("never answers who waits for a commit", "replication/partition.js", "this.acknowledged.reached(offset);", ""),
  one(
    "serves beyond the high watermark",
    "replication/partition-reads.js",
    'const readableOffset = isolation === "read_uncommitted" ? highWatermark : isolation === "read_committed" ? lastStableOffset : log.writtenOffset;',
    "const readableOffset = log.logEndOffset;",
  ),
  one(
    "swallows a sync error",
    "storage/flusher.js",
    "this.#sync(kind, jobs).then(",
    "this.#sync(kind, jobs).catch(() => {}).then(",
  ),
  one(
    "tries a failed sync again",
    "storage/flusher.js",
    "this.#sync(kind, jobs).then(",
    "this.#sync(kind, jobs).catch(() => this.#sync(kind, jobs)).then(",
  ),
  one(
    "accepts a torn tail",
    "storage/batch-scan.js",
    'if (crc !== batchChecksum(header)) return stop("checksum does not match");',
    "",
  ),
  {
    name: "trusts an index above the recovery point",
    edits: [
      { file: "storage/open-log.js", find: "offsetIndex.truncateTo(recoveryPoint);", replace: "" },
      {
        file: "storage/open-log.js",
        find: "if (batchLastOffset(header) !== offsetIndex.lastOffset || batchBaseOffset(header) < segment.baseOffset) return start;",
        replace: "",
      },
    ],
  },
  one(
    "rolls to one offset too far",
    "storage/log.js",
    "this.#seals.rollTo(baseOffset, options.nowMs);",
    "this.#seals.rollTo(baseOffset + 1, options.nowMs);",
  ),
  one(
    "takes back an append but not the log's end when the disk is full",
    "storage/log-writer.js",
    "this.#common.logEndOffset = this.#common.writtenOffset;",
    "",
  ),
  one(
    "takes back an append but not its producer's state when the disk is full",
    "storage/log-writer.js",
    "this.#common.producers.restore(producerId, entry);",
    "",
  ),
  one(
    "does not tell who waits for an append that was taken back",
    "storage/log-writer.js",
    "this.#common.listener.onAppendsLost(this.#common.log, this.#common.logEndOffset);",
    "",
  ),
  one(
    "writes down a recovery point ahead of the sync",
    "storage/log-common.js",
    "return unfinished ? Math.min(this.flushedOffset, unfinished.baseOffset) : this.flushedOffset;",
    "return this.logEndOffset;",
  ),
  one(
    "does not sync the folder of a new segment",
    "storage/log-writer.js",
    "const directory = segments.some((segment) => !segment.nameDurable) ? this.#common.path : void 0;",
    "const directory = void 0;",
  ),
  one(
    "names a producer snapshot after a later offset",
    "storage/segment-seals.js",
    "await writeSnapshot(this.#common.home.env.disk, this.#common.path, seal.nextOffset, seal.snapshot);",
    "await writeSnapshot(this.#common.home.env.disk, this.#common.path, seal.nextOffset + 8, seal.snapshot);",
  ),
  one(
    "retention passes the high watermark",
    "storage/retention.js",
    "if (isEmptyActive || endOffset > rules.highWatermark) break;",
    "if (isEmptyActive) break;",
  ),
  one(
    "retention deletes after half its time",
    "storage/retention.js",
    "rules.nowMs - lastWritten > rules.retentionMs",
    "rules.nowMs - lastWritten > rules.retentionMs / 2",
  ),
  one(
    "does not rebuild producers from the records after a snapshot",
    "storage/producer-snapshots.js",
    "if (batchLastOffset(bytes, at) >= from && batchProducerId(bytes, at) >= 0) producers.record(bytes, at);",
    "",
  ),
  one("appends a duplicate again", "storage/producer-state.js", 'kind: "duplicate",', 'kind: "append",'),
  one(
    "does not check sequences",
    "storage/producer-state.js",
    "if (follows(first, lastSequence)) return fineToAppend;",
    "return fineToAppend;",
  ),
  one(
    "remembers one batch of a producer in a snapshot",
    "storage/producer-state.js",
    "const batches = entry.batches.length === 0 ? [void 0] : entry.batches;",
    "const batches = [entry.batches.at(-1)]; count -= Math.max(0, entry.batches.length - 1); writer.patchInt32(6, count);",
  ),
  one("replaces a file without a sync", "storage/checkpoint-files.js", "await file.sync();", ""),
  one(
    "forgets where logs start",
    "storage/log-directory.js",
    "await this.#writeCheckpoint(logStartOffsetFile, (log) => log.logStartOffset);",
    "",
  ),
  one(
    "acknowledges deleted records before that is durable",
    "broker/api/delete-records.js",
    "if (!await services.replicas.checkpointLogStartOffset(partition)) return failed(Errors.KAFKA_STORAGE_ERROR);",
    "",
  ),
  one(
    "looks for a time one index entry too late",
    "storage/time-index.js",
    "return low === 0 ? this.baseOffset : this.#entry(low - 1).offset;",
    "return this.#entries === 0 ? this.baseOffset : this.#entry(Math.min(low, this.#entries - 1)).offset;",
  ),
  one(
    "answers a time with the first record of its batch",
    "storage/timestamp-search.js",
    "if (record.timestamp >= timestamp && record.offset >= fromOffset)",
    "if (record.offset >= fromOffset)",
  ),
  one("gives memory back that the log still needs", "broker/api/produce.js", "this.#holders++;", "this.#holders += 0;"),
  {
    name: "serves an old log under a new topic",
    edits: [
      {
        file: "replication/replica-logs.js",
        find: "await inParallel(doomed, (log) => this.delete(log));",
        replace: "",
      },
      {
        file: "storage/log-manager.js",
        find: "const wanted = copies.find((log) => log.topicId === topicId) ??",
        replace: "const wanted = copies[0] ??",
      },
    ],
  },
  {
    name: "moves a replica without its last records",
    edits: [
      {
        file: "replication/directory-moves.js",
        find: "if (await copyLog(log, future, env, isStopped) && await future.flush() && !isStopped()) {",
        replace: "if (!isStopped()) {",
      },
      {
        file: "replication/directory-moves.js",
        find: 'invariant(future.logEndOffset === log.logEndOffset, "a copy that is complete ends where the original does");',
        replace: "",
      },
    ],
  },
  one(
    "commits metadata before the sync",
    "raft/raft-log.js",
    "return this.log.flushedOffset",
    "return this.log.writtenOffset",
  ),
  one(
    "gives out producer ids without writing it down",
    "controller/producer-ids.js",
    "value: { brokerId, brokerEpoch, nextProducerId: firstProducerId + producerIdBlockSize }",
    "value: { brokerId, brokerEpoch, nextProducerId: firstProducerId }",
  ),
  {
    name: "answers as soon as it can, not in order",
    edits: [
      {
        file: "net/server-connection.js",
        find: "while (this.#replies.length > 0 && this.#replies[0].reply !== void 0 && !this.#isClosed) {",
        replace: "while (this.#replies.some((each) => each.reply !== void 0) && !this.#isClosed) {",
      },
      {
        file: "net/server-connection.js",
        find: "const slot = this.#replies.shift();",
        replace: "const slot = this.#replies.splice(this.#replies.findIndex((each) => each.reply !== void 0), 1)[0];",
      },
    ],
  },
]

export const mutants: readonly Mutant[] = [...logAndBrokerMutants, ...groupMutants, ...clusterMutants]
