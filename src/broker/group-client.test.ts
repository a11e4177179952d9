import assert from "node:assert/strict"
import { test } from "node:test"
import { clientHost } from "./group-client.js"

test("a client's address is written as Java writes it", () => {
  const cases: Record<string, string> = {
    "127.0.0.1": "/127.0.0.1",
    "::1": "/0:0:0:0:0:0:0:1",
    "::": "/0:0:0:0:0:0:0:0",
    "2001:db8::ff00:42:8329": "/2001:db8:0:0:0:ff00:42:8329",
    "2001:0DB8:0:0:0:0:0:1": "/2001:db8:0:0:0:0:0:1",
    "fe80::1%eth0": "/fe80:0:0:0:0:0:0:1%eth0",
    "1::": "/1:0:0:0:0:0:0:0",
  }
  for (const [address, expected] of Object.entries(cases)) assert.equal(clientHost(address), expected)
})
