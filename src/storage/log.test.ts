import assert from "node:assert/strict"
import { test } from "node:test"
import { isFileRegion } from "../env/env.js"
import { Errors } from "../protocol/errors.js"
import { inLogWorld, type LogWorld, records, startMs } from "./testing/log-world.js"

const cold = { manager: { hotCacheBytes: 0 } }

test("an append gets the next offsets at once, and is on the medium after a flush", () =>
  inLogWorld(async (t) => {
    assert.deepEqual(t.append(3), { ok: true, baseOffset: 0, lastOffset: 2, logAppendTimeMs: -1, duplicate: false })
    assert.deepEqual(t.append(2), { ok: true, baseOffset: 3, lastOffset: 4, logAppendTimeMs: -1, duplicate: false })
    assert.equal(t.log.logEndOffset, 5)
    assert.equal(t.log.flushedOffset, 0)
    assert.equal(await t.log.flush(), true)
    assert.equal(t.log.flushedOffset, 5)
    await t.crash("power", { keep: 0, keepNames: 0 })
    assert.equal(t.log.logEndOffset, 5)
    assert.deepEqual((await t.read(0)).offsets, [0, 3])
  }))

test("a read inside a batch returns the whole batch", () =>
  inLogWorld(async (t) => {
    t.append(3)
    t.append(3)
    assert.deepEqual((await t.read(1, { maxBytes: 1 })).offsets, [0])
    assert.deepEqual((await t.read(4)).offsets, [3])
  }))

for (const [where, options] of [
  ["memory", {}],
  ["files", cold],
] as const)
  test(`limits hold for reads from ${where}`, () =>
    inLogWorld(async (t) => {
      for (let i = 0; i < 30; i++) t.append(2)
      await t.log.flush()
      const size = records(2).length
      assert.equal((await t.read(0)).fromMemory, where === "memory")
      assert.deepEqual((await t.read(10, { maxBytes: 2 * size + 5 })).offsets, [10, 12])
      assert.deepEqual((await t.read(10, { maxBytes: 5 })).offsets, [10])
      assert.deepEqual((await t.read(10, { maxBytes: 5, minOneMessage: false })).offsets, [])
      assert.deepEqual((await t.read(10, { maxOffset: 14 })).offsets, [10, 12])
      assert.deepEqual((await t.read(10, { maxOffset: 13 })).offsets, [10])
      assert.deepEqual((await t.read(10, { maxOffset: 10 })).offsets, [])
      assert.deepEqual((await t.read(60)).offsets, [])
      assert.equal((await t.read(61)).error, Errors.OFFSET_OUT_OF_RANGE)
      assert.equal((await t.read(-1)).error, Errors.OFFSET_OUT_OF_RANGE)
      for (let offset = 0; offset < 60; offset++) {
        const { offsets, nextOffset } = await t.read(offset, { maxBytes: 3 * size })
        assert.equal(offsets[0], offset - (offset % 2))
        assert.equal(nextOffset, offsets.at(-1)! + 2)
      }
    }, options))

test("what was read from memory comes from files after a restart, byte for byte", () =>
  inLogWorld(async (t) => {
    for (let i = 0; i < 40; i++) t.append(1 + (i % 4))
    await t.log.flush()
    assert.ok(t.log.segmentCount > 5)
    const before = await t.readAll()
    await t.restart()
    assert.equal((await t.read(0)).fromMemory, false)
    assert.deepEqual(await t.readAll(), before)
  }))

test("a segment is rolled when the next append would not fit", () =>
  inLogWorld(
    async (t) => {
      const size = records(1).length
      t.append()
      t.append()
      assert.deepEqual(t.log.baseOffsets, [0])
      t.append()
      assert.deepEqual(t.log.baseOffsets, [0, 2])
      await t.log.flush()
      assert.equal(t.disk.peek(`${t.path}/00000000000000000000.log`)?.length, 2 * size)
    },
    { config: { segmentBytes: 2 * records(1).length } },
  ))

test("a segment is rolled when the records' clock says it is old enough", () =>
  inLogWorld(
    async (t) => {
      t.append(1, { timestamp: startMs })
      t.append(1, { timestamp: startMs + 1000 })
      t.append(1, { timestamp: startMs + 1001 })
      assert.deepEqual(t.log.baseOffsets, [0, 2])
    },
    { config: { segmentMs: 1000 } },
  ))

test("a segment is rolled when its index is full", () =>
  inLogWorld(
    async (t) => {
      for (let i = 0; i < 6; i++) t.append()
      // The time index keeps one of its two entries free for the end of the segment.
      assert.deepEqual(t.log.baseOffsets, [0, 2, 4])
    },
    { config: { segmentBytes: 100_000, segmentIndexBytes: 24, indexIntervalBytes: 0 } },
  ))

test("a batch that cannot fit into any segment is refused", () =>
  inLogWorld(async (t) => {
    const result = t.append(20)
    assert.equal(!result.ok && result.error, Errors.RECORD_LIST_TOO_LARGE)
    assert.equal(t.log.logEndOffset, 0)
  }))

test("the buffer is released when neither disk nor cache nor a reader needs it", () =>
  inLogWorld(
    async (t) => {
      let released = 0
      t.append(1, {}, { release: () => released++ })
      const read = await t.log.read(0, { maxBytes: 1000 })
      await t.log.flush()
      for (let i = 0; i < 10; i++) t.append(5)
      await t.log.flush()
      assert.equal(released, 0)
      assert.ok(read.ok)
      read.release()
      assert.equal(released, 1)
    },
    { manager: { hotCacheBytes: 1000 } },
  ))

test("replicated batches keep their offsets and leader epochs and must continue the log", () =>
  inLogWorld(async (t) => {
    const replicated = Buffer.concat([
      records(2, { baseOffset: 0, leaderEpoch: 3 }),
      records(2, { baseOffset: 2, leaderEpoch: 5 }),
    ])
    const options = { origin: "replication" as const, leaderEpoch: -1, nowMs: 0 }
    assert.ok(t.log.append(Buffer.from(replicated), options).ok)
    assert.deepEqual(t.log.epochs.entries, [
      { epoch: 3, startOffset: 0 },
      { epoch: 5, startOffset: 2 },
    ])
    const again = t.log.append(Buffer.from(replicated), options)
    assert.equal(!again.ok && again.error, Errors.OFFSET_OUT_OF_RANGE)
    assert.deepEqual(await t.readAll(), replicated)
  }))

test("a duplicate is answered with its first offsets and not appended again; a gap is refused", () =>
  inLogWorld(async (t) => {
    const producer = (baseSequence: number) => ({ producerId: 7, producerEpoch: 0, baseSequence })
    t.append(2, producer(0))
    t.append(2, producer(2))
    assert.deepEqual(t.append(2, producer(0)), {
      ok: true,
      baseOffset: 0,
      lastOffset: 1,
      logAppendTimeMs: -1,
      duplicate: true,
    })
    assert.equal(t.log.logEndOffset, 4)
    const gap = t.append(2, producer(6))
    assert.equal(!gap.ok && gap.error, Errors.OUT_OF_ORDER_SEQUENCE_NUMBER)
    await t.log.flush()
    await t.crash("power", { keep: 0 })
    const afterwards = t.append(2, producer(2))
    assert.ok(afterwards.ok && afterwards.duplicate && afterwards.baseOffset === 2)
  }))

test("a failed sync takes the directory offline at once and is never tried again", () =>
  inLogWorld(async (t) => {
    t.append()
    await t.log.flush()
    t.disk.failNextSync(`${t.path}/00000000000000000000.log`)
    t.append()
    assert.equal(await t.log.flush(), false)
    assert.equal(t.offline, 1)
    assert.equal(t.log.flushedOffset, 1)
    const syncs = t.disk.operationCount
    const refused = t.append()
    assert.equal(!refused.ok && refused.error, Errors.KAFKA_STORAGE_ERROR)
    assert.equal((await t.read(0)).error, Errors.KAFKA_STORAGE_ERROR)
    await t.world.sleep(100_000)
    assert.equal(t.disk.operationCount, syncs)
    assert.match(t.manager.directories[0]!.failureReason ?? "", /EIO/)
  }))

test("a write error of the medium takes the directory offline", () =>
  inLogWorld(async (t) => {
    t.disk.failRange(`${t.path}/00000000000000000000.log`, "write")
    t.append()
    await t.log.written()
    assert.equal(t.offline, 1)
  }))

test("a full disk takes appends back, goes on serving reads, and takes appends again when there is room", () =>
  inLogWorld(async (t) => {
    const producer = (baseSequence: number) => ({ producerId: 7, producerEpoch: 0, baseSequence })
    t.append(2, producer(0))
    await t.log.flush()
    const before = await t.readAll()
    t.disk.options.capacityBytes = t.disk.usedBytes + 100
    for (let i = 1; i < 8; i++) t.append(2, producer(2 * i), { leaderEpoch: 4 })
    assert.ok(t.log.segmentCount > 1)
    await t.log.written()
    assert.deepEqual(t.lost, [2])
    assert.equal(t.log.logEndOffset, 2)
    assert.equal(t.log.segmentCount, 1)
    assert.equal(t.log.latestEpoch, 0)
    const refused = t.append(2, producer(2))
    assert.equal(!refused.ok && refused.error, Errors.KAFKA_STORAGE_ERROR)
    assert.deepEqual(await t.readAll(), before)
    t.disk.options.capacityBytes = 1 << 30
    await t.world.sleep(2500)
    const resumed = t.append(2, producer(2))
    assert.ok(resumed.ok && resumed.baseOffset === 2 && !resumed.duplicate)
    assert.equal(await t.log.flush(), true)
    await t.crash("kill")
    assert.equal(t.log.logEndOffset, 4)
  }))

test("under the replicated policy nothing is synced per append, and a segment is when it is rolled", () =>
  inLogWorld(
    async (t) => {
      t.append()
      await t.world.sleep(1000)
      assert.equal(t.log.writtenOffset, 1)
      assert.equal(t.log.flushedOffset, 0)
      for (let i = 0; i < 10; i++) t.append()
      await t.world.sleep(1000)
      assert.ok(t.log.flushedOffset >= t.log.baseOffsets.at(-1)!)
    },
    { config: { flushPolicy: "replicated" } },
  ))

test("flush.ms and flush.messages sync whatever the policy", () =>
  inLogWorld(
    async (t) => {
      t.append()
      await t.world.sleep(99)
      assert.equal(t.log.flushedOffset, 0)
      await t.world.sleep(50)
      assert.equal(t.log.flushedOffset, 1)
      t.append(5)
      await t.world.sleep(20)
      assert.equal(t.log.flushedOffset, 6)
    },
    { config: { flushPolicy: "memory", flushMs: 100, flushMessages: 5 } },
  ))

test("the offset for a timestamp is exact to the record, within compressed batches too", () =>
  inLogWorld(async (t) => {
    for (let i = 0; i < 20; i++)
      t.append(1, {
        compression: i % 2 ? "gzip" : "none",
        records: [0, 1, 2].map((n) => ({ value: Buffer.alloc(40), timestamp: startMs + 100 * i + 10 * n })),
      })
    assert.deepEqual(await t.log.offsetForTimestamp(startMs + 511), {
      timestamp: startMs + 520,
      offset: 17,
      leaderEpoch: 0,
    })
    assert.deepEqual(await t.log.offsetForTimestamp(0), { timestamp: startMs, offset: 0, leaderEpoch: 0 })
    assert.equal((await t.log.offsetForTimestamp(startMs + 1920))?.offset, 59)
    assert.equal(await t.log.offsetForTimestamp(startMs + 1921), undefined)
    assert.equal((await t.log.maxTimestampOffset())?.offset, 59)
    await t.restart()
    for (let i = 0; i < 20; i++)
      assert.equal((await t.log.offsetForTimestamp(startMs + 100 * i + 11))?.offset, 3 * i + 2)
    assert.equal((await t.log.maxTimestampOffset())?.offset, 59)
  }))

test("truncation leaves the batches below, and what is known of producers and epochs with them", () =>
  inLogWorld(async (t) => {
    for (let i = 0; i < 20; i++)
      t.append(2, { producerId: 7, producerEpoch: 0, baseSequence: 2 * i }, { leaderEpoch: Math.floor(i / 5) })
    await t.log.flush()
    const before = await t.readAll()
    await t.log.truncateTo(22)
    assert.equal(t.log.logEndOffset, 22)
    assert.equal(t.log.latestEpoch, 2)
    assert.equal(t.log.producers.get(7)?.batches.at(-1)?.lastSequence, 21)
    const after = await t.readAll()
    assert.deepEqual(after, before.subarray(0, after.length))
    await t.log.truncateTo(13)
    assert.equal(t.log.logEndOffset, 12)
    assert.ok(t.append(2, { producerId: 7, producerEpoch: 0, baseSequence: 12 }, { leaderEpoch: 9 }).ok)
    await t.log.flush()
    await t.crash("power", { keep: 0.5 })
    assert.equal(t.log.logEndOffset, 14)
    assert.equal(t.log.latestEpoch, 9)
    assert.equal(t.log.producers.get(7)?.batches.at(-1)?.lastSequence, 13)
  }))

test("a flush that is asked for while the log is cut ends with the cut, and brings nothing back", () =>
  inLogWorld(async (t) => {
    for (let i = 0; i < 20; i++) t.append(2)
    await t.log.flush()
    let isCutting = true
    const cutting = t.log.truncateTo(22).finally(() => {
      isCutting = false
    })
    const flushes: Promise<boolean>[] = []
    const flushed: number[] = []
    while (isCutting) {
      flushes.push(t.log.flush())
      await t.world.sleep(0.05)
      flushed.push(t.log.flushedOffset)
    }
    await cutting
    assert.deepEqual(new Set(await Promise.all(flushes)), new Set([true]))
    assert.deepEqual(
      flushed,
      [...flushed].sort((a, b) => b - a),
    )
    assert.equal(t.log.flushedOffset, 22)
  }))

test("a cut inside what was replicated at once leaves no hole in what is read from memory", () =>
  inLogWorld(async (t) => {
    const options = { origin: "replication" as const, leaderEpoch: -1, nowMs: 0 }
    const run = (...baseOffsets: number[]) =>
      Buffer.concat(baseOffsets.map((baseOffset) => records(2, { baseOffset, leaderEpoch: 1 })))
    assert.ok(t.log.append(run(0), options).ok)
    assert.ok(t.log.append(run(2, 4, 6), options).ok)
    await t.log.flush()
    await t.log.truncateTo(4)
    assert.ok(t.log.append(run(4), options).ok)
    assert.deepEqual((await t.read(2)).offsets, [2])
    assert.deepEqual(await t.readAll(), run(0, 2, 4))
  }))

test("a log truncated fully starts anew where it is told", () =>
  inLogWorld(async (t) => {
    for (let i = 0; i < 20; i++) t.append(2)
    await t.log.truncateFullyAndStartAt(500)
    assert.equal(t.log.logStartOffset, 500)
    assert.ok(t.append(1).ok)
    await t.log.flush()
    await t.crash("power", { keep: 0, keepNames: 0 })
    assert.deepEqual([t.log.logStartOffset, t.log.logEndOffset], [500, 501])
  }))

test("retention deletes whole old segments below the high watermark, and nothing else", () =>
  inLogWorld(
    async (t) => {
      for (let i = 0; i < 40; i++) t.append(1, { timestamp: startMs + 1000 * i })
      await t.log.flush()
      const bases = t.log.baseOffsets
      const now = startMs + 1000 * 40
      assert.equal(await t.log.deleteOldSegments(now + 10_000_000), 0)
      t.log.updateHighWatermark(bases[4]! + 1)
      await t.log.deleteOldSegments(now + 10_000_000)
      assert.deepEqual(t.log.baseOffsets, bases.slice(4))
      assert.equal(t.log.logStartOffset, bases[4])
      assert.equal((await t.read(0)).error, Errors.OFFSET_OUT_OF_RANGE)
      await t.crash("power", { keep: 0, keepNames: 0.5 })
      assert.equal(t.log.logStartOffset, bases[4])
      t.log.updateHighWatermark(40)
      await t.log.deleteOldSegments(now + 10_000_000)
      assert.deepEqual(t.log.baseOffsets, [40])
      assert.deepEqual([t.log.logStartOffset, t.log.logEndOffset], [40, 40])
      await t.restart()
      assert.deepEqual([t.log.logStartOffset, t.log.logEndOffset], [40, 40])
    },
    { config: { retentionMs: 5000 } },
  ))

test("retention by size keeps at least what it should", () =>
  inLogWorld(
    async (t) => {
      for (let i = 0; i < 40; i++) t.append()
      await t.log.flush()
      t.log.updateHighWatermark(40)
      await t.log.deleteOldSegments(startMs)
      const size = await t.log.sizeBytes()
      assert.ok(size >= 2500 && size < 3500, `${size}`)
    },
    { config: { retentionBytes: 2500, retentionMs: -1 } },
  ))

test("a deleted segment stays readable for a read that has begun", () =>
  inLogWorld(async (t) => {
    for (let i = 0; i < 40; i++) t.append()
    await t.log.flush()
    t.log.updateHighWatermark(40)
    const read = await t.log.read(0, { maxBytes: 500 })
    assert.ok(read.ok)
    assert.ok(t.log.maybeIncrementLogStartOffset(30))
    await t.log.deleteOldSegments(startMs)
    await t.world.sleep(1000)
    assert.ok(!t.names().includes("00000000000000000000.log"))
    const region = read.payloads[0]!
    assert.ok("file" in region)
    const bytes = Buffer.alloc(region.length)
    assert.equal(await region.file.read(bytes, 0, region.length, region.position), region.length)
    assert.equal(bytes.readBigInt64BE(0), 0n)
    read.release()
  }, cold))

test("the log start offset moves up to the high watermark, never back, and survives", () =>
  inLogWorld(async (t) => {
    for (let i = 0; i < 10; i++) t.append()
    await t.log.flush()
    assert.equal(t.log.maybeIncrementLogStartOffset(1), false)
    t.log.updateHighWatermark(8)
    assert.equal(t.log.maybeIncrementLogStartOffset(5), true)
    assert.equal(t.log.maybeIncrementLogStartOffset(3), true)
    assert.equal(t.log.logStartOffset, 5)
    assert.equal(t.log.maybeIncrementLogStartOffset(9), false)
    await t.restart()
    assert.equal(t.log.logStartOffset, 5)
    assert.equal(t.log.highWatermark, 8)
  }))

test("without a handle for a new segment appends are refused until there is one, and the directory stays", () =>
  inLogWorld(async (t) => {
    for (let i = 0; i < 6; i++) t.append()
    await t.log.flush()
    const end = t.log.logEndOffset
    t.disk.options.openFilesMax = t.disk.openFiles
    t.log.roll(startMs)
    t.append()
    assert.equal(await t.log.flush(), false)
    assert.deepEqual(t.lost, [end])
    assert.equal(t.log.offlineReason, undefined)
    t.disk.options.openFilesMax = 1000
    await t.world.sleep(2000)
    assert.equal(t.append().ok, true)
    assert.equal(await t.log.flush(), true)
    assert.equal(t.log.logEndOffset, end + 1)
  }))

test("the largest timestamp is that of a record that can be read, though its segment holds a later one", () =>
  inLogWorld(async (t) => {
    for (const timestamp of [90, 20, 40, 30]) t.append(1, { timestamp: startMs + timestamp })
    await t.log.flush()
    t.log.updateHighWatermark(4)
    assert.equal((await t.log.maxTimestampOffset())?.offset, 0)
    t.log.maybeIncrementLogStartOffset(1)
    const found = await t.log.maxTimestampOffset()
    assert.equal(found?.offset, 2)
    assert.equal(found?.timestamp, startMs + 40)
  }))

/** Every batch of the log in reads of at most `maxBytes`, and how many reads of log files each took. */
async function readsPerFetch(t: LogWorld, maxBytes: number): Promise<{ bytes: Buffer; reads: number[] }> {
  let count = 0
  t.disk.intercept = (operation) => {
    if (operation.kind === "read" && operation.path.endsWith(".log")) count++
    return undefined
  }
  const parts: Buffer[] = []
  const reads: number[] = []
  for (let offset = t.log.logStartOffset; offset < t.log.logEndOffset; ) {
    count = 0
    const result = await t.log.read(offset, { maxBytes })
    reads.push(count)
    assert.ok(result.ok && !result.fromMemory && result.nextOffset > offset)
    for (const payload of result.payloads) {
      assert.ok(isFileRegion(payload))
      const part = Buffer.alloc(payload.length)
      await payload.file.read(part, 0, payload.length, payload.position)
      parts.push(part)
    }
    result.release()
    offset = result.nextOffset
  }
  t.disk.intercept = undefined
  return { bytes: Buffer.concat(parts), reads }
}

test("a sequential reader of old data needs at most two header reads a fetch", async () => {
  for (const value of [20, 300, 1_500, 5_000, 20_000])
    await inLogWorld(
      async (t) => {
        const written: Buffer[] = []
        for (let i = 0; i < 150; i++) {
          const batch = { records: [{ value: Buffer.alloc(value, i) }, { value: Buffer.alloc((i * 37) % 200, i) }] }
          t.append(1, batch)
          written.push(records(1, { ...batch, baseOffset: 2 * i, timestamp: startMs + 2 * i, leaderEpoch: 0 }))
        }
        await t.log.flush()
        assert.ok(value < 5_000 || t.log.segmentCount > 1)
        for (const maxBytes of [1, 200, 3_000, 10_000, 64_000, 1_000_000]) {
          const { bytes, reads } = await readsPerFetch(t, maxBytes)
          assert.deepEqual(bytes, Buffer.concat(written))
          assert.ok(Math.max(...reads) <= 2, `batches of ${value}, fetches of ${maxBytes}: ${reads}`)
        }
      },
      { ...cold, config: { segmentBytes: 300_000, indexIntervalBytes: 4096 } },
    )
})

test("where a reader stopped is forgotten when the log is truncated", () =>
  inLogWorld(
    async (t) => {
      for (let i = 0; i < 10; i++) t.append(2)
      await t.log.flush()
      const { nextOffset } = await t.read(0, { maxBytes: 5 * records(2).length })
      assert.equal(nextOffset, 10)
      await t.log.truncateTo(6)
      t.append(4)
      t.append(3)
      await t.log.flush()
      assert.deepEqual((await t.read(10)).offsets, [10])
      assert.deepEqual((await t.read(6)).offsets, [6, 10])
    },
    { ...cold, config: { segmentBytes: 100_000 } },
  ))

test("damage where a reader stopped is reported to it, not skipped", () =>
  inLogWorld(
    async (t) => {
      for (let i = 0; i < 10; i++) t.append(2)
      await t.log.flush()
      const size = records(2).length
      assert.equal((await t.read(0, { maxBytes: 5 * size })).nextOffset, 10)
      t.disk.zero(`${t.path}/00000000000000000000.log`, 5 * size, 5 * size + 61)
      assert.equal((await t.read(10)).error, Errors.CORRUPT_MESSAGE)
    },
    { ...cold, config: { segmentBytes: 100_000, indexIntervalBytes: 200 } },
  ))
