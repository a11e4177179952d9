/**
 * Frames on the wires, for whoever watches them and may hold one up.
 *
 * Owns cutting both streams of a connection into frames and matching answers with requests. What a message says is for the watcher to decode. A frame that is held up holds up what
 * the same end sends behind it, as a stream does; other connections go on.
 */
import type { Api } from "../protocol/message.js"
import { apiByKey } from "../protocol/messages/index.js"

export interface WireFrame {
  /** Names of machines. */
  readonly from: string
  readonly to: string
  /** Tells the connections of one run apart. */
  readonly connection: number
  readonly api: Api
  readonly version: number
  /** Without the size in front, from the header on. */
  readonly bytes: Buffer
  /** Of an answer, the request. */
  readonly request: WireFrame | undefined
  readonly correlationId: number
}

export interface FrameWatcher {
  /** A whole frame is about to go out. Returns for how many nanoseconds it is held up. */
  passes(frame: WireFrame): number
}

/** One direction of one connection. */
export interface StreamTap {
  /** The next bytes, in order. Returns for how long the last of them are held up. */
  passed(bytes: Buffer): number
}

const sizeBytes = 4
const apiKeyAt = 0
const versionAt = 2
const correlationIdAt = 4

/** For the end that connected and the end that accepted. */
export function tapConnection(
  watcher: FrameWatcher,
  connection: number,
  client: string,
  server: string,
): [StreamTap, StreamTap] {
  const open: WireFrame[] = []
  const requests = new Frames((bytes) => {
    const api = apiByKey(bytes.readInt16BE(apiKeyAt))
    if (api === undefined) return 0
    const frame: WireFrame = {
      from: client,
      to: server,
      connection,
      api,
      version: bytes.readInt16BE(versionAt),
      bytes,
      request: undefined,
      correlationId: bytes.readInt32BE(correlationIdAt),
    }
    open.push(frame)
    return watcher.passes(frame)
  })
  const answers = new Frames((bytes) => {
    const correlationId = bytes.readInt32BE(0)
    // What stands before it has no answer: a produce that asked for none.
    const at = open.findIndex((each) => each.correlationId === correlationId)
    if (at < 0) return 0
    const request = open[at]!
    open.splice(0, at + 1)
    const { api, version } = request
    return watcher.passes({ from: server, to: client, connection, api, version, bytes, request, correlationId })
  })
  return [requests, answers]
}

class Frames implements StreamTap {
  #parts: Buffer[] = []
  #have = 0

  constructor(readonly onFrame: (bytes: Buffer) => number) {}

  passed(bytes: Buffer): number {
    this.#parts.push(bytes)
    this.#have += bytes.length
    let heldUpNs = 0
    while (this.#have >= sizeBytes) {
      if (this.#parts[0]!.length < sizeBytes) this.#parts = [Buffer.concat(this.#parts)]
      const length = sizeBytes + this.#parts[0]!.readInt32BE(0)
      if (this.#have < length) break
      const all = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts)
      this.#parts = all.length === length ? [] : [all.subarray(length)]
      this.#have -= length
      heldUpNs = Math.max(heldUpNs, this.onFrame(all.subarray(sizeBytes, length)))
    }
    return heldUpNs
  }
}
