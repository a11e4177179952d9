/**
 * A broker that asks to be part of the cluster.
 *
 * Owns who is let in, and what a new life of a broker means for the replicas its last one had. A registration starts fenced. Source: Kafka's ClusterControlManager; KIP-631, 841, 858, 966.
 */
import type { BrokerEpoch, BrokerId, Offset } from "../base/ids.js"
import type { BrokerRegistration } from "../metadata/image.js"
import type { MetadataRecord } from "../metadata/records.js"
import { Errors } from "../protocol/errors.js"
import type { RequestOf } from "../protocol/message.js"
import type { brokerRegistration } from "../protocol/messages/broker-registration.js"
import { type ControllerView, isReservedDirectory } from "./controller-view.js"
import { noLeader, replicaDirectory } from "./partition-change.js"
import type { Place } from "./partition-index.js"
import { type Failure, failure, type Outcome } from "./outcome.js"

export type RegistrationRequest = RequestOf<typeof brokerRegistration>

export interface RegistrationContext {
  readonly clusterId: string
  /** Whether the broker's last life sent a heartbeat lately. */
  readonly hasValidSession: boolean
  /** Its connection has broken, or some heartbeats are missing already: it may be over, though its session is not. */
  readonly isQuiet: boolean
  readonly nextOffset: Offset
}

export interface Registered {
  readonly records: MetadataRecord[]
  readonly result: Outcome<BrokerEpoch>
}

/** The broker's epoch is the offset of its registration record: whoever has read so far knows all that came before this life. */
export function registerBroker(
  view: ControllerView,
  request: RegistrationRequest,
  context: RegistrationContext,
): Registered {
  const existing = view.image.brokers.get(request.brokerId)
  const refused = refusal(view, request, existing, context)
  if (refused !== undefined) return { records: [], result: refused }
  const isSameLife = existing?.incarnationId === request.incarnationId
  const records = isSameLife ? [] : endOfLastLife(view, request, existing)
  const brokerEpoch = isSameLife ? existing.brokerEpoch : context.nextOffset + records.length
  records.push({
    type: "RegisterBrokerRecord",
    value: {
      brokerId: request.brokerId,
      isMigratingZkBroker: false,
      incarnationId: request.incarnationId,
      brokerEpoch,
      endPoints: request.listeners.map((listener) => ({ ...listener })),
      features: request.features.map((feature) => ({ ...feature })),
      rack: request.rack,
      fenced: isSameLife ? existing.fenced : true,
      inControlledShutdown: isSameLife && existing.inControlledShutdown,
      logDirs: [...request.logDirs],
      cordonedLogDirs: [],
      machineId: request.machineId,
    },
  })
  return { records, result: { ok: brokerEpoch } }
}

function refusal(
  view: ControllerView,
  request: RegistrationRequest,
  existing: BrokerRegistration | undefined,
  { clusterId, hasValidSession, isQuiet }: RegistrationContext,
): { failure: Failure } | undefined {
  if (request.clusterId !== clusterId)
    return failure(
      Errors.INCONSISTENT_CLUSTER_ID,
      `Expected cluster ID ${clusterId}, but got cluster ID ${request.clusterId}`,
    )
  // A life on its way out has been told to go: its successor need not wait until its session is over.
  if (
    existing !== undefined &&
    hasValidSession &&
    existing.incarnationId !== request.incarnationId &&
    !existing.inControlledShutdown &&
    !(isQuiet && holdsDirectoryOf(existing, request))
  )
    return failure(
      Errors.DUPLICATE_BROKER_REGISTRATION,
      "Another broker is registered with that broker id. If the broker was recently restarted this should self-resolve once the heartbeat manager expires the broker's session.",
    )
  if (request.isMigratingZkBroker)
    return failure(Errors.BROKER_ID_NOT_REGISTERED, "Controller does not support registering ZK brokers.")
  if (request.listeners.length === 0) return failure(Errors.INVALID_REGISTRATION, "No listeners specified in request")
  const directories = directoryProblem(view, request)
  if (directories !== undefined) return failure(Errors.INVALID_REGISTRATION, directories)
  const feature = featureProblem(view, request)
  return feature === undefined ? undefined : failure(Errors.UNSUPPORTED_VERSION, feature)
}

/**
 * A directory is locked by one process at a time, so whoever holds it proves that the life which held it before is over. Only a copy of the disk could have the same id: that is why the last
 * life must be quiet too. It would find out by its next heartbeat, stop, and not be let in again while its successor is heard of.
 */
const holdsDirectoryOf = (existing: BrokerRegistration, { logDirs }: RegistrationRequest): boolean =>
  existing.logDirs.some((directory) => logDirs.includes(directory))

function directoryProblem({ image }: ControllerView, { brokerId, logDirs }: RegistrationRequest): string | undefined {
  if (logDirs.length === 0) return "No directories specified in request"
  if (logDirs.some(isReservedDirectory)) return "Reserved directory ID in request"
  if (new Set(logDirs).size !== logDirs.length) return "Duplicate directory ID in request"
  for (const other of image.brokers.values()) {
    if (other.brokerId === brokerId) continue
    // A disk that came from another node holds that node's replicas.
    const theirs = logDirs.find((directory) => other.logDirs.includes(directory))
    if (theirs !== undefined) return `Broker ${other.brokerId} is already registered with directory ${theirs}`
  }
  return undefined
}

const metadataVersionFeature = "metadata.version"

/** Every level in force must be within what the broker knows; a feature it does not name it knows at level 0 only, metadata.version at the first. */
function featureProblem({ image }: ControllerView, { features }: RegistrationRequest): string | undefined {
  const named = new Set(features.map(({ name }) => name))
  const missing = [...image.features]
    .filter(([name, level]) => level !== 0 && !named.has(name))
    .map(([name]) => ({ name, minSupportedVersion: 0, maxSupportedVersion: 0 }))
  for (const { name, minSupportedVersion: min, maxSupportedVersion: max } of [...features, ...missing]) {
    const level = image.features.get(name) ?? (name === metadataVersionFeature ? 1 : 0)
    if (level < min || level > max)
      return `Unable to register because the broker does not support finalized version ${level} of ${name}. The broker wants a version between ${min} and ${max}, inclusive.`
  }
  return undefined
}

/**
 * The last life of this broker is over: its replicas leave every ISR.
 *
 * After a clean stop, and after a crash where the topic's policy says that what was acknowledged is on the medium, a replica remains an eligible leader. Otherwise it is none (KIP-966),
 * and neither is one whose directory the broker has no more: an empty disk may stand in its place.
 */
function endOfLastLife(
  view: ControllerView,
  { brokerId, previousBrokerEpoch, logDirs }: RegistrationRequest,
  existing: BrokerRegistration | undefined,
): MetadataRecord[] {
  const isClean = existing !== undefined && existing.brokerEpoch === previousBrokerEpoch
  const keeps = (place: Place): boolean => {
    const directory = replicaDirectory(view.partition(place), brokerId)
    if (directory !== undefined && !isReservedDirectory(directory) && !logDirs.includes(directory)) return false
    // Not said where it was: then no directory may be missing.
    if (directory !== undefined && isReservedDirectory(directory) && lacksDirectory(existing, logDirs)) return false
    return isClean || view.settings(place.topic).survivesCrash
  }
  return leaveIsrs(view, brokerId, keeps)
}

const lacksDirectory = (existing: BrokerRegistration | undefined, logDirs: readonly string[]): boolean =>
  existing === undefined || existing.logDirs.some((directory) => !logDirs.includes(directory))

/** The broker leads nothing and is in no ISR; where `keeps` says so it remains an eligible leader. */
export function leaveIsrs(
  view: ControllerView,
  brokerId: BrokerId,
  keeps: (place: Place) => boolean,
  leavesElrs = true,
): MetadataRecord[] {
  const records: MetadataRecord[] = []
  const canLead = (id: BrokerId): boolean => id !== brokerId && view.isActive(id)
  const leave = (place: Place): void => {
    const isr = view.partition(place).isr.filter((id) => id !== brokerId)
    const record = view.change(place, { isr, uncleanReplica: keeps(place) ? noLeader : brokerId }, canLead)
    if (record !== undefined) records.push(record)
  }
  for (const place of view.index.inIsr(brokerId)) leave(place)
  if (leavesElrs) for (const place of view.index.inElr(brokerId)) if (!keeps(place)) leave(place)
  return records
}
