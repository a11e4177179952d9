/**
 * One load on an HTTP API, in a process of its own: `load-worker.js requests PORT PATH RECORDS RECORD_BYTES CONNECTIONS SECONDS` or `load-worker.js readers PORT TOPIC READERS RECORDS`.
 *
 * Owns the caller: raw sockets with keep-alive, the bytes of the request made beforehand, one request under way on each connection, so that what is measured is the server. Prints one line of JSON.
 */
import { once } from "node:events"
import { connect, type Socket } from "node:net"

const host = "127.0.0.1"
const headersEnd = Buffer.from("\r\n\r\n")
/** An answer that is longer is none of ours. */
const answerBytesMax = 1 << 20
const readersWaitMsMax = 120_000
/** Sockets that are opened together; the server's queue of new ones is bounded. */
const opensAtOnce = 50

const fail = (what: string): never => {
  throw new Error(what)
}

function requestOf(method: string, path: string, body: string): Buffer {
  const lines = [`${method} ${path} HTTP/1.1`, "Host: localhost", "Content-Type: application/json"]
  return Buffer.from(`${lines.join("\r\n")}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
}

/** Sends `request` again and again, the next one when the last is answered, as long as `goesOn` says so. Resolves with the socket at the end. */
function lane(port: number, request: Buffer, goesOn: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host, noDelay: true }, () => socket.write(request))
    let rest: Buffer | undefined
    socket.on("error", reject)
    socket.on("close", () => reject(new Error("the server closed a connection")))
    socket.on("data", (chunk: Buffer) => {
      const bytes = rest === undefined ? chunk : Buffer.concat([rest, chunk])
      const end = bytes.indexOf(headersEnd)
      if (end < 0 || bytes.length < end + 4 + lengthIn(bytes.toString("latin1", 0, end))) {
        if (bytes.length > answerBytesMax) reject(new Error("an answer is too long"))
        rest = bytes
        return
      }
      rest = undefined
      if (!bytes.toString("latin1", 0, 12).endsWith(" 200"))
        reject(new Error(`refused: ${bytes.toString("latin1", 0, 500)}`))
      if (goesOn()) socket.write(request)
      else {
        socket.removeAllListeners("close")
        socket.destroy()
        resolve()
      }
    })
  })
}

const lengthIn = (headers: string): number =>
  Number(/\r\ncontent-length: (\d+)/i.exec(headers)?.[1] ?? fail(`no length: ${headers}`))

async function requests(
  port: number,
  path: string,
  records: number,
  recordBytes: number,
  connections: number,
  seconds: number,
) {
  const record = `{"value":"${Buffer.alloc(recordBytes, "v").toString("base64")}"}`
  const body = records === 1 ? record : `{"messages":[${Array.from({ length: records }, () => record).join()}]}`
  const request = requestOf("POST", path, body)
  const began = performance.now()
  const endsAt = began + seconds * 1000
  let answered = 0
  await Promise.all(
    Array.from({ length: connections }, () =>
      lane(port, request, () => {
        answered++
        return performance.now() < endsAt
      }),
    ),
  )
  return { answered, seconds: (performance.now() - began) / 1000 }
}

interface Deferred {
  readonly promise: Promise<void>
  resolve(): void
  reject(error: Error): void
}

function deferred(): Deferred {
  let resolve!: () => void
  let reject!: (error: Error) => void
  const promise = new Promise<void>((resolvePromise, rejectPromise) => {
    resolve = resolvePromise
    reject = rejectPromise
  })
  return { promise, resolve, reject }
}

/** Counts a text in what comes, also where it comes in two parts. */
function counter(text: string): (chunk: Buffer) => number {
  let tail = ""
  return (chunk) => {
    const all = tail + chunk.toString("latin1")
    const parts = all.split(text)
    tail = parts.at(-1)!.slice(-(text.length - 1))
    return parts.length - 1
  }
}

async function readers(port: number, topic: string, count: number, records: number) {
  const sockets: Socket[] = []
  let complete = 0
  let received = 0
  const all = deferred()
  const openOne = async () => {
    const socket = connect({ port, host, noDelay: true })
    sockets.push(socket)
    const opened = counter("event: open")
    const counted = counter("event: record")
    let mine = 0
    const ready = deferred()
    socket.on("error", ready.reject)
    socket.on("close", () => all.reject(new Error("the server closed a stream")))
    socket.on("data", (chunk: Buffer) => {
      if (opened(chunk) > 0) ready.resolve()
      const found = counted(chunk)
      mine += found
      received += found
      if (found > 0 && mine === records && ++complete === count) all.resolve()
      if (
        mine === 0 &&
        chunk.toString("latin1", 0, 12).startsWith("HTTP/1.1 ") &&
        !chunk.toString("latin1", 0, 12).endsWith(" 200")
      )
        ready.reject(new Error(`refused: ${chunk.toString("latin1", 0, 500)}`))
    })
    await once(socket, "connect")
    socket.write(`GET /topics/${topic}/stream HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    await ready.promise
  }
  const opening = performance.now()
  for (let at = 0; at < count; at += opensAtOnce)
    await Promise.all(Array.from({ length: Math.min(opensAtOnce, count - at) }, openOne))
  const began = performance.now()
  const timer = setTimeout(
    () => all.reject(new Error(`${complete} of ${count} readers had all records, ${received} in all`)),
    readersWaitMsMax,
  )
  const request = requestOf("POST", `/topics/${topic}/messages`, `{"value":"${Buffer.alloc(100).toString("base64")}"}`)
  let sent = 0
  await lane(port, request, () => ++sent < records)
  await all.promise
  clearTimeout(timer)
  for (const socket of sockets) socket.removeAllListeners("close").destroy()
  return { answered: received, openSeconds: (began - opening) / 1000, seconds: (performance.now() - began) / 1000 }
}

const [load, port, place, ...numbers] = process.argv.slice(2) as [string, string, string, ...string[]]
const [a, b, c, d] = numbers.map(Number) as [number, number, number, number]
const result = await (load === "readers"
  ? readers(Number(port), place, a, b)
  : requests(Number(port), place, a, b, c, d))
process.stdout.write(`${JSON.stringify({ ...result, cpuSeconds: process.cpuUsage().user / 1e6 })}\n`)
process.exit(0)
