/**
 * One side of a comparison: requests are sent to one broker, and what it answers is written down in words that do not depend on the run.
 *
 * Owns connections and masking: ids that a broker makes are replaced by names, lists without an order are sorted. Invariant: two brokers that behave the same leave the same
 * transcript.
 */
import type { Fields, InputOf, ValueOf } from "../../src/protocol/field.js"
import type { Api } from "../../src/protocol/message.js"
import { type Address, ConnectionLost, WireClient } from "../client.js"

export interface Step {
  readonly label: string
  /** As JSON; a connection that the broker closed is "closed". */
  readonly answer: string
}

/** Ids that brokers make: a UUID in Java's text form, or in Kafka's. */
const uuidInText = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g
const kafkaUuid = /^[A-Za-z0-9_-]{22}$/
const answerMs = 20_000
const settledMs = 15_000
const betweenAttemptsMs = 50

export class Session {
  readonly steps: Step[] = []
  readonly #names = new Map<string, string>()
  readonly #connections = new Map<string, WireClient>()
  #prefix = ""

  constructor(private readonly address: Address) {}

  /** What follows is labelled as a part of this. */
  section(prefix: string): void {
    this.#prefix = prefix
  }

  /** From now on this id appears under this name. */
  call<Id extends string>(id: Id, name: string): Id {
    if (id !== "") this.#names.set(id, `<${name}>`)
    return id
  }

  async #connection(name: string): Promise<WireClient> {
    const known = this.#connections.get(name)
    if (known !== undefined && !known.isLost) return known
    const client = await WireClient.connect(this.address)
    this.#connections.set(name, client)
    return client
  }

  /** Sends without writing down. Undefined: the broker closed the connection. */
  async send<Q extends Fields, S extends Fields>(
    api: Api<Q, S>,
    version: number,
    body: InputOf<Q>,
    connection = "",
  ): Promise<ValueOf<S> | undefined> {
    const client = await this.#connection(connection)
    try {
      return await client.request(api, version, body, answerMs)
    } catch (error) {
      if (error instanceof ConnectionLost) return undefined
      throw error
    }
  }

  /** Sends, and writes the answer down. `look` picks what is compared. */
  async ask<Q extends Fields, S extends Fields>(
    label: string,
    api: Api<Q, S>,
    version: number,
    body: InputOf<Q>,
    { connection = "", look = (answer: ValueOf<S>): unknown => answer } = {},
  ): Promise<ValueOf<S> | undefined> {
    const answer = await this.send(api, version, body, connection)
    this.#write(label, api, version, answer === undefined ? "closed" : look(answer))
    return answer
  }

  /** Asks until the answer is as wanted, and writes down that one; or the last, when it never is. */
  async askUntil<Q extends Fields, S extends Fields>(
    label: string,
    api: Api<Q, S>,
    version: number,
    body: InputOf<Q>,
    isWanted: (answer: ValueOf<S>) => boolean,
    connection = "",
  ): Promise<ValueOf<S> | undefined> {
    const deadlineMs = Date.now() + settledMs
    for (;;) {
      const answer = await this.send(api, version, body, connection)
      if (answer === undefined || isWanted(answer) || Date.now() > deadlineMs) {
        this.#write(label, api, version, answer ?? "closed")
        return answer
      }
      await new Promise((resolve) => setTimeout(resolve, betweenAttemptsMs))
    }
  }

  #write(label: string, { name }: Pick<Api, "name">, version: number, answer: unknown): void {
    this.steps.push({
      label: `${this.#prefix}: ${name} v${version}: ${label}`,
      answer: JSON.stringify(this.#masked(answer)),
    })
  }

  #masked(value: unknown): unknown {
    if (typeof value === "string") return this.#maskedText(value)
    if (Buffer.isBuffer(value)) return value.toString("hex")
    if (Array.isArray(value)) {
      const masked = value.map((each) => this.#masked(each))
      return masked.every((each) => typeof each === "object" && each !== null)
        ? masked
            .map((each) => [JSON.stringify(each), each] as const)
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([, each]) => each)
        : masked
    }
    if (typeof value !== "object" || value === null) return value
    return Object.fromEntries(
      Object.entries(value)
        .filter(([name]) => name !== "throttleTimeMs")
        .map(([name, each]) => [name, this.#masked(each)]),
    )
  }

  #maskedText(text: string): string {
    const named = this.#names.get(text)
    if (named !== undefined) return named
    for (const [id, name] of this.#names) if (text.includes(id)) text = text.replaceAll(id, name)
    return kafkaUuid.test(text) && !/^A+$/.test(text) ? "<id>" : text.replace(uuidInText, "<uuid>")
  }

  /** What is parked on a connection is given up. */
  hangUp(connection: string): void {
    this.#connections.get(connection)?.close()
    this.#connections.delete(connection)
  }

  close(): void {
    for (const client of this.#connections.values()) client.close()
  }
}

/** A part of the comparison; its group ids are nobody else's. */
export interface Scenario {
  readonly name: string
  run(session: Session): Promise<void>
}
