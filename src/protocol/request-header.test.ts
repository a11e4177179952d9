import assert from "node:assert/strict"
import { test } from "node:test"
import { MalformedError, Reader } from "../base/reader.js"
import { apiVersions } from "./messages/api-versions.js"
import { metadata } from "./messages/metadata.js"
import { decodeRequestHeader, decodeResponseHeader, encodeRequest, encodeResponse } from "./request-header.js"

const reader = (hex: string): Reader => new Reader(Buffer.from(hex.replaceAll(" ", ""), "hex"))

test("the flexible header keeps the old form of the client id and adds tagged fields", () => {
  const old = decodeRequestHeader(reader("0003 0001 00000007 0004 6b636174"))
  assert.deepEqual([old.apiKey, old.apiVersion, old.correlationId, old.clientId], [3, 1, 7, "kcat"])
  assert.equal(old.api, metadata)
  const flexible = reader("0003 000c 00000007 0004 6b636174 01 05 01 aa ff")
  assert.equal(decodeRequestHeader(flexible).clientId, "kcat")
  assert.equal(flexible.remaining, 1)
})

test("a client need not have an id", () => {
  assert.equal(decodeRequestHeader(reader("0003 0001 00000007 ffff")).clientId, null)
})

test("versions beyond what is supported have a header too", () => {
  const header = decodeRequestHeader(reader("0012 0005 00000001 ffff 00"))
  assert.equal(header.api, apiVersions)
  assert.equal(header.api!.supports(header.apiVersion), false)
})

test("an unknown key has no api", () => {
  assert.equal(decodeRequestHeader(reader("03e7 0000 00000001 ffff")).api, undefined)
  assert.equal(decodeRequestHeader(reader("fff7 0000 00000001 ffff")).api, undefined)
})

test("a header that is cut off or has a negative version is malformed", () => {
  const whole = Buffer.from("0003000c0000000700046b63617400", "hex")
  for (let length = 0; length < whole.length; length++) {
    assert.throws(() => decodeRequestHeader(new Reader(whole, 0, length)), MalformedError)
  }
  assert.throws(() => decodeRequestHeader(reader("0003 ffff 00000007 ffff")), MalformedError)
})

test("frames start with their size", () => {
  const request = metadata.request.create({ topics: null, includeTopicAuthorizedOperations: false })
  const frame = Buffer.concat(encodeRequest(metadata, 12, 42, "me", request) as Buffer[])
  assert.equal(frame.readInt32BE(0), frame.length - 4)
  const body = new Reader(frame, 4)
  assert.equal(decodeRequestHeader(body).correlationId, 42)
  assert.deepEqual(metadata.request.decode(body, 12), request)
})

test("an ApiVersions response has the old header in every version (KIP-511)", () => {
  for (const version of [0, 3, 4]) {
    const frame = Buffer.concat(encodeResponse(apiVersions, version, 42, { errorCode: 0, apiKeys: [] }) as Buffer[])
    const body = new Reader(frame, 4)
    assert.equal(decodeResponseHeader(body, apiVersions, version).correlationId, 42)
    assert.equal(apiVersions.response.decode(body, version).errorCode, 0)
    assert.equal(frame.readInt16BE(8), 0)
  }
  assert.deepEqual([metadata.responseHeaderVersion(8), metadata.responseHeaderVersion(9)], [0, 1])
})
