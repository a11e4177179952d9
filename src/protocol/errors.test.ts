import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { allErrors, errorByCode, Errors } from "./errors.js"

interface KafkaError {
  code: number
  name: string
  retriable: boolean
  invalidMetadata: boolean
}

const kafkaErrors = JSON.parse(
  readFileSync(join(process.cwd(), "src/protocol/testdata/errors.json"), "utf8"),
) as KafkaError[]

test("the table has Kafka's codes, names and what clients make of them", () => {
  assert.deepEqual(
    allErrors.map(({ code, name, retriable, invalidMetadata }) => ({ code, name, retriable, invalidMetadata })),
    kafkaErrors.map(({ code, name, retriable, invalidMetadata }) => ({ code, name, retriable, invalidMetadata })),
  )
})

test("an error is found by its name and by its code", () => {
  assert.equal(Errors.NOT_LEADER_OR_FOLLOWER, 6)
  assert.equal(Errors.UNKNOWN_SERVER_ERROR, -1)
  assert.equal(errorByCode(6)?.name, "NOT_LEADER_OR_FOLLOWER")
  assert.equal(errorByCode(1000), undefined)
})

test("every error says something of its own", () => {
  const messages = allErrors.map(({ message }) => message)
  assert.equal(new Set(messages).size, messages.length)
  assert.ok(messages.every((message) => message.endsWith(".")))
})
