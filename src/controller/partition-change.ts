/**
 * What becomes of one partition: the only place where a leader is elected or an in-sync set changes.
 *
 * Owns completion of a reassignment, eligible leaders, the election and its price, and when the leader epoch rises; not why somebody wants a change, nor which brokers live. The
 * invariant: a leader is in the ISR, and every committed record is on a member of ISR or ELR unless an unclean election gave it up. Source: Kafka's PartitionChangeBuilder; KIP-455, 497, 841, 966.
 */
import type { BrokerId, Uuid } from "../base/ids.js"
import type { PartitionImage } from "../metadata/image.js"
import type { ValueOf } from "../metadata/records.js"

/**
 * `online`: keep the leader while it can lead, else the first replica that holds all that is committed. `preferred`: the first replica if it can lead, else as `online`. `unclean`: as
 * `online`, and where nobody has it all, whoever lives.
 */
export type Election = "preferred" | "online" | "unclean"

export const noLeader = -1
export const leaderRecovery = { recovered: 0, recovering: 1 } as const

export interface PartitionRules {
  /** Lives, and is not on its way out. */
  canLead(brokerId: BrokerId): boolean
  /** Has the directory that its replica is in. Undefined: it was never said which. */
  hasDirectory(brokerId: BrokerId, directoryId: Uuid | undefined): boolean
  /** Can lead where nobody else can: it lives, but it was stuck. */
  isDemoted(brokerId: BrokerId): boolean
  /** `min.insync.replicas`; with fewer replicas than that, all of them. */
  readonly minInsyncReplicas: number
  readonly elrEnabled: boolean
  /** Where a replica goes of which nothing else is known. */
  directoryOf(brokerId: BrokerId): Uuid
}

/** What is wanted. What is left out stays. */
export interface PartitionTarget {
  readonly isr?: readonly BrokerId[]
  readonly replicas?: readonly BrokerId[]
  readonly addingReplicas?: readonly BrokerId[]
  readonly removingReplicas?: readonly BrokerId[]
  readonly leaderRecoveryState?: number
  /** By broker. */
  readonly directories?: ReadonlyMap<BrokerId, Uuid>
  /** It may lack what it had acknowledged, so it is no eligible leader any more. It must not be in `isr` either. */
  readonly uncleanReplica?: BrokerId
  /** Its records are gone for certain: not even the last resort. */
  readonly emptyReplica?: BrokerId
  readonly election?: Election
}

export type PartitionChange = {
  -readonly [Name in keyof ValueOf<"PartitionChangeRecord">]?: ValueOf<"PartitionChangeRecord">[Name]
}

interface Membership {
  readonly replicas: readonly BrokerId[]
  readonly addingReplicas: readonly BrokerId[]
  readonly removingReplicas: readonly BrokerId[]
  readonly isr: readonly BrokerId[]
}

/** The fields of the change record, or undefined if nothing changes. */
export function changePartition(
  before: PartitionImage,
  target: PartitionTarget,
  rules: PartitionRules,
): PartitionChange | undefined {
  const members = completeReassignment({
    replicas: target.replicas ?? before.replicas,
    addingReplicas: target.addingReplicas ?? before.addingReplicas,
    removingReplicas: target.removingReplicas ?? before.removingReplicas,
    isr: target.isr ?? before.isr,
  })
  let { isr } = members
  let elr = eligibleLeaders(before, members, target, rules)
  let recovery = target.leaderRecoveryState ?? before.leaderRecoveryState
  const { leader, isUnclean } = elect(before, members, elr, target, rules)
  if (isUnclean) {
    // What only others had is given up, and the leader shall look at its log before it counts on it.
    isr = [leader]
    elr = []
    recovery = leaderRecovery.recovering
  } else if (leader !== noLeader && !isr.includes(leader)) {
    // KIP-966: a member of the ELR has every committed record, so this is clean.
    isr = [leader]
    // The minimum may have been lowered since: then the leader alone commits, and others fall behind.
    elr = isr.length >= minimum(members.replicas, rules) ? nobody : elr.filter((id) => id !== leader)
  }
  // Without eligible leaders the last member stays in the ISR, for the ISR alone says who may lead.
  if (isr.length === 0 && !rules.elrEnabled) isr = lastMembers(before, members.replicas, target)
  const change: PartitionChange = {}
  const shrinks = before.replicas.some((id) => !members.replicas.includes(id))
  // A replica that is gone must not be taken for a follower by those who knew it as one. An ISR that shrinks needs no epoch (KAFKA-15021).
  if (leader !== before.leader || shrinks) change.leader = leader
  if (!same(isr, before.isr)) change.isr = [...isr]
  if (!same(elr, before.elr)) change.eligibleLeaderReplicas = [...elr]
  const lastKnown = lastKnownLeader(before, isr, leader, target, rules)
  if (!same(lastKnown, before.lastKnownElr)) change.lastKnownElr = [...lastKnown]
  if (!same(members.replicas, before.replicas)) change.replicas = [...members.replicas]
  if (!same(members.addingReplicas, before.addingReplicas)) change.addingReplicas = [...members.addingReplicas]
  if (!same(members.removingReplicas, before.removingReplicas)) change.removingReplicas = [...members.removingReplicas]
  if (recovery !== before.leaderRecoveryState) change.leaderRecoveryState = recovery
  const directories = directoriesOf(before, members.replicas, target, rules)
  if (directories !== undefined) change.directories = directories
  return isEmpty(change) ? undefined : change
}

function isEmpty(change: PartitionChange): boolean {
  for (const _ in change) return false
  return true
}

function same<T>(a: readonly T[], b: readonly T[]): boolean {
  if (a === b) return true
  if (a.length !== b.length) return false
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false
  return true
}

/** KIP-455: done as soon as every replica that stays is in sync; those on their way out leave the ISR in the same change. */
function completeReassignment(members: Membership): Membership {
  const { replicas, addingReplicas, removingReplicas, isr } = members
  if (addingReplicas.length === 0 && removingReplicas.length === 0) return members
  const staying = replicas.filter((id) => !removingReplicas.includes(id))
  const stayingIsr = isr.filter((id) => !removingReplicas.includes(id))
  if (staying.length === 0 || staying.some((id) => !stayingIsr.includes(id))) return members
  return { replicas: staying, addingReplicas: [], removingReplicas: [], isr: stayingIsr }
}

function lastMembers(
  { isr }: PartitionImage,
  replicas: readonly BrokerId[],
  { emptyReplica }: PartitionTarget,
): readonly BrokerId[] {
  const staying = isr.filter((id) => replicas.includes(id) && id !== emptyReplica)
  return staying.length > 0 || emptyReplica !== undefined ? staying : replicas.slice(0, 1)
}

const nobody: readonly BrokerId[] = []

/** As many in sync as it takes to commit. */
const minimum = (replicas: readonly BrokerId[], { minInsyncReplicas }: PartitionRules): number =>
  Math.min(minInsyncReplicas, replicas.length)

/**
 * KIP-966: while the ISR is below the minimum the high watermark stands still, so whoever leaves it then has every committed record. At the minimum or above the ISR alone counts.
 */
function eligibleLeaders(
  before: PartitionImage,
  { replicas, isr }: Membership,
  { uncleanReplica, emptyReplica }: PartitionTarget,
  rules: PartitionRules,
): readonly BrokerId[] {
  if (!rules.elrEnabled || isr.length >= minimum(replicas, rules)) return nobody
  const stays = (id: BrokerId): boolean =>
    !isr.includes(id) && id !== uncleanReplica && id !== emptyReplica && replicas.includes(id)
  const elr = before.elr.filter(stays)
  for (const id of before.isr) if (stays(id) && !elr.includes(id)) elr.push(id)
  return elr
}

function elect(
  before: PartitionImage,
  { replicas, isr }: Membership,
  elr: readonly BrokerId[],
  { election = "online", emptyReplica, directories }: PartitionTarget,
  rules: PartitionRules,
): { leader: BrokerId; isUnclean: boolean } {
  const eligible = isr.length === 0 ? elr : isr
  const lives = (id: BrokerId): boolean =>
    rules.canLead(id) && rules.hasDirectory(id, directories?.get(id) ?? replicaDirectory(before, id))
  const canLead = (id: BrokerId): boolean => eligible.includes(id) && lives(id)
  const isBest = (id: BrokerId): boolean => !rules.isDemoted(id) && canLead(id)
  if (election === "preferred" && isBest(replicas[0]!)) return { leader: replicas[0]!, isUnclean: false }
  if (isBest(before.leader)) return { leader: before.leader, isUnclean: false }
  // Where only demoted ones can lead, the leader stays the leader.
  const clean = replicas.find(isBest) ?? (canLead(before.leader) ? before.leader : replicas.find(canLead))
  if (clean !== undefined) return { leader: clean, isUnclean: false }
  const [lastKnown] = before.lastKnownElr
  if (
    rules.elrEnabled &&
    isr.length === 0 &&
    elr.length === 0 &&
    before.lastKnownElr.length === 1 &&
    lastKnown !== emptyReplica &&
    replicas.includes(lastKnown!) &&
    lives(lastKnown!)
  ) {
    // KIP-966, balanced recovery: with no eligible leader left, the last one has the most.
    return { leader: lastKnown!, isUnclean: true }
  }
  if (election !== "unclean") return { leader: noLeader, isUnclean: false }
  const anyone = replicas.find(lives)
  return anyone === undefined ? { leader: noLeader, isUnclean: false } : { leader: anyone, isUnclean: true }
}

/** Who led when the ISR became empty, until there is a leader again. */
function lastKnownLeader(
  before: PartitionImage,
  isr: readonly BrokerId[],
  leader: BrokerId,
  { emptyReplica }: PartitionTarget,
  { elrEnabled }: PartitionRules,
): readonly BrokerId[] {
  if (!elrEnabled || leader !== noLeader) return nobody
  const known =
    isr.length === 0 && before.isr.length > 0 && before.leader !== noLeader ? [before.leader] : before.lastKnownElr
  return emptyReplica === undefined ? known : known.filter((id) => id !== emptyReplica)
}

/** Undefined: as before. */
function directoriesOf(
  before: PartitionImage,
  replicas: readonly BrokerId[],
  { directories }: PartitionTarget,
  rules: PartitionRules,
): Uuid[] | undefined {
  if (directories === undefined && same(replicas, before.replicas)) return undefined
  const after = replicas.map((id) => directories?.get(id) ?? replicaDirectory(before, id) ?? rules.directoryOf(id))
  return same(after, before.directories) ? undefined : after
}

/** Undefined for who has no replica, or whose directory was never said. */
export function replicaDirectory(partition: PartitionImage, brokerId: BrokerId): Uuid | undefined {
  const slot = partition.replicas.indexOf(brokerId)
  return slot === -1 ? undefined : partition.directories[slot]
}

export const isReassigning = ({ addingReplicas, removingReplicas }: PartitionImage): boolean =>
  addingReplicas.length > 0 || removingReplicas.length > 0
