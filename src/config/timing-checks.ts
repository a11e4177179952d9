/**
 * Settings of time that only make sense together.
 *
 * Owns the pairs and what goes wrong when one is out of step with the other. Source: KafkaConfig.validateValues; the pairs of broker and controller are ours.
 */
interface Numbers {
  int(name: string): number
  long(name: string): number
}

interface Pair {
  /** Must not be above `limit`, or with `isBelow` must be below it. */
  readonly name: string
  readonly limit: string
  readonly isBelow?: true
  readonly otherwise: string
}

const pairs: readonly Pair[] = [
  {
    name: "broker.heartbeat.interval.ms",
    limit: "broker.session.timeout.ms",
    isBelow: true,
    otherwise: "the broker would be taken for dead between two heartbeats",
  },
  {
    name: "replica.fetch.wait.max.ms",
    limit: "replica.socket.timeout.ms",
    otherwise: "followers would give up fetches that the leader still holds",
  },
  {
    name: "replica.fetch.wait.max.ms",
    limit: "replica.lag.time.max.ms",
    otherwise: "followers of idle partitions would leave the in-sync set",
  },
]

/** One sentence for each pair that cannot work together, with both names. */
export function timingErrors(config: Numbers): string[] {
  return pairs.flatMap(({ name, limit, isBelow, otherwise }) => {
    const [value, most] = [config.long(name), config.long(limit)]
    if (isBelow === true ? value < most : value <= most) return []
    return `${name} (${value}) must ${isBelow === true ? "be less than" : "not exceed"} ${limit} (${most}): ${otherwise}`
  })
}
