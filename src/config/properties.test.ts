import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { formatProperties, parseProperties } from "./properties.js"

const read = (text: string) => Object.fromEntries(parseProperties(text).map(({ name, value }) => [name, value]))

test("the grammar of java.util.Properties", () => {
  assert.deepEqual(read("a=1\nb:2\nc 3\n  d =  4  \n"), { a: "1", b: "2", c: "3", d: "4  " })
  assert.deepEqual(read("# no\n ! neither\n\na=1 # part of it"), { a: "1 # part of it" })
  assert.deepEqual(read("a=one,\\\n   two\nb=3"), { a: "one,two", b: "3" })
  assert.deepEqual(read("a=ends with a backslash\\\\\nb=2"), { a: "ends with a backslash\\", b: "2" })
  assert.deepEqual(read("a\\ b\\=c=1\\t2\\u0041\\q"), { "a b=c": "1\t2Aq" })
  assert.deepEqual(read("lonely\nempty=\nlast=\\"), { lonely: "", empty: "", last: "" })
  assert.deepEqual(read("a=x://h:1,y://h:2\r\nb=2\r"), { a: "x://h:1,y://h:2", b: "2" })
})

test("a definition knows its line", () => {
  assert.deepEqual(
    parseProperties("#\na=1\\\n2\nb=3").map(({ name, line }) => [name, line]),
    [
      ["a", 2],
      ["b", 4],
    ],
  )
})

test("what is written is read back", () => {
  const text = fc.string({ unit: "binary", maxLength: 12 })
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(
          text.filter((name) => name !== "" && name !== "__proto__"),
          text,
        ),
      ),
      (pairs) => {
        const properties = Object.fromEntries(pairs)
        assert.deepEqual(read(formatProperties(properties, "a comment\nin one line")), properties)
      },
    ),
  )
})
