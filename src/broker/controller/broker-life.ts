/**
 * Registrations and heartbeats of brokers, and the end of those that are silent.
 *
 * Owns the soft state of the active controller and its clock: who is fenced when. The rules are in `controller/`. The invariant: nobody is fenced for a silence that was ours. Source: Kafka's
 * QuorumController; KIP-631. Beyond Kafka: a broken connection is looked into at once, and a broker that was stuck hands over.
 */
import type { BrokerEpoch, BrokerId, Uuid } from "../../base/ids.js"
import { fenceBroker, unregisterBroker } from "../../controller/broker-changes.js"
import { BrokerSessions } from "../../controller/broker-sessions.js"
import type { ControllerView } from "../../controller/controller-view.js"
import { type HeartbeatRequest, type HeartbeatResult, onHeartbeat, staleEpoch } from "../../controller/heartbeat.js"
import { type RegistrationRequest, registerBroker } from "../../controller/registration.js"
import type { Env, Timer } from "../../env/env.js"
import type { SilentLeader } from "../../raft/core.js"
import type { BrokerRegistration, Endpoint } from "../../metadata/image.js"
import type { MetadataRecord } from "../../metadata/records.js"
import { Errors, type ErrorCode } from "../../protocol/errors.js"
import type { RequestOf, ResponseInputOf } from "../../protocol/message.js"
import type { brokerHeartbeat } from "../../protocol/messages/broker-heartbeat.js"
import type { brokerRegistration } from "../../protocol/messages/broker-registration.js"
import type { unregisterBroker as unregisterBrokerApi } from "../../protocol/messages/unregister-broker.js"
import { type Decisions, isRefused } from "./decisions.js"

/** What somebody who tries to connect finds: nobody listens, somebody does, or nothing comes back. */
export type ProbeResult = "refused" | "accepted" | "unreachable"

export interface BrokerLifeTiming {
  /** `broker.session.timeout.ms` */
  readonly sessionTimeoutMs: number
  /** A broker that says it was stuck for so long hands over what it leads. */
  readonly handOverStallMs: number
  /** For so long after it was stuck last, a broker leads only what nobody else can. */
  readonly demotionMs: number
}

export interface BrokerLifeOptions {
  readonly env: Env
  readonly decisions: Decisions
  readonly nodeId: BrokerId
  readonly clusterId: string
  readonly timing: BrokerLifeTiming
  readonly interBrokerListenerName: string
  /** The life of the broker in this process, if there is one: an earlier one of the same id is over, whatever its session says. */
  readonly ownIncarnationId: Uuid | undefined
  /** Absent: broken connections tell nothing, and only silence counts. */
  readonly probe?: (endpoint: Endpoint) => Promise<ProbeResult>
}

/** Between two refusals that together mean death: a process that restarts its listener is not dead. */
export const probeIntervalMs = 20
/**
 * So often who accepts is looked at again, after pauses that double up to this: the kernel closes what a killed process had open one by one, mostly connections before the listener, and
 * between the two it seems to be there.
 */
export const looksMax = 6
export const lookPauseMsMax = 100
/** Lateness of our own timer from which what came meanwhile is heard first. */
const lateTimerMs = 50
/** The shortest time between two looks for silent brokers, also when the log takes no decision. */
const sessionCheckMinMs = 50

interface Look {
  left: number
  pauseMs: number
}

const notController: { errorCode: ErrorCode } = { errorCode: Errors.NOT_CONTROLLER }

export class BrokerLife {
  readonly #env: Env
  readonly #decisions: Decisions
  /** Defined while this controller is the active one. */
  #sessions: BrokerSessions | undefined
  #timer: Timer | undefined
  readonly #looks = new Map<BrokerId, Look>()

  constructor(private readonly options: BrokerLifeOptions) {
    this.#env = options.env
    this.#decisions = options.decisions
  }

  get demoted(): ReadonlySet<BrokerId> {
    return this.#sessions?.demoted(this.#nowMs()) ?? new Set()
  }

  /** Brokers whose disk hangs: they are in no ISR that has enough members without them. */
  get stuck(): ReadonlySet<BrokerId> {
    return this.#sessions?.stuck(this.options.timing.handOverStallMs) ?? new Set()
  }

  /** Somebody asked for these to lead: that they were stuck is past, unless they are now, or say so again. */
  pardon(brokerIds: ReadonlySet<BrokerId>): void {
    const { stuck } = this
    for (const brokerId of brokerIds) if (!stuck.has(brokerId)) this.#sessions?.pardon(brokerId)
  }

  /** Everybody who serves gets a full session, and is looked for: who died together with the last controller has nobody else to tell of it. */
  onLeadership(silent?: SilentLeader): void {
    const { head } = this.#decisions
    const sessions = new BrokerSessions(this.options.timing)
    this.#sessions = sessions
    sessions.begin(head, this.#nowMs())
    // The node that led before has answered nobody for so long, as a broker neither.
    if (silent !== undefined) sessions.wasSilent(silent.id, silent.silentMs)
    this.#arm()
    for (const { brokerId, brokerEpoch, fenced } of head.brokers.values())
      if (!fenced && brokerId !== this.options.nodeId) void this.#look(brokerId, brokerEpoch)
  }

  onResigned(): void {
    this.#sessions = undefined
    this.#disarm()
  }

  async register(request: RegistrationRequest): Promise<ResponseInputOf<typeof brokerRegistration>> {
    const sessions = this.#sessions
    if (sessions === undefined) return { throttleTimeMs: 0, ...notController, brokerEpoch: -1 }
    const done = await this.#decisions.submitParts((view, nextOffset) => {
      const { records, result } = registerBroker(view, request, {
        clusterId: this.options.clusterId,
        hasValidSession: this.#hasValidSession(sessions, view, request.brokerId),
        isQuiet: sessions.isQuiet(request.brokerId, this.#nowMs()),
        nextOffset,
      })
      if ("ok" in result) sessions.heard(request.brokerId, result.ok, this.#nowMs())
      return { records, response: result }
    })
    const failed = isRefused(done) ? done.refused : "failure" in done ? done.failure : undefined
    if (failed !== undefined) {
      this.#env.log.log("warn", "a broker may not register", {
        brokerId: request.brokerId,
        incarnationId: request.incarnationId,
        reason: failed.errorMessage,
      })
      return { throttleTimeMs: 0, errorCode: failed.errorCode, brokerEpoch: -1 }
    }
    return { throttleTimeMs: 0, errorCode: Errors.NONE, brokerEpoch: (done as { ok: BrokerEpoch }).ok }
  }

  #hasValidSession(sessions: BrokerSessions, { image }: ControllerView, brokerId: BrokerId): boolean {
    const { nodeId, ownIncarnationId } = this.options
    const isEarlierOwn = brokerId === nodeId && image.brokers.get(brokerId)?.incarnationId !== ownIncarnationId
    return !isEarlierOwn && sessions.hasValidSession(image, brokerId, this.#nowMs())
  }

  async heartbeat(request: HeartbeatRequest): Promise<ResponseInputOf<typeof brokerHeartbeat>> {
    const sessions = this.#sessions
    if (sessions === undefined) return heartbeatFailure(Errors.NOT_CONTROLLER)
    const done = await this.#decisions.submitParts<HeartbeatResult | { stale: ErrorCode }>((view, nextOffset) => {
      const stale = staleEpoch(view, request.brokerId, request.brokerEpoch)
      if (stale !== undefined) return { records: [], response: { stale: stale.errorCode } }
      return this.#heard(sessions, view, request, nextOffset)
    })
    this.#arm()
    if (isRefused(done)) return heartbeatFailure(done.refused.errorCode)
    if ("stale" in done) return heartbeatFailure(done.stale)
    const { state, isCaughtUp } = done
    return {
      throttleTimeMs: 0,
      errorCode: Errors.NONE,
      isCaughtUp,
      isFenced: state === "fenced" || state === "shutdown-now",
      shouldShutDown: state === "shutdown-now",
    }
  }

  #heard(
    sessions: BrokerSessions,
    before: ControllerView,
    request: HeartbeatRequest,
    nextOffset: number,
  ): { records: MetadataRecord[]; response: HeartbeatResult } {
    const { brokerId } = request
    const nowMs = this.#nowMs()
    sessions.heard(brokerId, request.brokerEpoch, nowMs, request.currentMetadataOffset)
    let view = before
    const wasStuck = this.stuck.has(brokerId)
    const isSlow = sessions.diskTold(brokerId, request.syncMs, nowMs)
    const isDemoted = isSlow || request.stalledMs >= this.options.timing.handOverStallMs
    if (isDemoted) sessions.demote(brokerId, nowMs)
    if (isDemoted || wasStuck) view = this.#decisions.view(before.image)
    const { records, result } = onHeartbeat(view, request, {
      shutdownOffset: sessions.shutdownOffset(brokerId),
      lowestActiveOffset: sessions.lowestActiveOffset(view.image),
    })
    if (result.state === "controlled-shutdown") sessions.shutsDown(brokerId, nextOffset + records.length - 1)
    this.#logChange(view.image.brokers.get(brokerId)!, result, request, isDemoted, records.length)
    return { records, response: result }
  }

  #logChange(
    broker: BrokerRegistration,
    { state }: HeartbeatResult,
    { stalledMs, syncMs }: HeartbeatRequest,
    isDemoted: boolean,
    records: number,
  ): void {
    if (records === 0) return
    this.#env.log.log(isDemoted ? "warn" : "info", "a heartbeat changed what a broker does", {
      brokerId: broker.brokerId,
      brokerEpoch: broker.brokerEpoch,
      state,
      records,
      ...(isDemoted && { stalledMs, syncMs }),
    })
  }

  async unregister({
    brokerId,
  }: RequestOf<typeof unregisterBrokerApi>): Promise<ResponseInputOf<typeof unregisterBrokerApi>> {
    const done = await this.#decisions.submitParts((view) => {
      const { records, result } = unregisterBroker(view, brokerId)
      return { records, response: result }
    })
    if (isRefused(done)) return { throttleTimeMs: 0, ...done.refused }
    return { throttleTimeMs: 0, errorCode: Errors.NONE, errorMessage: null, ...("failure" in done && done.failure) }
  }

  /** The broker's connection broke. If its process is gone it is fenced now; otherwise its session decides, or its next life. */
  disconnected(brokerId: BrokerId, brokerEpoch: BrokerEpoch): Promise<void> {
    this.#sessions?.disconnected(brokerId, brokerEpoch)
    return this.#look(brokerId, brokerEpoch)
  }

  /** Whether its process is gone: then it is fenced. */
  async #look(brokerId: BrokerId, brokerEpoch: BrokerEpoch): Promise<void> {
    const sessions = this.#sessions
    const { probe } = this.options
    const broker = this.#decisions.head.brokers.get(brokerId)
    if (sessions === undefined || probe === undefined) return
    if (broker === undefined || broker.brokerEpoch !== brokerEpoch || broker.fenced) return
    const underWay = this.#looks.get(brokerId)
    if (underWay !== undefined) {
      Object.assign(underWay, { left: looksMax, pauseMs: probeIntervalMs })
      return
    }
    const endpoint =
      broker.endPoints.find(({ name }) => name === this.options.interBrokerListenerName) ?? broker.endPoints[0]
    if (endpoint === undefined) return
    const look: Look = { left: looksMax, pauseMs: probeIntervalMs }
    this.#looks.set(brokerId, look)
    try {
      if (!(await this.#isGone(sessions, brokerId, look, () => probe(endpoint)))) {
        this.#env.log.log("info", "a broker's connection broke, and it may live", { brokerId, brokerEpoch })
        return
      }
    } finally {
      this.#looks.delete(brokerId)
    }
    // Another leadership began with other sessions.
    if (this.#sessions === sessions) await this.#fence(brokerId, brokerEpoch, "nobody listens where it was, twice")
  }

  /** Whether it refuses twice without having been heard of in between. */
  async #isGone(
    sessions: BrokerSessions,
    brokerId: BrokerId,
    look: Look,
    probe: () => Promise<ProbeResult>,
  ): Promise<boolean> {
    let lastContactMs: number | undefined
    for (;;) {
      const result = await probe()
      if (result === "unreachable") return false
      const contactMs = sessions.lastContactMs(brokerId)
      if (result === "refused") {
        if (lastContactMs !== undefined) return lastContactMs === contactMs
        // Not earlier: what it sent before it died may only just have been taken in.
        lastContactMs = contactMs
        look.pauseMs = probeIntervalMs
      } else if (lastContactMs !== undefined || --look.left === 0) return false
      await new Promise<void>((resolve) => this.#env.timers.after(look.pauseMs, resolve))
      look.pauseMs = Math.min(2 * look.pauseMs, lookPauseMsMax)
    }
  }

  async #fence(brokerId: BrokerId, brokerEpoch: BrokerEpoch, reason: string): Promise<void> {
    await this.#decisions.submitParts((view) => {
      const broker = view.image.brokers.get(brokerId)
      if (broker === undefined || broker.brokerEpoch !== brokerEpoch) return { records: [], response: {} }
      const records = fenceBroker(view, brokerId)
      if (records.length > 0)
        this.#env.log.log("warn", "a broker is fenced", { brokerId, brokerEpoch, reason, changes: records.length - 1 })
      return { records, response: {} }
    })
  }

  #nowMs(): number {
    return this.#env.clock.monotonicMs()
  }

  #disarm(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /** Heartbeats only move the end of a session: the timer is looked at again when the old end comes. */
  #arm(): void {
    if (this.#sessions === undefined || this.#timer !== undefined) return
    const nowMs = this.#nowMs()
    const endMs = this.#sessions.nextExpiryMs(this.#decisions.head, nowMs)
    if (endMs === undefined || endMs === Number.POSITIVE_INFINITY) return
    const delayMs = Math.max(sessionCheckMinMs, Math.ceil(endMs - nowMs) + 1)
    this.#timer = this.#env.timers.after(delayMs, () => this.#onTimer(nowMs + delayMs))
  }

  #onTimer(dueMs: number): void {
    this.#timer = undefined
    const lateMs = this.#nowMs() - dueMs
    if (lateMs <= lateTimerMs) {
      this.#fenceSilent()
      return
    }
    // This process stood still. Heartbeats that came meanwhile wait in the sockets, and those that others could not send for us to answer come later.
    this.#sessions?.forgive(lateMs, this.#nowMs())
    this.#env.timers.soon(() => this.#fenceSilent())
  }

  #fenceSilent(): void {
    const sessions = this.#sessions
    if (sessions === undefined) return
    // One by one: each decision sees what the one before has done.
    for (const brokerId of sessions.expired(this.#decisions.head, this.#nowMs())) {
      const broker = this.#decisions.head.brokers.get(brokerId)!
      void this.#fence(brokerId, broker.brokerEpoch, "its session has timed out")
    }
    this.#arm()
  }
}

const heartbeatFailure = (errorCode: ErrorCode): ResponseInputOf<typeof brokerHeartbeat> => ({
  throttleTimeMs: 0,
  errorCode,
  isCaughtUp: false,
  isFenced: true,
  shouldShutDown: false,
})
