/**
 * The lines by which a client of the load, a process of its own, says what it does: microseconds, what, and numbers.
 *
 * Owns both ends: what a client prints, and how it is read.
 */
import type { ClientEvent } from "./recorder.js"

const ready = "ready"
const error = "error"

export type ClientLine =
  | { readonly atUs: number; readonly event: ClientEvent }
  | { readonly atUs: number; readonly remark: "ready" | "error"; readonly text: string }

/** Of the client's side. */
export function say(what: string, ...rest: readonly (string | number)[]): void {
  process.stdout.write(`${process.hrtime.bigint() / 1000n} ${what} ${rest.join(" ")}\n`)
}

export const sayReady = (): void => say(ready)
/** Something that the client deals with by itself. */
export const sayError = (text: string): void => say(error, text.replaceAll(/\s+/g, " "))

/** Errors: throws at what is no such line. */
export function parseClientLine(line: string): ClientLine {
  const [time, kind, ...words] = line.split(" ")
  const atUs = Number(time)
  const [first, second, third] = words.map(Number) as [number, number, number]
  const text = words.join(" ")
  if (Number.isFinite(atUs)) {
    if (kind === ready || kind === error) return { atUs, remark: kind, text }
    if (kind === "sent") return { atUs, event: { kind, number: first, partition: second } }
    if (kind === "acked") return { atUs, event: { kind, number: first, partition: second, offset: third } }
    if (kind === "failed")
      return { atUs, event: { kind, number: first, partition: second, why: words.slice(2).join(" ") } }
    if (kind === "at") return { atUs, event: { kind, partition: first, offset: second } }
    if (kind === "read")
      return { atUs, event: { kind, partition: first, offset: second, payload: words.slice(2).join(" ") } }
  }
  throw new Error(`a client said: ${line}`)
}
