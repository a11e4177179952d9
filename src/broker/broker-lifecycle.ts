/**
 * The life of this broker as the controller knows it: registered, fenced, serving, leaving.
 *
 * Owns the registration of this incarnation, its epoch, and the heartbeats that keep it. Decides nothing: the controller says who is fenced. Source: Kafka's BrokerLifecycleManager;
 * KIP-631.
 */
import type { Uuid } from "../base/ids.js"
import type { Env, Timer } from "../env/env.js"
import { PeerError } from "../net/peer.js"
import { errorByCode, Errors } from "../protocol/errors.js"
import type { RequestInputOf, ResponseOf } from "../protocol/message.js"
import { brokerHeartbeat } from "../protocol/messages/broker-heartbeat.js"
import { brokerRegistration } from "../protocol/messages/broker-registration.js"
import type { ControllerChannel } from "./controller-channel.js"

/** The controller will not have this broker, and asking again would not help. */
export class RegistrationRefused extends Error {
  override name = "RegistrationRefused"
}

export interface BrokerLifecycleOptions {
  readonly env: Env
  readonly channel: Pick<ControllerChannel, "request">
  /** `broker.heartbeat.interval.ms`, `broker.session.timeout.ms`, `initial.broker.registration.timeout.ms`. */
  readonly heartbeatIntervalMs: number
  readonly sessionTimeoutMs: number
  readonly registrationTimeoutMs: number
  /** The newest record this broker acts on. */
  readonly metadataOffset: () => number
  readonly offlineDirectories: () => readonly Uuid[]
  /** How long a write or a sync has been on its way, and how long a sync takes these days. */
  readonly diskPace: () => { readonly stalledMs: number; readonly syncMs: number }
  /** This incarnation is not the one the controller knows any more: the node must stop. */
  readonly onDisowned: (reason: string) => void
}

/** Pause before another try to register. */
const registrationRetryMs = 100

type Heartbeat = ResponseOf<typeof brokerHeartbeat>

export class BrokerLifecycle {
  #brokerId = -1
  #brokerEpoch = -1
  #wantsFence = true
  #wantsShutDown = false
  #stopped = false
  #timer: Timer | undefined
  #beating: Promise<void> | undefined
  /** When the next heartbeat was due: a timer that comes late tells of a loop that stood still. */
  #dueMs = 0
  #isFenced = true
  /** When the last heartbeat was sent that was answered. */
  #standingSinceMs = Number.NEGATIVE_INFINITY
  #onBeat: ((heartbeat: Heartbeat) => void)[] = []

  constructor(private readonly options: BrokerLifecycleOptions) {}

  /** -1: not registered yet. */
  get brokerEpoch(): number {
    return this.#brokerEpoch
  }

  get isFenced(): boolean {
    return this.#isFenced
  }

  /** No heartbeat has been answered for a session: others may have been elected in this broker's place, and it would not know. */
  get isCutOff(): boolean {
    return this.options.env.clock.monotonicMs() - this.#standingSinceMs > this.options.sessionTimeoutMs
  }

  /**
   * Registers this incarnation and begins to send heartbeats; resolves when it has its epoch.
   *
   * Errors: RegistrationRefused, which says why; PeerError once no controller could be reached for `registrationTimeoutMs`.
   */
  async register(request: RequestInputOf<typeof brokerRegistration>): Promise<void> {
    const { env, channel, registrationTimeoutMs } = this.options
    const deadlineMs = env.clock.monotonicMs() + registrationTimeoutMs
    this.#brokerId = request.brokerId
    let told = false
    for (;;) {
      const leftMs = deadlineMs - env.clock.monotonicMs()
      const { errorCode, brokerEpoch } = await channel.request(brokerRegistration, request, {
        timeoutMs: Math.max(1, leftMs),
      })
      if (this.#stopped) throw new PeerError("closed", "this node stops")
      if (errorCode === Errors.NONE) {
        this.#brokerEpoch = brokerEpoch
        this.#standingSinceMs = env.clock.monotonicMs()
        this.#schedule(0)
        return
      }
      const isTaken = errorCode === Errors.DUPLICATE_BROKER_REGISTRATION
      if (!isTaken || leftMs <= 0) throw new RegistrationRefused(refusalText(errorCode, request))
      // A former incarnation may only seem to live: its session ends soon.
      if (!told) env.log.log("warn", "a broker with this id is known to live: waiting for its session to end", {})
      told = true
      await new Promise<void>((resolve) => env.timers.after(registrationRetryMs, resolve))
    }
  }

  /** From here on the broker wants to serve; resolves when the controller lets it. */
  async unfence(): Promise<void> {
    this.#wantsFence = false
    await this.#until(({ isFenced }) => !isFenced)
  }

  /** Hands its leaderships over; resolves when the controller has nothing left for this broker to do, or after `timeoutMs`. */
  async leave(timeoutMs: number): Promise<void> {
    if (this.#brokerEpoch === -1 || this.#stopped) return
    this.#wantsShutDown = true
    let timer: Timer | undefined
    const late = new Promise<void>((resolve) => {
      timer = this.options.env.timers.after(timeoutMs, resolve)
    })
    await Promise.race([this.#until(({ shouldShutDown }) => shouldShutDown), late])
    timer?.cancel()
    this.stop()
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  /** There is news for the controller, or a new controller to tell it to. */
  beatNow(): void {
    if (this.#brokerEpoch !== -1) this.#schedule(0)
  }

  #until(condition: (heartbeat: Heartbeat) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (heartbeat: Heartbeat) => {
        if (!condition(heartbeat)) return
        this.#onBeat = this.#onBeat.filter((each) => each !== look)
        resolve()
      }
      this.#onBeat.push(look)
      this.beatNow()
    })
  }

  #schedule(delayMs: number): void {
    if (this.#stopped) return
    const { env } = this.options
    this.#timer?.cancel()
    this.#dueMs = env.clock.monotonicMs() + delayMs
    const run = () => {
      this.#beating ??= this.#beat().finally(() => {
        this.#beating = undefined
      })
    }
    if (delayMs === 0) {
      this.#timer = undefined
      // A beat that is on its way may be older than what it should tell.
      void Promise.resolve(this.#beating).then(run)
    } else this.#timer = env.timers.after(delayMs, run)
  }

  async #beat(): Promise<void> {
    const { env, channel, heartbeatIntervalMs, sessionTimeoutMs } = this.options
    const sentMs = env.clock.monotonicMs()
    let heartbeat: Heartbeat | undefined
    try {
      heartbeat = await channel.request(brokerHeartbeat, this.#request(Math.max(0, sentMs - this.#dueMs)), {
        timeoutMs: sessionTimeoutMs,
      })
    } catch (error) {
      if (!(error instanceof PeerError)) throw error
      if (!this.#stopped) env.log.log("warn", "no controller takes this broker's heartbeats", { reason: error.message })
    }
    if (this.#stopped) return
    let delayMs = Math.max(0, heartbeatIntervalMs - (env.clock.monotonicMs() - sentMs))
    if (heartbeat !== undefined && heartbeat.errorCode === Errors.NONE) {
      this.#isFenced = heartbeat.isFenced
      this.#standingSinceMs = sentMs
      // While something is wanted and not granted, the controller is asked again soon: its answer depends on others.
      const isWaiting = (!this.#wantsFence && heartbeat.isFenced) || this.#wantsShutDown
      if (isWaiting) delayMs = Math.min(delayMs, 20)
      for (const look of [...this.#onBeat]) look(heartbeat)
    } else if (heartbeat?.errorCode === Errors.STALE_BROKER_EPOCH) {
      this.stop()
      this.options.onDisowned(
        `the controller does not know this life of broker ${this.#brokerId} any more: another process has registered with its id, or it was unregistered`,
      )
      return
    } else if (heartbeat !== undefined)
      env.log.log("warn", "the controller refused a heartbeat", { error: errorName(heartbeat.errorCode) })
    this.#schedule(Math.max(1, delayMs))
  }

  #request(lateMs: number): RequestInputOf<typeof brokerHeartbeat> {
    const { metadataOffset, offlineDirectories, diskPace } = this.options
    const { stalledMs, syncMs } = diskPace()
    return {
      brokerId: this.#brokerId,
      brokerEpoch: this.#brokerEpoch,
      currentMetadataOffset: metadataOffset(),
      wantFence: this.#wantsFence,
      wantShutDown: this.#wantsShutDown,
      offlineLogDirs: [...offlineDirectories()],
      stalledMs: Math.round(Math.max(lateMs, stalledMs)),
      syncMs: Math.round(Math.max(stalledMs, syncMs)),
    }
  }
}

const errorName = (code: number): string => errorByCode(code)?.name ?? `error ${code}`

function refusalText(code: number, request: RequestInputOf<typeof brokerRegistration>): string {
  switch (code) {
    case Errors.INCONSISTENT_CLUSTER_ID:
      return `the controllers belong to another cluster than this node's directories (${request.clusterId}): are controller.quorum.voters the same on all nodes, and log.dirs this cluster's?`
    case Errors.DUPLICATE_BROKER_REGISTRATION:
      return `another broker with node.id=${request.brokerId} lives: give this one its own node.id`
    case Errors.UNSUPPORTED_VERSION:
      return "the cluster uses features that this version of Ottla does not have"
    case Errors.INVALID_REGISTRATION:
      return `the controller refused listeners or directories of node ${request.brokerId}; its log says which`
    default:
      return `the controller refused the registration: ${errorName(code)}`
  }
}
