import assert from "node:assert/strict"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, test } from "node:test"

/** The built command as a process of its own: signals, exit codes and what is printed are its behaviour. */
const directory = mkdtempSync(join(tmpdir(), "ottla-start-"))
const running = new Set<ChildProcess>()
after(() => {
  for (const child of running) child.kill("SIGKILL")
  rmSync(directory, { recursive: true, force: true })
})

function start(...options: string[]) {
  const child = spawn(process.execPath, ["dist/ottla.js", "server", "start", ...options], {
    stdio: ["ignore", "pipe", "pipe"],
  })
  running.add(child)
  const output = { out: "", err: "" }
  child.stdout.on("data", (bytes: Buffer) => {
    output.out += bytes
  })
  child.stderr.on("data", (bytes: Buffer) => {
    output.err += bytes
  })
  const exited = once(child, "close").then(([code]) => {
    running.delete(child)
    return code as number | null
  })
  const ready = new Promise<string>((resolve, reject) => {
    child.stdout.on("data", () => {
      if (output.out.includes("\n")) resolve(output.out)
    })
    void exited.then((code) => reject(new Error(`exit ${code}: ${output.err}`)))
  })
  ready.catch(() => {})
  return { child, output, exited, ready }
}

const onFreePort = ["--set", "listeners=PLAINTEXT://127.0.0.1:0"]

test("one line says when it is ready and where; SIGTERM stops it cleanly", async () => {
  const data = join(directory, "clean")
  const broker = start(...onFreePort, "--set", `log.dirs=${data}`, "--set", "node.id=0")
  assert.match(
    await broker.ready,
    /^ottla is ready: node 0 at 127\.0\.0\.1:\d+(, http:\/\/127\.0\.0\.1:8082)?, data in .*\n$/,
  )
  broker.child.kill("SIGTERM")
  assert.equal(await broker.exited, 0)
  assert.ok(existsSync(join(data, ".kafka_cleanshutdown")), "the next start need not recover")
  assert.match(readFileSync(join(data, "meta.properties"), "utf8"), /node\.id=0/)
})

test("a second process on the same directory is refused, and kill -9 leaves no lock behind", async () => {
  const data = join(directory, "locked")
  const first = start(...onFreePort, "--set", `log.dirs=${data}`)
  await first.ready
  const second = start(...onFreePort, "--set", `log.dirs=${data}`)
  assert.equal(await second.exited, 1)
  assert.match(second.output.err, /held by another process.*log\.dirs/)
  first.child.kill("SIGKILL")
  await first.exited
  const third = start(...onFreePort, "--set", `log.dirs=${data}`)
  await third.ready
  third.child.kill("SIGKILL")
})

test("settings come from Kafka's file, and the command line wins", async () => {
  const file = join(directory, "server.properties")
  writeFileSync(
    file,
    `process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:1\nlisteners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:1\ncontroller.listener.names=CONTROLLER\nlog.dirs=${join(directory, "unused")}\ntransaction.state.log.min.isr=1\n`,
  )
  const data = join(directory, "used")
  const broker = start("--config", file, "--set", `log.dirs=${data}`)
  assert.match(await broker.ready, new RegExp(`data in ${data}\n`))
  assert.match(broker.output.err, /transaction\.state\.log\.min\.isr is set, but Ottla does not act on it yet/)
  broker.child.kill("SIGKILL")
})

test("what cannot be is an error that names the setting, before anything is touched", async () => {
  const cases: [string[], RegExp][] = [
    [["--set", "num.partition=3"], /num\.partition is not a setting; did you mean num\.partitions\?/],
    [["--set", "num.partitions=0"], /num\.partitions/],
    [["--set", "nothing"], /write it as name=value/],
    [["--config", join(directory, "missing.properties")], /missing\.properties cannot be read/],
  ]
  for (const [options, message] of cases) {
    const broker = start(...options, "--set", `log.dirs=${join(directory, "never")}`)
    assert.equal(await broker.exited, 2, options.join(" "))
    assert.match(broker.output.err, message)
  }
  assert.ok(!existsSync(join(directory, "never")))
})

test("a listener that other machines can reach needs --insecure", async () => {
  const data = join(directory, "insecure")
  const refused = start(
    "--set",
    "listeners=PLAINTEXT://0.0.0.0:0",
    "--set",
    "advertised.listeners=PLAINTEXT://127.0.0.1:0",
    "--set",
    `log.dirs=${data}`,
  )
  assert.equal(await refused.exited, 1)
  assert.match(refused.output.err, /--insecure/)
})

/** Ports that nobody listens on at the moment. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, "127.0.0.1")
      await once(server, "listening")
      return server
    }),
  )
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  for (const server of servers) server.close()
  return ports
}

test("a broker's thread that ends is started anew, while the others and the process go on", async () => {
  const [port, controllerPort] = await freePorts(2)
  const data = join(directory, "threads")
  const machine = start(
    ...["--brokers", "2", "--set", "node.id=1", "--set", `log.dirs=${data}`],
    ...["--set", `listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`],
    ...["--set", `controller.quorum.voters=1@127.0.0.1:${controllerPort}`],
    ...["--set", "log.flush.offset.checkpoint.interval.ms=50"],
  )
  const says = (pattern: RegExp) =>
    new Promise<void>((resolve) => {
      const look = () => {
        if (!pattern.test(machine.output.err)) return
        machine.child.stderr.off("data", look)
        resolve()
      }
      machine.child.stderr.on("data", look)
      look()
    })
  assert.match(await machine.ready, /^ottla is ready: nodes 1, 1001 at /)
  // Its disk is gone.
  renameSync(`${data}-1001`, `${data}-gone`)
  await says(/a broker's thread has ended, and is started anew/)
  // And here it is again, whatever a start in between has made in its place.
  rmSync(`${data}-1001`, { recursive: true, force: true })
  renameSync(`${data}-gone`, `${data}-1001`)
  await says(/a broker's thread is back.*nodeId=1001/)
  assert.equal(machine.child.exitCode, null)
  assert.doesNotMatch(machine.output.err, /nodeId=1\b.*is back/)
  machine.child.kill("SIGTERM")
  assert.equal(await machine.exited, 0)
})

test("Kafka's own server.properties, edited for three nodes as its comments say, starts one cluster without a format step", async () => {
  const ports = await freePorts(6)
  const controllers = [1, 3, 5].map((index) => `localhost:${ports[index]}`)
  const nodes = [1, 2, 3].map((id) => {
    const [client, controller] = [ports[2 * id - 2], ports[2 * id - 1]]
    const file = join(directory, `kafka-${id}.properties`)
    writeFileSync(
      file,
      `process.roles=broker,controller
node.id=${id}
controller.quorum.bootstrap.servers=${controllers.join(",")}
listeners=PLAINTEXT://:${client},CONTROLLER://:${controller}
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:${client},CONTROLLER://localhost:${controller}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=${join(directory, `kraft-combined-logs-${id}`)}
num.partitions=1
num.recovery.threads.per.data.dir=1
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
`,
    )
    return start("--config", file, "--insecure")
  })
  await Promise.all(nodes.map(({ ready }) => ready))
  const clusterIds = [1, 2, 3].map((id) => {
    const properties = readFileSync(join(directory, `kraft-combined-logs-${id}`, "meta.properties"), "utf8")
    return /cluster\.id=(.*)/.exec(properties)![1]
  })
  assert.equal(new Set(clusterIds).size, 1)
  for (const { child } of nodes) child.kill("SIGTERM")
  assert.deepEqual(await Promise.all(nodes.map(({ exited }) => exited)), [0, 0, 0])
})
