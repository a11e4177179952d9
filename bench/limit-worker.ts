/**
 * What this runtime alone can do: a socket that is only read, and syncs of a growing file.
 *
 * Owns the floors that need no broker: `send` prints its port and sends to who connects, `receive` connects and prints seconds and CPU seconds, `sync` prints quantiles. `hold` says when it has touched so much memory, and keeps it.
 */
import { closeSync, fdatasync, openSync, unlinkSync, write } from "node:fs"
import { connect, createServer } from "node:net"
import { join } from "node:path"
import { promisify } from "node:util"
import { quantile } from "./statistics.js"
import { host } from "./systems.js"

const chunkBytes = 1 << 20
const holdBytes = 64 << 20

function receive(): void {
  const target = Buffer.allocUnsafe(chunkBytes)
  // node:net hands a fixed buffer only to sockets that connect: so the reader connects, to the sender.
  const port = Number(process.argv[3])
  const used = process.cpuUsage()
  const started = performance.now()
  let bytes = 0
  const socket = connect({
    host,
    port,
    onread: {
      buffer: target,
      callback: (count) => {
        bytes += count
        return true
      },
    },
  })
  socket.on("close", () => {
    const cpu = process.cpuUsage(used)
    const seconds = (performance.now() - started) / 1000
    process.stdout.write(JSON.stringify({ bytes, seconds, cpu: (cpu.user + cpu.system) / 1e6 }))
  })
}

function send(): void {
  const total = Number(process.argv[3])
  const chunk = Buffer.alloc(chunkBytes, 1)
  const server = createServer((socket) => {
    let left = total
    const more = () => {
      while (left > 0) {
        left -= chunk.length
        if (!socket.write(chunk)) return
      }
      socket.end()
      server.close()
    }
    socket.on("drain", more)
    socket.on("error", () => process.exit(1))
    more()
  })
  server.listen(0, host, () => process.stdout.write(`${(server.address() as { port: number }).port}\n`))
}

function hold(): void {
  const held: Buffer[] = []
  for (let left = Number(process.argv[3]); left > 0; left -= holdBytes) held.push(Buffer.alloc(holdBytes, 1))
  process.stdout.write("held\n")
  setInterval(() => held.length, 1000)
}

async function sync(): Promise<void> {
  const [groupBytes, rounds, everyMs] = process.argv.slice(4).map(Number) as [number, number, number]
  const path = join(process.argv[3]!, `.sync-${groupBytes}`)
  const file = openSync(path, "w")
  const append = promisify(write) as (
    fd: number,
    bytes: Buffer,
    offset: number,
    length: number,
    at: number,
  ) => Promise<unknown>
  const chunk = Buffer.alloc(groupBytes, 1)
  const ms: number[] = []
  const started = performance.now()
  for (let round = 0; round < rounds; round++) {
    await append(file, chunk, 0, chunk.length, round * groupBytes)
    const before = performance.now()
    await promisify(fdatasync)(file)
    const took = performance.now() - before
    ms.push(took)
    if (took < everyMs) await new Promise((resolve) => setTimeout(resolve, everyMs - took))
  }
  const seconds = (performance.now() - started) / 1000
  closeSync(file)
  unlinkSync(path)
  const bytesPerSecond = (groupBytes * rounds) / seconds
  process.stdout.write(JSON.stringify({ p50Ms: quantile(ms, 0.5), p99Ms: quantile(ms, 0.99), bytesPerSecond }))
}

const task = process.argv[2]
if (task === "receive") receive()
else if (task === "send") send()
else if (task === "hold") hold()
else await sync()
