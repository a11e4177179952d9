import assert from "node:assert/strict"
import { test } from "node:test"
import { Errors } from "../protocol/errors.js"
import { ProducerState } from "./producer-state.js"
import { inLogWorld, type LogWorld, records, startMs } from "./testing/log-world.js"

async function fill(t: LogWorld, batches = 30): Promise<Buffer> {
  for (let i = 0; i < batches; i++)
    assert.ok(
      t.append(2, { producerId: 3, producerEpoch: 0, baseSequence: 2 * i }, { leaderEpoch: Math.floor(i / 10) }).ok,
    )
  await t.log.flush()
  return t.readAll()
}

async function remove(t: LogWorld, pattern: RegExp): Promise<void> {
  for (const name of t.names().filter((candidate) => pattern.test(candidate)))
    await t.node.env.disk.unlink(`${t.path}/${name}`)
}

for (const [what, pattern] of [
  ["indexes", /index$/],
  ["producer snapshots", /snapshot$/],
  ["the leader epoch file", /^leader-epoch/],
  ["everything but the log", /(index|snapshot|checkpoint)$/],
] as const)
  test(`without ${what} nothing is lost: they are rebuilt (S3)`, () =>
    inLogWorld(async (t) => {
      const bytes = await fill(t)
      const epochs = t.log.epochs.entries
      const last = t.log.producers.get(3)?.batches.at(-1)
      await t.manager.close()
      await remove(t, pattern)
      await t.open()
      assert.deepEqual(await t.readAll(), bytes)
      assert.deepEqual(t.log.epochs.entries, epochs)
      assert.deepEqual(t.log.producers.get(3)?.batches.at(-1), last)
      assert.equal((await t.log.offsetForTimestamp(1))?.offset, 0)
    }))

test("a torn tail above the recovery point is cut off", () =>
  inLogWorld(async (t) => {
    const bytes = await fill(t, 3)
    const file = await t.node.env.disk.open(`${t.path}/00000000000000000000.log`)
    const garbage = records(2, { baseOffset: 6 })
    await file.write([garbage.subarray(0, garbage.length - 10)], bytes.length)
    await file.sync()
    await t.crash("kill")
    assert.equal(t.log.logEndOffset, 6)
    assert.deepEqual(await t.readAll(), bytes)
    assert.equal(t.disk.peek(`${t.path}/00000000000000000000.log`)?.length, bytes.length)
  }))

test("segments above a cut go, and their snapshots with them", () =>
  inLogWorld(async (t) => {
    await fill(t)
    const bases = t.log.baseOffsets
    const file = await t.node.env.disk.open(`${t.path}/${String(bases[1]).padStart(20, "0")}.log`)
    await file.write([Buffer.alloc(20, 0xff)], 40)
    await file.sync()
    await t.crash("kill")
    assert.deepEqual(t.log.baseOffsets, bases.slice(0, 2))
    assert.equal(t.log.logEndOffset, bases[1])
  }))

test("damage below the recovery point in what must be scanned leaves the log offline and the file alone", () =>
  inLogWorld(async (t) => {
    const bytes = await fill(t, 3)
    await t.manager.checkpoint()
    t.disk.flipBit(`${t.path}/00000000000000000000.log`, bytes.length - 5)
    await t.crash("kill")
    assert.match(t.log.offlineReason ?? "", /below the recovery point 6/)
    const refused = t.append()
    assert.equal(!refused.ok && refused.error, Errors.KAFKA_STORAGE_ERROR)
    assert.equal((await t.read(0)).error, Errors.KAFKA_STORAGE_ERROR)
    assert.equal(t.disk.peek(`${t.path}/00000000000000000000.log`)?.length, bytes.length)
    // What was promised stays written down, so that the next start does not cut either.
    await t.manager.checkpoint()
    await t.crash("kill")
    assert.match(t.log.offlineReason ?? "", /below the recovery point 6/)
  }))

test("a damaged header in a sealed segment is reported when it is read, and nothing is dropped", () =>
  inLogWorld(async (t) => {
    await fill(t)
    await t.manager.checkpoint()
    t.disk.flipBit(`${t.path}/00000000000000000000.log`, 16)
    await t.crash("kill")
    assert.equal(t.log.offlineReason, undefined)
    assert.equal((await t.read(0)).error, Errors.CORRUPT_MESSAGE)
    assert.equal((await t.read(t.log.baseOffsets[1]!)).error, 0)
  }))

test("an index that leads astray is found out and rebuilt", () =>
  inLogWorld(
    async (t) => {
      const bytes = await fill(t)
      await t.manager.close()
      const index = t.names().find((name) => name.endsWith(".index") && t.disk.peek(`${t.path}/${name}`)!.length > 0)!
      t.disk.flipBit(`${t.path}/${index}`, 7, 0)
      await t.open()
      assert.deepEqual(await t.readAll(), bytes)
    },
    { config: { segmentBytes: 2000 } },
  ))

test("a producer snapshot above the end speaks of records that are no more, and is not believed later", () =>
  inLogWorld(async (t) => {
    await fill(t, 3)
    const other = new ProducerState()
    other.record(records(1, { producerId: 99, producerEpoch: 0, baseSequence: 0 }))
    const file = await t.node.env.disk.open(`${t.path}/00000000000000000008.snapshot`, { create: true })
    await file.write([other.encodeSnapshot()], 0)
    await t.crash("kill")
    for (let i = 0; i < 4; i++) t.append(2)
    await t.log.flush()
    await t.crash("kill")
    assert.equal(t.log.logEndOffset, 14)
    assert.equal(t.log.producers.get(99), undefined)
    assert.equal(t.log.producers.size, 1)
  }))

test("a missing segment in the middle is an offline log, not a silent gap (S4)", () =>
  inLogWorld(async (t) => {
    await fill(t)
    await t.manager.close()
    await t.node.env.disk.unlink(`${t.path}/${t.names().filter((name) => name.endsWith(".log"))[2]}`)
    await t.open()
    assert.match(t.log.offlineReason ?? "", /missing/)
  }))

test("a missing last segment is an offline log: records had been promised", () =>
  inLogWorld(async (t) => {
    await fill(t)
    await t.manager.close()
    await t.node.env.disk.unlink(
      `${t.path}/${t
        .names()
        .filter((name) => name.endsWith(".log"))
        .at(-1)}`,
    )
    await t.open()
    assert.ok(t.log.offlineReason !== undefined)
  }))

test("after a clean stop nothing but the end is read, after kill -9 nothing below the recovery point", () =>
  inLogWorld(async (t) => {
    await fill(t, 200)
    await t.manager.checkpoint()
    const opened = new Set<string>()
    const watch = () => {
      opened.clear()
      t.disk.intercept = ({ kind, path }) => {
        if ((kind === "open" || kind === "stat") && path.endsWith(".log")) opened.add(path)
        return undefined
      }
    }
    t.node.crash("kill")
    t.node.restart()
    watch()
    await t.open()
    assert.equal(opened.size, 1)
    await t.manager.close()
    watch()
    await t.open()
    assert.equal(opened.size, 1)
    assert.ok(t.log.segmentCount > 40)
  }))

test("a disk that is full when a log is opened refuses appends, and nothing else", () =>
  inLogWorld(async (t) => {
    for (let i = 0; i < 30; i++) t.append()
    await t.log.flush()
    const before = await t.readAll()
    t.node.crash("kill")
    t.node.restart()
    t.disk.options.capacityBytes = t.disk.usedBytes
    await t.open()
    assert.equal(t.log.offlineReason, undefined)
    assert.deepEqual(await t.readAll(), before)
    assert.equal(t.append().ok, false)
    t.disk.options.capacityBytes = 1 << 30
    await t.world.sleep(2000)
    assert.equal(t.append().ok, true)
    assert.equal(await t.log.flush(), true)
    await t.crash("power")
    assert.equal(t.log.logEndOffset, 31)
  }))

test("retries of the last five batches are known after a crash right behind a roll", () =>
  inLogWorld(async (t) => {
    const batch = (sequence: number) => ({ producerId: 7, producerEpoch: 0, baseSequence: sequence })
    for (let sequence = 0; sequence < 7; sequence++) t.append(1, batch(sequence))
    t.log.roll(t.node.env.clock.wallMs())
    await t.log.flush()
    await t.manager.checkpoint()
    await t.crash("kill")
    for (let sequence = 2; sequence < 7; sequence++) {
      const again = t.append(1, batch(sequence))
      assert.ok(again.ok && again.duplicate && again.baseOffset === sequence, `sequence ${sequence}`)
    }
    const next = t.append(1, batch(7))
    assert.ok(next.ok && !next.duplicate)
  }))

test("a segment that was rolled right behind the recovery point has its whole time index after a crash", () =>
  inLogWorld(
    async (t) => {
      for (const timestamp of [10, 20, 30, 40]) t.append(1, { timestamp: startMs + timestamp })
      await t.log.flush()
      await t.manager.checkpoint()
      t.log.roll(startMs)
      t.append(1, { timestamp: startMs + 50 })
      await t.log.written()
      t.node.crash("kill")
      for (const suffix of ["index", "timeindex"])
        assert.ok((t.disk.peek(`${t.path}/00000000000000000000.${suffix}`)?.length ?? 0) <= 12 * 3)
      t.node.restart()
      await t.open()
      t.log.updateHighWatermark(t.log.logEndOffset)
      assert.equal((await t.log.offsetForTimestamp(startMs + 35))?.offset, 3)
    },
    { config: { segmentBytes: 10_000 } },
  ))
