/**
 * One TCP connection of the operating system.
 *
 * Owns the order of what is sent, and the two ways a file region goes out: `sendfile(2)` where it is at hand, else read and write in
 * bounded pieces. Bytes received land in the receiver's own memory. Invariant: at most one write or region is in progress, and nothing passes
 * it; no call does more than `bytesPerCallMax` on the event loop.
 */
import * as net from "node:net"
import { type Connection, isFileRegion, NetworkError, type FileRegion, type Payload, type Receiver } from "../env.js"
import { NodeFile } from "./file.js"
import { errorNumbers, type Native } from "./native.js"
import { type RegionBuffers, regionBufferBytes } from "./region-buffers.js"

/** Memory handed to the socket at once, and most that one `sendfile` moves. */
const bytesPerCallMax = 1 << 20
/** Piece of a region that does not go by `sendfile` while all `RegionBuffers` are in use. */
const sparePieceBytes = 64 * 1024
/** Written the ordinary way when the socket is full: its completion tells when there is room again. */
const fullSocketPieceBytes = 16 * 1024
/** After `end` a peer has so long to close its side too. */
const lingerMs = 1000

/** What the runtime keeps on a socket: the handle and its descriptor. Not in its types. */
interface RawHandle {
  readonly fd?: number
  reading: boolean
  readStart(): number
  readStop(): number
}
interface RawSocket {
  _handle: RawHandle | null
}
const raw = (socket: net.Socket) => socket as unknown as RawSocket

interface Queued {
  readonly payload: Payload
  /** Bytes of a region already sent. */
  done: number
  readonly sent: (() => void) | undefined
}

export const networkError = (error: NodeJS.ErrnoException): NetworkError =>
  new NetworkError(error.code ?? "EIO", error.message)

export class NodeConnection implements Connection {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localPort: number
  #socket: net.Socket
  #receiver: Receiver | undefined
  #queue: Queued[] = []
  #queuedBytes = 0
  #busy = false
  #pumpIsComing = false
  #ending = false
  #endSent = false
  #closed = false
  #paused = false
  #error: NetworkError | undefined
  #native: Native | undefined
  readonly #regions: RegionBuffers

  /** `socket` is connected, and paused before it read anything. */
  constructor(socket: net.Socket, native: Native | undefined, regions: RegionBuffers) {
    this.#socket = socket
    this.#native = native
    this.#regions = regions
    this.remoteAddress = plainAddress(socket.remoteAddress ?? "")
    this.remotePort = socket.remotePort ?? 0
    this.localPort = socket.localPort ?? 0
    this.#watch(socket)
  }

  get queuedBytes(): number {
    return this.#queuedBytes
  }

  #watch(socket: net.Socket): void {
    socket.on("error", (error: NodeJS.ErrnoException) => {
      this.#error ??= networkError(error)
    })
    socket.on("close", () => {
      if (this.#socket === socket) this.#onClosed()
    })
  }

  receive(receiver: Receiver): void {
    this.#receiver = receiver
    if (this.#closed) {
      process.nextTick(() => receiver.closed(this.#error))
      return
    }
    // A socket reads into memory of our choice only if it is made for that: a new one takes over the handle.
    const first = this.#socket
    const handle = raw(first)._handle
    if (handle === null) {
      first.destroy()
      return
    }
    raw(first)._handle = null
    const options = {
      handle,
      allowHalfOpen: true,
      pauseOnCreate: true,
      onread: {
        buffer: () => receiver.buffer(),
        callback: (count: number) => {
          receiver.received(count)
          return !this.#paused
        },
      },
    }
    const socket = new net.Socket(options as unknown as net.SocketConstructorOpts)
    this.#socket = socket
    this.#watch(socket)
    socket.on("end", () => {
      receiver.ended()
      this.end()
    })
    this.#setReading(!this.#paused)
    this.#pump()
  }

  pause(): void {
    this.#paused = true
    this.#setReading(false)
  }

  resume(): void {
    this.#paused = false
    this.#setReading(true)
  }

  /** On the handle itself: the stream's own pause and resume take effect later, and let a read through in between. */
  #setReading(reading: boolean): void {
    const handle = raw(this.#socket)._handle
    if (this.#receiver === undefined || handle === null || handle.reading === reading) return
    handle.reading = reading
    if (reading) handle.readStart()
    else handle.readStop()
  }

  send(payloads: readonly Payload[], sent?: () => void): void {
    const last = payloads.length - 1
    if (last < 0 || this.#closed || this.#ending) {
      if (sent !== undefined) process.nextTick(sent)
      return
    }
    for (const [index, payload] of payloads.entries()) {
      this.#queue.push({ payload, done: 0, sent: index === last ? sent : undefined })
      this.#queuedBytes += payload.length
    }
    if (this.#pumpIsComing || this.#busy) return
    this.#pumpIsComing = true
    // Answers that are ready in the same turn, as those of one sync are, go to the kernel in one call.
    process.nextTick(() => {
      this.#pumpIsComing = false
      this.#pump()
    })
  }

  end(): void {
    if (this.#ending || this.#closed) return
    this.#ending = true
    this.#pump()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #onClosed(): void {
    if (this.#closed) return
    this.#closed = true
    const abandoned = this.#queue
    this.#queue = []
    this.#queuedBytes = 0
    for (const queued of abandoned) queued.sent?.()
    this.#receiver?.closed(this.#error)
  }

  #fail(code: string, message: string): void {
    this.#error ??= new NetworkError(code, message)
    this.#socket.destroy()
  }

  #pump(): void {
    // Before `receive` the socket is about to be replaced: what is sent waits for that.
    if (this.#busy || this.#closed || this.#socket.destroyed) return
    if (this.#receiver === undefined && !this.#ending) return
    const head = this.#queue[0]
    if (head === undefined) {
      if (this.#ending && !this.#endSent) this.#sendEnd()
    } else if (isFileRegion(head.payload)) this.#sendRegion(head, head.payload)
    else this.#sendBytes()
  }

  #sendEnd(): void {
    this.#endSent = true
    const socket = this.#socket
    socket.end(() => setTimeout(() => socket.destroy(), lingerMs).unref())
  }

  /** Everything in memory up to the next region goes to the kernel as one gathering write. */
  #sendBytes(): void {
    this.#busy = true
    const socket = this.#socket
    let count = 0
    let bytes = 0
    while (count < this.#queue.length && bytes < bytesPerCallMax) {
      const { payload } = this.#queue[count]!
      if (isFileRegion(payload)) break
      count += 1
      bytes += payload.length
    }
    const written = () => {
      this.#busy = false
      // Closed meanwhile: everything still queued has been given up already.
      if (this.#closed) return
      this.#queuedBytes -= bytes
      for (const queued of this.#queue.splice(0, count)) queued.sent?.()
      this.#pump()
    }
    if (count > 1) socket.cork()
    for (let i = 0; i < count; i++)
      socket.write(this.#queue[i]!.payload as Uint8Array, i === count - 1 ? written : undefined)
    if (count > 1) socket.uncork()
  }

  #sendRegion(head: Queued, region: FileRegion): void {
    const left = region.length - head.done
    if (left <= 0) {
      this.#finishRegion()
      return
    }
    this.#busy = true
    const fd = raw(this.#socket)._handle?.fd
    const { file } = region
    // Nothing of ours is in the socket's own queue here: the last write has completed.
    if (this.#native !== undefined && fd !== undefined && fd >= 0 && file instanceof NodeFile && file.hold()) {
      const count = Math.min(left, bytesPerCallMax)
      const sent = this.#native.sendfile(fd, file.fd, region.position + head.done, count)
      file.release()
      if (sent > 0) {
        this.#progress(head, sent)
        // The next piece in the next turn: other connections get theirs in between.
        setImmediate(() => this.#continue())
        return
      }
      if (sent === -errorNumbers.EAGAIN) {
        this.#readAndWrite(head, region, Math.min(left, fullSocketPieceBytes))
        return
      }
      // This kind of file or socket cannot do it; whatever else is wrong shows in the ordinary way too.
      if (sent !== -errorNumbers.EINTR) this.#native = undefined
    }
    this.#readAndWrite(head, region, Math.min(left, regionBufferBytes))
  }

  #progress(head: Queued, count: number): void {
    if (this.#closed) return
    head.done += count
    this.#queuedBytes -= count
  }

  #continue(): void {
    this.#busy = false
    this.#pump()
  }

  #finishRegion(): void {
    this.#queue.shift()?.sent?.()
    this.#pump()
  }

  #readAndWrite(head: Queued, region: FileRegion, count: number): void {
    const shared = count > fullSocketPieceBytes ? this.#regions.take() : undefined
    const bytes = shared ?? Buffer.allocUnsafe(Math.min(count, sparePieceBytes))
    const giveBack = () => {
      if (shared !== undefined) this.#regions.give(shared)
    }
    region.file.read(bytes, 0, Math.min(count, bytes.length), region.position + head.done).then(
      (read) => {
        if (this.#closed || this.#socket.destroyed) {
          giveBack()
          return
        }
        if (read === 0) {
          giveBack()
          this.#fail("EIO", `${region.file.path} ends before the region that was to be sent`)
          return
        }
        this.#socket.write(bytes.subarray(0, read), () => {
          giveBack()
          this.#progress(head, read)
          this.#continue()
        })
      },
      (error: unknown) => {
        giveBack()
        this.#fail("EIO", `cannot read what was to be sent: ${String(error)}`)
      },
    )
  }
}

/** IPv4 addresses as such, also when they come in over a socket of both kinds. */
function plainAddress(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address
}
