/**
 * `ottla bench produce` and `consume`: how much goes through, from this machine.
 *
 * Owns the measure. Small on purpose: it tells whether a cluster is well, not how one system compares to another.
 */
import { randomBytes } from "node:crypto"
import { NotFoundError } from "./errors.js"
import { jsonText } from "./output.js"
import { locate } from "./place.js"
import { runSession, type SessionFlags } from "./session.js"
import { sizeText } from "./text.js"
import { partitionsOf } from "./topic/change.js"

export interface BenchFlags extends SessionFlags {
  readonly records: number
  readonly output: "table" | "json"
}

export interface BenchProduceFlags extends BenchFlags {
  /** Bytes of a value. */
  readonly size: number
  readonly acks: "all" | "1"
}

/** Records on their way at once. */
const unstoredMax = 10_000

export const benchProduce = (flags: BenchProduceFlags, topic: string): Promise<void> =>
  runSession(flags, async ({ client, env }) => {
    await partitionsOf({ admin: client.admin() }, topic, undefined)
    const producer = client.producer({ acks: flags.acks === "all" ? "all" : 1, maxRequestBytes: 64 << 20 })
    const value = randomBytes(flags.size)
    const latencies: number[] = []
    let underWay = 0
    let room: (() => void) | undefined
    let failure: unknown
    const beganMs = env.clock.monotonicMs()
    for (let sent = 0; sent < flags.records && failure === undefined; sent++) {
      while (underWay >= unstoredMax)
        await new Promise<void>((resolve) => {
          room = resolve
        })
      underWay++
      const sentMs = env.clock.monotonicMs()
      void producer.send({ topic, value }).then(
        () => {
          latencies.push(env.clock.monotonicMs() - sentMs)
          underWay--
          room?.()
        },
        (error: unknown) => {
          failure ??= error
          underWay--
          room?.()
        },
      )
    }
    await producer.flush()
    await producer.close()
    if (failure !== undefined) throw failure
    report(flags, latencies.length, latencies.length * flags.size, env.clock.monotonicMs() - beganMs, latencies)
    return undefined
  })

export const benchConsume = (flags: BenchFlags, topic: string): Promise<void> =>
  runSession(flags, async ({ client, admin, env }) => {
    const placed = await locate(admin, await partitionsOf({ admin }, topic, undefined), { kind: "earliest" })
    const there = placed.reduce((sum, { start, end }) => sum + Number(end - start), 0)
    if (there === 0) throw new NotFoundError(`topic ${topic} has no records: ottla bench produce ${topic}`)
    const consumer = client.consumer({ partitions: placed, from: "earliest" })
    const isAtEnd = () => placed.every(({ partition, end }) => (consumer.position(topic, partition) ?? 0n) >= end)
    let records = 0
    let bytes = 0
    const beganMs = env.clock.monotonicMs()
    while (records < flags.records && !isAtEnd())
      for (const { key, value } of await consumer.poll({ timeoutMs: 200 })) {
        records++
        bytes += (key?.length ?? 0) + (value?.length ?? 0)
      }
    report(flags, records, bytes, env.clock.monotonicMs() - beganMs)
    return undefined
  })

function report(
  { output }: BenchFlags,
  records: number,
  bytes: number,
  tookMs: number,
  latencies: readonly number[] = [],
): void {
  const perSecond = (count: number) => Math.round((count * 1000) / Math.max(1, tookMs))
  const sorted = [...latencies].sort((a, b) => a - b)
  const at = (share: number) =>
    sorted.length === 0
      ? null
      : Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]! * 10) / 10
  const data = {
    records,
    bytes,
    tookMs: Math.round(tookMs),
    recordsPerSecond: perSecond(records),
    bytesPerSecond: perSecond(bytes),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
  }
  if (output === "json") process.stdout.write(`${jsonText(data, 2)}\n`)
  else {
    const latency = data.p50Ms === null ? "" : `, stored after ${data.p50Ms} ms (median), ${data.p99Ms} ms (99 %)`
    process.stdout.write(
      `${records} records in ${(tookMs / 1000).toFixed(2)} s: ${data.recordsPerSecond} records/s, ${sizeText(data.bytesPerSecond)}/s${latency}\n`,
    )
  }
}
