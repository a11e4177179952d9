/**
 * Java's .properties files: `server.properties`, `meta.properties`, `partition.metadata`.
 *
 * Owns the grammar, in both directions. Source: java.util.Properties.load and store.
 */
export interface Property {
  readonly name: string
  readonly value: string
  /** Counted from 1, where the definition starts. */
  readonly line: number
}

const isBlank = (char: string | undefined): boolean => char === " " || char === "\t" || char === "\f"

/** All definitions in order; of a name given twice the last one counts, which the caller decides. Never fails. */
export function parseProperties(text: string): Property[] {
  const lines = text.split(/\r\n|\r|\n/)
  const found: Property[] = []
  for (let i = 0; i < lines.length; i++) {
    let logical = lines[i]!.replace(/^[ \t\f]+/, "")
    if (logical === "" || logical[0] === "#" || logical[0] === "!") continue
    const line = i + 1
    while (continues(logical)) {
      logical = logical.slice(0, -1) + (lines[++i] ?? "").replace(/^[ \t\f]+/, "")
      if (i >= lines.length) break
    }
    const nameEnd = endOfName(logical)
    let valueStart = nameEnd
    while (isBlank(logical[valueStart])) valueStart++
    if (logical[valueStart] === "=" || logical[valueStart] === ":") valueStart++
    while (isBlank(logical[valueStart])) valueStart++
    found.push({ name: unescaped(logical.slice(0, nameEnd)), value: unescaped(logical.slice(valueStart)), line })
  }
  return found
}

/** An odd number of backslashes at the end joins the next line. */
const continues = (line: string): boolean => /(^|[^\\])(\\\\)*\\$/.test(line)

function endOfName(line: string): number {
  let at = 0
  for (; at < line.length; at++) {
    if (line[at] === "\\") at++
    else if (line[at] === "=" || line[at] === ":" || isBlank(line[at])) break
  }
  return Math.min(at, line.length)
}

const named: Readonly<Record<string, string>> = { t: "\t", n: "\n", r: "\r", f: "\f" }

const unescaped = (text: string): string =>
  text.replace(/\\(u[0-9a-fA-F]{4}|[\s\S]|$)/g, (_, what: string) =>
    what.length === 5 ? String.fromCharCode(Number.parseInt(what.slice(1), 16)) : (named[what] ?? what),
  )

const escapes: Readonly<Record<string, string>> = { "\t": "\\t", "\n": "\\n", "\r": "\\r", "\f": "\\f" }

function escaped(text: string, isName: boolean): string {
  const plain = text.replace(/[\\=:#!\t\n\r\f]/g, (char) => escapes[char] ?? `\\${char}`)
  return (isName ? plain.replace(/ /g, "\\ ") : plain.replace(/^ /, "\\ ")).replace(
    /[^\x20-\x7e]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  )
}

/** One `name=value` a line; `comment` becomes the first line. Everything outside ASCII is escaped. */
export function formatProperties(properties: Readonly<Record<string, string>>, comment?: string): string {
  const lines = Object.entries(properties).map(([name, value]) => `${escaped(name, true)}=${escaped(value, false)}\n`)
  return (comment === undefined ? "" : `#${comment.replace(/[\r\n]+/g, " ")}\n`) + lines.join("")
}
