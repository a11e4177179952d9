import assert from "node:assert/strict"
import { test } from "node:test"
import { SeededRandom } from "../../random.js"
import { ClientHistory, operations } from "./client-history.js"
import { historyRules, judgeHistory } from "./judge-history.js"
import { goodHistory } from "./testing/good-history.js"

const exact = { mayDuplicate: false, mayReorder: false }

/** One partition, one producer, one reader positioned at its start. */
function small() {
  const history = new ClientHistory()
  const partition = history.addPartition("t-0")
  const producer = history.addProducer({ name: "p", ...exact })
  const reader = history.addReader("r", partition)
  history.positioned(reader, 0)
  const send = (offset?: number, isCommitted = true) => {
    const value = history.sent(producer, partition)
    if (offset !== undefined) history.acknowledged(value, offset, isCommitted)
    return value
  }
  const readAll = (values: readonly [offset: number, value: number][], to: number, from = 0) => {
    const audit = history.addReader("audit", partition)
    history.positioned(audit, from)
    for (const [offset, value] of values) history.read(audit, offset, value)
    history.drained(audit, from, to)
  }
  return { history, partition, producer, reader, send, readAll }
}

type Small = ReturnType<typeof small>

const bad: readonly { what: string; by: string; make(s: Small): void }[] = [
  {
    what: "a committed record is not in a complete read",
    by: "what is committed is kept",
    make({ send, readAll }) {
      const a = send(0)
      send(1)
      const c = send(2)
      readAll([[0, a], [2, c]], 3) // biome-ignore format: a log reads best on one line
    },
  },
  {
    what: "the log ends before a committed record",
    by: "what is committed is kept",
    make({ send, readAll }) {
      const a = send(0)
      send(1)
      readAll([[0, a]], 1)
    },
  },
  {
    what: "a record that was read, though only one replica had confirmed it, is gone",
    by: "what is committed is kept",
    make({ history, reader, send, readAll }) {
      const a = send(0, false)
      history.read(reader, 0, a)
      readAll([], 0)
    },
  },
  {
    what: "the head of the log is gone and nobody deleted it",
    by: "what is committed is kept",
    make({ send, readAll }) {
      send(0)
      const b = send(1)
      readAll([[1, b]], 2, 1)
    },
  },
  {
    what: "a committed record is lost between two complete reads",
    by: "what is committed is kept",
    make({ send, readAll }) {
      const a = send(0)
      const b = send(1)
      readAll([[0, a], [1, b]], 2) // biome-ignore format: a log reads best on one line
      readAll([[0, a]], 1)
    },
  },
  {
    what: "two readers see two values at an offset",
    by: "one value at an offset",
    make({ history, reader, partition, send }) {
      const a = send()
      const b = send()
      const other = history.addReader("other", partition)
      history.positioned(other, 0)
      history.read(reader, 0, a)
      history.read(other, 0, b)
    },
  },
  {
    what: "a value is committed at an offset where another was read",
    by: "one value at an offset",
    make({ history, reader, send }) {
      const a = send()
      history.read(reader, 0, a)
      send(0)
    },
  },
  {
    what: "two values are committed at one offset",
    by: "one value at an offset",
    make({ send }) {
      send(7)
      send(7)
    },
  },
  {
    what: "a retry is stored a second time",
    by: "one offset for a value",
    make({ history, reader, send }) {
      const a = send(0)
      history.read(reader, 0, a)
      history.read(reader, 1, a)
    },
  },
  {
    what: "a retry is told another offset",
    by: "one offset for a value",
    make({ history, send }) {
      const a = send(3)
      history.acknowledged(a, 5, true)
    },
  },
  {
    what: "one replica confirmed a record where it is not",
    by: "one offset for a value",
    make({ history, reader, send }) {
      const a = send(4, false)
      history.read(reader, 6, a)
    },
  },
  {
    what: "two records of a producer change places",
    by: "sends stay in order",
    make({ history, reader, send }) {
      const a = send()
      const b = send()
      history.read(reader, 0, b)
      history.read(reader, 1, a)
    },
  },
  {
    what: "a batch overtakes one that was confirmed later",
    by: "sends stay in order",
    make({ history, producer, partition }) {
      const a = history.sent(producer, partition)
      const b = history.sent(producer, partition)
      history.acknowledged(b, 0, true)
      history.acknowledged(a, 1, true)
    },
  },
  {
    what: "a record appears that nobody sent",
    by: "nothing comes from nowhere",
    make: ({ history, reader }) => history.read(reader, 0, 99),
  },
  {
    what: "a record has no number at all",
    by: "nothing comes from nowhere",
    make: ({ history, reader }) => history.read(reader, 0, -1),
  },
  {
    what: "a refused record appears",
    by: "nothing comes from nowhere",
    make({ history, reader, send }) {
      const a = send()
      history.refused(a)
      history.read(reader, 0, a)
    },
  },
  {
    what: "a record of another partition appears",
    by: "nothing comes from nowhere",
    make({ history, producer, reader }) {
      const other = history.addPartition("t.1-0")
      history.read(reader, 0, history.sent(producer, other))
    },
  },
  {
    what: "a record is read before it was sent",
    by: "nothing comes from nowhere",
    make({ history, reader, send }) {
      history.read(reader, 0, 0)
      send()
    },
  },
  {
    what: "a reader goes back",
    by: "readers go forward and skip nothing",
    make({ history, reader, send }) {
      const a = send()
      const b = send()
      history.read(reader, 0, a)
      history.read(reader, 1, b)
      history.read(reader, 0, a)
    },
  },
  {
    what: "a reader leaves out what another reads later",
    by: "readers go forward and skip nothing",
    make({ history, partition, reader, send }) {
      const values = [send(), send(), send()]
      history.read(reader, 0, values[0]!)
      history.read(reader, 2, values[2]!)
      const other = history.addReader("other", partition)
      history.positioned(other, 0)
      for (const [offset, value] of values.entries()) history.read(other, offset, value)
    },
  },
  {
    what: "a reader leaves out what is committed",
    by: "readers go forward and skip nothing",
    make({ history, reader, send }) {
      send(0)
      const b = send(1)
      history.read(reader, 1, b)
    },
  },
  {
    what: "the high watermark goes back in an epoch",
    by: "watermarks never go back",
    make({ history, reader }) {
      history.watermark(reader, 3, 10)
      history.watermark(reader, 3, 9)
    },
  },
  {
    what: "the end of the log goes back",
    by: "watermarks never go back",
    make({ history, reader }) {
      history.watermark(reader, -1, 10)
      history.watermark(reader, 4, 7)
      history.watermark(reader, -1, 8)
    },
  },
  {
    what: "a record is read beyond the high watermark",
    by: "watermarks never go back",
    make({ history, reader, send }) {
      history.read(reader, 0, send(), 0)
    },
  },
  {
    what: "two nodes lead in one epoch",
    by: "one leader in an epoch",
    make({ history, partition }) {
      history.leader(partition, 5, 1)
      history.leader(partition, 6, 2)
      history.leader(partition, 5, 2)
    },
  },
  {
    what: "a batch has other bytes on another replica",
    by: "fetched batches never change",
    make({ history, partition }) {
      history.batch(partition, 0, 3, 0xabc)
      history.batch(partition, 0, 3, 0xabd)
    },
  },
  {
    what: "a batch has another end on another replica",
    by: "fetched batches never change",
    make({ history, partition }) {
      history.batch(partition, 0, 3, 0xabc)
      history.batch(partition, 0, 4, 0xabc)
    },
  },
  {
    what: "deleted records are read again",
    by: "what is deleted stays deleted",
    make({ history, partition, reader, send }) {
      const a = send(0)
      history.deletable(partition, 1)
      history.deleted(partition, 1)
      history.positioned(reader, 0)
      history.read(reader, 0, a)
    },
  },
]

for (const { what, by, make } of bad) {
  test(`the history checker finds: ${what}`, () => {
    const made = small()
    make(made)
    const found = judgeHistory(made.history)
    assert.ok(
      found.some((each) => each.startsWith(by)),
      `found instead: ${found.join("; ")}`,
    )
  })
}

const good: readonly { what: string; make(s: Small): void }[] = [
  {
    what: "a record that only one replica confirmed is lost, and another is there instead",
    make({ send, readAll }) {
      send(0, false)
      const b = send(0)
      readAll([[0, b]], 1)
    },
  },
  {
    what: "a record without an answer appears, or does not",
    make({ send, readAll }) {
      const a = send()
      send()
      const c = send()
      readAll([[0, a], [1, c]], 2) // biome-ignore format: a log reads best on one line
    },
  },
  {
    what: "the head is deleted",
    make({ history, partition, send, readAll }) {
      send(0)
      const b = send(1)
      history.deletable(partition, 1)
      history.deleted(partition, 1)
      readAll([[1, b]], 2, 1)
    },
  },
  {
    what: "offsets of control records are left out",
    make({ history, reader, send }) {
      history.read(reader, 1, send())
      history.read(reader, 4, send())
    },
  },
  {
    what: "a new leader knows of a lower high watermark",
    make({ history, reader }) {
      history.watermark(reader, 3, 10)
      history.watermark(reader, 4, 8)
      // Late news of the old one.
      history.watermark(reader, 3, 9)
    },
  },
  {
    what: "a producer without idempotence sends again",
    make({ history, partition, reader }) {
      const loose = history.addProducer({ name: "loose", mayDuplicate: true, mayReorder: true })
      const a = history.sent(loose, partition)
      const b = history.sent(loose, partition)
      for (const [offset, value] of [b, a, b].entries()) history.read(reader, offset, value)
    },
  },
  {
    what: "what is committed while a complete read is under way need not be in it",
    make({ history, partition, send }) {
      const a = send(0)
      const audit = history.addReader("audit", partition)
      history.positioned(audit, 0)
      history.read(audit, 0, a)
      send(1)
      history.drained(audit, 0, 1)
    },
  },
  {
    what: "a failure that the policy does not cover takes everything",
    make({ history, partition, reader, send, readAll }) {
      const a = send(0)
      history.read(reader, 0, a)
      history.lossAllowed(partition)
      history.read(reader, 0, send())
      readAll([], 0)
    },
  },
]

for (const { what, make } of good) {
  test(`the history checker has nothing against: ${what}`, () => {
    const made = small()
    make(made)
    assert.deepEqual(judgeHistory(made.history), [])
  })
}

test("random good histories pass", () => {
  for (let seed = 1; seed <= 2000; seed++)
    assert.deepEqual(judgeHistory(goodHistory(`good ${seed}`).history), [], `seed ${seed}`)
})

/** Spoils a good history after the fact, at one place. Undefined: there is no such place in it. */
const plants: Readonly<Record<string, (seed: string) => ClientHistory | undefined>> = {
  lost: (seed) => spoiled(seed, "committed", (h, at) => erase(h, operations.read, h.value[at]!)),
  "read and lost": (seed) =>
    spoiled(seed, "read", (h, at) => {
      let isLater = false
      for (let later = at + 1; later < h.count; later++)
        if (h.kind[later] === operations.read && h.value[later] === h.value[at]) {
          h.kind[later] = operations.deletable
          h.offset[later] = 0
          isLater = true
        }
      return isLater
    }),
  duplicated: (seed) =>
    spoiled(seed, "read", (h, at) => {
      const other = h.addReader("other", h.partition[at]!)
      h.positioned(other, h.offset[at]! + 1000)
      h.read(other, h.offset[at]! + 1000, h.value[at]!)
    }),
  diverged: (seed) =>
    spoiled(seed, "read", (h, at) => {
      const value = h.sent(h.addProducer({ name: "late", ...exact }), h.partition[at]!)
      const other = h.addReader("other", h.partition[at]!)
      h.positioned(other, h.offset[at]!)
      h.read(other, h.offset[at]!, value)
    }),
  phantom: (seed) =>
    spoiled(seed, "read", (h, at) => {
      h.value[at] = h.valueCount + 7
    }),
  stale: (seed) =>
    spoiled(seed, "read", (h, at) => {
      h.read(h.process[at]!, h.offset[at]!, h.value[at]!)
    }),
  "beyond the watermark": (seed) =>
    spoiled(seed, "read", (h, at) => {
      h.extra[at] = h.offset[at]!
    }),
  "two leaders": (seed) => spoiled(seed, "leader", (h, at) => h.leader(h.partition[at]!, h.offset[at]!, 7)),
}

function erase(history: ClientHistory, kind: number, value: number): void {
  for (let at = 0; at < history.count; at++)
    if (history.kind[at] === kind && history.value[at] === value) history.kind[at] = operations.leader
  for (let at = 0; at < history.count; at++)
    if (history.kind[at] === operations.leader && history.value[at] === value) history.value[at] = -1
}

function spoiled(
  seed: string,
  kind: "read" | "committed" | "leader",
  spoil: (history: ClientHistory, at: number) => unknown,
): ClientHistory | undefined {
  const { history } = goodHistory(seed)
  const places: number[] = []
  for (let at = 0; at < history.count; at++) if (history.kind[at] === operations[kind]) places.push(at)
  if (places.length === 0) return undefined
  return spoil(history, new SeededRandom(`${seed} place`).pick(places)) === false ? undefined : history
}

for (const [what, plant] of Object.entries(plants)) {
  test(`planted at random and always found: ${what}`, () => {
    let planted = 0
    for (let seed = 1; seed <= 300; seed++) {
      const history = plant(`${what} ${seed}`)
      if (history === undefined) continue
      planted += 1
      assert.notDeepEqual(judgeHistory(history), [], `seed ${seed}`)
    }
    assert.ok(planted > 100, `${planted} histories`)
  })
}

test("every rule has a fixture that only it needs to find", () => {
  for (const rule of historyRules) assert.ok(bad.some(({ by }) => by === rule.name) || rule.name === "", rule.name)
})

test("a history of a million records is judged in time", () => {
  const records = Number(process.env.OTTLA_HISTORY_RECORDS ?? 200_000)
  const { history } = goodHistory("large", { partitions: 8, producers: 16, records, readers: 3 })
  // Of the processor: what else goes on beside it is not its time.
  const before = process.cpuUsage()
  assert.deepEqual(judgeHistory(history), [])
  const { user, system } = process.cpuUsage(before)
  const seconds = (user + system) / 1e6
  assert.ok(seconds < Math.max(2, history.count / 1e6), `${history.count} operations took ${seconds.toFixed(1)} s`)
})
