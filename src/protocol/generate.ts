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
export type RandomInt = (below: number) => number

const arrayLengthMax = 3
const bytesLengthMax = 40

/** A value of every type, with fields that the version lacks at their defaults. */
export function randomMessage<F extends Fields>(
  message: Message<F>,
  version: number,
  randomInt: RandomInt,
): ValueOf<F> {
  return randomStruct(message.fields, version, randomInt) as ValueOf<F>
}

function randomStruct(fields: Fields, version: number, randomInt: RandomInt): object {
  return Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [
      name,
      includesVersion(field.versions, version) ? randomField(field, version, randomInt) : defaultValue(field),
    ]),
  )
}

function defaultValue(field: Field): unknown {
  if (field.default !== emptyDefault) return field.default
  if (field.type === "array") return []
  if (field.type !== "struct") return Buffer.alloc(0)
  return Object.fromEntries(Object.entries(field.fields!).map(([name, one]) => [name, defaultValue(one)]))
}

function randomField(field: Field, version: number, randomInt: RandomInt): unknown {
  if (includesVersion(field.taggedVersions, version) && randomInt(2) === 0) return defaultValue(field)
  if (includesVersion(field.nullableVersions, version) && randomInt(4) === 0) return null
  switch (field.type) {
    case "array":
      return Array.from({ length: randomInt(arrayLengthMax + 1) }, () =>
        randomField(field.element!, version, randomInt),
      )
    case "struct":
      return randomStruct(field.fields!, version, randomInt)
    case "bool":
      return randomInt(2) === 1
    case "int8":
      return randomSigned(8, randomInt)
    case "int16":
      return randomSigned(16, randomInt)
    case "uint16":
      return randomInt(0x10000)
    case "int32":
      return randomSigned(32, randomInt)
    case "uint32":
      return randomInt(2 ** 32)
    case "int64":
      return randomInt64(randomInt)
    case "float64":
      return randomSigned(32, randomInt) / 1024
    case "uuid":
      return randomUuid(randomInt)
    case "string":
      return randomText(randomInt)
    case "bytes":
    case "records":
      return randomBytes(randomInt(bytesLengthMax + 1), randomInt)
  }
}

function randomSigned(bits: number, randomInt: RandomInt): number {
  const half = 2 ** (bits - 1)
  switch (randomInt(6)) {
    case 0:
      return -half
    case 1:
      return half - 1
    case 2:
      return -1
    case 3:
      return randomInt(4)
    default:
      return randomInt(half * 2) - half
  }
}

/** Within what a number holds exactly, and the smallest int64, which it does too. */
function randomInt64(randomInt: RandomInt): number {
  switch (randomInt(6)) {
    case 0:
      return -(2 ** 63)
    case 1:
      return Number.MAX_SAFE_INTEGER
    case 2:
      return Number.MIN_SAFE_INTEGER
    case 3:
      return randomSigned(32, randomInt)
    default:
      return (randomInt(2 ** 22) - 2 ** 21) * 2 ** 32 + randomInt(2 ** 32)
  }
}

const randomBytes = (length: number, randomInt: RandomInt): Buffer =>
  Buffer.from(Array.from({ length }, () => randomInt(256)))

const randomUuid = (randomInt: RandomInt): Uuid =>
  randomInt(4) === 0 ? zeroUuid : randomBytes(16, randomInt).toString("base64url")

/** One, two, three and four bytes in UTF-8. */
const letters = ["a", "Z", "7", ".", "-", "_", "\0", "é", "語", "🦦"]

const randomText = (randomInt: RandomInt): string =>
  Array.from({ length: randomInt(12) }, () => letters[randomInt(letters.length)]).join("")
