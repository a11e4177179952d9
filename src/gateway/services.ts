/**
 * What the routes share.
 *
 * Owns the shape only; `gateway.ts` makes it.
 */
import type { Consumer } from "../client/consumer/consumer.js"
import type { Reset } from "../client/consumer/position.js"
import type { Producer } from "../client/producer/producer.js"
import type { Env } from "../env/env.js"
import type { Check } from "../observe/health.js"
import type { GroupSessions } from "./group-sessions.js"
import type { Idempotency } from "./idempotency.js"
import type { Occupancy } from "./limits.js"
import type { Lookup } from "./lookup.js"

export interface Probes {
  /** Prometheus text. */
  metrics(): string | Promise<string>
  /** Everything that must be so before anybody is sent here. */
  readiness(): Promise<readonly Check[]>
}

export interface Reader {
  readonly consumer: Consumer
  close(): Promise<void>
}

export interface Services {
  readonly env: Env
  readonly lookup: Lookup
  readonly producer: Producer
  readonly occupancy: Occupancy
  readonly idempotency: Idempotency
  readonly groups: GroupSessions
  readonly probes: Probes
  readonly bodyBytesMax: number
  /** A consumer without a group, of partitions of one topic, with connections of its own: answers of one connection come in order, and this one's wait for records. */
  reader(topic: string, partitions: readonly number[], from: Reset): Reader
}
