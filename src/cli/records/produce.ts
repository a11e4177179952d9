/**
 * `ottla produce`: lines of stdin, or a file, become records.
 *
 * Owns how a line becomes a record, the pace, and what is told of what was stored. Invariant: at most `unstoredMax` records are on their way.
 */
import { readFileSync } from "node:fs"
import { once } from "node:events"
import type { ProducerRecord } from "../../client/index.js"
import type { Producer } from "../../client/producer/producer.js"
import { ClientError } from "../../client/errors.js"
import { prepareCompression } from "../../protocol/compression/compression.js"
import { CommandError, exitCodes, UsageError } from "../errors.js"
import { jsonText } from "../output.js"
import { runSession, type SessionFlags } from "../session.js"
import { partitionsOf } from "../topic/change.js"
import { linesOf, splitKey } from "./lines.js"

export interface ProduceFlags extends SessionFlags {
  readonly key?: string
  readonly keyDelimiter?: string
  readonly header?: readonly string[]
  readonly partition?: number
  readonly null: boolean
  readonly file?: string
  /** Records per second. */
  readonly rate?: number
  readonly acks: "all" | "1"
  readonly compression: "none" | "gzip" | "snappy" | "lz4" | "zstd"
  readonly output: "none" | "jsonl"
}

const unstoredMax = 10_000

export const produce = (flags: ProduceFlags, topic: string): Promise<void> =>
  runSession(flags, async ({ client, admin, say, env }) => {
    if (flags.key !== undefined && flags.keyDelimiter !== undefined)
      throw new UsageError("--key is the key of every record, --key-delimiter finds one in each line: say one of them")
    if (flags.compression !== "none") await prepareCompression()
    const recordOf = recordMaker(flags, topic)
    await partitionsOf({ admin }, topic, flags.partition === undefined ? undefined : [flags.partition])
    const { acks, compression } = flags
    const producer = client.producer({
      acks: acks === "all" ? "all" : 1,
      compression,
      lingerMs: 5,
      maxRequestBytes: 64 << 20,
      maxBlockMs: 15_000,
    })
    const sending = new Sending(producer, flags.output, say)
    if (flags.file !== undefined) await sending.send(recordOf(readWhole(flags.file), false))
    else {
      if (process.stdin.isTTY) say("one record per line, control-D ends")
      const beganMs = env.clock.monotonicMs()
      let count = 0
      for await (const line of linesOf(process.stdin)) {
        if (sending.isOver) break
        if (flags.rate !== undefined) {
          const dueMs = beganMs + (count * 1000) / flags.rate
          const waitMs = dueMs - env.clock.monotonicMs()
          if (waitMs > 0) await new Promise<void>((resolve) => setTimeout(resolve, waitMs))
        }
        count++
        await sending.send(recordOf(line, true))
      }
    }
    await sending.finish()
    await producer.close()
    if (sending.failed === 0) return exitCodes.ok
    say(`${sending.failed} of ${sending.failed + sending.stored} records were not stored`)
    return sending.stored > 0 ? exitCodes.partial : sending.exitCode
  })

/** Errors: UsageError for headers; the maker throws CommandError for a line without a delimiter. */
export function recordMaker(
  {
    key,
    keyDelimiter,
    header = [],
    partition,
    null: emptyIsNull,
  }: Pick<ProduceFlags, "key" | "keyDelimiter" | "header" | "partition" | "null">,
  topic: string,
): (bytes: Buffer, isLine: boolean) => ProducerRecord {
  const headers = Object.fromEntries(
    header.map((text) => {
      const at = text.indexOf("=")
      if (at <= 0) throw new UsageError(`--header ${text}: write it as name=value`)
      return [text.slice(0, at), text.slice(at + 1)]
    }),
  )
  return (bytes, isLine) => {
    const split = isLine && keyDelimiter !== undefined ? splitKey(bytes, keyDelimiter) : { key, value: bytes }
    if (split === undefined)
      throw new CommandError(
        `a line has no ${JSON.stringify(keyDelimiter)}, which is to part its key and value: ${shown(bytes)}`,
      )
    return {
      topic,
      value: emptyIsNull && split.value.length === 0 ? null : split.value,
      headers,
      ...(split.key === undefined ? {} : { key: split.key }),
      ...(partition === undefined ? {} : { partition }),
    }
  }
}

const shown = (bytes: Buffer): string => JSON.stringify(bytes.subarray(0, 60).toString())

function readWhole(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw new UsageError(`--file ${path} cannot be read: ${(error as Error).message}`)
  }
}

/** Records on their way, told of as they are stored. */
class Sending {
  stored = 0
  failed = 0
  exitCode: number = exitCodes.failed
  /** What failed will fail again. */
  isOver = false
  #underWay = 0
  #room: (() => void) | undefined

  constructor(
    private readonly producer: Producer,
    private readonly output: ProduceFlags["output"],
    private readonly say: (line: string) => void,
  ) {}

  async send(record: ProducerRecord): Promise<void> {
    while (this.#underWay >= unstoredMax) await this.#wait()
    this.#underWay++
    void this.producer.send(record).then(
      (metadata) => {
        this.stored++
        if (this.output === "jsonl") process.stdout.write(`${jsonText(metadata)}\n`)
        this.#done()
      },
      (error: unknown) => {
        if (this.failed++ === 0) this.say(error instanceof Error ? error.message : String(error))
        if (error instanceof ClientError) {
          this.isOver ||= error.code === "TIMED_OUT" || error.code === "INVALID_CONFIG"
          if (error.code === "TIMED_OUT") this.exitCode = exitCodes.timedOut
        }
        this.#done()
      },
    )
    if (process.stdout.writableNeedDrain) await once(process.stdout, "drain")
  }

  async finish(): Promise<void> {
    await this.producer.flush()
    while (this.#underWay > 0) await this.#wait()
  }

  #wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#room = resolve
    })
  }

  #done(): void {
    this.#underWay--
    this.#room?.()
    this.#room = undefined
  }
}
