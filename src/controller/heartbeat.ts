/**
 * What a heartbeat changes: fenced, unfenced, on its way out, or let go.
 *
 * Owns the states of a registered broker and the ways between them; not when a missing heartbeat means death (`broker-sessions.ts`). Source: Kafka's BrokerHeartbeatManager,
 * ReplicationControlManager.processBrokerHeartbeat; KIP-631, 841, 858.
 */
import type { Offset } from "../base/ids.js"
import type { BrokerRegistration } from "../metadata/image.js"
import type { MetadataRecord } from "../metadata/records.js"
import { Errors, type ErrorCode } from "../protocol/errors.js"
import type { RequestOf } from "../protocol/message.js"
import type { brokerHeartbeat } from "../protocol/messages/broker-heartbeat.js"
import {
  beginControlledShutdown,
  cordonDirectories,
  directoriesOffline,
  fenceBroker,
  handOverLeaderships,
  stepAside,
  unfenceBroker,
} from "./broker-changes.js"
import type { ControllerView } from "./controller-view.js"

export type HeartbeatRequest = RequestOf<typeof brokerHeartbeat>

export type BrokerState = "fenced" | "unfenced" | "controlled-shutdown" | "shutdown-now"

export interface HeartbeatContext {
  /** The end of what moved leaderships away when the broker's controlled shutdown began; undefined before that. */
  readonly shutdownOffset: Offset | undefined
  /** The lowest offset that a broker which serves has reached; what is above is not known to all. */
  readonly lowestActiveOffset: Offset
}

export interface HeartbeatResult {
  readonly state: BrokerState
  readonly isCaughtUp: boolean
}

/** Undefined: it is this broker's present life. */
export function staleEpoch(
  view: ControllerView,
  brokerId: number,
  brokerEpoch: number,
): { errorCode: ErrorCode; errorMessage: string } | undefined {
  const broker = view.image.brokers.get(brokerId)
  if (broker !== undefined && broker.brokerEpoch === brokerEpoch) return undefined
  return {
    errorCode: Errors.STALE_BROKER_EPOCH,
    errorMessage:
      broker === undefined
        ? `No broker registration found for broker id ${brokerId}`
        : `Expected broker epoch ${broker.brokerEpoch}, but got broker epoch ${brokerEpoch}`,
  }
}

export const brokerState = ({ fenced, inControlledShutdown }: BrokerRegistration): BrokerState =>
  fenced ? "fenced" : inControlledShutdown ? "controlled-shutdown" : "unfenced"

/** The caller has checked the epoch. */
export function onHeartbeat(
  view: ControllerView,
  request: HeartbeatRequest,
  context: HeartbeatContext,
): { records: MetadataRecord[]; result: HeartbeatResult } {
  const { brokerId } = request
  const broker = view.image.brokers.get(brokerId)!
  // Its epoch is the offset of its registration.
  const isCaughtUp = request.currentMetadataOffset >= broker.brokerEpoch
  const current = brokerState(broker)
  const newlyOffline = directoriesOffline(view, brokerId, request.offlineLogDirs)
  const isLost = broker.logDirs.length > 0 && broker.logDirs.every((id) => request.offlineLogDirs.includes(id))
  const wishes = {
    wantFence: request.wantFence || isLost,
    wantShutDown: request.wantShutDown,
    // It must not be given what is in a directory that it has just lost.
    mayUnfence: isCaughtUp && newlyOffline.length === 0,
  }
  const state = nextState(current, wishes, view.index.leads(brokerId).size > 0, context)
  const result = { state, isCaughtUp }
  if (state === "unfenced" && state !== current) return { records: unfenceBroker(view, brokerId), result }
  if (state === "controlled-shutdown" && state !== current)
    return { records: beginControlledShutdown(view, brokerId), result }
  if (state !== current) return { records: fenceBroker(view, brokerId), result }
  if (isLost) return { records: [], result }
  // What would rest on partitions that this very decision changes waits for the next heartbeat: the view does not have those changes.
  const records = view.stuck.has(brokerId)
    ? stepAside(view, brokerId)
    : view.demoted.has(brokerId)
      ? handOverLeaderships(view, brokerId)
      : []
  if (records.length === 0) records.push(...newlyOffline)
  if (request.cordonedLogDirs !== null) records.push(...cordonDirectories(view, brokerId, request.cordonedLogDirs))
  return { records, result }
}

function nextState(
  current: BrokerState,
  { wantFence, wantShutDown, mayUnfence }: { wantFence: boolean; wantShutDown: boolean; mayUnfence: boolean },
  leads: boolean,
  { shutdownOffset, lowestActiveOffset }: HeartbeatContext,
): BrokerState {
  switch (current) {
    case "fenced":
      if (wantShutDown) return "shutdown-now"
      return wantFence || !mayUnfence ? "fenced" : "unfenced"
    case "unfenced":
      if (wantFence) return wantShutDown ? "shutdown-now" : "fenced"
      if (!wantShutDown) return "unfenced"
      return leads ? "controlled-shutdown" : "shutdown-now"
    default:
      // Others must know the new leaders first: until then they send requests here.
      return !leads && shutdownOffset !== undefined && shutdownOffset <= lowestActiveOffset
        ? "shutdown-now"
        : "controlled-shutdown"
  }
}
