/**
 * A committed offset is what is told from then on, until something replaces it: a later commit, a deletion, or expiry where that is allowed (G2, G5).
 *
 * Owns one register for each group and partition: the writes that may be its present value. A write is out once another, sent after it was done, is done. A write without an answer may
 * take effect at any time until the broker is another process.
 */
import type { Checker, Observation } from "../history.js"
import { GroupMembership } from "./group-membership.js"

interface Write {
  readonly id: string
  /** Undefined: a deletion. */
  readonly offset: number | undefined
  readonly byName: string | undefined
  readonly sentAt: number
  readonly sentWallMs: number
  doneAt: number | undefined
  doneMs: number
  /** The earliest wall time that it may be stamped with. */
  wallMs: number
  /** Another has surely taken its place by then. */
  goneAt: number | undefined
}

/** Writes that are gone, per register: questions asked before may still be answered with them. */
const goneMax = 32

type Read = Extract<Observation, { kind: "offset read" }>

export class CommittedOffsetsSurvive implements Checker {
  readonly name = "committed offsets survive"
  readonly #membership = new GroupMembership()
  readonly #registers = new Map<string, Write[]>()
  readonly #open = new Map<string, Write>()
  /** Sent for a topic that died meanwhile: they may be taken for another of its name. By group and name. */
  readonly #strays = new Map<string, Set<string>>()
  readonly #askedAt = new Map<string, number>()
  #at = 0

  constructor(
    readonly report: (what: string) => void,
    /** `offsets.retention.minutes`, in ms. */
    readonly retentionMs: number,
  ) {}

  #register(group: string, partition: string): Write[] {
    const key = `${group} ${partition}`
    let writes = this.#registers.get(key)
    if (writes === undefined) this.#registers.set(key, (writes = []))
    return writes
  }

  observe(seen: Observation): void {
    this.#at++
    this.#membership.observe(seen)
    switch (seen.kind) {
      case "offset sent": {
        const write: Write = {
          id: seen.write,
          offset: seen.offset,
          byName: seen.byName === undefined ? undefined : `${seen.group} ${seen.byName}`,
          sentAt: this.#at,
          sentWallMs: seen.wallMs,
          doneAt: undefined,
          doneMs: 0,
          wallMs: seen.wallMs,
          goneAt: undefined,
        }
        this.#open.set(write.id, write)
        this.#register(seen.group, seen.partition).push(write)
        break
      }
      case "offset settled":
        this.#settled(seen)
        break
      case "topic dies":
        for (const { byName, id } of this.#open.values())
          if (byName?.includes(` ${seen.topic}-`)) {
            const strays = this.#strays.get(byName) ?? new Set<string>()
            this.#strays.set(byName, strays.add(id))
          }
        break
      case "broker died":
        for (const write of this.#open.values()) {
          write.doneAt = this.#at
          write.doneMs = Number.POSITIVE_INFINITY
        }
        this.#open.clear()
        break
      case "offsets asked":
        this.#askedAt.set(seen.fetch, this.#at)
        break
      case "offset read":
        this.#read(seen)
        break
    }
  }

  #settled(seen: Extract<Observation, { kind: "offset settled" }>): void {
    const writes = this.#register(seen.group, seen.partition)
    const index = writes.findIndex(({ id }) => id === seen.write)
    const write = writes[index]
    if (write === undefined || seen.outcome === "open") return
    this.#open.delete(write.id)
    if (seen.outcome === "refused") {
      writes.splice(index, 1)
      return
    }
    write.doneAt = this.#at
    write.doneMs = seen.atMs
    write.wallMs = Math.min(write.sentWallMs, seen.wallMs)
    for (const other of writes) if (other.doneAt !== undefined && other.doneAt < write.sentAt) other.goneAt ??= this.#at
    while (writes.length > goneMax && writes[0]?.goneAt !== undefined) writes.shift()
  }

  #read(seen: Read): void {
    const askedAt = this.#askedAt.get(seen.fetch) ?? this.#at
    const writes = this.#register(seen.group, seen.partition)
    const possible = writes.filter(({ goneAt }) => goneAt === undefined || goneAt > askedAt)
    if (seen.write === undefined) {
      // A write that is known to be done leaves no room for "there was nothing yet".
      const surely = possible.filter(({ doneMs }) => doneMs > 0 && doneMs < Number.POSITIVE_INFINITY)
      const isFine =
        possible.some(({ offset }) => offset === undefined) ||
        surely.every(({ sentAt, doneAt }) => doneAt === undefined || doneAt > askedAt || sentAt > askedAt) ||
        possible.some((write) => this.#mayHaveExpired(write, seen))
      if (!isFine) this.#complain(seen, "there is none", possible)
      return
    }
    const write = possible.find(({ id }) => id === seen.write)
    if (write !== undefined) {
      this.#tookEffect(write, writes, seen.atMs)
      if (write.offset !== seen.offset)
        this.#complain(seen, `${seen.write} with another offset, ${seen.offset}`, possible)
      return
    }
    const isStray = seen.byName !== undefined && this.#strays.get(`${seen.group} ${seen.byName}`)?.has(seen.write)
    if (isStray !== true) this.#complain(seen, `${seen.offset} (${seen.write})`, possible)
  }

  /** Whoever reads it knows that it happened, whether it was answered or not. */
  #tookEffect(write: Write, writes: readonly Write[], atMs: number): void {
    if (write.doneAt === undefined || write.doneMs === Number.POSITIVE_INFINITY) write.doneMs = atMs
    write.doneAt ??= this.#at
    for (const other of writes) if (other.doneAt !== undefined && other.doneAt < write.sentAt) other.goneAt ??= this.#at
  }

  #mayHaveExpired(write: Write, seen: Read): boolean {
    if (seen.wallMsMax - write.wallMs < this.retentionMs) return false
    return !this.#membership.wasHeld(seen.group, seen.topic, write.doneMs, seen.atMs)
  }

  #complain({ group, partition }: Read, told: string, possible: readonly Write[]): void {
    const expected = possible.slice(-4).map(({ id, offset }) => `${offset ?? "none"} (${id})`)
    this.report(`${group} ${partition}: told is ${told}, it must be ${expected.join(" or ") || "none"}`)
  }
}
