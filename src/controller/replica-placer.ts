/**
 * Where the replicas of new partitions go.
 *
 * Owns the striping: racks in turn, brokers of a rack in turn, from a random start, live brokers first, never two replicas on one broker, and the
 * first replica on a live one. Source: Kafka's StripedReplicaPlacer.
 */
import type { BrokerId } from "../base/ids.js"
import type { BrokerRegistration } from "../metadata/image.js"

/** `factor` must not exceed the number of brokers, one of which must be unfenced. */
export function placeReplicas(
  brokers: readonly BrokerRegistration[],
  firstPartition: number,
  count: number,
  factor: number,
  randomInt: (below: number) => number,
): BrokerId[][] {
  const racks = new Map<string, BrokerRegistration[]>()
  for (const broker of brokers) {
    const rack = broker.rack ?? ""
    racks.set(rack, [...(racks.get(rack) ?? []), broker])
  }
  const stripes = [...racks.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, members]) => members.sort((a, b) => Number(a.fenced) - Number(b.fenced) || a.brokerId - b.brokerId))
  const start = randomInt(Math.max(1, brokers.length))
  return Array.from({ length: count }, (_, index) => replicasOf(stripes, start + firstPartition + index, factor))
}

function replicasOf(stripes: readonly (readonly BrokerRegistration[])[], turn: number, factor: number): BrokerId[] {
  const order: BrokerRegistration[] = []
  const deepest = Math.max(...stripes.map((stripe) => stripe.length))
  for (let round = 0; round < deepest; round++) {
    for (let rack = 0; rack < stripes.length; rack++) {
      const stripe = stripes[(turn + rack) % stripes.length]!
      if (round < stripe.length) order.push(stripe[(Math.floor(turn / stripes.length) + round) % stripe.length]!)
    }
  }
  const chosen = order.slice(0, factor)
  if (chosen.every((broker) => broker.fenced)) chosen[chosen.length - 1] = order.find((broker) => !broker.fenced)!
  const lead = chosen.findIndex((broker) => !broker.fenced)
  return [chosen[lead]!, ...chosen.filter((_, index) => index !== lead)].map((broker) => broker.brokerId)
}
