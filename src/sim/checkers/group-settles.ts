/**
 * A group that is left alone becomes stable: all its members have their share, together they have every partition once (G4, LIV).
 *
 * Owns what "settled" means for one group at one moment. How long it may take is the workload's.
 */
export interface Standing {
  /** As described; a group that is gone is Dead. */
  readonly state: string
  readonly membersDescribed: number
  readonly members: readonly {
    readonly name: string
    readonly isSettled: boolean
    readonly generation: number
    readonly partitions: readonly string[]
  }[]
  /** All members of a classic group are of one generation. */
  readonly isOneGeneration: boolean
  /** Of the topics that members subscribe to. */
  readonly partitions: readonly string[]
}

/** Undefined: it has settled. */
export function whyNotSettled(standing: Standing): string | undefined {
  const { state, membersDescribed, members, partitions } = standing
  if (members.length === 0)
    return state === "Empty" || state === "Dead" ? undefined : `nobody is there, and it is ${state}`
  if (state !== "Stable") return `it is ${state}`
  if (membersDescribed !== members.length) return `it has ${membersDescribed} members, ${members.length} are there`
  const restless = members.filter(({ isSettled }) => !isSettled)
  if (restless.length > 0) return `${restless.map(({ name }) => name).join(", ")} are not done`
  const generations = new Set(members.map(({ generation }) => generation))
  if (standing.isOneGeneration && generations.size > 1) return `members are in generations ${[...generations].join()}`
  const owners = new Map<string, string>()
  for (const { name, partitions: owned } of members)
    for (const partition of owned) {
      const other = owners.get(partition)
      if (other !== undefined) return `${partition} is with ${other} and with ${name}`
      owners.set(partition, name)
    }
  const orphans = partitions.filter((partition) => !owners.has(partition))
  if (orphans.length > 0) return `nobody has ${orphans.join(", ")}`
  return undefined
}
