/**
 * What happened, as text that is kept beside the tests and reads as an explanation of the protocol.
 *
 * Owns the format of such a text and the comparison with the file; who says what is the test's. Invariant: the same steps give the same text, so that a change of behaviour
 * shows as a difference to be read. `UPDATE_TRACES=1` writes the files anew.
 */
import assert from "node:assert/strict"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import type { GroupRecord } from "../group-records.js"

const width = 140

export class Trace {
  readonly #lines: string[] = []
  /** Long names by the short ones they are printed as. */
  readonly #names: { readonly long: string; readonly short: string }[] = []

  /** What the next steps show. */
  rule(text: string): void {
    this.#lines.push("", ...wrapped(text, "# "))
  }

  /** Somebody does something. */
  step(text: string): void {
    this.#lines.push(`> ${text}`)
  }

  /** What follows from it. */
  happened(text: string): void {
    this.#lines.push(`    ${text}`)
  }

  /** From now on a generated id is printed by this name. */
  name(long: string, short: string): void {
    if (!this.#names.some((known) => known.long === long)) this.#names.push({ long, short })
  }

  text(): string {
    let text = this.#lines.join("\n").replace(/^\n/, "")
    for (const { long, short } of this.#names) text = text.replaceAll(long, short)
    return `${text}\n`
  }

  /** `path` from the root of the repository. */
  compare(path: string): void {
    const file = join(process.cwd(), path)
    if (process.env.UPDATE_TRACES === "1") {
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, this.text())
    }
    assert.equal(this.text(), readFileSync(file, "utf8"), `${path} is not what happens; UPDATE_TRACES=1 writes it anew`)
  }
}

function wrapped(text: string, prefix: string): string[] {
  const lines: string[] = []
  let line = prefix
  for (const word of text.split(/\s+/)) {
    if (line.length + word.length > width) {
      lines.push(line.trimEnd())
      line = prefix
    }
    line += `${word} `
  }
  lines.push(line.trimEnd())
  return lines
}

/** Type, key and value on one line; what is empty or at its usual absent value is left out. */
export const recordText = ({ type, key, value }: GroupRecord): string =>
  `${type} ${valueText(key)} ${value === null ? "removed" : valueText(value)}`

/** A value of a message in short. Bytes are shown as text where they are text. */
export function valueText(value: unknown): string {
  if (value instanceof Uint8Array) return bytesText(Buffer.from(value.buffer, value.byteOffset, value.byteLength))
  if (Array.isArray(value)) return `[${value.map(valueText).join(", ")}]`
  if (value === null || typeof value !== "object") return typeof value === "string" ? value : String(value)
  const fields = Object.entries(value).filter(([, field]) => !isAbsent(field))
  return `{${fields.map(([name, field]) => `${name}: ${valueText(field)}`).join(", ")}}`
}

const isAbsent = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  value === "" ||
  ((Array.isArray(value) || value instanceof Uint8Array) && value.length === 0)

function bytesText(bytes: Buffer): string {
  const text = bytes.toString("latin1")
  return /^[\x20-\x7e]*$/.test(text) ? text : `0x${bytes.toString("hex")}`
}
