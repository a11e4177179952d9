/**
 * Which replicas go where, before anything moves.
 *
 * Owns the plans to drain a broker, to spread replicas evenly and to place a topic anew, as pure functions of a state. Rules: never two replicas of a partition on one machine while there is
 * another; as many racks as before or more; the first replica stays first, for it is the preferred leader; as few moves as will do.
 */
import type { BrokerId } from "../../base/ids.js"
import type { Reassignment } from "../../client/index.js"
import { type BrokerState, type ClusterState, nameOf, type PartitionState } from "./cluster-state.js"

export type Plan = { readonly moves: readonly Move[] } | { readonly impossible: string }

export interface Move extends Reassignment {
  readonly replicas: readonly BrokerId[]
  readonly before: readonly BrokerId[]
}

interface Loads {
  readonly replicas: Map<BrokerId, number>
  readonly first: Map<BrokerId, number>
}

/** Everything off these brokers. */
export function drainPlan(state: ClusterState, leaving: ReadonlySet<BrokerId>): Plan {
  const targets = state.brokers.filter(({ id, fenced }) => !fenced && !leaving.has(id))
  const loads = loadsOf(state)
  const moves: Move[] = []
  for (const partition of state.partitions) {
    if (!partition.replicas.some((id) => leaving.has(id))) continue
    let replicas = target(partition)
    for (const id of replicas.filter((each) => leaving.has(each))) {
      const others = replicas.filter((each) => each !== id)
      const to = choose(state, targets, others, loads, replicas[0] === id)
      if (to === undefined)
        return {
          impossible: `${nameOf(partition)} needs ${replicas.length} ${replicas.length === 1 ? "replica" : "replicas"}, and ${targets.length === 0 ? "no broker is" : targets.length === 1 ? "only 1 broker is" : `only ${targets.length} brokers are`} left to hold them. Start another broker first`,
        }
      moved(loads, id, to, replicas[0] === id)
      replicas = replicas.map((each) => (each === id ? to : each))
    }
    moves.push(moveOf(partition, replicas))
  }
  return { moves }
}

/** As many replicas, and as many first ones, on each live broker as on any other, give or take one. */
export function balancePlan(state: ClusterState): Plan {
  const live = state.brokers.filter(({ fenced }) => !fenced)
  const loads = loadsOf(state)
  const current = new Map(state.partitions.map((partition) => [partition, target(partition)]))
  const load = (id: BrokerId) => loads.replicas.get(id) ?? 0
  for (let round = 0; round < state.partitions.length * live.length; round++) {
    const order = [...live].sort((a, b) => load(a.id) - load(b.id) || a.id - b.id)
    if (!moveOne(state, order, current, loads)) break
  }
  evenFirsts(live, current, loads)
  const moves = [...current].flatMap(([partition, replicas]) =>
    replicas.join() === target(partition).join() ? [] : [moveOf(partition, replicas)],
  )
  return { moves }
}

/** From the fullest broker that has something to give to the emptiest that may take it. */
function moveOne(
  state: ClusterState,
  order: readonly BrokerState[],
  current: Map<PartitionState, readonly BrokerId[]>,
  loads: Loads,
): boolean {
  const load = (id: BrokerId) => loads.replicas.get(id) ?? 0
  for (const from of [...order].reverse())
    for (const to of order) {
      if (load(from.id) - load(to.id) < 2) break
      for (const [partition, replicas] of current) {
        if (!replicas.includes(from.id) || replicas.includes(to.id)) continue
        const others = replicas.filter((id) => id !== from.id)
        if (cost(state, to, others) > cost(state, from, others)) continue
        moved(loads, from.id, to.id, replicas[0] === from.id)
        current.set(
          partition,
          replicas.map((id) => (id === from.id ? to.id : id)),
        )
        return true
      }
    }
  return false
}

/** Another order of the same replicas moves no bytes. */
function evenFirsts(
  live: readonly BrokerState[],
  current: Map<PartitionState, readonly BrokerId[]>,
  loads: Loads,
): void {
  const alive = new Set(live.map(({ id }) => id))
  const first = (id: BrokerId) => loads.first.get(id) ?? 0
  for (let changed = true, rounds = 0; changed && rounds < current.size; rounds++) {
    changed = false
    for (const [partition, replicas] of current) {
      const heir = [...replicas].filter((id) => alive.has(id)).sort((a, b) => first(a) - first(b))[0]
      if (heir === undefined || first(replicas[0]!) - first(heir) < 2) continue
      loads.first.set(replicas[0]!, first(replicas[0]!) - 1)
      loads.first.set(heir, first(heir) + 1)
      current.set(partition, [heir, ...replicas.filter((id) => id !== heir)])
      changed = true
    }
  }
}

/** A topic's partitions over these brokers, evenly, with as many replicas as each has now or as wanted. */
export function placeTopic(
  state: ClusterState,
  topic: string,
  to: readonly BrokerId[],
  factor: number | undefined,
): Plan {
  const targets = to.map((id) => state.brokers.find((broker) => broker.id === id))
  const unknown = to.filter((_, index) => targets[index] === undefined)
  if (unknown.length > 0)
    return {
      impossible: `there is no broker ${unknown.join(", ")}; there are ${state.brokers.map(({ id }) => id).join(", ")}`,
    }
  const fenced = targets.filter((broker) => broker!.fenced).map((broker) => broker!.id)
  if (fenced.length > 0) return { impossible: `broker ${fenced.join(", ")} is fenced and could not take a replica in` }
  const loads: Loads = { replicas: new Map(), first: new Map() }
  const moves: Move[] = []
  for (const partition of state.partitions.filter((each) => each.topic === topic)) {
    const count = factor ?? target(partition).length
    const replicas: BrokerId[] = []
    while (replicas.length < count) {
      const next = choose(state, targets as BrokerState[], replicas, loads, replicas.length === 0)
      if (next === undefined)
        return { impossible: `${nameOf(partition)} is to have ${count} replicas, and --to names ${some(to.length)}` }
      loads.replicas.set(next, (loads.replicas.get(next) ?? 0) + 1)
      if (replicas.length === 0) loads.first.set(next, (loads.first.get(next) ?? 0) + 1)
      replicas.push(next)
    }
    if (replicas.join() !== target(partition).join()) moves.push(moveOf(partition, replicas))
  }
  return { moves }
}

const some = (count: number): string => `${count} ${count === 1 ? "broker" : "brokers"}`

/** Where a partition's replicas are once a reassignment that is on its way is over. */
export const target = ({ replicas, removing }: PartitionState): readonly BrokerId[] =>
  replicas.filter((id) => !removing.includes(id))

const moveOf = (partition: PartitionState, replicas: readonly BrokerId[]): Move => ({
  topic: partition.topic,
  partition: partition.partition,
  replicas,
  before: target(partition),
})

export function loadsOf(state: ClusterState): Loads {
  const loads: Loads = { replicas: new Map(), first: new Map() }
  for (const partition of state.partitions) {
    const replicas = target(partition)
    for (const id of replicas) loads.replicas.set(id, (loads.replicas.get(id) ?? 0) + 1)
    if (replicas.length > 0) loads.first.set(replicas[0]!, (loads.first.get(replicas[0]!) ?? 0) + 1)
  }
  return loads
}

function moved(loads: Loads, from: BrokerId, to: BrokerId, isFirst: boolean): void {
  for (const counts of isFirst ? [loads.replicas, loads.first] : [loads.replicas]) {
    counts.set(from, (counts.get(from) ?? 0) - 1)
    counts.set(to, (counts.get(to) ?? 0) + 1)
  }
}

/** The digits of what a place costs: the same machine as another replica, the same rack. */
function cost({ brokers }: ClusterState, candidate: BrokerState, others: readonly BrokerId[]): number {
  let sum = 0
  for (const id of others) {
    const other = brokers.find((broker) => broker.id === id)
    if (other === undefined) continue
    if (other.machine === candidate.machine) sum += 1000
    if (other.rack !== null && other.rack === candidate.rack) sum += 1
  }
  return sum
}

function choose(
  state: ClusterState,
  targets: readonly BrokerState[],
  others: readonly BrokerId[],
  loads: Loads,
  isFirst: boolean,
): BrokerId | undefined {
  const load = ({ id }: BrokerState) =>
    (isFirst ? (loads.first.get(id) ?? 0) : 0) * 1_000_000 + (loads.replicas.get(id) ?? 0)
  return targets
    .filter(({ id }) => !others.includes(id))
    .map((broker) => ({ broker, cost: cost(state, broker, others), load: load(broker) }))
    .sort((a, b) => a.cost - b.cost || a.load - b.load || a.broker.id - b.broker.id)[0]?.broker.id
}
