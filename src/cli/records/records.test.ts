import assert from "node:assert/strict"
import { Readable } from "node:stream"
import { test } from "node:test"
import type { ConsumerRecord } from "../../client/consumer/record.js"
import { jsonKeys } from "../json-schema.js"
import { linesOf, splitKey } from "./lines.js"
import { recordMaker } from "./produce.js"
import { parseFormat, recordData } from "./record-format.js"

const record: ConsumerRecord = {
  topic: "t",
  partition: 3,
  offset: 42n,
  timestamp: Date.UTC(2026, 0, 31),
  key: Buffer.from("k"),
  value: Buffer.from("värde"),
  headers: [
    { key: "a", value: Buffer.from("1") },
    { key: "b", value: null },
  ],
}
const text = (format: string, of: Partial<ConsumerRecord> = {}) => parseFormat(format)({ ...record, ...of }).toString()

test("a format has letters for all that a record has", () => {
  assert.equal(
    text("%t-%p@%o %k=%v %K/%S %h %T %d%%\\n"),
    "t-3@42 k=värde 1/6 a=1,b= 1769817600000 2026-01-31T00:00:00.000Z%\n",
  )
  assert.equal(text("%k|%v|%K|%S|%d", { key: null, value: null, timestamp: -1 }), "||-1|-1|")
})

test("bytes of a value come out as they are", () => {
  const value = Buffer.from([0, 255, 10])
  assert.deepEqual(parseFormat("%v")({ ...record, value }), value)
})

test("what means nothing in a format is named", () => {
  assert.throws(() => parseFormat("%x"), /%x means nothing; there are %t/)
  assert.throws(() => parseFormat("\\q"), /\\q means nothing/)
  assert.throws(() => parseFormat("100%"), /% means nothing/)
})

test("a record as JSON has the documented keys, and bytes that are no text as base64", () => {
  const data = recordData({ ...record, key: Buffer.from([255]), value: null }) as Record<string, unknown>
  assert.deepEqual(Object.keys(data), [...jsonKeys.consume])
  assert.deepEqual([data.key, data.keyEncoding, data.value, data.valueEncoding], ["/w==", "base64", null, null])
  assert.equal(JSON.parse(text("json")).value, "värde")
})

const lines = async (...chunks: string[]) => {
  const found: string[] = []
  for await (const line of linesOf(Readable.from(chunks.map((chunk) => Buffer.from(chunk)))))
    found.push(line.toString())
  return found
}

test("a line ends where it ends, however the bytes come in, and the last one needs no end", async () => {
  assert.deepEqual(await lines("a\nb", "b", "b\n\nc\r\n", "d"), ["a", "bbb", "", "c", "d"])
  assert.deepEqual(await lines("a\n"), ["a"])
  assert.deepEqual(await lines(), [])
})

test("a key is what comes before the first delimiter", () => {
  const parted = splitKey(Buffer.from("k::v::w"), "::")
  assert.deepEqual([parted?.key.toString(), parted?.value.toString()], ["k", "v::w"])
  assert.equal(splitKey(Buffer.from("none"), ":"), undefined)
})

test("a line becomes a record with the key, the headers and the partition that were said", () => {
  const made = recordMaker({ keyDelimiter: ":", header: ["h=1=2"], partition: 4, null: true }, "t")(
    Buffer.from("k:"),
    true,
  )
  assert.deepEqual(made, { topic: "t", key: Buffer.from("k"), value: null, headers: { h: "1=2" }, partition: 4 })
  const plain = recordMaker({ null: false }, "t")(Buffer.from(""), true)
  assert.deepEqual(plain, { topic: "t", value: Buffer.alloc(0), headers: {} })
  assert.throws(() => recordMaker({ keyDelimiter: ":", null: false }, "t")(Buffer.from("kv"), true), /has no ":"/)
  assert.throws(() => recordMaker({ header: ["h"], null: false }, "t"), /--header h: write it as name=value/)
})
