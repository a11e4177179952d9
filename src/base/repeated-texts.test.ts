import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { MalformedError, Reader } from "./reader.js"
import { RepeatedTexts, RepeatingReader } from "./repeated-texts.js"

test("a reader with a table reads what one without it reads", () => {
  const repeated = new RepeatedTexts()
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom("a", "ab", "ba", "group-1", "group-2", "Gruppe-ä", "x".repeat(70))),
      (texts) => {
        const bytes = Buffer.from(texts.join(""))
        const [plain, repeating] = [new Reader(bytes), new RepeatingReader(bytes, repeated)]
        for (const text of texts) {
          const count = Buffer.byteLength(text)
          assert.equal(repeating.utf8(count), plain.utf8(count))
          assert.equal(repeating.position, plain.position)
        }
        const uuids = fc.sample(fc.uint8Array({ minLength: 16, maxLength: 16 }), { numRuns: 3, seed: texts.length })
        const twice = Buffer.concat([...uuids, ...uuids, Buffer.alloc(16)])
        const [once, again] = [new Reader(twice), new RepeatingReader(twice, repeated)]
        while (once.remaining > 0) assert.equal(again.uuid(), once.uuid())
      },
    ),
    { seed: 7 },
  )
})

test("what ends too early is malformed with a table too", () => {
  const reader = new RepeatingReader(Buffer.from("abc"), new RepeatedTexts())
  assert.throws(() => reader.utf8(4), MalformedError)
  assert.throws(() => reader.uuid(), MalformedError)
  assert.equal(reader.utf8(3), "abc")
})

test("memory that is used again does not change what is remembered", () => {
  const repeated = new RepeatedTexts()
  const bytes = Buffer.from("first")
  assert.equal(new RepeatingReader(bytes, repeated).utf8(5), "first")
  bytes.write("other")
  assert.equal(new RepeatingReader(bytes, repeated).utf8(5), "other")
  assert.equal(new RepeatingReader(Buffer.from("first"), repeated).utf8(5), "first")
})
