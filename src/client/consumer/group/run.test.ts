import assert from "node:assert/strict"
import { test } from "node:test"
import { committedOffset } from "../../../broker/testing/group-member.js"
import { seededInt } from "../../../protocol/testdata/random.js"
import type { ConsumerRecord } from "../record.js"
import { type GroupConfig, type GroupWorld, inGroupWorld } from "./testing/group-world.js"

const committed = async (t: GroupWorld, partition = 0) =>
  (await committedOffset(t.world.client, "g", "t", partition)).offset

const orders = ["partition", "key"] as const

for (const order of orders) {
  test(`by ${order}: handlers run side by side, within the bound, and in order`, () =>
    inGroupWorld({ partitions: 3 }, async (t) => {
      const int = seededInt(21)
      await t.produce(210)
      const { consumer } = t.idle("a")
      const running = new Set<string>()
      const seen: ConsumerRecord[] = []
      let most = 0
      const stop = new AbortController()
      const run = consumer.run(
        async (record) => {
          const lane = order === "key" ? `${record.partition} ${record.key}` : `${record.partition}`
          assert.ok(!running.has(lane), "two of a lane")
          running.add(lane)
          most = Math.max(most, running.size)
          await t.passTime(1 + int(20))
          running.delete(lane)
          seen.push(record)
          if (seen.length === 210) stop.abort()
        },
        { concurrency: 5, order, signal: stop.signal },
      )
      await run
      assert.equal(most, order === "key" ? 5 : 3)
      const last = new Map<string, bigint>()
      for (const { partition, key, offset } of seen) {
        const lane = order === "key" ? `${partition} ${key}` : `${partition}`
        assert.ok(offset > (last.get(lane) ?? -1n))
        last.set(lane, offset)
      }
      assert.deepEqual(await Promise.all([0, 1, 2].map((partition) => committed(t, partition))), [70, 70, 70])
    }))

  test(`by ${order}: a handler that throws ends the run with its error, what was finished is committed, the rest is handed out again`, () =>
    inGroupWorld({}, async (t) => {
      await t.produce(30)
      const { consumer } = t.idle("a")
      const finished: bigint[] = []
      const run = consumer.run(
        async ({ offset }) => {
          await t.passTime(Number(offset) % 3)
          if (offset === 12n) throw new RangeError("not this one")
          finished.push(offset)
        },
        { concurrency: 4, order },
      )
      await assert.rejects(run, { name: "RangeError" })
      // By key the one before may not have had its turn.
      let first = 0n
      while (finished.includes(first)) first++
      if (order === "partition") assert.equal(first, 12n)
      assert.equal(await committed(t), Number(first))
      const [next] = await consumer.poll({ max: 1 })
      assert.equal(next!.offset, first)
    }))
}

test("by key: what is behind a record that is not finished is not committed", () =>
  inGroupWorld({}, async (t) => {
    await t.produce(30)
    const { consumer } = t.idle("a")
    let release: (() => void) | undefined
    const stop = new AbortController()
    let done = 0
    const run = consumer.run(
      async ({ offset }) => {
        if (offset === 3n)
          await new Promise<void>((resolve) => {
            release = resolve
          })
        done++
      },
      { order: "key", signal: stop.signal },
    )
    // Records 3, 10, 17 and 24 have one key.
    await t.until("all others are finished", () => done === 26)
    await t.passTime(6_000)
    assert.equal(await committed(t), 3)
    release!()
    await t.until("all are finished", () => done === 30)
    await t.passTime(6_000)
    assert.equal(await committed(t), 30)
    stop.abort()
    await run
  }))

test("records in work are bounded, and the rest is read when there is room", () =>
  inGroupWorld({ partitions: 2 }, async (t) => {
    await t.produce(6_000)
    const { consumer } = t.idle("a")
    let release: (() => void) | undefined
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    let done = 0
    const stop = new AbortController()
    const run = consumer.run(
      async () => {
        await gate
        done++
      },
      { concurrency: 2, signal: stop.signal },
    )
    await t.passTime(20_000)
    for (const partition of [0, 1]) assert.ok(consumer.position("t", partition)! <= 1_500n)
    release!()
    await t.until("all are finished", () => done === 6_000)
    stop.abort()
    await run
    assert.deepEqual([await committed(t, 0), await committed(t, 1)], [3_000, 3_000])
  }))

const protocols: readonly { name: string; config: GroupConfig }[] = [
  { name: "eager", config: {} },
  { name: "cooperative", config: { assignors: ["cooperative-sticky"] } },
  { name: "consumer protocol", config: { groupProtocol: "consumer" } },
]

for (const { name, config } of protocols) {
  test(`${name}: handlers of partitions that go are told, waited for, and what they finished is committed`, () =>
    inGroupWorld({ partitions: 2, consumer: config }, async (t) => {
      await t.produce(200)
      const a = t.idle("a")
      let aborted = 0
      let after = 0
      a.consumer.onRebalance(({ type }) => {
        if (type === "revoked") after = running
      })
      let running = 0
      const stop = new AbortController()
      const handler = async (record: ConsumerRecord, { signal }: { signal: AbortSignal }) => {
        running++
        signal.addEventListener("abort", () => aborted++)
        await t.passTime(100)
        running--
        a.take(record)
      }
      const run = a.consumer.run(handler, { signal: stop.signal })
      await t.until("some are finished", () => a.values.length > 10)
      const b = t.member("b")
      await t.settled([a, b])
      assert.ok(aborted > 0)
      assert.ok(after <= 1, "only what stays may still be worked on")
      await t.until("all is read", () => t.missing().length === 0)
      // Each of the handlers had finished before its partition went.
      assert.equal(t.readCount, 200)
      stop.abort()
      await run
    }))
}

test("close ends a run, and an aborted run leaves a consumer that can be read", () =>
  inGroupWorld({}, async (t) => {
    await t.produce(20)
    const { consumer } = t.idle("a")
    const stop = new AbortController()
    const seen: bigint[] = []
    const handler = async ({ offset }: ConsumerRecord) => {
      await t.passTime(50)
      seen.push(offset)
      if (offset === 4n) stop.abort()
    }
    await consumer.run(handler, { signal: stop.signal })
    assert.equal((await consumer.poll({ max: 1 }))[0]!.offset, 5n)
    const run = consumer.run(handler)
    await t.until("it goes on", () => seen.length > 8)
    await consumer.close()
    await run
    assert.equal(await committed(t), Number(seen.at(-1)!) + 1)
  }))

test("a handler that takes longer than maxPollIntervalMs costs the membership, until it ends", () =>
  inGroupWorld({ partitions: 2, consumer: { maxPollIntervalMs: 15_000 } }, async (t) => {
    await t.produce(2)
    const a = t.idle("a")
    let release: (() => void) | undefined
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    const stop = new AbortController()
    const run = a.consumer.run(() => gate, { signal: stop.signal })
    await t.settled([a])
    await t.until("it is out", () => a.events.some(({ type }) => type === "lost"), 60_000)
    const b = t.member("b")
    await t.settled([b])
    await t.until("the other has read all", () => b.values.length === 2)
    release!()
    await t.settled([a, b])
    stop.abort()
    await run
  }))
