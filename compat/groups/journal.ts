/**
 * What the members of a group reported, line by line, and what follows from it at any moment.
 *
 * Owns the words of the line protocol (members/README.md) and who holds which partition now. Judges nothing: judge.ts does, from `entries`.
 */
export type Offsets = ReadonlyMap<number, number>

interface Common {
  /** By the wall clock of the program that said it, all programs being on one machine. */
  readonly atMs: number
  readonly member: string
}

export type Entry = Common &
  (
    | { readonly kind: "gained" | "lost"; readonly partitions: readonly number[] }
    | {
        readonly kind: "seen"
        readonly partition: number
        readonly offset: number
        readonly key: string
        readonly value: string
      }
    /** By partition the offset to go on from. */
    | { readonly kind: "committed"; readonly offsets: Offsets }
    | { readonly kind: "ended"; readonly how: "killed" | "left" }
    /** Said by the story. Until a member gains a partition again, what it has is a belief that nobody could correct. */
    | { readonly kind: "brokerKilled" }
  )

const numberOf = (text: string | undefined): number => {
  if (text === undefined || !/^\d+$/.test(text)) throw new Error(`${text} is no number`)
  return Number(text)
}

/** Undefined for words that are an answer and no news. Throws on what is neither. */
export function parseEntry(member: string, line: string): Entry | undefined {
  const [time, kind, ...words] = line.trimEnd().split(" ")
  const common = { atMs: numberOf(time), member }
  switch (kind) {
    case "gained":
    case "lost":
      return { ...common, kind, partitions: words.map(numberOf) }
    case "seen":
      return {
        ...common,
        kind,
        partition: numberOf(words[0]),
        offset: numberOf(words[1]),
        key: words[2] ?? "",
        value: words[3] ?? "",
      }
    case "committed": {
      const pairs = words.map((word) => word.split(":"))
      return { ...common, kind, offsets: new Map(pairs.map(([p, offset]) => [numberOf(p), numberOf(offset)])) }
    }
    case "left":
      return { ...common, kind: "ended", how: "left" }
    case "ready":
    case "produced":
    case "failed":
      return undefined
    default:
      throw new Error(`${member} said ${line}`)
  }
}

export class Journal {
  readonly entries: Entry[] = []
  readonly #owned = new Map<string, Set<number>>()
  /** By member and partition the offset after the last one seen. */
  readonly #positions = new Map<string, Map<number, number>>()
  readonly #committed = new Map<number, number>()

  add(entry: Entry): void {
    this.entries.push(entry)
    const owned = this.#of(this.#owned, entry.member, () => new Set<number>())
    switch (entry.kind) {
      case "gained":
        for (const partition of entry.partitions) owned.add(partition)
        break
      case "lost":
        for (const partition of entry.partitions) owned.delete(partition)
        break
      case "seen":
        // What comes after a partition was lost is no progress.
        if (!owned.has(entry.partition)) break
        this.#of(this.#positions, entry.member, () => new Map<number, number>()).set(entry.partition, entry.offset + 1)
        break
      case "committed":
        for (const [partition, offset] of entry.offsets) this.#committed.set(partition, offset)
        break
      case "ended":
        this.#owned.delete(entry.member)
        this.#positions.delete(entry.member)
    }
  }

  #of<V>(map: Map<string, V>, member: string, make: () => V): V {
    let found = map.get(member)
    if (found === undefined) map.set(member, (found = make()))
    return found
  }

  owned(member: string): ReadonlySet<number> {
    return this.#owned.get(member) ?? new Set()
  }

  committed(partition: number): number {
    return this.#committed.get(partition) ?? 0
  }

  /** The furthest that a member who is still there has come. */
  position(partition: number): number {
    let furthest = 0
    for (const positions of this.#positions.values()) furthest = Math.max(furthest, positions.get(partition) ?? 0)
    return furthest
  }
}
