/**
 * `ottla dev`: a broker on this machine, with the topics that are wanted.
 *
 * Owns what a developer does not have to say: where the data lies, that log lines are few, and topics. The start itself is `server start`.
 */
import { Client } from "../client/index.js"
import { BrokerError } from "../client/errors.js"
import { Errors } from "../protocol/errors.js"
import { UsageError } from "./errors.js"
import { say } from "./session.js"
import { startServer } from "./server-start.js"

export interface DevFlags {
  readonly port: number
  readonly data: string
  readonly topic?: readonly SeededTopic[]
  readonly set?: readonly string[]
}

export interface SeededTopic {
  readonly name: string
  readonly partitions: number
}

/** `name` or `name:partitions`. Errors: UsageError. */
export function parseSeededTopic(text: string): SeededTopic {
  const match = /^([A-Za-z0-9._-]+)(?::(\d{1,6}))?$/.exec(text)
  if (match === null || match[2] === "0")
    throw new UsageError(`--topic ${text}: write it as name or name:partitions, such as orders:6`)
  return { name: match[1]!, partitions: Number(match[2] ?? 1) }
}

export async function dev({ port, data, topic = [], set = [] }: DevFlags): Promise<void> {
  await startServer({
    brokers: 1,
    insecure: false,
    log: "text",
    set: [`listeners=PLAINTEXT://127.0.0.1:${port}`, `log.dirs=${data}`, ...set],
  })
  // The start has said why it did not.
  if (process.exitCode !== undefined) return
  const bootstrap = `127.0.0.1:${port}`
  const client = new Client({ bootstrap })
  for (const { name, error } of await client.admin().createTopics([...topic])) {
    const isThere = error instanceof BrokerError && error.errorCode === Errors.TOPIC_ALREADY_EXISTS
    if (error !== undefined && !isThere) say(error.message)
    else say(`topic ${name} ${isThere ? "was there already" : "was made"}`)
  }
  await client.close()
  const name = topic[0]?.name ?? "greetings"
  const where = port === 9092 ? "" : ` -b ${bootstrap}`
  say(`any Kafka client can use it: bootstrap.servers=${bootstrap}`)
  say(`try: echo hello | ottla produce ${name}${where}`)
  say(`     ottla cat ${name}${where}`)
  say("control-C stops it; what was stored is there at the next start")
}
