/**
 * A small client for clusters: knows who leads what, and waits until all replicas are there.
 *
 * Owns a connection to each broker, made anew after it broke. Retries nothing but what waits for a state of the cluster.
 */
import { BrokerError, Client } from "./client.js"
import { host } from "./systems.js"

const pollEveryMs = 10
/** What is asked about thousands of partitions must not be the load that is measured. */
const pollManyEveryMs = 100

export interface Topic {
  readonly name: string
  readonly partitions: number
}

interface Placement {
  readonly port: number
  readonly partitions: readonly number[]
}

export class ClusterClient {
  readonly #clients = new Map<number, Client>()

  constructor(private readonly ports: readonly number[]) {}

  async on(port: number): Promise<Client> {
    const known = this.#clients.get(port)
    if (known !== undefined && !known.socket.destroyed) return known
    const client = await Client.connect(host, port)
    this.#clients.set(port, client)
    return client
  }

  close(): void {
    for (const client of this.#clients.values()) client.close()
    this.#clients.clear()
  }

  /** Of three replicas each; resolves when all of them are there, in sync, and their leaders answer. */
  async createTopic(name: string, partitions: number, configs: Readonly<Record<string, string>> = {}): Promise<void> {
    const client = await this.on(this.ports[0]!)
    await client.requestTopic(name, partitions, this.ports.length, configs)
    await this.untilWhole([{ name, partitions }])
  }

  /** Until every partition has a leader that answers, and all its replicas in sync. */
  async untilWhole(topics: readonly Topic[], timeoutMs = 120_000): Promise<void> {
    for (const deadline = Date.now() + timeoutMs; ; ) {
      const missing = await this.#missing(topics).catch((error: Error) => error.message)
      if (missing === undefined) return
      if (Date.now() > deadline) throw new BrokerError(`not whole after ${timeoutMs} ms: ${missing}`)
      await new Promise((resolve) => setTimeout(resolve, topics.length > 1 ? pollManyEveryMs : pollEveryMs))
    }
  }

  /** What the topics lack, as words. */
  async #missing(topics: readonly Topic[]): Promise<string | undefined> {
    const answers = await Promise.all(topics.map((topic) => this.#placements(topic)))
    for (const [index, { name }] of topics.entries()) {
      const placements = answers[index]!
      if (typeof placements === "string") return placements
      for (const { port, partitions } of placements) {
        const ends = await (await this.on(port)).endOffsetsOf(name, partitions)
        if (ends === undefined) return `a leader of ${name} does not answer`
      }
    }
    return undefined
  }

  async #placements({ name, partitions }: Topic): Promise<Placement[] | string> {
    const { brokers, topics } = await this.#metadata(name)
    const known = topics[0]?.partitions ?? []
    const whole = known.filter(({ isrNodes, replicaNodes }) => isrNodes.length === replicaNodes.length)
    if (whole.length < partitions) return `${name} has ${whole.length} of ${partitions} partitions in sync`
    return brokers
      .map(({ port, nodeId }) => ({
        port,
        partitions: known.filter(({ leaderId }) => leaderId === nodeId).map(({ partitionIndex }) => partitionIndex),
      }))
      .filter((placement) => placement.partitions.length > 0)
  }

  async #metadata(name: string) {
    let failure: unknown
    for (const port of this.ports) {
      try {
        return await (await this.on(port)).metadata([name])
      } catch (error) {
        failure = error
      }
    }
    throw failure
  }

  /** A connection to the leader of a partition. */
  async leader(topic: string, partition: number): Promise<Client> {
    const { brokers, topics } = await this.#metadata(topic)
    const leaderId = topics[0]?.partitions.find(({ partitionIndex }) => partitionIndex === partition)?.leaderId
    const port = brokers.find(({ nodeId }) => nodeId === leaderId)?.port
    if (port === undefined) throw new BrokerError(`${topic}-${partition} has no leader`)
    return this.on(port)
  }

  /** The brokers the cluster names at the moment. */
  async brokerCount(): Promise<number> {
    const { brokers } = await this.#metadata("no-such-topic")
    return brokers.length
  }
}
