/**
 * A shard of groups without a broker: protocols under test decide, their records go to a log in memory, time moves by hand.
 *
 * Owns clock, timers, log and timeline of such a world, and the trace of what happened in it; what is asked, and what is expected, is the test's. Invariant: as with the real
 * shard, records pass through their bytes, are replayed before anything else is decided, and `onWritten` runs once and not within the decision.
 */
import { SeededRandom } from "../../../sim/random.js"
import { emptyImage, type MetadataImage } from "../../../metadata/image.js"
import { errorByCode, type ErrorCode, Errors } from "../../../protocol/errors.js"
import type { Now, Outcome as ShardOutcome } from "../../shard.js"
import type {
  GroupBase,
  GroupEvent,
  Groups,
  GroupSettings,
  GroupTimers,
  Outcome,
  Respond,
  ShardContext,
} from "../contract.js"
import { decodeGroupRecord, encodeGroupRecord, type GroupRecord } from "../group-records.js"
import { recordText, Trace, valueText } from "./trace.js"

/** What the shard asks of the protocols under test, be it one or several behind one object. */
export interface HarnessProtocol {
  replay(record: GroupRecord): void
  loaded(group: GroupBase, now: Now): Outcome
  unloaded(group: GroupBase, error: ErrorCode): void
}

export interface HarnessOptions {
  readonly settings?: Partial<GroupSettings>
  readonly image?: MetadataImage
  readonly seed?: string
  /** How records read in the trace. */
  readonly recordText?: (record: GroupRecord) => string
}

/** Kafka's defaults. */
export const defaultGroupSettings: GroupSettings = {
  classicMaxSize: 2 ** 31 - 1,
  minSessionTimeoutMs: 6000,
  maxSessionTimeoutMs: 1_800_000,
  initialRebalanceDelayMs: 3000,
  offsetMetadataMaxBytes: 4096,
  offsetsRetentionMs: 7 * 24 * 3_600_000,
  consumerMaxSize: 2 ** 31 - 1,
  consumerAssignors: ["uniform", "range"],
  consumerMigrationPolicy: "bidirectional",
  consumerRegexRefreshIntervalMs: 600_000,
  isConsumerProtocolEnabled: true,
  consumerSessionTimeoutMs: () => 45_000,
  consumerHeartbeatIntervalMs: () => 5000,
  consumerAssignmentIntervalMs: () => 1000,
}

/** A request on its way: `response` is there once it was answered. Answered twice, it throws. */
export class Asked<Response> {
  response: Response | undefined

  constructor(
    readonly label: string,
    private readonly onAnswer: (response: Response) => void,
  ) {}

  readonly respond = (response: Response): void => {
    if (this.response !== undefined) throw new Error(`${this.label} was answered twice`)
    this.response = response
    this.onAnswer(response)
  }

  get isAnswered(): boolean {
    return this.response !== undefined
  }

  /** The answer, which must be there. */
  get answer(): Response {
    if (this.response === undefined) throw new Error(`${this.label} has not been answered`)
    return this.response
  }
}

export interface Note {
  readonly groupId: string
  readonly event: GroupEvent
  readonly now: Now
}

interface StoredRecord {
  readonly key: Buffer
  readonly value: Buffer | null
}

interface PendingWrite {
  /** Length of the log with this write and all before it. */
  readonly endOffset: number
  readonly onWritten: ((error: ErrorCode) => void) | undefined
}

class FakeTimers implements GroupTimers {
  readonly #entries = new Map<string, { readonly deadlineMs: number; readonly decide: (now: Now) => Outcome }>()

  constructor(private readonly clock: () => number) {}

  schedule(key: string, delayMs: number, decide: (now: Now) => Outcome): void {
    this.#entries.delete(key)
    this.#entries.set(key, { deadlineMs: this.clock() + delayMs, decide })
  }

  cancel(key: string): void {
    this.#entries.delete(key)
  }

  /** The first to come, of those at the same time the one that was scheduled first. */
  takeNext(untilMs: number): { deadlineMs: number; decide: (now: Now) => Outcome } | undefined {
    let firstKey: string | undefined
    for (const [key, { deadlineMs }] of this.#entries)
      if (deadlineMs <= untilMs && (firstKey === undefined || deadlineMs < this.#entries.get(firstKey)!.deadlineMs))
        firstKey = key
    if (firstKey === undefined) return undefined
    const entry = this.#entries.get(firstKey)!
    this.#entries.delete(firstKey)
    return entry
  }

  keys(): readonly string[] {
    return [...this.#entries.keys()]
  }

  clear(): void {
    this.#entries.clear()
  }
}

export class HarnessGroups implements Groups {
  readonly byId = new Map<string, GroupBase>()

  get(groupId: string): GroupBase | undefined {
    return this.byId.get(groupId)
  }

  put(group: GroupBase): void {
    this.byId.set(group.groupId, group)
  }

  remove(groupId: string): void {
    this.byId.delete(groupId)
  }
}

const wallStartMs = 1_700_000_000_000
const recycledByte = 0xdb
const roundsMax = 100_000

export class GroupHarness<P extends HarnessProtocol> {
  readonly trace = new Trace()
  readonly notes: Note[] = []
  readonly random: SeededRandom
  readonly #recordText: (record: GroupRecord) => string
  settings: GroupSettings
  image: MetadataImage
  /** Those of the shard that is active now: `reload` makes new ones. */
  groups = new HarnessGroups()
  protocol: P
  readonly #make: (context: ShardContext, groups: Groups) => P
  readonly #timers: FakeTimers
  readonly #log: StoredRecord[] = []
  #committed = 0
  #pending: PendingWrite[] = []
  #isHoldingWrites = false
  #refusal: ErrorCode | undefined
  #elapsedMs = 0

  constructor(make: (context: ShardContext, groups: Groups) => P, options: HarnessOptions = {}) {
    this.settings = { ...defaultGroupSettings, ...options.settings }
    this.image = options.image ?? emptyImage
    this.#recordText = options.recordText ?? recordText
    this.random = new SeededRandom(options.seed ?? "groups")
    this.#timers = new FakeTimers(() => this.#elapsedMs)
    this.#make = make
    this.protocol = make(this.#context(), this.groups)
  }

  now(): Now {
    return { wallMs: wallStartMs + this.#elapsedMs, monotonicMs: this.#elapsedMs }
  }

  /** Sends a request. The label, which begins with who asks, names it in the trace; undefined: it stays out of it. */
  ask<Response>(
    label: string | undefined,
    decide: (respond: Respond<Response>, now: Now) => Outcome,
    text: (response: Response) => string = valueText,
    who = label?.split(" ")[0],
  ): Asked<Response> {
    if (label !== undefined) this.trace.step(label)
    const asked = new Asked<Response>(label ?? "a request", (response) => {
      if (label !== undefined) this.trace.happened(`${who} <- ${text(response)}`)
    })
    this.run((now) => decide(asked.respond, now))
    return asked
  }

  /** Decides, replays, and unless writes are held, commits. */
  run(decide: (now: Now) => ShardOutcome<GroupRecord>): void {
    const { records, onWritten } = decide(this.now())
    const refusal = this.#refusal
    if (refusal !== undefined && records.length > 0) {
      this.#refusal = undefined
      this.trace.happened(`(the write is refused: ${errorByCode(refusal)?.name})`)
      onWritten?.(refusal)
      return
    }
    for (const record of records) {
      const stored = encodeGroupRecord(record)
      this.#log.push(stored)
      this.trace.happened(`log: ${this.#recordText(record)}`)
      this.#replay(stored)
    }
    this.#pending.push({ endOffset: this.#log.length, onWritten })
    if (!this.#isHoldingWrites) this.#commit()
  }

  /** Lets time pass: timers run at their deadlines, in order. */
  advance(ms: number): void {
    if (ms > 0) this.trace.step(`(${ms} ms pass)`)
    const untilMs = this.#elapsedMs + ms
    for (let round = 0; ; round++) {
      if (round > roundsMax) throw new Error("a timer schedules itself for ever")
      const timer = this.#timers.takeNext(untilMs)
      if (timer === undefined) break
      this.#elapsedMs = Math.max(this.#elapsedMs, timer.deadlineMs)
      this.run(timer.decide)
    }
    this.#elapsedMs = untilMs
  }

  /** The medium is slow: what is decided from now on is replayed but not committed. */
  holdWrites(): void {
    this.#isHoldingWrites = true
  }

  completeWrites(): void {
    this.#isHoldingWrites = false
    this.trace.happened("(the medium has it)")
    this.#commit()
  }

  /** The next records are not taken, as when they are too large: nothing of them is replayed, and the shard lives on. */
  refuseNextWrite(error: ErrorCode): void {
    this.#refusal = error
  }

  /** What was not committed is lost, and the shard is loaded anew from what is left. */
  failWrites(error: ErrorCode): void {
    this.#isHoldingWrites = false
    this.trace.happened(`(the write fails: ${errorByCode(error)?.name})`)
    this.#unload(error)
    this.#load()
  }

  /** The shard goes and comes again, here or on another broker. */
  reload(error: ErrorCode = Errors.NOT_COORDINATOR): void {
    this.trace.step("(the coordinator moves)")
    this.#unload(error)
    this.#load()
  }

  timerKeys(): readonly string[] {
    return this.#timers.keys()
  }

  /** What the log holds that is committed, newest last. */
  committedRecords(): readonly GroupRecord[] {
    return this.#log.slice(0, this.#committed).flatMap(({ key, value }) => decodeGroupRecord(key, value) ?? [])
  }

  /** Puts records into the log as an earlier coordinator would have. Seen after `reload`. */
  writeDirectly(records: readonly GroupRecord[]): void {
    for (const record of records) this.#log.push(encodeGroupRecord(record))
    this.#committed = this.#log.length
  }

  #context(): ShardContext {
    return {
      settings: this.settings,
      timers: this.#timers,
      random: this.random,
      log: { log() {} },
      image: () => this.image,
      note: (groupId, event, now) => {
        this.notes.push({ groupId, event, now })
        this.trace.happened(`timeline: ${noteText(event)}`)
      },
    }
  }

  #replay(stored: StoredRecord): void {
    const value = stored.value === null ? null : Buffer.from(stored.value)
    const record = decodeGroupRecord(Buffer.from(stored.key), value)
    if (record !== undefined) this.protocol.replay(record)
    // The memory a record was read into serves the next read: nothing may keep a view of it.
    value?.fill(recycledByte)
  }

  #commit(): void {
    while (this.#pending.length > 0 && !this.#isHoldingWrites) {
      const { endOffset, onWritten } = this.#pending.shift()!
      this.#committed = endOffset
      onWritten?.(Errors.NONE)
    }
  }

  #unload(error: ErrorCode): void {
    this.#timers.clear()
    const lost = this.#pending
    this.#pending = []
    for (const group of this.groups.byId.values()) this.protocol.unloaded(group, error)
    for (const { onWritten } of lost) onWritten?.(error)
    this.#timers.clear()
    this.#log.length = this.#committed
  }

  #load(): void {
    this.groups = new HarnessGroups()
    this.protocol = this.#make(this.#context(), this.groups)
    for (const stored of this.#log) this.#replay(stored)
    for (const group of [...this.groups.byId.values()]) this.run((now) => this.protocol.loaded(group, now))
  }
}

function noteText({ type, ...fields }: GroupEvent): string {
  const text = Object.entries(fields)
    .filter(([, value]) => value !== undefined && value !== "")
    .map(([name, value]) => `${name}=${typeof value === "string" ? JSON.stringify(value) : value}`)
  return [type, ...text].join(" ")
}
