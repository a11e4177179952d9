/**
 * Good histories of any size: what a correct cluster could have shown to its clients.
 *
 * Owns the model they are drawn from: a log for each partition, producers of every kind, readers that read it in parts, a complete read at the end.
 */
import { SeededRandom } from "../../../random.js"
import { ClientHistory } from "../client-history.js"

/** So far back readers go: all of it would make a large history quadratic. */
const jumpMax = 100

export interface GoodHistory {
  readonly history: ClientHistory
  /** By partition: the values of its log, in order; -1 where a record is that is none of the clients'. */
  readonly logs: readonly (readonly number[])[]
  readonly producers: readonly number[]
}

export interface GoodHistorySize {
  readonly partitions: number
  readonly producers: number
  readonly records: number
  readonly readers: number
}

export function drawSize(random: SeededRandom): GoodHistorySize {
  return {
    partitions: random.between(1, 3),
    producers: random.between(1, 4),
    records: random.magnitude(4, 64),
    readers: random.between(1, 3),
  }
}

export function goodHistory(seed: string, size?: GoodHistorySize): GoodHistory {
  const random = new SeededRandom(seed)
  const { partitions, producers, records, readers } = size ?? drawSize(random)
  const history = new ClientHistory()
  const names = Array.from({ length: partitions }, (_, index) => history.addPartition(`topic-${index}`))
  const senders = Array.from({ length: producers }, (_, index) =>
    history.addProducer({ name: `producer ${index}`, mayDuplicate: false, mayReorder: false }),
  )
  const logs = names.map((): number[] => [])
  const readTo = names.map(() => Array.from({ length: readers }, () => 0))
  const readerOf = names.map((partition) =>
    Array.from({ length: readers }, (_, index) => history.addReader(`reader ${index} of ${partition}`, partition)),
  )
  const epochs = names.map(() => 0)
  for (const readersHere of readerOf) for (const reader of readersHere) history.positioned(reader, 0)
  const readSome = (partition: number, index: number) => {
    const log = logs[partition]!
    const from = readTo[partition]![index]!
    const to = random.between(from, log.length)
    const reader = readerOf[partition]![index]!
    history.watermark(reader, epochs[partition]!, log.length)
    for (let offset = from; offset < to; offset++)
      if (log[offset]! >= 0) history.read(reader, offset, log[offset]!, log.length)
    readTo[partition]![index] = to
  }
  for (let sent = 0; sent < records; sent++) {
    const partition = random.int(partitions)
    const log = logs[partition]!
    const value = history.sent(random.pick(senders), names[partition]!)
    const fate = random.int(8)
    if (fate === 0) history.refused(value)
    else if (fate > 1 || random.chance(0.5)) {
      // A control record, now and then.
      if (random.chance(0.05)) log.push(-1)
      log.push(value)
      if (fate > 2) history.acknowledged(value, log.length - 1, fate > 3)
    }
    if (random.chance(0.1)) history.leader(names[partition]!, epochs[partition]!, epochs[partition]! % 3)
    if (random.chance(0.05)) epochs[partition]! += 1
    if (random.chance(0.3)) readSome(partition, random.int(readers))
    if (random.chance(0.02)) {
      const index = random.int(readers)
      readTo[partition]![index] = Math.max(0, random.between(log.length - jumpMax, log.length))
      history.positioned(readerOf[partition]![index]!, readTo[partition]![index]!)
    }
  }
  for (const [partition, log] of logs.entries()) {
    const audit = history.addReader(`audit of ${partition}`, partition)
    history.positioned(audit, 0)
    for (const [offset, value] of log.entries()) if (value >= 0) history.read(audit, offset, value, log.length)
    history.drained(audit, 0, log.length)
  }
  return { history, logs, producers: senders }
}
