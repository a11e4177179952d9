/**
 * Plain requests between Node's objects and the gateway.
 *
 * Owns how a body of known length is read from a socket, and how an answer is written to it in one go.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Gateway } from "../gateway/gateway.js"
import type { PlainAnswer } from "../gateway/plain.js"

/** False: it is none that can be answered like this, and nothing was read of it. */
export function answerPlain(gateway: Gateway, incoming: IncomingMessage, outgoing: ServerResponse): boolean {
  const { method = "", url = "", rawHeaders } = incoming
  const answer = gateway.answerPlain({ method, url, rawHeaders }, () => bodyOf(incoming))
  if (answer === undefined) return false
  answer.then(
    ({ status, headers, body }: PlainAnswer) => {
      outgoing.writeHead(status, { ...headers, "content-length": Buffer.byteLength(body) })
      outgoing.end(body)
    },
    () => outgoing.destroy(),
  )
  return true
}

/** Node sees to it that it is as long as it says. Rejects when the connection ends before it does. */
function bodyOf(incoming: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let first: Buffer | undefined
    let more: Buffer[] | undefined
    incoming.on("data", (chunk: Buffer) => {
      if (first === undefined) first = chunk
      else if (more === undefined) more = [first, chunk]
      else more.push(chunk)
    })
    incoming.on("end", () => resolve(more === undefined ? (first ?? Buffer.alloc(0)) : Buffer.concat(more)))
    incoming.on("error", reject)
    incoming.on("close", () => {
      if (!incoming.readableEnded) reject(new Error("the connection ended before the body did"))
    })
  })
}
