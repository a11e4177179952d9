/**
 * Where the replicas of new partitions go.
 *
 * Owns the order: first replicas in turn over all live brokers, so that leaders are balanced; second ones so that a broker's leaderships have many heirs; then those with the fewest new replicas.
 * Other racks come before the same one, live brokers before fenced ones. The invariant: no two replicas of a partition on one broker, nor on one machine. Source: the aims of Kafka's StripedReplicaPlacer; KIP-36.
 */
import type { BrokerId } from "../base/ids.js"
import type { BrokerRegistration } from "../metadata/image.js"
import { machineOf } from "./controller-view.js"

interface Candidate {
  readonly brokerId: BrokerId
  readonly rack: string
  readonly machine: string
  readonly fenced: boolean
  /** Place in the round of all brokers. */
  readonly turn: number
  replicas: number
  /** How often each broker, by its turn, is second where this one is first: it inherits the leadership. */
  readonly heirs: number[]
}

export const machinesOf = (brokers: readonly BrokerRegistration[]): number => new Set(brokers.map(machineOf)).size

/** `factor` must not exceed the number of machines, and one broker must be live. */
export function placeReplicas(
  brokers: readonly BrokerRegistration[],
  firstPartition: number,
  count: number,
  factor: number,
  randomInt: (below: number) => number,
): BrokerId[][] {
  const candidates = inTurn(brokers)
  const live = candidates.filter(({ fenced }) => !fenced)
  const start = randomInt(live.length) + firstPartition
  return Array.from({ length: count }, (_, index) => {
    const round = start + index
    const first = live[round % live.length]!
    return place(candidates, first, factor, first.turn + 1 + Math.floor(round / live.length))
  })
}

/** Racks in turn, in each rack machines in turn, on each machine brokers in turn: neighbours have little in common. */
function inTurn(brokers: readonly BrokerRegistration[]): Candidate[] {
  const sorted = [...brokers].sort((a, b) => a.brokerId - b.brokerId)
  const racks = groups(sorted, ({ rack }) => rack ?? "").map((rack) => interleave(groups(rack, machineOf)))
  return interleave(racks).map((broker, turn) => ({
    brokerId: broker.brokerId,
    rack: broker.rack ?? "",
    machine: machineOf(broker),
    fenced: broker.fenced,
    turn,
    replicas: 0,
    heirs: brokers.map(() => 0),
  }))
}

function groups<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
  const found = new Map<string, T[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = found.get(key)
    if (group === undefined) found.set(key, [item])
    else group.push(item)
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group)
}

function interleave<T>(lists: readonly (readonly T[])[]): T[] {
  const longest = Math.max(0, ...lists.map((list) => list.length))
  return Array.from({ length: longest }, (_, index) => lists.flatMap((list) => list.slice(index, index + 1))).flat()
}

function place(candidates: readonly Candidate[], first: Candidate, factor: number, turn: number): BrokerId[] {
  const chosen = [first]
  first.replicas++
  while (chosen.length < factor) {
    let best: Candidate | undefined
    let bestCost = Number.POSITIVE_INFINITY
    for (const candidate of candidates) {
      const cost = costOf(
        candidate,
        chosen,
        (candidate.turn + candidates.length - (turn % candidates.length)) % candidates.length,
      )
      if (cost >= bestCost) continue
      best = candidate
      bestCost = cost
    }
    best!.replicas++
    if (chosen.length === 1) first.heirs[best!.turn]!++
    chosen.push(best!)
  }
  return chosen.map(({ brokerId }) => brokerId)
}

/** Replicas of one request, and brokers of a cluster, that the digits of a cost have room for. */
const replicasMax = 2 ** 26
const brokersMax = 2 ** 16

/** Digits, the first one counts most: replicas on the same rack, fenced, how often it is the heir or, further down, has a replica at all, turn. */
function costOf(candidate: Candidate, chosen: readonly Candidate[], distance: number): number {
  let onRack = 0
  for (const { machine, rack } of chosen) {
    if (machine === candidate.machine) return Number.POSITIVE_INFINITY
    if (rack === candidate.rack) onRack++
  }
  const share = chosen.length === 1 ? chosen[0]!.heirs[candidate.turn]! : candidate.replicas
  return ((onRack * 2 + Number(candidate.fenced)) * replicasMax + share) * brokersMax + distance
}
