import assert from "node:assert/strict"
import { test } from "node:test"
import { MalformedError, Reader } from "../base/reader.js"
import { randomMessage } from "./generate.js"
import type { Message } from "./message.js"
import { mutate } from "./mutate.js"
import { allMessages } from "./testdata/all-messages.js"
import { seededInt } from "./testdata/random.js"

/** Runs `check` on random values of every version of every message. */
function forAll(
  rounds: number,
  check: (
    message: Message,
    version: number,
    encoded: Buffer,
    nextInt: (below: number) => number,
    value: unknown,
  ) => void,
): void {
  for (const message of allMessages) {
    for (let version = message.versions.min; version <= message.versions.max; version++) {
      const nextInt = seededInt(version * 31 + message.name.length)
      for (let round = 0; round < rounds; round++) {
        const value = randomMessage(message, version, nextInt)
        check(message, version, message.encodeToBuffer(value as never, version), nextInt, value)
      }
    }
  }
}

function decodesOrIsMalformed(message: Message, version: number, bytes: Buffer): boolean {
  try {
    const value = message.decode(new Reader(bytes), version)
    // No element travels for free, so a small message cannot become a large value.
    assert.ok(elements(value) <= bytes.length, `${elements(value)} elements out of ${bytes.length} bytes`)
    return true
  } catch (error) {
    if (error instanceof MalformedError) return false
    throw new Error(`${message.name} v${version}: ${bytes.toString("hex")}`, { cause: error })
  }
}

function elements(value: unknown): number {
  if (typeof value !== "object" || value === null || Buffer.isBuffer(value)) return 0
  const own = Array.isArray(value) ? value.length : 0
  return Object.values(value).reduce((sum: number, inner) => sum + elements(inner), own)
}

test("what was encoded decodes to the same value, in every version", () => {
  forAll(20, (message, version, encoded, _randomInt, value) => {
    assert.deepStrictEqual(
      message.decode(new Reader(encoded), version),
      value,
      `${message.name} v${version}: ${encoded.toString("hex")}`,
    )
  })
})

test("a message that ends anywhere too early is malformed", () => {
  forAll(4, (message, version, encoded) => {
    for (let length = 0; length < encoded.length; length++) {
      const cut = encoded.subarray(0, length)
      assert.ok(!decodesOrIsMalformed(message, version, cut), `${message.name} v${version} of ${length} bytes decodes`)
    }
  })
})

test("a message followed by anything is malformed", () => {
  forAll(1, (message, version, encoded) => {
    assert.ok(!decodesOrIsMalformed(message, version, Buffer.concat([encoded, Buffer.alloc(1)])))
  })
})

test("damaged bytes decode or are malformed, nothing else", () => {
  forAll(8, (message, version, encoded, nextInt) => {
    for (let round = 0; round < 10; round++) decodesOrIsMalformed(message, version, mutate(encoded, nextInt))
  })
})

test("random bytes decode or are malformed, nothing else", () => {
  forAll(4, (message, version, _encoded, nextInt) => {
    const bytes = Buffer.from(Array.from({ length: nextInt(200) }, () => nextInt(256)))
    decodesOrIsMalformed(message, version, bytes)
  })
})
