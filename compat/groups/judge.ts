/**
 * Whether what the members of a group reported is what Kafka promises them.
 *
 * Owns the rules. Pure: a log and a journal in, faults in words out. Entries are weighed in the order of their times.
 */
import type { Entry } from "./journal.js"

export interface LoggedRecord {
  readonly key: string
  readonly value: string
}

/** By partition, the record at each offset from 0 on. */
export type LoggedRecords = readonly (readonly LoggedRecord[])[]

export interface Verdict {
  /** First few, in words. */
  readonly faults: readonly string[]
  readonly faultCount: number
  readonly seen: number
  readonly redelivered: number
  /** Seen by a member that had lost the partition. */
  readonly late: number
}

export interface JudgeOptions {
  /** The client hands out what it fetched before a rebalance, also of partitions it has lost: the broker cannot help it. */
  readonly deliversLate?: boolean
}

const faultsNamedMax = 6

export function judge(
  log: LoggedRecords,
  entries: readonly Entry[],
  { deliversLate = false }: JudgeOptions = {},
): Verdict {
  const faults: string[] = []
  let faultCount = 0
  const fault = (text: string) => {
    faultCount += 1
    if (faults.length < faultsNamedMax) faults.push(text)
  }
  const owner = new Map<number, string>()
  const committed = new Map<number, number>()
  /** By member and partition, the offset after the last one seen. */
  const next = new Map<string, number>()
  const seenOffsets = log.map(() => new Set<number>())
  let seen = 0
  let redelivered = 0
  let late = 0
  const disown = (member: string, partition: number) => {
    if (owner.get(partition) === member) owner.delete(partition)
  }

  for (const entry of [...entries].sort((a, b) => a.atMs - b.atMs)) {
    const { member } = entry
    switch (entry.kind) {
      case "gained":
        for (const partition of entry.partitions) {
          const before = owner.get(partition)
          if (before !== undefined && before !== member)
            fault(`${member} owns partition ${partition} while ${before} does`)
          owner.set(partition, member)
        }
        break
      case "lost":
        for (const partition of entry.partitions) disown(member, partition)
        break
      case "committed":
        for (const [partition, offset] of entry.offsets) committed.set(partition, offset)
        break
      case "ended":
        for (let partition = 0; partition < log.length; partition++) disown(member, partition)
        break
      case "brokerKilled":
        owner.clear()
        break
      case "seen": {
        const { partition, offset, key, value } = entry
        const where = `${member} saw partition ${partition} offset ${offset}`
        const logged = log[partition]?.[offset]
        if (logged === undefined) {
          fault(`${where}, where the log has nothing`)
          break
        }
        if (logged.key !== key || logged.value !== value)
          fault(`${where} as ${key} ${value} where the log has ${logged.key} ${logged.value}`)
        seen += 1
        const by = owner.get(partition)
        if (by !== undefined && by !== member) {
          late += 1
          if (!deliversLate) fault(`${where}, which is ${by}'s`)
          break
        }
        if (seenOffsets[partition]!.has(offset)) redelivered += 1
        seenOffsets[partition]!.add(offset)
        const from = committed.get(partition) ?? 0
        if (offset < from) fault(`${where} again, committed up to ${from}`)
        const position = next.get(`${member} ${partition}`)
        if (offset !== position && offset !== from)
          fault(`${where}, after ${position === undefined ? "nothing" : position - 1} and a commit at ${from}`)
        next.set(`${member} ${partition}`, offset + 1)
      }
    }
  }
  for (const [partition, records] of log.entries()) {
    const missing = records.findIndex((_, offset) => !seenOffsets[partition]!.has(offset))
    if (missing >= 0) fault(`nobody saw partition ${partition} offset ${missing} of ${records.length}`)
  }
  return { faults, faultCount, seen, redelivered, late }
}

/** What the log itself has to show: every value once, those of one key in one partition and in order. */
export function judgeLog(log: LoggedRecords, produced: number, keyOf: (value: number) => string): string[] {
  const faults: string[] = []
  const home = new Map<string, number>()
  const seen = new Set<number>()
  for (const [partition, records] of log.entries()) {
    const last = new Map<string, number>()
    for (const [offset, { key, value }] of records.entries()) {
      const where = `partition ${partition} offset ${offset}`
      const number = Number(value)
      if (!Number.isSafeInteger(number) || number >= produced || keyOf(number) !== key)
        faults.push(`${where}: nobody produced ${key} ${value}`)
      if (seen.has(number)) faults.push(`${where}: ${value} is there twice`)
      seen.add(number)
      if ((home.get(key) ?? partition) !== partition) faults.push(`${where}: ${key} has two partitions`)
      home.set(key, partition)
      if ((last.get(key) ?? -1) > number) faults.push(`${where}: ${key} goes back to ${value}`)
      last.set(key, number)
    }
  }
  if (seen.size !== produced) faults.push(`the log has ${seen.size} of ${produced} records`)
  return faults.slice(0, faultsNamedMax)
}
