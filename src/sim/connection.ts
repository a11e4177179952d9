/**
 * One end of a simulated connection.
 *
 * Owns the byte stream between two ends: queue of the sender, bytes under way, bytes that arrived and were not read. Which links work and
 * how long things take is `network.ts`'s. Invariant: bytes handed over and not read by the peer never exceed the window.
 */
import { invariant } from "../base/assert.js"
import { type Connection, isFileRegion, NetworkError, type Payload, type Receiver } from "../env/env.js"
import type { Incarnation, Machine } from "./machine.js"
import type { SimulatedNetwork } from "./network.js"
import type { StreamTap } from "./wire-tap.js"
import { hashBytes } from "./trace.js"

interface Queued {
  readonly payload: Payload | undefined
  readonly hash: number
  done: number
  readonly sent: (() => void) | undefined
}

type Packet = { readonly bytes: Buffer } | { readonly end: true }

const regionPieceBytes = 65_536
/** After `end` a peer has so long to close its side too. */
const lingerNs = 1_000_000_000

export class SimulatedConnection implements Connection {
  #peer: SimulatedConnection | undefined
  #receiver: Receiver | undefined
  #open = true
  #closeError: NetworkError | undefined
  /** Its machine lost power: nobody retransmits what had not arrived. */
  #vanished = false

  // Sending.
  #queue: Queued[] = []
  #queuedBytes = 0
  #unread = 0
  #pumping = false
  #readingRegion = false
  #ending = false
  #endSent = false
  /** A packet was lost for good, and the reset is on its way. */
  #losing = false
  /** Packets that could not get through yet; everything behind them waits too. */
  #held: Packet[] = []
  #heldSinceNs = 0
  #retrying = false
  #lastArrivalNs = 0
  /** Until then something is held up on its way; not even the end of the connection overtakes it. */
  #heldUpUntilNs = 0
  /** Sees what this end sends. */
  tap: StreamTap | undefined

  // Receiving.
  readonly #arrivalLabel: string
  #arrived: Packet[] = []
  #arrivedBytes = 0
  #paused = false
  #reading = false
  #endRead = false

  constructor(
    readonly network: SimulatedNetwork,
    readonly machine: Machine,
    readonly incarnation: Incarnation,
    readonly localPort: number,
  ) {
    this.#arrivalLabel = `packet to ${machine.name}`
  }

  join(peer: SimulatedConnection): void {
    this.#peer = peer
    peer.#peer = this
  }

  get peer(): SimulatedConnection {
    return this.#peer!
  }

  get remoteAddress(): string {
    return this.peer.machine === this.machine ? "127.0.0.1" : this.peer.machine.address
  }

  get remotePort(): number {
    return this.peer.localPort
  }

  get queuedBytes(): number {
    return this.#queuedBytes
  }

  get isOpen(): boolean {
    return this.#open
  }

  /** Sent by this end, under way or arrived, and not read by the peer. */
  get unreadBytes(): number {
    return this.#unread
  }

  // The program's side.

  receive(receiver: Receiver): void {
    invariant(this.#receiver === undefined, "receive is called once")
    this.#receiver = receiver
    if (!this.#open) this.#reportClosed()
    else this.#scheduleRead()
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#scheduleRead()
  }

  send(payloads: readonly Payload[], sent?: () => void): void {
    if (!this.incarnation.alive) return
    if (!this.#open || this.#ending) {
      if (sent !== undefined) this.#later("sent", sent)
      return
    }
    const last = payloads.length - 1
    if (last < 0) this.#queue.push({ payload: undefined, hash: 0, done: 0, sent })
    for (const [index, payload] of payloads.entries()) {
      const hash = isFileRegion(payload) ? 0 : hashBytes(payload)
      this.#queue.push({ payload, hash, done: 0, sent: index === last ? sent : undefined })
      this.#queuedBytes += payload.length
    }
    this.#schedulePump(0)
  }

  end(): void {
    if (!this.incarnation.alive || !this.#open || this.#ending) return
    this.#ending = true
    this.#schedulePump(0)
  }

  destroy(): void {
    if (!this.incarnation.alive || !this.#open) return
    this.#sayGoodbye()
    this.#close(undefined)
  }

  // Faults.

  /** The connection breaks under both ends. */
  reset(): void {
    const { peer } = this
    this.#close("ECONNRESET")
    peer.#close("ECONNRESET")
  }

  ownerDied(how: "kill" | "power"): void {
    if (!this.#open) return
    if (how === "kill") this.#sayGoodbye()
    else this.#vanished = true
    this.#open = false
    this.network.forget(this)
  }

  // Sending.

  #later(what: string, run: () => void, delayNs = 0): void {
    this.network.scheduler.after(delayNs, this.incarnation, what, run)
  }

  #schedulePump(delayNs: number): void {
    if (this.#pumping) return
    this.#pumping = true
    this.#later("pump", () => this.#pump(), delayNs)
  }

  #pump(): void {
    this.#pumping = false
    const { windowBytes, chunkBytesMax } = this.network.options
    const { random } = this.network
    while (this.#open && !this.#readingRegion) {
      const head = this.#queue[0]
      if (head === undefined) break
      const { payload } = head
      const room = windowBytes - this.#unread
      const left = payload === undefined ? 0 : payload.length - head.done
      if (left > 0 && room <= 0) return
      if (payload !== undefined && left > 0) {
        const count = Math.min(left, room, 1 + random.int(chunkBytesMax), regionPieceBytes)
        if (isFileRegion(payload)) {
          this.#readRegion(head, payload.position + head.done, count)
          return
        }
        this.#handOver(head, Buffer.from(payload.subarray(head.done, head.done + count)))
      }
      this.#finishHead()
    }
    if (this.#open && this.#ending && !this.#endSent && this.#queue.length === 0) {
      this.#endSent = true
      this.#transmit({ end: true })
      this.#closeIfBothEnded()
      if (this.#open) {
        this.#later(
          "linger",
          () => {
            if (this.#open) this.destroy()
          },
          lingerNs,
        )
      }
    }
  }

  #handOver(head: Queued, bytes: Buffer): void {
    head.done += bytes.length
    this.#queuedBytes -= bytes.length
    this.#unread += bytes.length
    this.#transmit({ bytes }, this.tap?.passed(bytes) ?? 0)
  }

  #finishHead(): void {
    const head = this.#queue[0]
    if (head === undefined || !this.#open || head.done < (head.payload?.length ?? 0)) return
    this.#queue.shift()
    if (head.payload !== undefined && !isFileRegion(head.payload))
      invariant(hashBytes(head.payload) === head.hash, "memory given to send changed before it was sent")
    head.sent?.()
  }

  #readRegion(head: Queued, position: number, count: number): void {
    const payload = head.payload
    if (payload === undefined || !isFileRegion(payload)) return
    const bytes = Buffer.alloc(count)
    this.#readingRegion = true
    payload.file.read(bytes, 0, count, position).then(
      (read) => {
        this.#readingRegion = false
        if (!this.#open || !this.incarnation.alive) return
        if (read === 0) {
          this.#fail("EIO")
          return
        }
        this.#handOver(head, bytes.subarray(0, read))
        this.#finishHead()
        this.#schedulePump(0)
      },
      () => {
        this.#readingRegion = false
        if (this.#open && this.incarnation.alive) this.#fail("EIO")
      },
    )
  }

  #fail(code: string): void {
    this.#sayGoodbye()
    this.#close(code)
  }

  #transmit(packet: Packet, heldUpNs = 0): void {
    const { scheduler, random, options } = this.network
    // What is sent behind a lost packet never arrives: the stream has no holes.
    if (this.#losing) return
    if (random.chance(options.resetChance)) {
      this.#losing = true
      this.network.scheduler.after(
        this.network.latencyNs(this.machine, this.peer.machine),
        this.network.wires,
        "reset",
        () => this.reset(),
      )
      return
    }
    const delayNs = this.network.latencyNs(this.machine, this.peer.machine) + heldUpNs
    this.#lastArrivalNs = Math.max(this.#lastArrivalNs + 1, scheduler.nowNs + delayNs)
    if (heldUpNs > 0) this.#heldUpUntilNs = this.#lastArrivalNs
    const payload = "bytes" in packet ? hashBytes(packet.bytes) : -1
    const what = "bytes" in packet ? this.peer.#arrivalLabel : `end to ${this.peer.machine.name}`
    scheduler.after(
      this.#lastArrivalNs - scheduler.nowNs,
      this.network.wires,
      what,
      () => this.#arrive(packet, true),
      payload,
    )
  }

  /** `atOnce`: an event of its own, in which a program that is ready may read it too. */
  #arrive(packet: Packet, atOnce = false): void {
    const { peer } = this
    if (this.#held.length > 0 || !peer.machine.powered || !this.network.passable(this.machine, peer.machine)) {
      if (this.#held.length === 0) this.#heldSinceNs = this.network.scheduler.nowNs
      this.#held.push(packet)
      this.#scheduleRetry()
      return
    }
    if (!peer.#open) {
      // Nobody there any more: the kernel answers with a reset.
      if (this.#open) {
        const backNs = this.network.latencyNs(peer.machine, this.machine)
        this.network.scheduler.after(backNs, this.network.wires, "reset", () => this.#close("ECONNRESET"))
      }
      return
    }
    peer.#arrived.push(packet)
    if ("bytes" in packet) peer.#arrivedBytes += packet.bytes.length
    if (atOnce && peer.#isReady) peer.#read()
    else peer.#scheduleRead()
  }

  #scheduleRetry(): void {
    if (this.#retrying) return
    this.#retrying = true
    this.network.scheduler.after(this.network.options.retransmitNs, this.network.wires, "retransmit", () => {
      this.#retrying = false
      const { peer, network } = this
      if (peer.machine.powered && network.passable(this.machine, peer.machine)) {
        const held = this.#held
        this.#held = []
        for (const packet of held) this.#arrive(packet)
        if (this.#open) this.#schedulePump(0)
        return
      }
      if (this.#vanished) return
      if (network.scheduler.nowNs - this.#heldSinceNs >= network.options.timeoutNs) this.#close("ETIMEDOUT")
      else this.#scheduleRetry()
    })
  }

  // Receiving.

  /** Its program waits for bytes, and its process runs. */
  get #isReady(): boolean {
    const { alive, pausedUntilNs } = this.incarnation
    return alive && pausedUntilNs <= this.network.scheduler.nowNs && !this.#reading && !this.#paused
  }

  #scheduleRead(): void {
    if (this.#reading || this.#paused || this.#receiver === undefined || this.#arrived.length === 0) return
    this.#reading = true
    this.#later("read", () => {
      this.#reading = false
      this.#read()
    })
  }

  #read(): void {
    const receiver = this.#receiver
    const packet = this.#arrived[0]
    if (!this.#open || this.#paused || receiver === undefined || packet === undefined) return
    if ("end" in packet) {
      this.#arrived.shift()
      this.#endRead = true
      receiver.ended()
      // Half-open connections are not kept: what is queued still goes out, then this end closes too.
      this.end()
      this.#closeIfBothEnded()
      return
    }
    const target = receiver.buffer()
    invariant(target.length > 0, "a receiver's buffer has room for a byte")
    // One read of the kernel takes what is there, across packets.
    const count = Math.min(
      target.length,
      this.#arrivedBytes,
      1 + this.network.random.int(this.network.options.chunkBytesMax),
    )
    let copied = 0
    while (copied < count) {
      const first = this.#arrived[0]
      if (first === undefined || "end" in first) break
      const part = Math.min(first.bytes.length, count - copied)
      target.set(first.bytes.subarray(0, part), copied)
      copied += part
      if (part === first.bytes.length) this.#arrived.shift()
      else this.#arrived[0] = { bytes: first.bytes.subarray(part) }
    }
    this.#arrivedBytes -= copied
    this.peer.#acknowledged(copied)
    receiver.received(copied)
    this.#scheduleRead()
  }

  /** The peer's program has read so much; the news takes its time if the sender waits for it. */
  #acknowledged(count: number): void {
    if (!this.#open) return
    const { network, peer } = this
    if (!network.passable(peer.machine, this.machine)) {
      network.scheduler.after(network.options.retransmitNs, network.wires, "acknowledge", () =>
        this.#acknowledged(count),
      )
      return
    }
    this.#unread -= count
    if (this.#queue.length > 0) this.#schedulePump(network.latencyNs(peer.machine, this.machine))
  }

  // Closing.

  #closeIfBothEnded(): void {
    if (this.#endSent && this.#endRead && this.#queue.length === 0) this.#close(undefined)
  }

  /** This end is gone: the kernel tells the peer, with a reset if something was not read, or by chance with an orderly end. */
  #sayGoodbye(): void {
    const { peer, network } = this
    if (this.#arrivedBytes === 0 && network.random.chance(0.5)) {
      if (!this.#endSent) this.#transmit({ end: true })
      this.#endSent = true
      return
    }
    const attempt = () => {
      if (!peer.#open) return
      if (!peer.machine.powered) return
      if (!network.passable(this.machine, peer.machine)) {
        network.scheduler.after(network.options.retransmitNs, network.wires, "reset again", attempt)
        return
      }
      peer.#close("ECONNRESET")
    }
    const delayNs = Math.max(
      network.latencyNs(this.machine, peer.machine),
      this.#heldUpUntilNs - network.scheduler.nowNs + 1,
    )
    network.scheduler.after(delayNs, network.wires, "reset", attempt)
  }

  #close(code: string | undefined): void {
    if (!this.#open) return
    this.#open = false
    this.network.forget(this)
    if (code !== undefined)
      this.#closeError = new NetworkError(code, `${this.remoteAddress}:${this.remotePort}: ${code}`)
    const abandoned = this.#queue
    this.#queue = []
    this.#queuedBytes = 0
    this.#arrived = []
    this.#arrivedBytes = 0
    if (abandoned.length > 0) {
      this.#later("sent", () => {
        for (const queued of abandoned) queued.sent?.()
      })
    }
    if (this.#receiver !== undefined) this.#reportClosed()
  }

  #reportClosed(): void {
    const receiver = this.#receiver!
    // After the abandoned payloads: the order in which owners let go of memory.
    this.#later("closed", () => receiver.closed(this.#closeError), 1)
  }
}
