import assert from "node:assert/strict"
import { test } from "node:test"
import { emptyImage, type MetadataImage, type TopicImage } from "../../../metadata/image.js"
import { compileRegex, RegexResolution, regexLengthMax } from "./regular-expressions.js"

const image = (names: readonly string[]): MetadataImage => ({
  ...emptyImage,
  offset: 7,
  topics: names.reduce(
    (topics, name) => topics.set(name, { name, topicId: name, partitions: [] } satisfies TopicImage),
    emptyImage.topics,
  ),
})

function resolved(regex: string, names: readonly string[]): string[] {
  const resolution = new RegexResolution([regex], image(names))
  while (!resolution.advance());
  return [...resolution.topics.get(regex)!].sort()
}

test("an expression matches whole names, and never internal topics", () => {
  assert.deepEqual(resolved("foo", ["foo", "foobar", "barfoo"]), ["foo"])
  assert.deepEqual(resolved("foo|bar.*", ["foo", "foobar", "bar", "barfoo"]), ["bar", "barfoo", "foo"])
  assert.deepEqual(resolved(".*", ["a", "__consumer_offsets", "__transaction_state"]), ["a"])
  assert.deepEqual(resolved("__consumer_offsets", ["__consumer_offsets"]), [])
})

test("the syntax is RE2's", () => {
  assert.deepEqual(resolved("(?i)ORDERS-[[:digit:]]{2}", ["orders-12", "orders-1"]), ["orders-12"])
  assert.deepEqual(resolved("\\p{Lu}+", ["ABC", "abc"]), ["ABC"])
  for (const regex of ["(", "[", "a{2,1}", "*", "(?<=a)b", "(a)\\1", "(?!x)y", "\\"])
    assert.equal(typeof compileRegex(regex), "string", regex)
})

test("what would be too large is refused before it is compiled", () => {
  const refused = [
    "a".repeat(regexLengthMax + 1),
    "x{1000}",
    "(a{30}){30}",
    "((a{1,10}){1,10}){1,10}",
    "(?:a?){400}",
    ".*[ab].{500}",
    "a?".repeat(200),
    "(x+x+)+y".repeat(60),
    "\\pL{1000}",
    "[^x]{1000}",
  ]
  for (const regex of refused) assert.equal(typeof compileRegex(regex), "string", regex.slice(0, 40))
})

test("what people write is taken", () => {
  const names = Array.from({ length: 100 }, (_, index) => `payments.region-${index}.v1`)
  const taken = [
    ".*",
    "^orders-(eu|us)[.][a-z0-9]+$",
    "(foo|bar|baz)-\\d{4}-\\d{2}-\\d{2}",
    names.join("|"),
    `(${names.join("|")}).*`,
    "[a-zA-Z0-9._\\-]{1,100}",
    "[]{}]x",
    "a{x}",
  ]
  for (const regex of taken) assert.notEqual(typeof compileRegex(regex), "string", regex.slice(0, 40))
  assert.deepEqual(resolved(names.join("|"), [...names, "payments"]).length, 100)
})

test("expressions built to explode cost no more than others", () => {
  const name = "a".repeat(249)
  for (const regex of [
    "(a+)+$",
    "(a|aa)+b",
    "(a*)*b",
    "(.*)*(.*)*(.*)*x",
    "(a|a?)+b",
    ".*a.*a.*a.*b",
    "(?:a?){60}b",
    "(?i)(?P<x>a|aa)+b",
  ]) {
    const compiled = compileRegex(regex)
    assert.ok(typeof compiled !== "string", regex)
    compiled.matches(name)
    const startMs = performance.now()
    for (let round = 0; round < 20; round++)
      assert.equal(compiled.matches(`${name}${round}`.slice(0, 249)), regex === "(a+)+$")
    // Generous, since machines that test are busy: a backtracking engine would take years.
    assert.ok(performance.now() - startMs < 1000, regex)
  }
})

test("a resolution goes through many topics in portions", () => {
  const names = Array.from({ length: 5000 }, (_, index) => `topic-${index}`)
  const resolution = new RegexResolution(["topic-1.*", "nothing"], image(names))
  let portions = 1
  while (!resolution.advance()) portions++
  assert.ok(portions > 1)
  assert.equal(resolution.topics.get("topic-1.*")!.size, 1111)
  assert.equal(resolution.topics.get("nothing")!.size, 0)
  assert.equal(resolution.version, 7)
})
