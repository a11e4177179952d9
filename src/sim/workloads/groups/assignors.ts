/**
 * How leaders of classic groups share partitions: by range, and cooperatively.
 *
 * Owns both as pure functions. Invariant of the cooperative one: a partition that a member still claims is given to nobody else in the same generation (KIP-429). Claims of an earlier
 * generation count too, unlike with Kafka's (KIP-792): a generation that nobody was assigned in is given out again after a crash, so that the number alone does not say who is behind.
 */
export interface Subscriber {
  readonly memberId: string
  /** Where there is one members are ordered by it, so that a restart changes nothing. */
  readonly instanceId: string | null
  readonly topics: readonly string[]
  readonly owned: readonly TopicPartition[]
}

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** By member id. */
export type Assignment = Map<string, TopicPartition[]>

const keyOf = ({ topic, partition }: TopicPartition): string => `${topic}-${partition}`

const ordered = (subscribers: readonly Subscriber[]): Subscriber[] =>
  [...subscribers].sort((a, b) => ((a.instanceId ?? a.memberId) < (b.instanceId ?? b.memberId) ? -1 : 1))

export function assignByRange(subscribers: readonly Subscriber[], topics: ReadonlyMap<string, number>): Assignment {
  const assignment: Assignment = new Map(subscribers.map(({ memberId }) => [memberId, []]))
  const members = ordered(subscribers)
  for (const [topic, count] of topics) {
    const interested = members.filter((each) => each.topics.includes(topic))
    interested.forEach(({ memberId }, index) => {
      const from = Math.floor((index * count) / interested.length)
      const to = Math.floor(((index + 1) * count) / interested.length)
      for (let partition = from; partition < to; partition++) assignment.get(memberId)!.push({ topic, partition })
    })
  }
  return assignment
}

export function assignCooperatively(
  subscribers: readonly Subscriber[],
  topics: ReadonlyMap<string, number>,
): Assignment {
  const members = ordered(subscribers)
  const claims = new Map<string, string[]>()
  for (const { memberId, owned } of members)
    for (const each of owned) claims.set(keyOf(each), [...(claims.get(keyOf(each)) ?? []), memberId])
  const total = [...topics.values()].reduce((sum, count) => sum + count, 0)
  const quota = Math.ceil(total / Math.max(1, members.length))
  const targets: Assignment = new Map(members.map(({ memberId }) => [memberId, []]))
  const free: TopicPartition[] = []
  for (const [topic, count] of topics)
    for (let partition = 0; partition < count; partition++) {
      const each = { topic, partition }
      const [claimer, ...others] = claims.get(keyOf(each)) ?? []
      const owner = others.length > 0 ? undefined : members.find(({ memberId }) => memberId === claimer)
      const target = owner?.topics.includes(topic) === true ? targets.get(owner.memberId)! : undefined
      if (target !== undefined && target.length < quota) target.push(each)
      else free.push(each)
    }
  for (const each of free) {
    let best: TopicPartition[] | undefined
    for (const { memberId, topics: subscribed } of members) {
      const target = targets.get(memberId)!
      if (subscribed.includes(each.topic) && (best === undefined || target.length < best.length)) best = target
    }
    best?.push(each)
  }
  // What somebody else claims is withheld until it has been given up.
  const assignment: Assignment = new Map()
  for (const [memberId, target] of targets)
    assignment.set(
      memberId,
      target.filter((each) => (claims.get(keyOf(each)) ?? []).every((claimer) => claimer === memberId)),
    )
  return assignment
}
