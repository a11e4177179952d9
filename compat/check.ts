/**
 * What a compatibility check is: a client or tool, and what it has to show.
 *
 * Owns the interface between `main.ts` and `clients/`. A check passes by returning, fails by throwing, and is skipped by throwing `Skip`.
 */
export interface CheckContext {
  readonly bootstrap: string
  readonly host: string
  readonly port: number
  /** Where the broker keeps its logs, when the files are within reach. */
  readonly dataDirectory: string | undefined
  /** What a check that brings its own brokers starts: Ottla, or Apache Kafka to see whether the check is right. */
  readonly against: "ottla" | "kafka"
  /** With which settings. */
  readonly brokerSettings: Readonly<Record<string, string>>
  /** While it runs, leaderships go from node to node, and nodes die. */
  readonly leadersMove: boolean
  /** A topic name nobody else uses. */
  topic(purpose: string): string
}

export interface Check {
  /** What `npm run compat -- name` calls it; words of a name select it too. */
  readonly name: string
  /** Client and version, in the summary. */
  readonly about: string
  /** False: it brings its own brokers. */
  readonly needsBroker?: boolean
  /** Why it cannot hold where leaders move, on Apache Kafka neither. */
  readonly needsCalm?: string
  /** True: some of its calls fail with the connection to a broker that dies. Leaders move without that. */
  readonly needsAllBrokers?: boolean
  /** True: runs only when it is asked for by its name. */
  readonly byNameOnly?: boolean
  run(context: CheckContext): Promise<string | undefined>
}

/**
 * What a producer may ask for where its check expects every record once, at the offset that it was told: where leaders move, what the leader alone acknowledges may be lost, and what is sent
 * without idempotence may be there twice, on Apache Kafka too.
 */
export function exactPromises<Promised extends { readonly acks: number; readonly idempotent: boolean }>(
  { leadersMove }: CheckContext,
  promises: readonly Promised[],
): Promised[] {
  return promises.map((promise) => (leadersMove ? { ...promise, acks: -1, idempotent: true } : promise))
}
