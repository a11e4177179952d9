import assert from "node:assert/strict"
import { test } from "node:test"
import { BrokerError } from "../client/errors.js"
import { Errors } from "../protocol/errors.js"
import { changeData, exitCodeOfAll, jsonText, type Listing, listingLines } from "./output.js"

interface Row {
  readonly name: string
  readonly offset: bigint
}

const listing: Listing<Row> = {
  rows: [
    { name: "a", offset: 5n },
    { name: "long", offset: 2n ** 60n },
  ],
  columns: [
    { head: "NAME", of: ({ name }: Row) => name },
    { head: "OFFSET", of: ({ offset }: Row) => String(offset) },
  ],
  nameOf: ({ name }: Row) => name,
  none: "nothing is there",
}

test("a list is a table for people, JSON for programs, and names for pipes", () => {
  assert.deepEqual(listingLines(listing, "table"), ["NAME  OFFSET", "a     5", "long  1152921504606846976"])
  assert.deepEqual(listingLines(listing, "name"), ["a", "long"])
  assert.deepEqual(listingLines(listing, "jsonl"), [
    '{"name":"a","offset":5}',
    '{"name":"long","offset":"1152921504606846976"}',
  ])
  assert.deepEqual(JSON.parse(listingLines(listing, "json").join("\n")).length, 2)
})

test("an empty list is said to be empty to people only", () => {
  const empty = { ...listing, rows: [] }
  assert.deepEqual(listingLines(empty, "table"), ["nothing is there"])
  assert.deepEqual(listingLines(empty, "name"), [])
  assert.deepEqual(listingLines(empty, "jsonl"), [])
  assert.deepEqual(listingLines(empty, "json"), ["[]"])
})

test("the exit code tells done, partly done, not found and failed apart", () => {
  const missing = new BrokerError(Errors.UNKNOWN_TOPIC_OR_PARTITION, "topic t")
  const refused = new BrokerError(Errors.INVALID_CONFIG, "topic t")
  assert.equal(exitCodeOfAll([undefined, undefined]), 0)
  assert.equal(exitCodeOfAll([]), 0)
  assert.equal(exitCodeOfAll([undefined, missing]), 4)
  assert.equal(exitCodeOfAll([missing, missing]), 3)
  assert.equal(exitCodeOfAll([missing, refused]), 1)
})

test("what became of an item has Kafka's name of the error, or null", () => {
  const error = new BrokerError(Errors.INVALID_CONFIG, "topic t", "no such setting")
  assert.deepEqual(changeData({ name: "t", done: "", data: { dryRun: false }, error }), {
    name: "t",
    dryRun: false,
    error: "INVALID_CONFIG",
    message: "topic t: no such setting",
  })
  assert.equal(jsonText(changeData({ name: "t", done: "" })), '{"name":"t","error":null,"message":null}')
})
