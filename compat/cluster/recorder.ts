/**
 * Everything that clients of a run did and learned, by the machine's clock, and the history that follows from it.
 *
 * Owns the order: events come through several pipes and are put in the order of the moment that whoever noted them read from the clock. Invariant: what a client is about to do is
 * noted before, what it learned after, so the order never shows an effect before its cause.
 */
import { ClientHistory } from "../../src/sim/checkers/history/client-history.js"
import { parsePayload } from "./payload.js"

export type ClientEvent =
  | { readonly kind: "sent"; readonly number: number; readonly partition: number }
  | { readonly kind: "acked"; readonly number: number; readonly partition: number; readonly offset: number }
  | { readonly kind: "failed"; readonly number: number; readonly partition: number; readonly why: string }
  | { readonly kind: "at"; readonly partition: number; readonly offset: number }
  | { readonly kind: "read"; readonly partition: number; readonly offset: number; readonly payload: string }
  | { readonly kind: "drained"; readonly partition: number; readonly from: number; readonly to: number }
  | { readonly kind: "watermark"; readonly partition: number; readonly leaderEpoch: number; readonly offset: number }
  | { readonly kind: "leader"; readonly partition: number; readonly leaderEpoch: number; readonly leader: number }
  | {
      readonly kind: "batch"
      readonly partition: number
      readonly offset: number
      readonly next: number
      readonly hash: number
      /** Whose it is. A client that begins an epoch anew sends again what may be stored already. */
      readonly producer: readonly [producerId: number, producerEpoch: number, baseSequence: number]
    }

export interface RecordedEvent {
  /** Of the machine's monotonic clock, which all its processes share. */
  readonly atUs: number
  readonly client: string
  readonly event: ClientEvent
}

export const nowUs = (): number => Number(process.hrtime.bigint() / 1000n)

/** No record that was sent has this number. */
const valueOfNobody = -1

export class Recorder {
  constructor(readonly events: RecordedEvent[] = []) {}

  note(client: string, event: ClientEvent, atUs = nowUs()): void {
    this.events.push({ atUs, client, event })
  }

  count(kind: ClientEvent["kind"]): number {
    return this.events.reduce((sum, { event }) => sum + (event.kind === kind ? 1 : 0), 0)
  }

  history(topic: string, partitions: number): ClientHistory {
    const history = new ClientHistory()
    for (let partition = 0; partition < partitions; partition++) history.addPartition(`${topic}-${partition}`)
    const producers = new Map<string, number>()
    const readers = new Map<string, number>()
    const values = new Map<string, number>()
    const numberOf = (map: Map<string, number>, key: string, add: () => number): number => {
      const known = map.get(key) ?? add()
      map.set(key, known)
      return known
    }
    for (const { client, event } of this.inOrder()) {
      const { partition } = event
      const reader = () => {
        const key = `${client} of partition ${partition}`
        return numberOf(readers, key, () => history.addReader(key, partition))
      }
      switch (event.kind) {
        case "sent": {
          const add = () => history.addProducer({ name: client, mayDuplicate: false, mayReorder: false })
          values.set(`${client}:${event.number}`, history.sent(numberOf(producers, client, add), partition))
          break
        }
        case "acked": {
          const value = values.get(`${client}:${event.number}`)
          if (value === undefined) throw new Error(`${client} had ${event.number} acknowledged and never sent it`)
          if (event.offset >= 0) history.acknowledged(value, event.offset, true)
          break
        }
        case "at":
          history.positioned(reader(), event.offset)
          break
        case "read": {
          const origin = parsePayload(event.payload)
          const value = origin === undefined ? undefined : values.get(`${origin.sender}:${origin.number}`)
          history.read(reader(), event.offset, value ?? valueOfNobody)
          break
        }
        case "drained":
          history.drained(reader(), event.from, event.to)
          break
        case "watermark":
          history.watermark(reader(), event.leaderEpoch, event.offset)
          break
        case "leader":
          history.leader(partition, event.leaderEpoch, event.leader)
          break
        case "batch":
          history.batch(partition, event.offset, event.next, event.hash)
          break
        case "failed":
          // Whether it was written is open.
          break
      }
    }
    return history
  }

  /**
   * What was acknowledged without being told where (librdkafka takes DUPLICATE_SEQUENCE_NUMBER for success: the broker remembers that it has had it, not where), and is not among
   * what `reader` has read.
   */
  missing(reader: string): string[] {
    const read = new Set<string>()
    for (const { client, event } of this.events)
      if (client === reader && event.kind === "read") read.add(event.payload.split(":", 2).join(":"))
    return this.events.flatMap(({ client, event }) => {
      if (event.kind !== "acked" || event.offset >= 0 || read.has(`${client}:${event.number}`)) return []
      return [`${client}:${event.number} of partition ${event.partition}`]
    })
  }

  inOrder(): RecordedEvent[] {
    return [...this.events].sort((a, b) => a.atUs - b.atUs)
  }
}
