import assert from "node:assert/strict"
import { execFile, spawnSync } from "node:child_process"
import { test } from "node:test"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { createBroker } from "../testing/index.js"

const entry = fileURLToPath(new URL("./index.js", import.meta.url))

/** What a program prints that imports the client, and how it ends. */
function runProgram(text: string): { readonly printed: string; readonly status: number | null } {
  const program = `import { Client } from ${JSON.stringify(entry)}\n${text}`
  const { stdout, stderr, status } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
    encoding: "utf8",
    timeout: 20_000,
  })
  return { printed: stdout + stderr, status }
}

test("a program that waits for a broker that is not there is told, with the address, and ends when the client is closed", () => {
  const { printed, status } = runProgram(`
    const client = new Client({ bootstrap: "127.0.0.1:1" })
    try { await client.producer({ maxBlockMs: 300 }).send({ topic: "t", value: "v" }) }
    catch (error) { console.log(error.code, error.message) }
    await client.close()
    console.log("closed")
  `)
  assert.match(printed, /^TIMED_OUT .*127\.0\.0\.1:1: nobody listens there/)
  assert.match(printed, /closed\n$/)
  assert.equal(status, 0)
})

test("a program that only reads loads the codec of what it reads", async () => {
  await using broker = await createBroker({ port: 0, topics: { t: 1 } })
  const client = broker.client()
  await client.producer({ compression: "zstd" }).sendAll([
    { topic: "t", value: "one" },
    { topic: "t", value: "two" },
  ])
  // Not in this process, which has loaded it for its broker; nor may this process stand still meanwhile.
  const program = `import { Client } from ${JSON.stringify(entry)}
    const client = new Client({ bootstrap: "${broker.bootstrap}" })
    for await (const { offset, value } of client.consumer({ topics: ["t"], from: "earliest" })) {
      console.log(String(value))
      if (offset === 1n) break
    }
    await client.close()`
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", program], {
    timeout: 20_000,
  })
  assert.equal(stdout, "one\ntwo\n")
})

test("what a client does is told on the channels of node:diagnostics_channel", () => {
  const { printed } = runProgram(`
    import { subscribe } from "node:diagnostics_channel"
    const errors = new Set()
    subscribe("ottla:client:request", ({ api, address, durationMs, error }) => {
      if (durationMs >= 0) errors.add([api, address, error.code].join(" "))
    })
    const client = new Client({ bootstrap: "127.0.0.1:1" })
    await client.admin({ timeoutMs: 300 }).listTopics().catch(() => {})
    await client.close()
    console.log([...errors].join())
  `)
  assert.equal(printed, "Metadata 127.0.0.1:1 refused\n")
})
