/**
 * Fuzz targets that need no broker: everything that decodes bytes from the wire or from a disk.
 *
 * Owns what each target may answer to damaged bytes. An execution is a function of its seed alone, so that a finding replays by number.
 * A target throws when its promise is broken; refusing is what it is there for.
 */
import { MalformedError, Reader } from "../base/reader.js"
import { loadServerConfig } from "../config/server-config.js"
import { decodeGroupRecord, encodeGroupRecord } from "../coordinator/group/group-records.js"
import { FramePool } from "../net/frame-pool.js"
import { FrameReader, SharedReceiveBuffer } from "../net/frame-reader.js"
import { type CompressionType, compressionTypes } from "../protocol/batch-header.js"
import { type ValidBatch, validateBatches } from "../protocol/batch-validator.js"
import { compress, DecompressError, decompress } from "../protocol/compression/compression.js"
import { type NextInt, randomMessage } from "../protocol/generate.js"
import type { Message, RecordMessage } from "../protocol/message.js"
import { groupRecords } from "../protocol/messages/group-records.js"
import { apis as kafkaApis, ottlaApis } from "../protocol/messages/index.js"
import { decodeMetadataRecord } from "../protocol/metadata-record.js"
import { mutate } from "../protocol/mutate.js"
import { batchesIn, buildBatch, type RecordInput, recordsOf, sealBatch } from "../protocol/record-batch.js"
import { decodeRequestHeader, encodeRequest } from "../protocol/request-header.js"
import { allMessages } from "../protocol/testdata/all-messages.js"
import { parseQuorumState } from "../raft/quorum-state.js"
import {
  decodeCleanShutdown,
  decodeLeaderEpochs,
  decodeMetaProperties,
  decodeOffsetCheckpoint,
  decodePartitionMetadata,
  encodeCleanShutdown,
  encodeLeaderEpochs,
  encodeMetaProperties,
  encodeOffsetCheckpoint,
  encodePartitionMetadata,
} from "../storage/checkpoint-files.js"
import { OffsetIndex } from "../storage/offset-index.js"
import { ProducerState } from "../storage/producer-state.js"
import { TimeIndex } from "../storage/time-index.js"

const apis = [...kafkaApis, ...ottlaApis]

export interface FuzzTarget {
  readonly name: string
  /** One execution. Throws when the promise is broken. */
  run(nextInt: NextInt): void
}

export class Finding extends Error {
  override name = "Finding"
}

function promise(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Finding(what)
}

const randomBytes = (length: number, nextInt: NextInt): Buffer =>
  Buffer.from(Array.from({ length }, () => nextInt(256)))

/** Mostly damaged, sometimes as it was, sometimes nothing but noise. */
function damaged(bytes: Buffer, nextInt: NextInt): Buffer {
  const kind = nextInt(10)
  if (kind === 0) return randomBytes(nextInt(300), nextInt)
  return kind === 1 ? bytes : mutate(bytes, nextInt)
}

function elements(value: unknown): number {
  if (typeof value !== "object" || value === null || Buffer.isBuffer(value)) return 0
  const own = Array.isArray(value) ? value.length : 0
  return Object.values(value).reduce((sum: number, inner) => sum + elements(inner), own)
}

/** Runs a decoder that may only answer or throw `MalformedError`. */
function decodes<T>(decode: () => T): T | undefined {
  try {
    return decode()
  } catch (error) {
    if (error instanceof MalformedError) return undefined
    throw error
  }
}

const oneOf = <T>(values: readonly T[], nextInt: NextInt): T => values[nextInt(values.length)]!

const between = (min: number, max: number, nextInt: NextInt): number => min + nextInt(max - min + 1)

function messageTarget(message: Message): FuzzTarget {
  return {
    name: `message ${message.name}`,
    run(nextInt) {
      const version = between(message.versions.min, message.versions.max, nextInt)
      const encoded = message.encodeToBuffer(randomMessage(message, version, nextInt) as never, version)
      const bytes = damaged(encoded, nextInt)
      const value = decodes(() => message.decode(new Reader(bytes), version))
      promise(elements(value) <= bytes.length, `${elements(value)} elements out of ${bytes.length} bytes`)
    },
  }
}

const requestFrame: FuzzTarget = {
  name: "request frame",
  run(nextInt) {
    const api = oneOf(apis, nextInt)
    const version = between(api.request.versions.min, api.request.versions.max, nextInt)
    const value = randomMessage(api.request, version, nextInt) as never
    const frame = Buffer.concat(encodeRequest(api, version, nextInt(2 ** 31), "fuzz", value) as Buffer[])
    const bytes = damaged(frame.subarray(4), nextInt)
    decodes(() => {
      const reader = new Reader(bytes)
      const header = decodeRequestHeader(reader)
      if (header.api?.supports(header.apiVersion)) header.api.request.decode(reader, header.apiVersion)
    })
  },
}

const frameBytesMax = 1024 * 1024

/** Frames arrive as they were sent, in whatever pieces, until one is impossible. */
const frameReader: FuzzTarget = {
  name: "frames in pieces",
  run(nextInt) {
    const frames = Array.from({ length: 1 + nextInt(4) }, () =>
      randomBytes(8 + (nextInt(20) === 0 ? nextInt(100_000) : nextInt(100)), nextInt),
    )
    const stream = Buffer.concat(frames.flatMap((frame) => [lengthPrefix(frame.length), frame]))
    const isDamaged = nextInt(3) === 0
    if (isDamaged) for (let i = 0; i < 3; i++) stream[nextInt(stream.length)] = nextInt(256)
    const got: Buffer[] = []
    let invalid = false
    const reader = new FrameReader(new SharedReceiveBuffer(), new FramePool(0), frameBytesMax, {
      frame: (_memory, frame) => got.push(Buffer.from(frame)),
      invalid: () => {
        invalid = true
      },
    })
    for (let at = 0; at < stream.length && !invalid; ) {
      const target = reader.buffer()
      promise(target.length > 0, "no room to read into")
      const wanted = nextInt(3) === 0 ? stream.length : 1 + nextInt(70_000)
      const count = Math.min(target.length, wanted, stream.length - at)
      stream.copy(target, 0, at, at + count)
      reader.received(count)
      at += count
    }
    if (isDamaged) return
    promise(!invalid && Buffer.concat(got).equals(Buffer.concat(frames)), "frames differ from what was sent")
    promise(got.length === frames.length && !reader.isPartial, "frames are cut differently")
  },
}

function lengthPrefix(length: number): Buffer {
  const prefix = Buffer.alloc(4)
  prefix.writeInt32BE(length)
  return prefix
}

const maxMessageBytes = 64 * 1024

function randomRecords(nextInt: NextInt): RecordInput[] {
  const some = (max: number) => (nextInt(5) === 0 ? null : randomBytes(nextInt(max), nextInt))
  return Array.from({ length: nextInt(6) + 1 }, () => ({
    key: some(20),
    value: nextInt(4) === 0 ? Buffer.alloc(nextInt(5000), nextInt(256)) : some(60),
    timestamp: 1_700_000_000_000 + nextInt(1000),
    headers: Array.from({ length: nextInt(3) }, () => ({ key: "k".repeat(nextInt(5)), value: some(10) })),
  }))
}

function randomBatch(nextInt: NextInt): Buffer {
  const isIdempotent = nextInt(3) === 0
  return buildBatch({
    records: randomRecords(nextInt),
    compression: oneOf(compressionTypes, nextInt),
    isTransactional: nextInt(8) === 0,
    isControl: nextInt(12) === 0,
    ...(isIdempotent ? { producerId: nextInt(1000), producerEpoch: 0, baseSequence: nextInt(100) } : {}),
  })
}

/** What the validator lets into the log is a whole batch that every reader can walk. */
const batchValidator: FuzzTarget = {
  name: "record batch validator",
  run(nextInt) {
    const bytes = Buffer.from(damaged(randomBatch(nextInt), nextInt))
    // Behind a checksum that fits, damage reaches the walk over the records.
    if (bytes.length > 61 && nextInt(4) !== 0) {
      bytes.writeInt32BE(bytes.length - 12, 8)
      bytes[16] = 2
      sealBatch(bytes, 0, bytes.length)
    }
    const result = validateBatches(bytes, {
      produceVersion: between(3, 13, nextInt),
      maxMessageBytes,
      segmentBytes: 1024 * 1024,
      isCompacted: nextInt(4) === 0,
      timestampType: nextInt(4) === 0 ? "LogAppendTime" : "CreateTime",
      beforeMaxMs: Number.MAX_SAFE_INTEGER,
      afterMaxMs: Number.MAX_SAFE_INTEGER,
      compressionType: nextInt(3) === 0 ? oneOf(compressionTypes, nextInt) : "producer",
      nowMs: 1_700_000_000_000,
    })
    if (result.ok) checkStorable(result)
    else promise(result.error !== 0, "refused without an error")
  },
}

function checkStorable(batch: ValidBatch): void {
  const whole = [...batchesIn(batch.bytes)]
  promise(whole.length === 1 && whole[0]!.end === batch.bytes.length, "what was accepted is not one whole batch")
  let count = 0
  for (const record of recordsOf(batch.bytes)) {
    promise(record.offsetDelta === count, `record ${count} has offset delta ${record.offsetDelta}`)
    count += 1
  }
  promise(count === batch.recordCount, `${count} records where the validator counted ${batch.recordCount}`)
}

const recordWalk: FuzzTarget = {
  name: "record batch reader",
  run(nextInt) {
    const bytes = damaged(Buffer.concat([randomBatch(nextInt), randomBatch(nextInt)]), nextInt)
    decodes(() => {
      for (const { start, end } of batchesIn(bytes)) {
        for (const record of recordsOf(bytes.subarray(start, end), 0, maxMessageBytes)) elements(record)
      }
    })
  },
}

function decompressor(type: CompressionType): FuzzTarget {
  return {
    name: `decompress ${type}`,
    run(nextInt) {
      const plain =
        nextInt(4) === 0
          ? Buffer.alloc(nextInt(300_000), nextInt(256))
          : Buffer.concat(
              Array.from({ length: nextInt(6) }, () => Buffer.alloc(nextInt(80), randomBytes(1 + nextInt(9), nextInt))),
            )
      const packed = compress(type, plain)
      const given = nextInt(8) === 0 ? packed : damaged(packed, nextInt)
      const maxBytes = nextInt(3) === 0 ? nextInt(1000) : 200_000
      const result = decompress(type, given, { maxBytes })
      if (result instanceof DecompressError) {
        if (given.equals(packed) && plain.length <= maxBytes) {
          throw new Finding(`what was compressed does not decompress: ${result.message}`)
        }
        return
      }
      promise(result.length <= maxBytes, `${result.length} bytes where ${maxBytes} are allowed`)
      if (given.equals(packed)) promise(result.equals(plain), "other bytes than were compressed")
    },
  }
}

const uuidOf = (nextInt: NextInt): string => randomBytes(16, nextInt).toString("base64url")

function checkpointTarget(
  name: string,
  make: (nextInt: NextInt) => Buffer,
  decode: (bytes: Buffer) => unknown,
): FuzzTarget {
  return { name, run: (nextInt) => void decode(damaged(make(nextInt), nextInt)) }
}

const checkpoints: readonly FuzzTarget[] = [
  checkpointTarget(
    "offset checkpoint",
    (nextInt) =>
      encodeOffsetCheckpoint(
        Array.from({ length: nextInt(4) }, (_, i) => ({
          topic: `t${i}`,
          partition: nextInt(9),
          offset: nextInt(2 ** 31),
        })),
      ),
    decodeOffsetCheckpoint,
  ),
  checkpointTarget(
    "leader epoch checkpoint",
    (nextInt) =>
      encodeLeaderEpochs(
        Array.from({ length: nextInt(4) }, (_, i) => ({ epoch: i * 2, startOffset: i * 100 + nextInt(100) })),
      ),
    decodeLeaderEpochs,
  ),
  checkpointTarget(
    "partition.metadata",
    (nextInt) => encodePartitionMetadata(uuidOf(nextInt)),
    decodePartitionMetadata,
  ),
  checkpointTarget(
    "meta.properties",
    (nextInt) => encodeMetaProperties({ clusterId: uuidOf(nextInt), nodeId: nextInt(9), directoryId: uuidOf(nextInt) }),
    decodeMetaProperties,
  ),
  checkpointTarget("clean shutdown file", (nextInt) => encodeCleanShutdown(nextInt(2 ** 31)), decodeCleanShutdown),
  checkpointTarget(
    "quorum-state",
    (nextInt) => Buffer.from(`{"leaderId":${nextInt(5)},"leaderEpoch":${nextInt(9)},"votedId":-1,"data_version":0}`),
    (bytes) => parseQuorumState(bytes.toString()),
  ),
  checkpointTarget(
    "metadata record",
    (nextInt) => randomBytes(nextInt(60), nextInt),
    (bytes) => {
      bytes[0] = 1
      return decodes(() => decodeMetadataRecord(bytes))
    },
  ),
  checkpointTarget(
    "server.properties",
    () =>
      Buffer.from(
        "listeners=PLAINTEXT://127.0.0.1:9092\nlog.dirs=/tmp/a,/tmp/b\nnode.id=0\nlog.retention.ms=7\\\n  0\n",
      ),
    (bytes) => loadServerConfig({ properties: bytes.toString("latin1") }),
  ),
]

const producerSnapshot: FuzzTarget = {
  name: "producer snapshot",
  run(nextInt) {
    const state = new ProducerState()
    for (let i = nextInt(4); i > 0; i--) {
      state.record(
        buildBatch({
          records: [{ value: Buffer.from("x"), timestamp: 1 }],
          ...{ producerId: nextInt(100), producerEpoch: nextInt(3), baseSequence: nextInt(100) },
        }),
      )
    }
    const encoded = state.encodeSnapshot()
    const given = damaged(encoded, nextInt)
    const decoded = ProducerState.decodeSnapshot(given)
    if (given.equals(encoded)) promise(decoded?.size === state.size, "a snapshot does not read back")
  },
}

const logBytes = 1_000_000
const logEndOffset = 10_000

function offsetIndexBytes(nextInt: NextInt): Buffer {
  const bytes = Buffer.alloc(8 * nextInt(20))
  let [offset, position] = [0, 0]
  for (let at = 0; at < bytes.length; at += 8) {
    bytes.writeInt32BE((offset += 1 + nextInt(50)), at)
    bytes.writeInt32BE((position += 100 + nextInt(4096)), at + 4)
  }
  return bytes
}

const indexes: readonly FuzzTarget[] = [
  {
    name: "offset index",
    run(nextInt) {
      const bytes = damaged(offsetIndexBytes(nextInt), nextInt)
      for (const index of [OffsetIndex.parse(0, bytes, logBytes), OffsetIndex.parsePrefix(0, bytes, logBytes)]) {
        promise(index === undefined || index.bytes <= bytes.length, "an index larger than its file")
      }
    },
  },
  {
    name: "time index",
    run(nextInt) {
      const bytes = Buffer.alloc(12 * nextInt(20))
      let [timestamp, offset] = [1, 0]
      for (let at = 0; at < bytes.length; at += 12) {
        bytes.writeBigInt64BE(BigInt((timestamp += 1 + nextInt(1000))), at)
        bytes.writeInt32BE((offset += nextInt(50)), at + 8)
      }
      const given = damaged(bytes, nextInt)
      for (const index of [TimeIndex.parse(0, given, logEndOffset), TimeIndex.parsePrefix(0, given, logEndOffset)]) {
        promise(index === undefined || index.bytes <= given.length, "an index larger than its file")
        const last = index?.last
        promise(last === undefined || last.offset < logEndOffset, `an entry for offset ${last?.offset}`)
      }
    },
  },
]

/** Every target, in an order that only grows at its end: its position is part of an execution's seed. */
/** A record of committed offsets or groups, its key and its value damaged apart. One of another kind is skipped, not refused. */
const groupRecord: FuzzTarget = {
  name: "group record",
  run(nextInt) {
    const { key, value } = oneOf<{ readonly key: RecordMessage; readonly value: RecordMessage }>(groupRecords, nextInt)
    const version = between(value.versions.min, value.versions.max, nextInt)
    const keyBytes = damaged(prefixed(key.key, key.encodeToBuffer(randomMessage(key, 0, nextInt) as never, 0)), nextInt)
    const valueBytes = damaged(
      prefixed(version, value.encodeToBuffer(randomMessage(value, version, nextInt) as never, version)),
      nextInt,
    )
    const record = decodes(() => decodeGroupRecord(keyBytes, valueBytes))
    const count = elements(record?.value)
    promise(count <= valueBytes.length, `${count} elements out of ${valueBytes.length} bytes`)
    // What was read can be written: compaction and conversion write what they have read.
    if (record !== undefined) encodeGroupRecord(record)
  },
}

function prefixed(type: number, bytes: Buffer): Buffer {
  const prefix = Buffer.alloc(2)
  prefix.writeInt16BE(type)
  return Buffer.concat([prefix, bytes])
}

export const decoderTargets: readonly FuzzTarget[] = [
  requestFrame,
  frameReader,
  batchValidator,
  recordWalk,
  ...compressionTypes.filter((type) => type !== "none").map(decompressor),
  ...checkpoints,
  producerSnapshot,
  groupRecord,
  ...indexes,
  ...allMessages.map(messageTarget),
]
