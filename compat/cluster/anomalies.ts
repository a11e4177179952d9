/**
 * What must never be seen, planted into a recorded run: the proof that the judge would see it.
 *
 * Owns one planter for each anomaly. Invariant: events are copied, never changed; a planter that finds no place for its anomaly says so by `undefined`.
 */
import type { SeededRandom } from "../random.js"
import { payloadOf } from "./payload.js"
import { type ClientEvent, Recorder, type RecordedEvent } from "./recorder.js"

type Planter = (events: readonly RecordedEvent[], random: SeededRandom) => RecordedEvent[] | undefined
type EventOf<K extends ClientEvent["kind"]> = RecordedEvent & { readonly event: Extract<ClientEvent, { kind: K }> }

/** As librdkafka has it. */
const offsetUnknown = -1001

const ofKind = <K extends ClientEvent["kind"]>(events: readonly RecordedEvent[], kind: K): EventOf<K>[] =>
  events.filter((one): one is EventOf<K> => one.event.kind === kind)

function pick<T>(list: readonly T[], random: SeededRandom): T | undefined {
  return list[random.int(Math.max(1, list.length))]
}

const isAt =
  (partition: number, offset: number) =>
  ({ event }: RecordedEvent): boolean =>
    event.kind === "read" && event.partition === partition && event.offset === offset

/** Of all readers: what one of them gets at an offset. */
const replaceRead = (events: readonly RecordedEvent[], target: RecordedEvent, payload: string): RecordedEvent[] =>
  events.map((one) => (one === target ? { ...one, event: { ...target.event, payload } as ClientEvent } : one))

const planters: Readonly<Record<string, Planter>> = {
  /** Acknowledged, and nobody ever reads it: what follows moves up. */
  lost(events, random) {
    const acked = pick(ofKind(events, "acked"), random)
    if (acked === undefined) return undefined
    const { partition, offset } = acked.event
    return events.filter((one) => !isAt(partition, offset)(one))
  },
  /** As `lost`, of a record of which the broker did not say where it is. */
  "lost somewhere"(events, random) {
    const acked = pick(ofKind(events, "acked"), random)
    if (acked === undefined) return undefined
    const { partition, offset } = acked.event
    const elsewhere = { ...acked, event: { ...acked.event, offset: offsetUnknown } }
    return events.filter((one) => !isAt(partition, offset)(one)).map((one) => (one === acked ? elsewhere : one))
  },
  /** The same record once more, at the end of its partition. */
  duplicated(events, random) {
    const read = pick(
      ofKind(events, "read").filter(({ client }) => client === "audit"),
      random,
    )
    if (read === undefined) return undefined
    const { partition, payload } = read.event
    const drained = ofKind(events, "drained").find(({ event }) => event.partition === partition)!
    const again: RecordedEvent = { ...read, atUs: drained.atUs, event: { ...read.event, offset: drained.event.to } }
    const to = drained.event.to + 1
    return events.flatMap((one) =>
      one === drained
        ? [
            { ...again, event: { ...again.event, payload } as ClientEvent },
            { ...one, event: { ...drained.event, to } },
          ]
        : [one],
    )
  },
  /** Two records of one sender change places, for all readers. */
  reordered(events, random) {
    const reads = ofKind(events, "read").filter(({ client }) => client === "audit")
    const first = pick(reads, random)
    if (first === undefined) return undefined
    const sender = first.event.payload.split(":")[0]
    const second = reads.find(
      ({ event }) =>
        event.partition === first.event.partition &&
        event.offset > first.event.offset &&
        event.payload.split(":")[0] === sender,
    )
    if (second === undefined) return undefined
    const other = new Map([
      [first.event.offset, second.event.payload],
      [second.event.offset, first.event.payload],
    ])
    return events.map((one) => {
      if (one.event.kind === "acked" || one.event.partition !== first.event.partition) return one
      const payload = one.event.kind === "read" ? other.get(one.event.offset) : undefined
      return payload === undefined ? one : { ...one, event: { ...one.event, payload } as ClientEvent }
    })
  },
  /** Two readers get different records at one offset. */
  diverged(events, random) {
    const reads = ofKind(events, "read").filter(({ client }) => client === "audit")
    const target = pick(reads, random)
    const other = reads.find(
      ({ event }) => event.partition === target?.event.partition && event.offset !== target.event.offset,
    )
    if (target === undefined || other === undefined) return undefined
    return replaceRead(events, target, other.event.payload)
  },
  /** A reader gets what it has had before, instead of what is next. */
  stale(events, random) {
    const read = pick(
      ofKind(events, "read").filter(({ client }) => client !== "audit"),
      random,
    )
    if (read === undefined) return undefined
    return events.flatMap((one) => (one === read ? [one, { ...one }] : [one]))
  },
  /** The end of a partition, as told to one who asks twice, moves back. */
  "gone back"(events, random) {
    const told = pick(
      ofKind(events, "watermark").filter(({ event }) => event.offset > 0),
      random,
    )
    if (told === undefined) return undefined
    const back: RecordedEvent = { ...told, event: { ...told.event, offset: told.event.offset - 1 } }
    return events.flatMap((one) => (one === told ? [one, back] : [one]))
  },
  /** A record that nobody sent. */
  phantom(events, random) {
    const target = pick(ofKind(events, "read"), random)
    return target && replaceRead(events, target, payloadOf("nobody", 7))
  },
  /** A record whose bytes are not what was sent. */
  damaged(events, random) {
    const target = pick(ofKind(events, "read"), random)
    return target && replaceRead(events, target, `${target.event.payload.slice(0, -1)}?`)
  },
  /** A record that is read before it is sent. */
  foretold(events, random) {
    const sent = ofKind(events, "sent")
    const target = pick(ofKind(events, "read"), random)
    const first = sent[0]
    if (target === undefined || first === undefined) return undefined
    const rest = events.filter((one) => one !== target)
    return [{ ...target, atUs: first.atUs - 1 }, ...rest]
  },
  /** Two brokers lead in one epoch. */
  "two leaders"(events, random) {
    const told = pick(ofKind(events, "leader"), random)
    if (told === undefined) return undefined
    const other: RecordedEvent = { ...told, event: { ...told.event, leader: told.event.leader + 1 } }
    return [...events, other]
  },
}

export const anomalies: readonly string[] = Object.keys(planters)

/** The last record of a sender, for one, has none to change places with. */
const drawsMax = 50

/** A copy of what was recorded, with the anomaly in it. `undefined`: there is no place for it. */
export function plant(anomaly: string, recorder: Recorder, random: SeededRandom): Recorder | undefined {
  const events = recorder.inOrder()
  for (let draws = 0; draws < drawsMax; draws++) {
    const planted = planters[anomaly]!(events, random)
    if (planted !== undefined) return new Recorder(planted)
  }
  return undefined
}
