/**
 * What every load on a coordinator begins with.
 *
 * Owns the wait until groups can be used, and the repetition of requests that come too early for it. No load of its own.
 */
import { errorName } from "../error-name.js"
import { BrokerError, Client } from "../client.js"
import { host } from "../systems.js"
import { Errors } from "../../src/protocol/errors.js"
import { findCoordinator } from "../../src/protocol/messages/find-coordinator.js"

export const offsetsTopic = "__consumer_offsets"
export const offsetsPartitions = 50
const retryEveryMs = 10
const readyTimeoutMs = 60_000
const groupKeyType = 0
const findCoordinatorVersion = 3

const early: readonly number[] = [
  Errors.COORDINATOR_LOAD_IN_PROGRESS,
  Errors.COORDINATOR_NOT_AVAILABLE,
  Errors.NOT_COORDINATOR,
]

export const isEarly = (errorCode: number): boolean => early.includes(errorCode)

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Makes the broker make the topic of the offsets, and waits for it. */
export async function coordinatorReady(client: Client): Promise<void> {
  for (const deadline = Date.now() + readyTimeoutMs; ; await pause(retryEveryMs)) {
    const request = { key: "any", keyType: groupKeyType, coordinatorKeys: [] }
    const { errorCode } = await client.call(findCoordinator, findCoordinatorVersion, request)
    if (errorCode === Errors.NONE) break
    if (Date.now() > deadline) throw new BrokerError(`no coordinator: ${errorName(errorCode)}`)
  }
  await client.waitForLeaders(offsetsTopic, offsetsPartitions)
}

/** Asks again as long as the answer is that the coordinator is not there yet. Errors: BrokerError for every other error. */
export async function whenReady<T extends { readonly errorCode: number }>(
  what: string,
  ask: () => Promise<T>,
  allowed: number = Errors.NONE,
): Promise<T> {
  for (const deadline = Date.now() + readyTimeoutMs; ; await pause(retryEveryMs)) {
    const answer = await ask()
    if (answer.errorCode === Errors.NONE || answer.errorCode === allowed) return answer
    if (!isEarly(answer.errorCode) || Date.now() > deadline)
      throw new BrokerError(`${what}: ${errorName(answer.errorCode)}`)
  }
}

/** Small answers, many connections: each gets a small buffer. */
const receiveBytes = 16 << 10

/** Kafka's queue of connections that were not accepted yet has 50 places. */
const connectsAtOnce = 32

export async function connectMany(port: number, count: number): Promise<Client[]> {
  const clients: Client[] = []
  while (clients.length < count) {
    const some = Math.min(connectsAtOnce, count - clients.length)
    clients.push(
      ...(await Promise.all(Array.from({ length: some }, () => Client.connect(host, port, { receiveBytes })))),
    )
  }
  return clients
}

/** Does `work` for all items, as many at once as there are clients, each with a client of its own. */
export async function spread<T>(
  clients: readonly Client[],
  items: readonly T[],
  work: (client: Client, item: T) => Promise<void>,
): Promise<void> {
  let next = 0
  await Promise.all(
    clients.map(async (client) => {
      while (next < items.length) await work(client, items[next++]!)
    }),
  )
}
