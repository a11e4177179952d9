/**
 * A record as text, by a format like those of kcat and rpk.
 *
 * Owns the letters, and the JSON of a record. A format is read once, before the first record.
 */
import type { ConsumerRecord } from "../../client/consumer/record.js"
import { UsageError } from "../errors.js"
import { jsonText } from "../output.js"

export type RecordFormat = (record: ConsumerRecord) => Buffer

const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", "0": "\0", "\\": "\\" }

const letters: Readonly<Record<string, (record: ConsumerRecord) => Uint8Array | string>> = {
  t: ({ topic }) => topic,
  p: ({ partition }) => String(partition),
  o: ({ offset }) => String(offset),
  k: ({ key }) => key ?? "",
  v: ({ value }) => value ?? "",
  s: ({ value }) => value ?? "",
  K: ({ key }) => String(key?.length ?? -1),
  S: ({ value }) => String(value?.length ?? -1),
  T: ({ timestamp }) => String(timestamp),
  d: ({ timestamp }) => (timestamp < 0 ? "" : new Date(timestamp).toISOString()),
  h: ({ headers }) => headers.map(({ key, value }) => `${key}=${value?.toString() ?? ""}`).join(","),
  "%": () => "%",
}

/** Errors: UsageError, naming the letter that means nothing. */
export function parseFormat(format: string): RecordFormat {
  if (format === "json") return (record) => Buffer.from(`${jsonText(recordData(record))}\n`)
  const parts: (Buffer | ((record: ConsumerRecord) => Uint8Array | string))[] = []
  for (const [, plain, letter, escaped] of format.matchAll(/([^%\\]+)|%([\s\S]?)|\\([\s\S]?)/g)) {
    if (plain !== undefined) parts.push(Buffer.from(plain))
    else if (escaped !== undefined) {
      const text = escapes[escaped]
      if (text === undefined)
        throw new UsageError(`--format: \\${escaped} means nothing; there are \\n, \\t, \\r, \\0 and \\\\`)
      parts.push(Buffer.from(text))
    } else {
      const part = letters[letter!]
      if (part === undefined)
        throw new UsageError(
          `--format: %${letter} means nothing; there are ${Object.keys(letters)
            .map((each) => `%${each}`)
            .join(" ")}`,
        )
      parts.push(part)
    }
  }
  return (record) =>
    Buffer.concat(
      parts.map((part) => {
        if (Buffer.isBuffer(part)) return part
        const text = part(record)
        return typeof text === "string" ? Buffer.from(text) : text
      }),
    )
}

/** A text where the bytes are one, base64 where they are not. */
function dataOf(bytes: Buffer | null): { text: string | null; encoding: "utf8" | "base64" | null } {
  if (bytes === null) return { text: null, encoding: null }
  const text = bytes.toString("utf8")
  // What is no text would not come back the same.
  return Buffer.from(text, "utf8").equals(bytes)
    ? { text, encoding: "utf8" }
    : { text: bytes.toString("base64"), encoding: "base64" }
}

export function recordData({ topic, partition, offset, timestamp, key, value, headers }: ConsumerRecord): object {
  const [keyData, valueData] = [dataOf(key), dataOf(value)]
  return {
    topic,
    partition,
    offset,
    timestamp: timestamp < 0 ? null : timestamp,
    key: keyData.text,
    keyEncoding: keyData.encoding,
    value: valueData.text,
    valueEncoding: valueData.encoding,
    headers: headers.map((header) => {
      const { text, encoding } = dataOf(header.value)
      return { key: header.key, value: text, valueEncoding: encoding }
    }),
  }
}
