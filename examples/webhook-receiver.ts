/**
 * A webhook receiver: every request is answered when its body is stored, and not before.
 *
 * Owns the answers. The caller's id of the event is the key, so that repetitions are in one partition, one behind the other.
 */
import { createServer, type IncomingMessage, type Server } from "node:http"
import { type Client, ClientError } from "ottla/client"

const bodyBytesMax = 1 << 20

async function bodyOf(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > bodyBytesMax) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Listens on a free port of this machine. */
export async function receiveWebhooks(client: Client, topic: string): Promise<Server> {
  const producer = client.producer({ maxBlockMs: 2_000, deliveryTimeoutMs: 10_000 })
  const server = createServer(async (request, response) => {
    try {
      const key = request.headers["webhook-id"]
      if (typeof key !== "string") return response.writeHead(400).end("the header webhook-id is missing\n")
      const value = await bodyOf(request)
      if (value === undefined) return response.writeHead(413, { connection: "close" }).end()
      const { partition, offset } = await producer.send({ topic, key, value })
      return response.writeHead(202).end(`${partition}/${offset}\n`)
    } catch (error) {
      // The caller tries again later, and what it sends twice has the same key.
      const isLater = error instanceof ClientError && error.retriable
      return response.writeHead(isLater ? 503 : 500, isLater ? { "retry-after": "5" } : {}).end()
    }
  })
  server.once("close", () => void producer.close())
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return server
}
