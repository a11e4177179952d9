// The line protocol for programs in JavaScript, see README.md.
import { createInterface } from "node:readline"

export const [role, bootstrap, topic, group, protocol] = process.argv.slice(2)
export const sessionTimeoutMs = 6000
export const heartbeatIntervalMs = 1000

export function say(...words) {
  process.stdout.write(`${Date.now()} ${words.join(" ")}\n`)
}

export const keyOf = (value) => `key-${value % 60}`

/** One handler per command, one command at a time. */
export function obey(handlers) {
  let last = Promise.resolve()
  createInterface({ input: process.stdin }).on("line", (line) => {
    const [command, ...words] = line.split(" ")
    last = last
      .then(() => handlers[command](...words))
      .catch((error) => say("failed", String(error?.message ?? error).replaceAll("\n", " ")))
  })
}

/** What a producer does, given how to send `[{ key, value }]`. */
export function obeyProducer(send, close) {
  say("ready")
  obey({
    async produce(first, count) {
      const values = Array.from({ length: Number(count) }, (_, i) => Number(first) + i)
      await send(values.map((value) => ({ key: keyOf(value), value: String(value) })))
      say("produced", first, count)
    },
    leave: () => leaveBy(close),
  })
}

async function leaveBy(close) {
  await close()
  say("left")
  process.exit(0)
}

/** The partitions a member has, and how far it is in each. */
export class Holdings {
  #next = new Map()

  gain(partitions) {
    const fresh = partitions.filter((partition) => !this.#next.has(partition))
    for (const partition of fresh) this.#next.set(partition, undefined)
    if (fresh.length > 0) say("gained", ...fresh)
  }

  lose(partitions) {
    const gone = partitions.filter((partition) => this.#next.delete(partition))
    if (gone.length > 0) say("lost", ...gone)
  }

  loseAll() {
    this.lose([...this.#next.keys()])
  }

  /** For clients that only tell what they have in all. */
  become(partitions) {
    this.lose([...this.#next.keys()].filter((partition) => !partitions.includes(partition)))
    this.gain(partitions)
  }

  see(partition, offset, key, value) {
    if (this.#next.has(partition)) this.#next.set(partition, Number(offset) + 1)
    say("seen", partition, offset, key, value)
  }

  /** [partition, next offset] of what was seen of what it has. */
  get positions() {
    return [...this.#next].filter(([, next]) => next !== undefined)
  }
}

/** What a member does, given how to commit `[[partition, next]]`. */
export function obeyMember(holdings, commit, close) {
  obey({
    async commit() {
      const { positions } = holdings
      if (positions.length > 0) await commit(positions)
      say("committed", ...positions.map(([partition, next]) => `${partition}:${next}`))
    },
    leave: () => leaveBy(close),
  })
}
