/**
 * `ottla consume`, `cat` and `tail`: the records of a topic as text.
 *
 * Owns where reading begins and when it ends. Printing waits for whoever reads the output.
 */
import { once } from "node:events"
import type { Consumer } from "../../client/consumer/consumer.js"
import type { ConsumerRecord } from "../../client/consumer/record.js"
import { prepareCompression } from "../../protocol/compression/compression.js"
import { exitCodes, UsageError } from "../errors.js"
import { locate, parsePlace, type Placed } from "../place.js"
import { runSession, type Session, type SessionFlags } from "../session.js"
import { partitionsOf } from "../topic/change.js"
import { parseFormat } from "./record-format.js"

export interface ReadingFlags extends SessionFlags {
  readonly format: string
  readonly partition?: readonly number[]
}

export interface ConsumeFlags extends ReadingFlags {
  readonly count?: number
  readonly offset?: string
  readonly group?: string
  readonly end: boolean
  readonly follow: boolean
  /** Without records for so long it is over. */
  readonly timeout?: number
}

/** Between two looks whether it is over. */
const lookIntervalMs = 200

export const consume = (flags: ConsumeFlags, topic: string): Promise<void> =>
  runSession(flags, async (session) => {
    const format = parseFormat(flags.format)
    if (flags.end && flags.follow)
      throw new UsageError("--end stops at the end and --follow goes on there: say one of them")
    const stopping = new AbortController()
    process.once("SIGINT", () => stopping.abort())
    process.once("SIGTERM", () => stopping.abort())
    await prepareCompression()
    const reading = await (flags.group === undefined ? readAlone : readAsMember)(session, flags, topic)
    const { consumer, placed } = reading
    const { count = Number.POSITIVE_INFINITY, timeout = Number.POSITIVE_INFINITY, end } = flags
    let printed = 0
    let cameMs = session.env.clock.monotonicMs()
    while (printed < count && !stopping.signal.aborted && !(end && reading.isAtEnd())) {
      const max = Math.min(500, count - printed)
      const records = await consumer.poll({ max, timeoutMs: lookIntervalMs, signal: stopping.signal })
      const wanted = end ? records.filter((record) => isBefore(record, placed)) : records
      if (wanted.length > 0) {
        printed += wanted.length
        cameMs = session.env.clock.monotonicMs()
        if (!process.stdout.write(Buffer.concat(wanted.map(format)))) await once(process.stdout, "drain")
      } else if (session.env.clock.monotonicMs() - cameMs > timeout) {
        session.say(`nothing came for ${timeout} ms`)
        await reading.finish()
        return exitCodes.timedOut
      }
    }
    await reading.finish()
    return exitCodes.ok
  })

/** What came after the command began is not asked for. */
const isBefore = ({ partition, offset }: ConsumerRecord, placed: readonly Placed[]): boolean =>
  placed.some((each) => each.partition === partition && offset < each.end)

interface Reading {
  readonly consumer: Pick<Consumer, "poll">
  /** Where each partition was when it began. */
  readonly placed: readonly Placed[]
  isAtEnd(): boolean
  /** What was printed counts. */
  finish(): Promise<void>
}

async function readAlone({ client, admin, env }: Session, flags: ConsumeFlags, topic: string): Promise<Reading> {
  const place = parsePlace(flags.offset ?? "latest", env.clock.wallMs())
  const partitions = await partitionsOf({ admin }, topic, flags.partition)
  const placed = await locate(admin, partitions, place)
  const consumer = client.consumer({ partitions, from: "earliest" })
  for (const { partition, offset } of placed) consumer.seek(topic, partition, offset)
  return {
    consumer,
    placed,
    isAtEnd: () => placed.every(({ partition, end, offset }) => (consumer.position(topic, partition) ?? offset) >= end),
    finish: () => consumer.close(),
  }
}

async function readAsMember({ client, admin, env }: Session, flags: ConsumeFlags, topic: string): Promise<Reading> {
  if (flags.partition !== undefined) throw new UsageError("--partition: a group gives its members their partitions")
  const place = parsePlace(flags.offset ?? "latest", env.clock.wallMs())
  if ("count" in place)
    throw new UsageError(
      `--offset ${flags.offset}: a group goes on where it was; earliest, latest or @time say where it begins. Move it with ottla group seek`,
    )
  const from = place.kind === "time" ? { timestamp: place.timestamp } : place.kind
  const placed = await locate(admin, await partitionsOf({ admin }, topic, undefined), { kind: "latest" })
  const consumer = client.consumer({ groupId: flags.group!, topics: [topic], from })
  return {
    consumer,
    placed,
    isAtEnd: () => {
      const own = placed.filter(({ partition }) => consumer.assignment.some((each) => each.partition === partition))
      return own.length > 0 && own.every(({ partition, end }) => (consumer.position(topic, partition) ?? -1n) >= end)
    },
    finish: async () => {
      await consumer.commit()
      await consumer.close()
    },
  }
}
