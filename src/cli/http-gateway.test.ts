import assert from "node:assert/strict"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { request } from "node:http"
import { connect, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, test } from "node:test"
import { metrics } from "../observe/metrics.js"

/** The built command and real sockets: what is between a caller's bytes and the gateway is tested here. */
const directory = mkdtempSync(join(tmpdir(), "ottla-http-"))
const running = new Set<ChildProcess>()
after(() => {
  for (const child of running) child.kill("SIGKILL")
  rmSync(directory, { recursive: true, force: true })
})

function start(...options: string[]) {
  const child = spawn(process.execPath, ["dist/ottla.js", ...options], { stdio: ["ignore", "pipe", "pipe"] })
  running.add(child)
  const output = { out: "", err: "" }
  child.stderr.on("data", (bytes: Buffer) => {
    output.err += bytes
  })
  const exited = once(child, "close").then(([code]) => {
    running.delete(child)
    return code as number | null
  })
  const ready = new Promise<string>((resolve, reject) => {
    child.stdout.on("data", (bytes: Buffer) => {
      output.out += bytes
      if (output.out.includes("\n")) resolve(output.out)
    })
    void exited.then((code) => reject(new Error(`exit ${code}: ${output.err}`)))
  })
  ready.catch(() => {})
  return { child, output, exited, ready }
}

const broker = (name: string, ...settings: string[]) =>
  start(
    ...["server", "start", "--set", "listeners=PLAINTEXT://127.0.0.1:0", "--set", `log.dirs=${join(directory, name)}`],
    ...settings.flatMap((setting) => ["--set", setting]),
  )

const urlIn = (line: string): string => /http:\/\/[\d.:]+/.exec(line)![0]
const post = (url: string, body: unknown) =>
  fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) })

test("a broker serves HTTP beside Kafka's protocol and says where; a gateway alone serves the same in front of it", async () => {
  const first = broker("served", "ottla.http.listeners=http://127.0.0.1:0")
  const line = await first.ready
  assert.match(line, /^ottla is ready: node 1 at 127\.0\.0\.1:\d+, http:\/\/127\.0\.0\.1:\d+, data in /)
  const url = urlIn(line)
  assert.equal((await post(`${url}/topics`, { topic: "t" })).status, 201)
  const stored = await post(`${url}/v1/topics/t/messages`, { key: "k", value: "dg==" })
  assert.equal(stored.status, 200)
  const { timestamp: _now, ...place } = (await stored.json()) as { timestamp: number }
  assert.deepEqual(place, { topic: "t", partition: 0, offset: 0 })

  const alone = start("gateway", "--bootstrap-server", /127\.0\.0\.1:\d+/.exec(line)![0], "--listen", "127.0.0.1:0")
  const other = urlIn(await alone.ready)
  const page = (await (await fetch(`${other}/topics/t/partitions/0/records`)).json()) as { messages: { key: string }[] }
  assert.equal(page.messages[0]!.key, "k")
  assert.equal((await fetch(`${other}/readyz`)).status, 200)
  alone.child.kill("SIGTERM")
  assert.equal(await alone.exited, 0)

  // An open stream does not hold up a stop.
  const stream = await fetch(`${url}/topics/t/stream`)
  assert.equal(stream.headers.get("content-type"), "text/event-stream")
  first.child.kill("SIGTERM")
  assert.equal(await first.exited, 0)
})

test("bytes that are no request, bodies that are cut or too long, and names of others are refused on the socket too", async () => {
  const { child, ready } = broker(
    "refused",
    "ottla.http.listeners=http://127.0.0.1:0",
    "ottla.http.body.bytes.max=2000",
  )
  const url = urlIn(await ready)
  const port = Number(new URL(url).port)
  assert.equal((await post(`${url}/topics`, { topic: "t" })).status, 201)
  const raw = (bytes: string, end = false) =>
    new Promise<string>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => {
        socket.write(bytes)
        if (end) socket.end()
      })
      let answer = ""
      socket.on("data", (chunk) => {
        answer += chunk
        if (answer.includes("\r\n\r\n")) socket.destroy()
      })
      socket.on("error", () => {})
      socket.on("close", () => resolve(answer))
    })
  const head = "POST /topics/t/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
  assert.match(await raw("\x00\x01\x02\r\n\r\n"), /^HTTP\/1\.1 400/)
  assert.match(await raw("GET /topics HTTP/1.1\r\n\r\n"), /^HTTP\/1\.1 400/)
  assert.match(await raw("GET /topics HTTP/1.1\r\nhost: evil.example\r\n\r\n"), /^HTTP\/1\.1 403/)
  assert.match(await raw(`${head}content-length: 5000\r\n\r\n{`), /^HTTP\/1\.1 413/)
  assert.match(await raw(`${head}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n`), /^HTTP\/1\.1 400/)
  assert.match(await raw(`${head}content-length: 50\r\n\r\n{"valueText":"cut`, true), /^$|^HTTP\/1\.1 400/)
  assert.match(await raw(`${head}content-length: 17\r\n\r\n{"valueText":"cut`), /^HTTP\/1\.1 400/)
  const page = (await (await fetch(`${url}/topics/t/partitions/0/records`)).json()) as { messages: unknown[] }
  assert.deepEqual(page.messages, [])
  child.kill("SIGKILL")
})

test("a stream ends when its caller goes", async () => {
  const { child, ready } = broker("aborted", "ottla.http.listeners=http://127.0.0.1:0")
  const url = urlIn(await ready)
  await post(`${url}/topics`, { topic: "t" })
  const stream = request(`${url}/topics/t/stream`).end()
  stream.on("error", () => {})
  const [response] = (await once(stream, "response")) as [import("node:http").IncomingMessage]
  assert.equal(response.statusCode, 200)
  const open = async () => /^ottla_http_streams (\d+)$/m.exec(await (await fetch(`${url}/metrics`)).text())?.[1]
  assert.equal(await open(), "1")
  response.on("error", () => {})
  stream.destroy()
  // Each look takes a turn of the server, in one of which it hears of it.
  while ((await open()) !== "0");
  child.kill("SIGKILL")
})

test("every metric that is listed is told, those of groups once there are any; two brokers of a machine are told apart", async () => {
  const { child, ready } = start(
    ...["server", "start", "--brokers", "2", "--set", `log.dirs=${join(directory, "metrics")}`],
    ...["--set", "listeners=PLAINTEXT://127.0.0.1:0", "--set", "ottla.http.listeners=http://127.0.0.1:0"],
  )
  const url = urlIn(await ready)
  await post(`${url}/topics`, { topic: "t" })
  await post(`${url}/topics/t/messages`, { valueText: "a" })
  const text = await (await fetch(`${url}/metrics`)).text()
  const told = [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name, kind]) => [name, kind])
  const always = Object.entries(metrics).filter(
    ([name]) => !name.startsWith("ottla_group_lag") && name !== "ottla_series_dropped",
  )
  assert.deepEqual(told.sort(), always.map(([name, { kind }]) => [name, kind]).sort())
  assert.match(text, /^ottla_connections\{node="1"\} \d+$/m)
  assert.match(text, /^ottla_connections\{node="1001"\} \d+$/m)
  const { checks } = (await (await fetch(`${url}/readyz`)).json()) as { checks: { name: string; ok: boolean }[] }
  assert.equal(checks.filter(({ name, ok }) => name === "unfenced" && ok).length, 2)
  child.kill("SIGTERM")
})

test("a port that was asked for and is taken refuses the start; the default one is left out, and a warning says so", async () => {
  const holder = createServer().listen(0, "127.0.0.1")
  await once(holder, "listening")
  const { port } = holder.address() as { port: number }
  const refused = broker("taken", `ottla.http.listeners=http://127.0.0.1:${port}`)
  assert.equal(await refused.exited, 1)
  assert.match(
    refused.output.err,
    /ottla\.http\.listeners: http:\/\/127\.0\.0\.1:\d+: the port is taken; choose another/,
  )
  holder.close()

  const defaultHolder = createServer().listen(8082, "127.0.0.1")
  // Where another broker has it already, it is taken all the same.
  await new Promise<void>((resolve) => defaultHolder.once("listening", resolve).once("error", () => resolve()))
  const without = broker("default")
  assert.match(await without.ready, /^ottla is ready: node 1 at 127\.0\.0\.1:\d+, data in /)
  assert.equal(without.output.err.split("no HTTP API: the port is taken").length, 2)
  without.child.kill("SIGKILL")
  defaultHolder.close()

  const off = broker("off", "ottla.http.listeners=")
  assert.match(await off.ready, /^ottla is ready: node 1 at 127\.0\.0\.1:\d+, data in /)
  assert.doesNotMatch(off.output.err, /HTTP/)
  off.child.kill("SIGKILL")
})

test("an address that other machines can reach needs --insecure", async () => {
  const refused = broker("insecure", "ottla.http.listeners=http://0.0.0.0:0")
  assert.equal(await refused.exited, 1)
  assert.match(refused.output.err, /--insecure/)
  const alone = start("gateway", "--listen", "0.0.0.0:0")
  assert.equal(await alone.exited, 1)
  assert.match(alone.output.err, /--listen: .*--insecure/)
})
