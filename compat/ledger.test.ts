import assert from "node:assert/strict"
import { test } from "node:test"
import { batchesIn, type RecordView, recordsOf } from "../src/protocol/record-batch.js"
import { type Findings, isClean, noFindings, PartitionLedger, VerifiedUpTo } from "./ledger.js"

const producer = { producerId: 1, producerEpoch: 0 }

/** A partition that takes batches as a broker would, and can be damaged afterwards. */
class History {
  records: RecordView[] = []
  readonly ledger: PartitionLedger

  constructor(isIdempotent = false) {
    this.ledger = new PartitionLedger(3, isIdempotent ? producer : undefined, 40)
  }

  append(count: number, isAcknowledged = true): void {
    const batch = this.ledger.nextBatch(count)
    const baseOffset = this.records.length
    const bytes = this.ledger.encode(batch)
    for (const { start } of batchesIn(bytes)) {
      for (const record of recordsOf(bytes, start)) this.records.push({ ...record, offset: record.offset + baseOffset })
    }
    if (isAcknowledged) this.ledger.acknowledge(batch, baseOffset)
  }

  async findings(): Promise<Findings> {
    const { records } = this
    const findings = noFindings()
    async function* all() {
      yield* records
    }
    await this.ledger.verify(all(), new VerifiedUpTo(), findings)
    return findings
  }
}

function history(isIdempotent = false): History {
  const made = new History(isIdempotent)
  made.append(3)
  made.append(1)
  made.append(4)
  return made
}

test("a log that holds what was acknowledged is clean", async () => {
  const made = history()
  made.append(2, false)
  const findings = await made.findings()
  assert.ok(isClean(findings), findings.examples.join())
  assert.equal(findings.records, 10)
})

test("an open batch that never arrived is no loss", async () => {
  const made = history()
  made.ledger.nextBatch(5)
  assert.ok(isClean(await made.findings()))
})

const damages: Record<
  string,
  { damage: (records: RecordView[]) => RecordView[]; kind: "lost" | "reordered" | "gaps" | "foreign" }
> = {
  "a cut end": { damage: (records) => records.slice(0, 6), kind: "lost" },
  "an empty log": { damage: () => [], kind: "lost" },
  "a hole": { damage: (records) => records.filter(({ offset }) => offset !== 4), kind: "gaps" },
  "a record left out and the rest moved down": {
    damage: (records) => records.filter((_, i) => i !== 2).map((record, offset) => ({ ...record, offset })),
    kind: "lost",
  },
  "a duplicate": {
    damage: (records) => [...records, records[7]!].map((record, offset) => ({ ...record, offset })),
    kind: "reordered",
  },
  "two records swapped": {
    damage: (records) =>
      records.map((record, i) => ({ ...records[i === 5 ? 6 : i === 6 ? 5 : i]!, offset: record.offset })),
    kind: "reordered",
  },
  "a value with a flipped bit": {
    damage: (records) =>
      records.map((record, i) => {
        const value = Buffer.from(record.value!)
        if (i === 1) value[20]! ^= 1
        return { ...record, value }
      }),
    kind: "foreign",
  },
}

for (const [name, { damage, kind }] of Object.entries(damages)) {
  for (const isIdempotent of [false, true]) {
    test(`${name} is found, ${isIdempotent ? "idempotent" : "plain"} writer`, async () => {
      const made = history(isIdempotent)
      made.records = damage(made.records)
      assert.ok((await made.findings())[kind] > 0)
    })
  }
}

test("an idempotent sequence that was skipped is a loss even if nothing after it was acknowledged", async () => {
  const made = history(true)
  made.ledger.nextBatch(2)
  made.append(1, false)
  assert.ok((await made.findings()).lost > 0)
})

test("a batch sent again and answered with its old offset does not hide what comes after it", async () => {
  const made = new History(true)
  made.append(2)
  made.append(2, false)
  const upTo = new VerifiedUpTo()
  const findings = noFindings()
  async function* all(from: number) {
    yield* made.records.slice(from)
  }
  await made.ledger.verify(all(0), upTo, findings)
  made.ledger.acknowledge(made.ledger.resend()[0]!, 2)
  made.append(3)
  made.records.pop()
  await made.ledger.verify(all(4), upTo, findings)
  assert.equal(findings.lost, 1)
})
