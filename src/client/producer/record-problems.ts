/**
 * What is wrong with a record that is to be sent, before anything is done with it.
 *
 * Owns what callers without types may get wrong. Invariant: a record without a problem can be written into a batch, whenever there is room.
 */
import type { ProducerRecord } from "./producer.js"

/** Names the field, and says what it may be. Undefined: nothing is wrong. */
export function problemOf(record: ProducerRecord): string | undefined {
  if (typeof record !== "object" || record === null)
    return `record: ${nameOf(record)} is no record; write { topic, value }`
  const { topic, key, value, headers, partition, timestamp } = record
  if (typeof topic !== "string" || topic === "") return "topic: the name of a topic is missing"
  if (key !== undefined && !isBytes(key)) return `key: ${nameOf(key)} is ${bytesAre}`
  if (value !== undefined && !isBytes(value)) return `value: ${nameOf(value)} is ${bytesAre}`
  if (partition !== undefined && !(Number.isInteger(partition) && partition >= 0))
    return `partition: ${String(partition)} is no partition; they count from 0`
  if (timestamp !== undefined && !(Number.isSafeInteger(timestamp) && timestamp >= 0))
    return `timestamp: ${String(timestamp)} is not in milliseconds since 1970`
  return headers === undefined ? undefined : problemOfHeaders(headers)
}

function problemOfHeaders(headers: unknown): string | undefined {
  if (Array.isArray(headers)) return problemOfList(headers)
  if (typeof headers !== "object" || headers === null || isBytes(headers) || headers instanceof Map)
    return `headers: ${nameOf(headers)} is neither an object by name nor a list of { key, value }`
  for (const [name, value] of Object.entries(headers)) {
    const values: readonly unknown[] = Array.isArray(value) ? value : [value]
    for (const each of values)
      if (!isBytes(each)) return `headers: the value of "${name}": ${nameOf(each)} is ${bytesAre}`
  }
  return undefined
}

function problemOfList(headers: readonly unknown[]): string | undefined {
  for (const [index, header] of headers.entries()) {
    if (typeof header !== "object" || header === null)
      return `headers: [${index}]: ${nameOf(header)} is no { key, value }`
    const { key, value } = header as { readonly key?: unknown; readonly value?: unknown }
    if (typeof key !== "string") return `headers: [${index}].key: ${nameOf(key)} is no string`
    if (!isBytes(value)) return `headers: [${index}].value: ${nameOf(value)} is ${bytesAre}`
  }
  return undefined
}

const bytesAre = "neither a string, a Uint8Array nor null"

const isBytes = (value: unknown): boolean => typeof value === "string" || value === null || value instanceof Uint8Array

/** In few words, whatever it is. */
function nameOf(value: unknown): string {
  if (Array.isArray(value)) return "an array"
  if (typeof value === "object" && value !== null) return value.constructor?.name ?? "an object"
  return typeof value === "function" || typeof value === "symbol" ? `a ${typeof value}` : String(value)
}
