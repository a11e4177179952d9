/**
 * Who has been heard of lately. Soft state of the active controller: it is in no log, and a new controller gives everybody a full session.
 *
 * Owns the last heartbeat of each broker's present life, how far it has come in the metadata, and who is demoted because it was stuck. Times are monotonic. One entry per registered broker.
 */
import type { BrokerEpoch, BrokerId, Offset } from "../base/ids.js"
import type { MetadataImage } from "../metadata/image.js"

interface Session {
  readonly brokerEpoch: BrokerEpoch
  lastContactMs: number
  /** Whether this controller has had a heartbeat of it, and its connection has not broken since. */
  isConnected: boolean
  metadataOffset: Offset
  shutdownOffset: Offset | undefined
  demotedUntilMs: number
  /** As it said last: how long a sync takes there. */
  syncMs: number
  /** Since when it has been slower than the others each time it was heard of. */
  slowSinceMs: number | undefined
}

export interface SessionTiming {
  readonly sessionTimeoutMs: number
  /** How long a broker that was stuck leads only what nobody else can, counted from the last time it said so. */
  readonly demotionMs: number
}

/** A disk is slow that takes so many times as long as those of the others, and so much longer. */
export const slowFactor = 4
export const slowByMs = 80
/** For so long without a break, and its broker is demoted. */
export const slowForMs = 2000

/** A broker is quiet that has not been heard of for so large a part of its session: two heartbeats of the usual four. */
export const quietParts = 2

/** How soon a node that was silent under the last controller must be heard of by a new one. */
export const silentGraceMs = 300

export class BrokerSessions {
  readonly #sessions = new Map<BrokerId, Session>()

  constructor(private readonly timing: SessionTiming) {}

  /** Everybody who serves gets a full session: the last controller may have heard of it a moment ago. */
  begin(image: MetadataImage, nowMs: number): void {
    this.#sessions.clear()
    for (const { brokerId, brokerEpoch } of image.brokers.values()) this.#sessionOf(brokerId, brokerEpoch, nowMs)
  }

  /** It has not been heard of for so long by whoever asked it; it gets a moment to be heard here. */
  wasSilent(brokerId: BrokerId, silentMs: number): void {
    const session = this.#sessions.get(brokerId)
    if (session !== undefined)
      session.lastContactMs -= Math.min(silentMs, Math.max(0, this.timing.sessionTimeoutMs - silentGraceMs))
  }

  /** A heartbeat came, or a registration, which counts as one. */
  heard(brokerId: BrokerId, brokerEpoch: BrokerEpoch, nowMs: number, metadataOffset?: Offset): void {
    const session = this.#sessionOf(brokerId, brokerEpoch, nowMs)
    session.lastContactMs = nowMs
    session.isConnected = true
    if (metadataOffset !== undefined) session.metadataOffset = Math.max(session.metadataOffset, metadataOffset)
  }

  /** The connection that its heartbeats came over is closed. */
  disconnected(brokerId: BrokerId, brokerEpoch: BrokerEpoch): void {
    const session = this.#sessions.get(brokerId)
    if (session?.brokerEpoch === brokerEpoch) session.isConnected = false
  }

  /** Who lives would have been heard of by now: at once after a broken connection or by a new controller, else every now and then. */
  isQuiet(brokerId: BrokerId, nowMs: number): boolean {
    const session = this.#sessions.get(brokerId)
    if (session === undefined) return true
    const patienceMs = session.isConnected ? this.timing.sessionTimeoutMs / quietParts : silentGraceMs
    return nowMs - session.lastContactMs >= Math.min(patienceMs, this.timing.sessionTimeoutMs)
  }

  lastContactMs(brokerId: BrokerId): number | undefined {
    return this.#sessions.get(brokerId)?.lastContactMs
  }

  shutdownOffset(brokerId: BrokerId): Offset | undefined {
    return this.#sessions.get(brokerId)?.shutdownOffset
  }

  /** Once per life: what was decided later moved nothing of this broker's. */
  shutsDown(brokerId: BrokerId, offset: Offset): void {
    const session = this.#sessions.get(brokerId)
    if (session !== undefined) session.shutdownOffset ??= offset
  }

  demote(brokerId: BrokerId, nowMs: number): void {
    const session = this.#sessions.get(brokerId)
    if (session !== undefined) session.demotedUntilMs = nowMs + this.timing.demotionMs
  }

  pardon(brokerId: BrokerId): void {
    const session = this.#sessions.get(brokerId)
    if (session === undefined) return
    session.demotedUntilMs = Number.NEGATIVE_INFINITY
    session.slowSinceMs = undefined
  }

  /** What a heartbeat says of the disk. True: it has been slower than those of the others for a while. */
  diskTold(brokerId: BrokerId, syncMs: number, nowMs: number): boolean {
    const session = this.#sessions.get(brokerId)
    if (session === undefined) return false
    session.syncMs = syncMs
    const others: number[] = []
    for (const [id, other] of this.#sessions)
      if (id !== brokerId && other.lastContactMs + this.timing.sessionTimeoutMs >= nowMs) others.push(other.syncMs)
    const usualMs = others.sort((a, b) => a - b)[others.length >> 1]
    const isSlow = usualMs !== undefined && syncMs >= slowByMs + slowFactor * usualMs
    session.slowSinceMs = isSlow ? (session.slowSinceMs ?? nowMs) : undefined
    return isSlow && nowMs - session.slowSinceMs! >= slowForMs
  }

  /** Brokers of whose disk nothing has come back for so long. */
  stuck(stallMs: number): Set<BrokerId> {
    const found = new Set<BrokerId>()
    for (const [brokerId, { syncMs }] of this.#sessions) if (syncMs >= stallMs) found.add(brokerId)
    return found
  }

  demoted(nowMs: number): Set<BrokerId> {
    const found = new Set<BrokerId>()
    for (const [brokerId, { demotedUntilMs }] of this.#sessions) if (demotedUntilMs > nowMs) found.add(brokerId)
    return found
  }

  hasValidSession(image: MetadataImage, brokerId: BrokerId, nowMs: number): boolean {
    const broker = image.brokers.get(brokerId)
    const session = this.#sessions.get(brokerId)
    if (broker === undefined || broker.fenced || session?.brokerEpoch !== broker.brokerEpoch) return false
    return session.lastContactMs + this.timing.sessionTimeoutMs >= nowMs
  }

  /** Brokers that serve and have not been heard of for a session, the longest silent first. */
  expired(image: MetadataImage, nowMs: number): BrokerId[] {
    const silent: { brokerId: BrokerId; sinceMs: number }[] = []
    for (const { brokerId, brokerEpoch, fenced } of image.brokers.values()) {
      if (fenced) continue
      const sinceMs = this.#sessionOf(brokerId, brokerEpoch, nowMs).lastContactMs
      if (sinceMs + this.timing.sessionTimeoutMs < nowMs) silent.push({ brokerId, sinceMs })
    }
    return silent.sort((a, b) => a.sinceMs - b.sinceMs || a.brokerId - b.brokerId).map(({ brokerId }) => brokerId)
  }

  /** When the next session ends if nothing is heard; undefined if nobody serves. */
  nextExpiryMs(image: MetadataImage, nowMs: number): number | undefined {
    let first: number | undefined
    for (const { brokerId, brokerEpoch, fenced } of image.brokers.values()) {
      if (fenced) continue
      const endMs = this.#sessionOf(brokerId, brokerEpoch, nowMs).lastContactMs + this.timing.sessionTimeoutMs
      if (first === undefined || endMs < first) first = endMs
    }
    return first
  }

  /** Time in which this process stood still counts for nobody, and everybody gets as much of it again to be heard, up to a session: connections may have to be made anew. */
  forgive(lostMs: number, nowMs: number): void {
    const { sessionTimeoutMs } = this.timing
    const leastMs = nowMs - sessionTimeoutMs + Math.min(lostMs, sessionTimeoutMs)
    for (const session of this.#sessions.values())
      session.lastContactMs = Math.min(nowMs, Math.max(session.lastContactMs + lostMs, leastMs))
  }

  /** The lowest offset that a broker which serves and stays has said it reached. */
  lowestActiveOffset(image: MetadataImage): Offset {
    let lowest = Number.POSITIVE_INFINITY
    for (const { brokerId, brokerEpoch, fenced, inControlledShutdown } of image.brokers.values()) {
      if (fenced || inControlledShutdown) continue
      const session = this.#sessions.get(brokerId)
      lowest = Math.min(lowest, session?.brokerEpoch === brokerEpoch ? session.metadataOffset : -1)
    }
    return lowest
  }

  #sessionOf(brokerId: BrokerId, brokerEpoch: BrokerEpoch, nowMs: number): Session {
    const known = this.#sessions.get(brokerId)
    if (known?.brokerEpoch === brokerEpoch) return known
    const session: Session = {
      brokerEpoch,
      lastContactMs: nowMs,
      isConnected: false,
      metadataOffset: -1,
      shutdownOffset: undefined,
      demotedUntilMs: Number.NEGATIVE_INFINITY,
      syncMs: 0,
      slowSinceMs: undefined,
    }
    this.#sessions.set(brokerId, session)
    return session
  }
}
