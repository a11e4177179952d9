import assert from "node:assert/strict"
import { test } from "node:test"
import { type Env, NetworkError } from "../../env/env.js"
import { probe, probeTimeoutMs } from "./probe.js"

const endpoint = { name: "PLAINTEXT", host: "h", port: 9092, securityProtocol: 0 }

/** A network on which an attempt to connect ends as it is told to, and a clock that stands. */
function outside(connect: () => Promise<unknown>) {
  const due: (() => void)[] = []
  const timers = {
    after(delayMs: number, run: () => void) {
      assert.equal(delayMs, probeTimeoutMs)
      due.push(run)
      return { cancel() {} }
    },
  }
  return { env: { network: { connect }, timers } as unknown as Env, due }
}

for (const [code, result] of [
  ["ECONNREFUSED", "refused"],
  ["ECONNRESET", "accepted"],
  ["EHOSTUNREACH", "unreachable"],
  ["ETIMEDOUT", "unreachable"],
] as const) {
  test(`an attempt to connect that ends with ${code} finds ${result}`, async () => {
    const { env } = outside(() => Promise.reject(new NetworkError(code, "")))
    assert.equal(await probe(env, endpoint), result)
  })
}

test("who lets in is left at once, and who does not answer is given up", async () => {
  let destroyed = 0
  const { env } = outside(async () => ({ destroy: () => destroyed++ }))
  assert.deepEqual([await probe(env, endpoint), destroyed], ["accepted", 1])
  const silent = outside(() => new Promise(() => {}))
  const probing = probe(silent.env, endpoint)
  for (const run of silent.due) run()
  assert.equal(await probing, "unreachable")
})
