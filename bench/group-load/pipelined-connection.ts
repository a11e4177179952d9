/**
 * A connection for load without a promise per request: bytes of whole requests out, frames of answers in.
 *
 * Owns framing. Answers come in the order of the requests, so nobody looks at correlation ids. A frame is valid only while it is being looked at.
 */
import { connect, type Socket } from "node:net"

const receiveBytes = 64 << 10
const sizeBytes = 4

export interface AnswerSink {
  /** One answer, without its size. */
  onAnswer(frame: Buffer): void
  /** All answers that came together have been told: now is the time to send on. */
  onDrained(): void
  onGone(error: Error): void
}

export class PipelinedConnection {
  #rest = Buffer.alloc(0)

  private constructor(readonly socket: Socket) {}

  static open(host: string, port: number, sink: AnswerSink): Promise<PipelinedConnection> {
    return new Promise((resolve, reject) => {
      let connection: PipelinedConnection | undefined
      const socket = connect({
        host,
        port,
        noDelay: true,
        onread: {
          buffer: Buffer.allocUnsafe(receiveBytes),
          callback: (count, bytes) => {
            connection!.#received(bytes.subarray(0, count) as Buffer, sink)
            return true
          },
        },
      })
      socket.once("error", reject)
      socket.once("connect", () => {
        connection = new PipelinedConnection(socket)
        socket.off("error", reject)
        socket.on("error", (error) => sink.onGone(error))
        socket.on("close", () => sink.onGone(new Error("the broker closed the connection")))
        resolve(connection)
      })
    })
  }

  /** Requests as bytes, sizes included. The memory belongs to the connection from here on. */
  send(requests: Buffer): void {
    this.socket.write(requests)
  }

  close(): void {
    this.socket.removeAllListeners("close")
    this.socket.destroy()
  }

  #received(bytes: Buffer, sink: AnswerSink): void {
    const data = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    let at = 0
    while (data.length - at >= sizeBytes) {
      const end = at + sizeBytes + data.readInt32BE(at)
      if (end > data.length) break
      sink.onAnswer(data.subarray(at + sizeBytes, end))
      at = end
    }
    // A copy: the memory of what was received is used again.
    this.#rest = Buffer.from(data.subarray(at))
    sink.onDrained()
  }
}
