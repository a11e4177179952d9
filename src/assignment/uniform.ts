/**
 * The uniform assignor: everybody gets as many partitions as everybody else, and keeps what it has where that is possible.
 *
 * Owns both ways of it: for members that all subscribe to the same topics, and for the general case. The order of the aims: one owner for each
 * partition, then balance, then few moves. The invariant: with equal subscriptions no two members differ by more than one partition, and no more is moved than
 * that takes; in general no single move would bring two members closer together.
 */
import type { Uuid } from "../base/ids.js"
import {
  type Assignment,
  type AssignorInput,
  type AssignorMember,
  compareText,
  type GroupAssignment,
  isHomogeneous,
} from "./assignor.js"

/** Rounds over all topics in which the general case moves partitions to less loaded members. It takes two or three. */
const balanceRoundsMax = 32

/** A topic while it is dealt out. Members are their places in the order of their ids. */
interface TopicDeal {
  readonly topicId: Uuid
  /** Owner of each partition, -1: nobody. */
  readonly owners: Int32Array
  readonly subscribers: number[]
}

interface Deal {
  readonly members: readonly AssignorMember[]
  readonly topics: readonly TopicDeal[]
  readonly loads: Int32Array
}

export function assignUniform(input: AssignorInput): GroupAssignment {
  const deal = dealOf(input)
  keepTargets(deal)
  if (isHomogeneous(deal.members)) dealEvenly(deal)
  else {
    dealToLeastLoaded(deal)
    balance(deal)
  }
  return assignmentOf(deal)
}

function dealOf({ members, partitionCounts }: AssignorInput): Deal {
  const ordered = [...members].sort((a, b) => compareText(a.memberId, b.memberId))
  const topics = new Map<Uuid, TopicDeal>()
  ordered.forEach(({ topicIds }, member) => {
    for (const topicId of topicIds) {
      const topic = topics.get(topicId)
      if (topic !== undefined) topic.subscribers.push(member)
      else {
        const count = partitionCounts.get(topicId)
        if (count !== undefined)
          topics.set(topicId, { topicId, owners: new Int32Array(count).fill(-1), subscribers: [member] })
      }
    }
  })
  return {
    members: ordered,
    topics: [...topics.values()].sort((a, b) => compareText(a.topicId, b.topicId)),
    loads: new Int32Array(ordered.length),
  }
}

/** Everybody keeps what it was meant to have, unless it is gone, not subscribed to any more, or somebody else's already. */
function keepTargets({ members, topics, loads }: Deal): void {
  const byId = new Map(topics.map((topic) => [topic.topicId, topic]))
  const subscribersOf = new Map<TopicDeal, Set<number> | undefined>()
  members.forEach(({ target }, member) => {
    for (const [topicId, partitions] of target) {
      const topic = byId.get(topicId)
      if (topic === undefined) continue
      if (!subscribersOf.has(topic))
        subscribersOf.set(topic, topic.subscribers.length === members.length ? undefined : new Set(topic.subscribers))
      if (subscribersOf.get(topic)?.has(member) === false) continue
      for (const partition of partitions) {
        if (topic.owners[partition] !== -1) continue
        topic.owners[partition] = member
        loads[member]!++
      }
    }
  })
}

function dealEvenly({ members, topics, loads }: Deal): void {
  const total = topics.reduce((sum, { owners }) => sum + owners.length, 0)
  const least = Math.floor(total / members.length)
  let extras = total % members.length
  // Who has more than its share keeps one more first: whoever else got that one would have to be given it.
  const quotas = new Int32Array(members.length).fill(least)
  for (let member = 0; member < members.length && extras > 0; member++) {
    if (loads[member]! > least) {
      quotas[member]!++
      extras--
    }
  }
  for (let member = 0; member < members.length && extras > 0; member++) {
    if (quotas[member] === least) {
      quotas[member]!++
      extras--
    }
  }
  for (const { owners } of topics) {
    for (let partition = owners.length - 1; partition >= 0; partition--) {
      const owner = owners[partition]!
      if (owner === -1 || loads[owner]! <= quotas[owner]!) continue
      owners[partition] = -1
      loads[owner]!--
    }
  }
  // Around the table, so that each member gets some of each topic.
  const unfilled: number[] = []
  for (let member = 0; member < members.length; member++) if (loads[member]! < quotas[member]!) unfilled.push(member)
  let turn = 0
  for (const { owners } of topics) {
    for (let partition = 0; partition < owners.length; partition++) {
      if (owners[partition] !== -1) continue
      if (turn >= unfilled.length) turn = 0
      const member = unfilled[turn]!
      owners[partition] = member
      loads[member]!++
      if (loads[member] === quotas[member]) unfilled.splice(turn, 1)
      else turn++
    }
  }
}

/** Topics with the fewest subscribers first: the others have more to choose from afterwards. */
function dealToLeastLoaded({ topics, loads }: Deal): void {
  for (const { owners, subscribers } of [...topics].sort((a, b) => a.subscribers.length - b.subscribers.length)) {
    for (let partition = 0; partition < owners.length; partition++) {
      if (owners[partition] !== -1) continue
      const member = leastLoaded(subscribers, loads)
      owners[partition] = member
      loads[member]!++
    }
  }
}

function leastLoaded(subscribers: readonly number[], loads: Int32Array): number {
  let least = subscribers[0]!
  for (const member of subscribers) if (loads[member]! < loads[least]!) least = member
  return least
}

/** Moves partitions from more to less loaded members, each move for a difference of at least two, which is why it comes to an end. */
function balance({ members, topics, loads }: Deal): void {
  for (let round = 0, isMoved = true; isMoved && round < balanceRoundsMax; round++) {
    isMoved = false
    for (const { owners, subscribers } of topics) {
      const partitionsOf = new Map<number, number[]>()
      owners.forEach((owner, partition) => {
        const own = partitionsOf.get(owner)
        if (own === undefined) partitionsOf.set(owner, [partition])
        else own.push(partition)
      })
      for (;;) {
        let most = -1
        for (const [owner, own] of partitionsOf)
          if (own.length > 0 && (most === -1 || loads[owner]! > loads[most]!)) most = owner
        const least = leastLoaded(subscribers, loads)
        if (most === -1 || loads[most]! - loads[least]! < 2) break
        const partition = partitionsOf.get(most)!.pop()!
        owners[partition] = least
        loads[most]!--
        loads[least]!++
        const own = partitionsOf.get(least)
        if (own === undefined) partitionsOf.set(least, [partition])
        else own.push(partition)
        isMoved = true
      }
    }
    if (members.length < 2) return
  }
}

function assignmentOf({ members, topics }: Deal): GroupAssignment {
  const assignments = members.map(() => new Map<Uuid, number[]>())
  for (const { topicId, owners } of topics) {
    owners.forEach((owner, partition) => {
      const assignment = assignments[owner]!
      const partitions = assignment.get(topicId)
      if (partitions === undefined) assignment.set(topicId, [partition])
      else partitions.push(partition)
    })
  }
  return new Map<string, Assignment>(members.map(({ memberId }, index) => [memberId, assignments[index]!]))
}
