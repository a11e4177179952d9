import assert from "node:assert/strict"
import { test } from "node:test"
import { payloadElementsMax, subscribedTopics, subscriptionBytesMax } from "./subscriptions.js"

/** A subscription of version 0 to so many topics without letters. */
function subscriptionTo(count: number): Buffer {
  const bytes = Buffer.alloc(6 + 2 * count + 4)
  bytes.writeInt32BE(count, 2)
  bytes.writeInt32BE(-1, 6 + 2 * count)
  return bytes
}

test("subscriptions that do not parse are not understood", () => {
  assert.deepEqual(subscribedTopics([subscriptionTo(1)]), new Set([""]))
  assert.equal(subscribedTopics([subscriptionTo(1), Buffer.from([0, 0, 0])]), undefined)
})

test("a subscription to more topics than anybody should read is not understood", () => {
  assert.notEqual(subscribedTopics([subscriptionTo(payloadElementsMax)]), undefined)
  assert.equal(subscribedTopics([subscriptionTo(payloadElementsMax + 1)]), undefined)
})

test("the subscriptions of all members together are bounded", () => {
  const each = subscriptionTo(50_000)
  const few = Math.floor(subscriptionBytesMax / each.length)
  assert.notEqual(subscribedTopics(Array.from({ length: few }, () => each)), undefined)
  assert.equal(subscribedTopics(Array.from({ length: few + 1 }, () => each)), undefined)
})
