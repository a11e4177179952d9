/**
 * Every crash point of a scripted life of a log.
 *
 * Owns the workload and the model it is compared with. The script runs once to count its disk operations, then once for each of them with a crash
 * there. What is found afterwards must be what the model allows: S1, S3, S4, S8, L3, L7, M1.
 */
import assert from "node:assert/strict"
import { test } from "node:test"
import { batchBaseOffset, batchLastOffset, batchLastSequence, batchProducerId } from "../protocol/batch-header.js"
import { batchesIn } from "../protocol/record-batch.js"
import { simulate } from "../sim/world.js"
import { LogWorld, type LogWorldOptions, records, startMs } from "./testing/log-world.js"

interface ModelBatch {
  bytes: Buffer
  baseOffset: number
  nextOffset: number
}

/** What may and what must be found after a crash. */
class Model {
  /** Every batch that was ever appended at its offsets; several where the log was truncated in between. */
  readonly possible = new Map<number, Buffer[]>()
  current: ModelBatch[] = []
  flushedOffset = 0
  startOffsetMost = 0
  created = false
  appended(bytes: Buffer, nextOffset: number): void {
    const baseOffset = batchBaseOffset(bytes)
    const copy = Buffer.from(bytes)
    this.current.push({ bytes: copy, baseOffset, nextOffset })
    this.possible.set(baseOffset, [...(this.possible.get(baseOffset) ?? []), copy])
  }

  truncating(offset: number): void {
    this.flushedOffset = Math.min(this.flushedOffset, offset)
  }

  truncated(offset: number): void {
    for (const gone of this.current.filter((batch) => batch.baseOffset >= offset)) {
      this.possible.set(
        gone.baseOffset,
        this.possible.get(gone.baseOffset)!.filter((bytes) => bytes !== gone.bytes),
      )
    }
    this.current = this.current.filter((batch) => batch.baseOffset < offset)
  }
}

async function workload(t: LogWorld, model: Model): Promise<void> {
  await t.open()
  model.created = true
  let others = 100
  let epoch = 0
  const watch = () => {
    t.log.listener = {
      onAdvance: (log) => {
        model.flushedOffset = Math.max(model.flushedOffset, log.flushedOffset)
      },
      onAppendsLost: () => {},
      onDamaged: () => {},
      onOffline: () => {},
    }
  }
  watch()
  const append = (count: number) => {
    // One producer goes on all the time, every other batch is the only one of its producer.
    const producerId = model.current.length % 2 === 0 ? 5 : others++
    const baseSequence = (t.log.producers.get(producerId)?.batches.at(-1)?.lastSequence ?? -1) + 1
    const producer = { producerId, producerEpoch: 0, baseSequence }
    const bytes = records(count, {
      timestamp: startMs + t.log.logEndOffset * 10,
      ...producer,
    })
    const result = t.log.append(bytes, { origin: "client", leaderEpoch: epoch, nowMs: t.node.env.clock.wallMs() })
    assert.ok(result.ok && !result.duplicate)
    model.appended(bytes, result.lastOffset + 1)
  }
  for (let i = 0; i < 9; i++) {
    append(1 + (i % 3))
    if (i % 4 === 3) await t.log.flush()
  }
  await t.manager.checkpoint()
  epoch = 2
  for (let i = 0; i < 8; i++) append(2)
  await t.log.flush()
  await t.manager.checkpoint()
  const cut = model.current[13]!.baseOffset
  model.truncating(cut)
  await t.log.truncateTo(cut)
  model.truncated(cut)
  assert.equal(t.log.logEndOffset, cut)
  epoch = 3
  for (let i = 0; i < 6; i++) append(2)
  await t.log.flush()
  t.log.updateHighWatermark(t.log.flushedOffset)
  model.startOffsetMost = 12
  t.log.maybeIncrementLogStartOffset(12)
  await t.log.deleteOldSegments(startMs)
  for (let i = 0; i < 3; i++) append(3)
  await t.manager.close()
  await t.open()
  watch()
  for (let i = 0; i < 5; i++) append(1)
  await t.log.flush()
  await t.manager.checkpoint()
  append(2)
  await t.log.written()
}

async function check(t: LogWorld, model: Model): Promise<void> {
  const { log } = t
  assert.equal(log.offlineReason, undefined)
  assert.ok(log.logStartOffset <= model.startOffsetMost, `starts at ${log.logStartOffset}`)
  assert.ok(log.logEndOffset >= model.flushedOffset, `ends at ${log.logEndOffset}, flushed ${model.flushedOffset}`)
  const bytes = await t.readAll()
  let expected = log.logStartOffset
  const lastBatches = new Map<number, [lastSequence: number, lastOffset: number]>()
  const flushed = new Map(
    model.current
      .filter((batch) => batch.nextOffset <= model.flushedOffset)
      .map((batch) => [batch.baseOffset, batch.bytes]),
  )
  for (const { start, end } of batchesIn(bytes)) {
    const batch = bytes.subarray(start, end)
    const baseOffset = batchBaseOffset(batch)
    assert.ok(expected === log.logStartOffset ? baseOffset <= expected : baseOffset === expected, `gap at ${expected}`)
    assert.ok(
      model.possible.get(baseOffset)?.some((possible) => possible.equals(batch)),
      `strange batch at ${baseOffset}`,
    )
    const promised = flushed.get(baseOffset)
    if (promised) assert.ok(promised.equals(batch), `batch at ${baseOffset} was flushed and is another now`)
    expected = batchLastOffset(batch) + 1
    lastBatches.set(batchProducerId(batch), [batchLastSequence(batch), batchLastOffset(batch)])
  }
  assert.equal(expected, log.logEndOffset)
  // Producer state is what the records say: no entry of a batch that is not there, none missing.
  for (const [producerId, last] of lastBatches) {
    const remembered = log.producers.get(producerId)?.batches.at(-1)
    assert.deepEqual([remembered?.lastSequence, remembered?.lastOffset], last, `producer ${producerId}`)
  }
  for (const { producerId, batches } of log.producers.entries())
    assert.ok(
      lastBatches.has(producerId) || batches.at(-1)!.lastOffset < log.logStartOffset,
      `producer ${producerId} from nowhere`,
    )
  for (let offset = log.logStartOffset; offset < log.logEndOffset; offset++) {
    const read = await t.read(offset, { maxBytes: 1 })
    assert.ok(read.offsets[0]! <= offset && read.nextOffset > offset, `read of ${offset} gave ${read.offsets[0]}`)
  }
  const middle = Math.floor((log.logStartOffset + log.logEndOffset) / 2)
  if (log.logEndOffset > log.logStartOffset) {
    const found = await log.offsetForTimestamp(startMs + middle * 10)
    const batch = model.current.find((candidate) => startMs + candidate.baseOffset * 10 >= startMs + middle * 10)
    if (batch && batch.nextOffset <= model.flushedOffset)
      assert.equal(found?.offset, Math.max(batch.baseOffset, log.logStartOffset))
  }
  // What was recovered is now the log, and was said to be on the medium.
  model.current = []
  model.possible.clear()
  for (const { start, end } of batchesIn(bytes))
    model.appended(bytes.subarray(start, end), batchLastOffset(bytes, start) + 1)
  model.flushedOffset = log.flushedOffset
  model.startOffsetMost = Math.max(model.startOffsetMost, log.logStartOffset)
}

/** The log goes on after a crash as if there had been none. */
async function goOn(t: LogWorld, model: Model): Promise<void> {
  let sequence = (t.log.producers.get(5)?.batches.at(-1)?.lastSequence ?? -1) + 1
  for (let i = 0; i < 5; i++) {
    const timestamp = startMs + t.log.logEndOffset * 10
    const bytes = records(2, { timestamp, producerId: 5, producerEpoch: 0, baseSequence: sequence })
    const result = t.log.append(bytes, { origin: "client", leaderEpoch: 4, nowMs: startMs })
    assert.ok(result.ok && !result.duplicate)
    model.appended(bytes, result.lastOffset + 1)
    sequence += 2
    if (i === 2) assert.equal(await t.log.flush(), true)
  }
  model.flushedOffset = t.log.flushedOffset
}

async function crashAt(
  seed: string,
  operation: number,
  how: "kill" | "power",
  when: "before" | "after",
  options: LogWorldOptions,
): Promise<number> {
  const { result } = await simulate(seed, async (world) => {
    const node = world.addNode("broker", { disk: { capacityBytes: 1 << 24 } })
    const t = new LogWorld(world, node, options)
    const model = new Model()
    const crashed = new Promise<"crashed">((resolve) => {
      node.disk.intercept = ({ number }) => {
        if (number !== operation) return undefined
        resolve("crashed")
        return { crash: how, when }
      }
    })
    const outcome = await Promise.race([workload(t, model).then(() => "finished" as const), crashed])
    node.disk.intercept = undefined
    const operations = node.disk.operationCount
    if (outcome === "finished") node.crash(how)
    node.restart()
    await t.open()
    if (!model.created) assert.equal(t.log.logEndOffset, 0)
    await check(t, model)
    await t.crash("power", { keep: 0, keepNames: world.random.pick([0, 0.5]) })
    await check(t, model)
    await goOn(t, model)
    await t.crash(how)
    await check(t, model)
    await goOn(t, model)
    await t.log.flush()
    model.flushedOffset = t.log.flushedOffset
    await t.restart()
    await check(t, model)
    return operations
  })
  return result
}

/** All points on request; otherwise a share of them, another one for each kind of crash. */
const everyPoint = process.env.OTTLA_CRASH_EVERY_POINT === "1"

const variants: [string, number, LogWorldOptions][] = [
  ["served from memory", 3, {}],
  ["served from files", 7, { manager: { hotCacheBytes: 0, openFilesMax: 2, indexCacheBytes: 0 } }],
]

for (const [name, stride, options] of variants)
  for (const how of ["kill", "power"] as const)
    test(`a log, ${name}, survives a crash (${how}) at any disk operation of its life`, async () => {
      const operations = await crashAt("count", -1, how, "before", options)
      assert.ok(operations > 150, `${operations} operations`)
      const step = everyPoint ? 1 : stride
      for (let point = how === "kill" ? 2 : 3; point < 2 * operations + 2; point += step) {
        const operation = Math.floor(point / 2)
        const when = point % 2 === 0 ? "before" : "after"
        const seed = `${operation} ${when}`
        try {
          await crashAt(seed, operation, how, when, options)
        } catch (error) {
          throw new Error(`crash (${how}) ${when} operation ${operation}, seed "${seed}": ${error}`, { cause: error })
        }
      }
    })
