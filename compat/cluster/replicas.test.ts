import assert from "node:assert/strict"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { setBatchBaseOffset } from "../../src/protocol/batch-header.js"
import { buildBatch } from "../../src/protocol/record-batch.js"
import { encodeOffsetCheckpoint } from "../../src/storage/checkpoint-files.js"
import { compareReplicas } from "./replicas.js"

/** Two records at `offset`. */
function batch(offset: number, text: string): Buffer {
  const bytes = buildBatch({ records: [{ value: Buffer.from(text) }, { value: Buffer.from(text) }], timestamp: 1 })
  setBatchBaseOffset(bytes, 0, offset)
  return bytes
}

interface Replica {
  /** By base offset, the batches of each segment. */
  readonly segments: readonly (readonly Buffer[])[]
  readonly highWatermark: number
}

function compare(...replicas: readonly Replica[]): readonly string[] {
  const home = mkdtempSync(join(tmpdir(), "ottla-replicas-"))
  try {
    const directories = replicas.map(({ segments, highWatermark }, index) => {
      const directory = join(home, String(index))
      mkdirSync(join(directory, "a-0"), { recursive: true })
      for (const [number, batches] of segments.entries())
        writeFileSync(join(directory, "a-0", `${String(number).padStart(20, "0")}.log`), Buffer.concat(batches))
      writeFileSync(
        join(directory, "replication-offset-checkpoint"),
        encodeOffsetCheckpoint([{ topic: "a", partition: 0, offset: highWatermark }]),
      )
      return directory
    })
    return compareReplicas(directories, ["a-0"]).differences.map((text) => text.replaceAll(home, ""))
  } finally {
    rmSync(home, { recursive: true })
  }
}

const [one, two, three] = [batch(0, "one"), batch(2, "two"), batch(4, "three")]

test("the same batches are no difference, wherever the segments end and whoever has more than is committed", () => {
  const differences = compare(
    { segments: [[one, two]], highWatermark: 4 },
    { segments: [[one], [two, three]], highWatermark: 4 },
  )
  assert.deepEqual(differences, [])
})

test("another batch below the high watermark is one, above it is none", () => {
  const other = batch(2, "TWO")
  const replicas = (highWatermark: number) =>
    compare({ segments: [[one, two]], highWatermark }, { segments: [[one, other]], highWatermark: 2 })
  assert.deepEqual(replicas(4), ["a-0: the batch at 2 is not the same in /0 and /1"])
  assert.deepEqual(replicas(2), [])
})

test("a replica that ends before the high watermark of another is one", () => {
  assert.match(
    compare({ segments: [[one, two]], highWatermark: 4 }, { segments: [[one]], highWatermark: 2 }).join("; "),
    /\/1 ends at 2, the high watermark is 4; .*the batch at 2 is not in both/,
  )
})

test("a replica whose log starts later is compared from there on", () => {
  assert.deepEqual(compare({ segments: [[one, two]], highWatermark: 4 }, { segments: [[two]], highWatermark: 4 }), [])
})
