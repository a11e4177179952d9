/**
 * The options of a seed of the broker workload.
 *
 * Owns the draw: sizes that are cruel to the code (segments of a few batches, indexes of a few entries, no cache), which classes of faults there are at
 * all, and how often they strike. Every drawn value is printed with a failure.
 */
import type { FlushPolicy } from "../../../config/log-config.js"
import type { CompressionType } from "../../../protocol/batch-header.js"
import type { SeededRandom } from "../../random.js"

const codecs: readonly CompressionType[] = ["none", "none", "gzip", "snappy", "lz4", "zstd"]

export interface TopicOptions {
  readonly partitions: number
  readonly flushPolicy: FlushPolicy
  /** Deleted and made again by the administrator; only addressed by id. */
  readonly isRecreated: boolean
  readonly retentionMs: number
  readonly retentionBytes: number
  readonly configs: Readonly<Record<string, string>>
}

function drawTopic(random: SeededRandom, mayBeFull: boolean, isCrowded: boolean, isLarge: boolean): TopicOptions {
  const retentionMs = random.chance(0.25) ? random.magnitude(1, 60_000) : -1
  const retentionBytes = random.chance(0.2) ? random.magnitude(4096, 131_072) : -1
  const drawn = random.pick(["flush", "flush", "flush", "flush", "replicated", "memory"] as const)
  // What is only in memory is lost at any moment when the disk has no room or no handle for it, not at a crash alone.
  const flushPolicy = drawn === "memory" && mayBeFull ? "replicated" : drawn
  return {
    partitions: isCrowded ? 1 : random.magnitude(1, 4),
    flushPolicy,
    isRecreated: random.chance(0.4),
    retentionMs,
    retentionBytes,
    configs: {
      "ottla.flush.policy": flushPolicy,
      "internal.segment.bytes": String(random.magnitude(isLarge ? 131_072 : 32_768, 262_144)),
      "segment.index.bytes": String(random.magnitude(64, 4096)),
      "index.interval.bytes": String(random.magnitude(1, 4096)),
      "segment.ms": String(random.pick([604_800_000, 604_800_000, random.magnitude(1000, 60_000)])),
      "file.delete.delay.ms": String(random.magnitude(1, 4096)),
      "retention.ms": String(retentionMs),
      "retention.bytes": String(retentionBytes),
      // Clocks jump: what is too far in the future is not what is tried here.
      "message.timestamp.after.max.ms": "9223372036854775807",
      "message.timestamp.type": random.pick(["CreateTime", "CreateTime", "CreateTime", "LogAppendTime"]),
      "compression.type": random.pick(["producer", "producer", "producer", "gzip", "lz4", "uncompressed", "zstd"]),
      ...(random.chance(0.3) && {
        "flush.messages": String(random.magnitude(1, 256)),
        "flush.ms": String(random.magnitude(10, 10_000)),
      }),
    },
  }
}

export function drawOptions(random: SeededRandom) {
  const fault = <T>(value: T, none: T): T => (random.chance(0.5) ? value : none)
  const lives = random.between(1, 5)
  const fullChance = fault(0.5, 0)
  const openFilesChance = fault(0.3, 0) * (random.chance(0.5) ? 1 : 0)
  // Short lives in a crowd: many appends wait for one slow write when the end comes.
  const isCrowded = random.chance(0.25)
  // Requests beyond the shared receive buffer get memory that is used again.
  const isLarge = random.chance(0.2)
  return {
    lives,
    isCrowded,
    isLarge,
    lifeMs: isCrowded ? random.magnitude(64, 2048) : random.magnitude(1000, 65_000),
    clients: random.between(1, 4),
    producers: random.between(1, 4),
    consumers: random.between(1, 3),
    topics: Array.from({ length: random.between(1, 3) }, () =>
      drawTopic(random, fullChance + openFilesChance > 0, isCrowded, isLarge),
    ),
    batches: isLarge ? 128 : isCrowded ? 512 : random.magnitude(32, 512),
    recordsPerBatchMax: random.magnitude(1, 16),
    valueBytesMax: isLarge ? 110_000 : random.pick([64, 512, 512, 4096, 4096, 32_768]),
    codecs: Array.from({ length: 2 }, () => random.pick(codecs)),
    thinkMsMax: isCrowded ? random.magnitude(1, 8) : random.magnitude(1, 512),
    /** Of producers: less than a stall lets a request arrive long after it was sent again on another connection. */
    patienceMs: random.magnitude(256, 30_000),
    timestampSpreadMs: random.pick([0, 100, 100_000]),
    directories: random.between(1, 2),
    administrations: random.magnitude(4, 32),
    hotCacheBytes: random.pick([0, 10_000, 1 << 20]),
    retentionCheckMs: random.magnitude(20, 10_000),
    checkpointMs: random.magnitude(50, 30_000),
    snapshotBytes: random.magnitude(512, 65_536),
    sessionSlots: random.pick([0, 1, 1000]),
    // Which faults there are.
    crashAtOperation: random.chance(0.5),
    crashPower: random.chance(0.7),
    cleanStops: random.chance(0.5),
    slowChance: fault(1 / random.magnitude(4, 1000), 0),
    syncErrorChance: fault(1 / random.magnitude(30, 2000), 0),
    writeErrorChance: fault(1 / random.magnitude(200, 8000), 0) * (random.chance(0.5) ? 1 : 0),
    readErrorChance: fault(1 / random.magnitude(200, 8000), 0) * (random.chance(0.3) ? 1 : 0),
    fullChance,
    openFilesChance,
    resetChance: fault(1 / random.magnitude(50, 5000), 0),
    stallChance: fault(1 / random.magnitude(50, 5000), 0),
    cutLinks: random.chance(0.25),
    pauses: random.chance(0.25),
    clockJumps: random.chance(0.3),
    chunkBytesMax: random.pick([1 << 16, 1 << 16, 4096, 512]),
    syncFileSystem: random.chance(0.7),
    readLatencyFactor: random.magnitude(1, 64),
    syncLatencyFactor: random.magnitude(1, 128),
    interleaveChance: random.pick([0, 0.1, 0.5]),
  }
}

export type BrokerOptionsDrawn = ReturnType<typeof drawOptions>
