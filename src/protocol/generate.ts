/**
 * Random values of declared messages, for properties and fuzzing.
 *
 * Owns which values are interesting: both ends of every type, nulls, empty and filled arrays, defaults of tagged fields. A value fits its
 * version, so decoding what was encoded gives it back. All randomness comes from the caller: same numbers, same message.
 */
import { type Uuid, zeroUuid } from "../base/ids.js"
import { emptyDefault, type Field, type Fields, type ValueOf } from "./field.js"
import type { Message } from "./message.js"
import { includesVersion } from "./versions.js"

/** Uniform integer in [0, below), `below` at most 2^32. */
export type NextInt = (below: number) => number

const arrayLengthMax = 3
const bytesLengthMax = 40

/** A value of every type, with fields that the version lacks at their defaults. */
export function randomMessage<F extends Fields>(message: Message<F>, version: number, nextInt: NextInt): ValueOf<F> {
  return randomStruct(message.fields, version, nextInt) as ValueOf<F>
}

function randomStruct(fields: Fields, version: number, nextInt: NextInt): object {
  return Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [
      name,
      includesVersion(field.versions, version) ? randomField(field, version, nextInt) : defaultValue(field),
    ]),
  )
}

function defaultValue(field: Field): unknown {
  if (field.default !== emptyDefault) return field.default
  if (field.type === "array") return []
  if (field.type !== "struct") return Buffer.alloc(0)
  return Object.fromEntries(Object.entries(field.fields!).map(([name, one]) => [name, defaultValue(one)]))
}

function randomField(field: Field, version: number, nextInt: NextInt): unknown {
  if (includesVersion(field.taggedVersions, version) && nextInt(2) === 0) return defaultValue(field)
  if (includesVersion(field.nullableVersions, version) && nextInt(4) === 0) return null
  switch (field.type) {
    case "array":
      return Array.from({ length: nextInt(arrayLengthMax + 1) }, () => randomField(field.element!, version, nextInt))
    case "struct":
      return randomStruct(field.fields!, version, nextInt)
    case "bool":
      return nextInt(2) === 1
    case "int8":
      return randomSigned(8, nextInt)
    case "int16":
      return randomSigned(16, nextInt)
    case "uint16":
      return nextInt(0x10000)
    case "int32":
      return randomSigned(32, nextInt)
    case "uint32":
      return nextInt(2 ** 32)
    case "int64":
      return someInt64(nextInt)
    case "float64":
      return randomSigned(32, nextInt) / 1024
    case "uuid":
      return randomUuid(nextInt)
    case "string":
      return randomText(nextInt)
    case "bytes":
    case "records":
      return someBytes(nextInt(bytesLengthMax + 1), nextInt)
  }
}

function randomSigned(bits: number, nextInt: NextInt): number {
  const half = 2 ** (bits - 1)
  switch (nextInt(6)) {
    case 0:
      return -half
    case 1:
      return half - 1
    case 2:
      return -1
    case 3:
      return nextInt(4)
    default:
      return nextInt(half * 2) - half
  }
}

/** Within what a number holds exactly, and the smallest int64, which it does too. */
function someInt64(nextInt: NextInt): number {
  switch (nextInt(6)) {
    case 0:
      return -(2 ** 63)
    case 1:
      return Number.MAX_SAFE_INTEGER
    case 2:
      return Number.MIN_SAFE_INTEGER
    case 3:
      return randomSigned(32, nextInt)
    default:
      return (nextInt(2 ** 22) - 2 ** 21) * 2 ** 32 + nextInt(2 ** 32)
  }
}

const someBytes = (length: number, nextInt: NextInt): Buffer => Buffer.from(Array.from({ length }, () => nextInt(256)))

const randomUuid = (nextInt: NextInt): Uuid =>
  nextInt(4) === 0 ? zeroUuid : someBytes(16, nextInt).toString("base64url")

/** One, two, three and four bytes in UTF-8. */
const letters = ["a", "Z", "7", ".", "-", "_", "\0", "é", "語", "🦦"]

const randomText = (nextInt: NextInt): string =>
  Array.from({ length: nextInt(12) }, () => letters[nextInt(letters.length)]).join("")
