/**
 * A log on a simulated disk, for tests that read as stories.
 *
 * Owns the harness: one node, one log directory, one partition "t-0" with tiny segments.
 */
import { defaultLogConfig, type LogConfig } from "../../config/log-config.js"
import { isFileRegion } from "../../env/env.js"
import { buildBatch, type BatchInput } from "../../protocol/record-batch.js"
import { batchesIn } from "../../protocol/record-batch.js"
import type { DiskOptions } from "../../sim/disk.js"
import type { SimulatedNode } from "../../sim/node.js"
import { simulate, type World } from "../../sim/world.js"
import type { AppendOptions, AppendResult, Log, ReadOptions } from "../log.js"
import { LogManager, type LogManagerOptions } from "../log-manager.js"

export const smallConfig: LogConfig = {
  ...defaultLogConfig,
  segmentBytes: 1000,
  indexIntervalBytes: 200,
  fileDeleteDelayMs: 50,
}

export const topicId = "AAAAAAAAAAAAAAAAAAAAAQ"
/** Wall time of the first record. */
export const startMs = 1_700_000_000_000

export interface LogWorldOptions {
  seed?: string | number
  config?: Partial<LogConfig>
  disk?: Partial<DiskOptions>
  manager?: Partial<LogManagerOptions>
}

export class LogWorld {
  manager!: LogManager
  log!: Log
  readonly lost: number[] = []
  offline = 0
  damaged = 0

  constructor(
    readonly world: World,
    readonly node: SimulatedNode,
    readonly options: LogWorldOptions,
  ) {}

  get config(): LogConfig {
    return { ...smallConfig, ...this.options.config }
  }

  get disk() {
    return this.node.disk
  }

  get path(): string {
    return this.log.path
  }

  /** Opens the directory with what is in it; makes the log if it is not there. */
  async open(): Promise<void> {
    this.manager = await LogManager.open(this.node.env, {
      directories: ["/data"],
      nodeId: 0,
      configOf: () => this.config,
      ...this.options.manager,
    })
    this.log = this.manager.get("t", 0) ?? (await this.manager.create("t", 0, { topicId, config: this.config }))
    this.log.listener = {
      onAdvance: () => {},
      onAppendsLost: (_, endOffset) => this.lost.push(endOffset),
      onDamaged: () => this.damaged++,
      onOffline: () => this.offline++,
    }
  }

  /** Stops the node and opens what is left. */
  async crash(how: "kill" | "power", cut?: Parameters<SimulatedNode["crash"]>[1]): Promise<void> {
    this.node.crash(how, cut)
    this.node.restart()
    await this.open()
  }

  async restart(): Promise<void> {
    await this.manager.close()
    await this.open()
  }

  append(count = 1, batch: Partial<BatchInput> = {}, options: Partial<AppendOptions> = {}): AppendResult {
    return this.log.append(records(count, { timestamp: startMs + this.log.logEndOffset, ...batch }), {
      origin: "client",
      leaderEpoch: 0,
      nowMs: this.node.env.clock.wallMs(),
      ...options,
    })
  }

  async read(offset: number, options: Partial<ReadOptions> = {}): Promise<ReadBatches> {
    const result = await this.log.read(offset, { maxBytes: 1 << 20, ...options })
    if (!result.ok)
      return { error: result.error, offsets: [], bytes: Buffer.alloc(0), nextOffset: offset, fromMemory: false }
    const parts: Buffer[] = []
    for (const payload of result.payloads) {
      if (!isFileRegion(payload)) parts.push(Buffer.from(payload))
      else {
        const part = Buffer.alloc(payload.length)
        const count = await payload.file.read(part, 0, payload.length, payload.position)
        if (count !== payload.length) throw new Error(`a region of ${payload.length} bytes had ${count}`)
        parts.push(part)
      }
    }
    result.release()
    const bytes = Buffer.concat(parts)
    const offsets = [...batchesIn(bytes)].map(({ start }) => Number(bytes.readBigInt64BE(start)))
    return { error: 0, offsets, bytes, nextOffset: result.nextOffset, fromMemory: result.fromMemory }
  }

  /** The bytes from an offset to the end, read in as many steps as it takes. */
  async readAll(from = this.log.logStartOffset, maxBytes = 300): Promise<Buffer> {
    const parts: Buffer[] = []
    for (let offset = from; offset < this.log.logEndOffset; ) {
      const { error, bytes, nextOffset } = await this.read(offset, { maxBytes })
      if (error !== 0 || nextOffset <= offset)
        throw new Error(`reading at ${offset} gave error ${error}, next ${nextOffset}`)
      parts.push(bytes)
      offset = nextOffset
    }
    return Buffer.concat(parts)
  }

  names(): string[] {
    return this.disk
      .paths()
      .filter((path) => path.startsWith(`${this.path}/`))
      .map((path) => path.slice(this.path.length + 1))
  }
}

export interface ReadBatches {
  error: number
  /** Base offsets. */
  offsets: number[]
  bytes: Buffer
  nextOffset: number
  fromMemory: boolean
}

/** One batch of small records; about 140 bytes each at the default value size. */
export function records(count: number, batch: Partial<BatchInput> = {}): Buffer {
  return buildBatch({
    records: Array.from({ length: count }, (_, index) => ({
      key: Buffer.from(`k${index}`),
      value: Buffer.alloc(60, 97 + (index % 26)),
    })),
    timestamp: startMs,
    ...batch,
  })
}

/** Runs a story in a world of its own, with the log open. */
export async function inLogWorld(
  scenario: (t: LogWorld) => Promise<void>,
  options: LogWorldOptions = {},
): Promise<void> {
  await simulate(
    options.seed ?? 1,
    async (world) => {
      const t = new LogWorld(world, world.addNode("broker", { disk: options.disk ?? {} }), options)
      await t.open()
      await scenario(t)
    },
    {
      onLog: (line) => {
        if (process.env.STORY) console.log(line.level, line.message, line.fields)
      },
    },
  )
}
