/**
 * What becomes of partitions when a broker is fenced, unfenced, stops, loses a directory, is stuck or is forgotten.
 *
 * Owns the records of each. Decides from the sets of the index, so the cost is that of the partitions concerned. Source: Kafka's ReplicationControlManager; KIP-631, 841, 858, 966.
 */
import type { BrokerId, Uuid } from "../base/ids.js"
import type { MetadataRecord } from "../metadata/records.js"
import { Errors } from "../protocol/errors.js"
import type { ControllerView } from "./controller-view.js"
import { replicaDirectory } from "./partition-change.js"
import { leaveIsrs } from "./registration.js"
import { failure, type Outcome } from "./outcome.js"

type RegistrationChange = Partial<Extract<MetadataRecord, { type: "BrokerRegistrationChangeRecord" }>["value"]>

function registrationChange(brokerId: BrokerId, brokerEpoch: number, change: RegistrationChange): MetadataRecord {
  return {
    type: "BrokerRegistrationChangeRecord",
    value: {
      brokerId,
      brokerEpoch,
      fenced: 0,
      inControlledShutdown: 0,
      logDirs: [],
      cordonedLogDirs: null,
      ...change,
    },
  }
}

const keepsAll = (): boolean => true

/** Leaders first, so that a cluster whose log ends in the middle has more of them rather than fewer. */
export function fenceBroker(view: ControllerView, brokerId: BrokerId): MetadataRecord[] {
  const broker = view.image.brokers.get(brokerId)
  if (broker === undefined || broker.fenced) return []
  return [
    ...leaveIsrs(view, brokerId, keepsAll, false),
    registrationChange(brokerId, broker.brokerEpoch, { fenced: 1 }),
  ]
}

/** Lets a registered broker serve, and elects it where nobody leads and it may. */
export function unfenceBroker(view: ControllerView, brokerId: BrokerId): MetadataRecord[] {
  const broker = view.image.brokers.get(brokerId)
  if (broker === undefined || !broker.fenced) return []
  const records = [registrationChange(brokerId, broker.brokerEpoch, { fenced: -1 })]
  const canLead = (id: BrokerId): boolean => id === brokerId || view.isActive(id)
  for (const place of view.index.leaderless) {
    if (!view.partition(place).replicas.includes(brokerId)) continue
    const record = view.change(place, {}, canLead)
    if (record !== undefined) records.push(record)
  }
  return records
}

/** KIP-841: a broker that wants to stop hands over what it leads and is in no ISR any more, so that no produce waits for it. */
export function beginControlledShutdown(view: ControllerView, brokerId: BrokerId): MetadataRecord[] {
  const broker = view.image.brokers.get(brokerId)
  if (broker === undefined || broker.inControlledShutdown) return []
  return [
    registrationChange(brokerId, broker.brokerEpoch, { inControlledShutdown: 1 }),
    ...leaveIsrs(view, brokerId, keepsAll, false),
  ]
}

/** A broker that was stuck gives its leaderships to other members of the ISRs; where there are none it keeps them. `view.demoted` must hold it. */
export function handOverLeaderships(view: ControllerView, brokerId: BrokerId): MetadataRecord[] {
  const records: MetadataRecord[] = []
  for (const place of view.index.leads(brokerId)) {
    const record = view.change(place, { election: "online" })
    if (record !== undefined) records.push(record)
  }
  return records
}

/**
 * A broker whose disk hangs holds up all that its ISRs are to commit. It leaves those that have enough members without it, as it would for being behind, only sooner; where there are too few it stays, and
 * hands over what it leads. `view.stuck` must hold it.
 */
export function stepAside(view: ControllerView, brokerId: BrokerId): MetadataRecord[] {
  const records: MetadataRecord[] = []
  for (const place of view.index.inIsr(brokerId)) {
    const { isr, replicas, leader } = view.partition(place)
    const enough = Math.max(1, Math.min(view.settings(place.topic).minInsyncReplicas, replicas.length))
    const goesOn = isr.filter((id) => !view.stuck.has(id)).length >= enough
    if (!goesOn && leader !== brokerId) continue
    const others = isr.filter((id) => id !== brokerId)
    const record = view.change(place, { election: "online", ...(goesOn && { isr: others }) })
    if (record !== undefined) records.push(record)
  }
  return records
}

/**
 * Directories of a broker that failed. Replicas in them lead nothing and are in no ISR; under a policy weaker than `flush`, what they acknowledged may be gone with the cache.
 */
export function directoriesOffline(
  view: ControllerView,
  brokerId: BrokerId,
  offline: readonly Uuid[],
): MetadataRecord[] {
  const broker = view.image.brokers.get(brokerId)
  if (broker === undefined) return []
  const failed = broker.logDirs.filter((directory) => offline.includes(directory))
  if (failed.length === 0) return []
  const canLead = (id: BrokerId): boolean => id !== brokerId && view.isActive(id)
  const records: MetadataRecord[] = []
  for (const place of view.index.inIsr(brokerId)) {
    const partition = view.partition(place)
    if (!failed.includes(replicaDirectory(partition, brokerId) ?? "")) continue
    const keeps = view.settings(place.topic).survivesCrash
    const isr = partition.isr.filter((id) => id !== brokerId)
    const record = view.change(place, { isr, ...(!keeps && { uncleanReplica: brokerId }) }, canLead)
    if (record !== undefined) records.push(record)
  }
  const logDirs = broker.logDirs.filter((directory) => !failed.includes(directory))
  records.push(registrationChange(brokerId, broker.brokerEpoch, { logDirs }))
  return records
}

export function cordonDirectories(
  view: ControllerView,
  brokerId: BrokerId,
  cordoned: readonly Uuid[],
): MetadataRecord[] {
  const broker = view.image.brokers.get(brokerId)
  if (broker === undefined) return []
  const known = broker.logDirs.filter((directory) => cordoned.includes(directory))
  const isSame =
    known.length === broker.cordonedLogDirs.length &&
    known.every((directory) => broker.cordonedLogDirs.includes(directory))
  return isSame ? [] : [registrationChange(brokerId, broker.brokerEpoch, { cordonedLogDirs: known })]
}

/** The cluster forgets a broker. Its replicas remain assigned to it, for somebody to move. */
export function unregisterBroker(
  view: ControllerView,
  brokerId: BrokerId,
): { records: MetadataRecord[]; result: Outcome<void> } {
  const broker = view.image.brokers.get(brokerId)
  if (broker === undefined)
    return {
      records: [],
      result: failure(Errors.BROKER_ID_NOT_REGISTERED, `Broker ID ${brokerId} is not currently registered`),
    }
  const records = [
    // It may come back with its disks, so it remains an eligible leader.
    ...leaveIsrs(view, brokerId, keepsAll, false),
    { type: "UnregisterBrokerRecord", value: { brokerId, brokerEpoch: broker.brokerEpoch } } as const,
  ]
  return { records, result: { ok: undefined } }
}
