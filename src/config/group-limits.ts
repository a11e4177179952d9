/**
 * Settings of groups that limit each other.
 *
 * Owns the rules between several settings, at start and for a single group; what a value may be by itself is in the tables. Source: Kafka's GroupCoordinatorConfig and
 * GroupConfig.
 */

/** What a broker's settings are, by name. */
export interface GroupLimitValues {
  int(name: string): number
  list(name: string): readonly string[]
}

/** Settings that a broker limits for its groups: `group.consumer.<name>` by `group.consumer.min.<name>` and `group.consumer.max.<name>`. */
const limited = ["heartbeat.interval.ms", "session.timeout.ms", "assignment.interval.ms"]

/** Server-side assignors, by name and by the name of the class that Kafka has for each. */
const assignors: ReadonlyMap<string, string> = new Map([
  ["uniform", "uniform"],
  ["range", "range"],
  ["org.apache.kafka.coordinator.group.assignor.UniformAssignor", "uniform"],
  ["org.apache.kafka.coordinator.group.assignor.RangeAssignor", "range"],
])

/** The short name of an assignor; undefined if there is none of that name. */
export const assignorName = (text: string): string | undefined => assignors.get(text)

const compressionCodecMax = 4

/** Sentences, each naming the setting that has to change. */
export function groupLimitErrors(config: GroupLimitValues): string[] {
  const errors: string[] = []
  const atMost = (small: string, large: string) => {
    if (config.int(small) > config.int(large))
      errors.push(`${small} is ${config.int(small)}, which is more than ${large} (${config.int(large)})`)
  }
  for (const name of limited) {
    const [min, max] = [`group.consumer.min.${name}`, `group.consumer.max.${name}`]
    atMost(min, max)
    atMost(min, `group.consumer.${name}`)
    atMost(`group.consumer.${name}`, max)
  }
  const [heartbeat, session] = ["group.consumer.heartbeat.interval.ms", "group.consumer.session.timeout.ms"]
  if (config.int(heartbeat) >= config.int(session))
    errors.push(`${heartbeat} is ${config.int(heartbeat)}, which must be less than ${session} (${config.int(session)})`)
  for (const name of config.list("group.consumer.assignors")) {
    if (assignorName(name) === undefined)
      errors.push(`group.consumer.assignors names ${name}; there are uniform and range`)
  }
  if (!config.list("group.coordinator.rebalance.protocols").includes("classic"))
    errors.push("group.coordinator.rebalance.protocols must name classic, which cannot be switched off")
  const codec = config.int("offsets.topic.compression.codec")
  if (codec < 0 || codec > compressionCodecMax)
    errors.push(`offsets.topic.compression.codec is ${codec}; there are 0 (none) to ${compressionCodecMax} (zstd)`)
  return errors
}

/** What keeps a single group from having this value; undefined if nothing does. */
export function groupOverrideProblem(
  name: string,
  value: number,
  brokerNumber: (name: string) => number,
): string | undefined {
  const own = limited.find((each) => name === `consumer.${each}`)
  if (own === undefined) return undefined
  const [min, max] = [`group.consumer.min.${own}`, `group.consumer.max.${own}`]
  if (value < brokerNumber(min)) return `${name} must be greater than or equal to ${min}`
  if (value > brokerNumber(max)) return `${name} must be less than or equal to ${max}`
  return undefined
}

/** The value that counts for a group: limits that were narrowed after the group was given its own are kept to. */
export function limitedGroupValue(name: string, value: number, brokerNumber: (name: string) => number): number {
  const own = limited.find((each) => name === `consumer.${each}`)
  if (own === undefined) return value
  return Math.min(Math.max(value, brokerNumber(`group.consumer.min.${own}`)), brokerNumber(`group.consumer.max.${own}`))
}
