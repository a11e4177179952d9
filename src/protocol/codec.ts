/**
 * Makes the encoder and decoder of one version of a message out of its declaration.
 *
 * Owns how fields travel: old and flexible encodings, nulls, tagged fields. Emits JavaScript source from our own declarations (never from
 * input) and has it compiled, so that no field is interpreted while a message is handled: a Produce request of one partition decodes in
 * 0.3 us, with closures put together per field in 0.4 to 0.9; one of a hundred in 9 and 14 to 16. The invariant: bytes are not trusted;
 * whatever they are, decoding ends with a value or a `MalformedError`, and allocates no more than a small multiple of them.
 * Source: Kafka's message generator; KIP-482 (flexible versions and tagged fields).
 */
import { invariant } from "../base/assert.js"
import { zeroUuid } from "../base/ids.js"
import { MalformedError, type Reader } from "../base/reader.js"
import { utf8Bytes, Writer } from "../base/writer.js"
import { type Payload, isFileRegion, type FileRegion } from "../env/env.js"
import { emptyDefault, type Field, type Fields, type RecordsPayload } from "./field.js"
import { includesVersion } from "./versions.js"

export type MessageWriter = Writer<FileRegion>

export interface Codec {
  decode(reader: Reader): unknown
  encode(writer: MessageWriter, value: unknown): void
}

/** A value that its version or its type cannot carry: a mistake of the caller, not of a peer. */
export class EncodeError extends Error {
  override name = "EncodeError"
}

export const stringBytesMax = 0x7fff

/**
 * The codec of `version` of a message with these fields. `name` shows up in stack traces and profiles. Compiling takes some hundred
 * microseconds; keep the result.
 */
export function compileCodec(name: string, fields: Fields, version: number, flexible: boolean): Codec {
  const generator = new Generator(name, version, flexible)
  const decode = generator.decoder(fields)
  const encode = generator.encoder(fields)
  const source = [
    '"use strict"',
    `const { ${Object.keys(runtime).join(", ")} } = runtime`,
    ...generator.functions,
    `return { decode: ${decode}, encode: ${encode} }`,
    `//# sourceURL=ottla-codec/${name}-v${version}.js`,
  ].join("\n")
  return new Function("runtime", source)(runtime) as Codec
}

const malformed = (reader: Reader, meaning: string): never => {
  throw new MalformedError(`${meaning} before ${reader.position}`)
}

const unsupported = (field: string, version: number): never => {
  throw new EncodeError(`${field} holds a value that version ${version} cannot carry`)
}

/** Steps over the tagged fields of a struct that knows none. */
function skipTags(reader: Reader): void {
  let last = -1
  for (let count = reader.uvarint(); count > 0; count--) {
    last = nextTag(reader, last)
    reader.take(reader.uvarint())
  }
}

function nextTag(reader: Reader, last: number): number {
  const tag = reader.uvarint()
  if (tag <= last) malformed(reader, `tag ${tag} after ${last}`)
  return tag
}

/** Size of a tagged field, checked against what is left; returns where the field ends. */
function tagEnd(reader: Reader): number {
  const size = reader.uvarint()
  if (size > reader.remaining) malformed(reader, `tagged field of ${size} bytes`)
  return reader.position + size
}

function checkCount(reader: Reader, count: number, elementBytesMin: number): number {
  if (count * elementBytesMin > reader.remaining) malformed(reader, `${count} elements of at least ${elementBytesMin}`)
  if ((reader.elementsLeft -= count) < 0) malformed(reader, `${count} elements, too many in one message`)
  return count
}

const notNull = (reader: Reader, length: number): number =>
  length < 0 ? malformed(reader, "null where none is allowed") : length

/** Number of elements, -1 for null. */
const nullableCount = (reader: Reader, elementBytesMin: number): number => {
  const count = reader.int32()
  return count < 0 ? -1 : checkCount(reader, count, elementBytesMin)
}
const compactNullableCount = (reader: Reader, elementBytesMin: number): number => {
  const count = reader.uvarint() - 1
  return count < 0 ? -1 : checkCount(reader, count, elementBytesMin)
}
const count = (reader: Reader, elementBytesMin: number): number =>
  notNull(reader, nullableCount(reader, elementBytesMin))
const compactCount = (reader: Reader, elementBytesMin: number): number =>
  notNull(reader, compactNullableCount(reader, elementBytesMin))

const text = (reader: Reader, length: number): string => {
  if (length > stringBytesMax) malformed(reader, `string of ${length} bytes`)
  return length === 0 ? "" : reader.utf8(length)
}
const readString = (reader: Reader): string => text(reader, notNull(reader, reader.int16()))
const readNullableString = (reader: Reader): string | null => {
  const length = reader.int16()
  return length < 0 ? null : text(reader, length)
}
const readCompactString = (reader: Reader): string => text(reader, notNull(reader, reader.uvarint() - 1))
const readCompactNullableString = (reader: Reader): string | null => {
  const length = reader.uvarint() - 1
  return length < 0 ? null : text(reader, length)
}

const readBytes = (reader: Reader): Buffer => reader.view(notNull(reader, reader.int32()))
const readNullableBytes = (reader: Reader): Buffer | null => {
  const length = reader.int32()
  return length < 0 ? null : reader.view(length)
}
const readCompactBytes = (reader: Reader): Buffer => reader.view(notNull(reader, reader.uvarint() - 1))
const readCompactNullableBytes = (reader: Reader): Buffer | null => {
  const length = reader.uvarint() - 1
  return length < 0 ? null : reader.view(length)
}

const textBytes = (value: string): number => {
  const length = utf8Bytes(value)
  if (length > stringBytesMax) throw new EncodeError(`string of ${length} bytes, at most ${stringBytesMax} can travel`)
  return length
}
const writeString = (writer: MessageWriter, value: string): void => {
  const length = textBytes(value)
  writer.int16(length)
  writer.utf8(value, length)
}
const writeCompactString = (writer: MessageWriter, value: string): void => {
  const length = textBytes(value)
  writer.uvarint(length + 1)
  writer.utf8(value, length)
}
const writeBytes = (writer: MessageWriter, value: Uint8Array): void => {
  writer.int32(value.length)
  writer.raw(value)
}
const writeCompactBytes = (writer: MessageWriter, value: Uint8Array): void => {
  writer.uvarint(value.length + 1)
  writer.raw(value)
}

const isOneBuffer = (value: RecordsPayload): value is Buffer => Buffer.isBuffer(value)

function recordsBytes(value: RecordsPayload): number {
  if (isOneBuffer(value)) return value.length
  let length = 0
  for (const part of value) length += part.length
  return length
}

function attachRecords(writer: MessageWriter, value: RecordsPayload): void {
  if (isOneBuffer(value)) writer.attach(value)
  else for (const part of value) writer.attach(part)
}
const writeRecords = (writer: MessageWriter, value: RecordsPayload): void => {
  writer.int32(recordsBytes(value))
  attachRecords(writer, value)
}
const writeCompactRecords = (writer: MessageWriter, value: RecordsPayload): void => {
  writer.uvarint(recordsBytes(value) + 1)
  attachRecords(writer, value)
}

/** A tagged field is preceded by its size, so one that has no fixed size is written on its own first. Rare and small. */
function writeTag<Value>(
  writer: MessageWriter,
  tag: number,
  value: Value,
  encode: (writer: MessageWriter, value: Value) => void,
): void {
  const own = new Writer<FileRegion>(64)
  encode(own, value)
  writer.uvarint(tag)
  writer.uvarint(own.length)
  for (const part of own.finish() as Payload[]) {
    invariant(!isFileRegion(part), "no message has records in a tagged field")
    writer.raw(part)
  }
}

/** What generated code calls. Frozen default arrays are only ever written, never handed out. */
const runtime = {
  malformed,
  unsupported,
  skipTags,
  nextTag,
  tagEnd,
  count,
  nullableCount,
  compactCount,
  compactNullableCount,
  readString,
  readNullableString,
  readCompactString,
  readCompactNullableString,
  readBytes,
  readNullableBytes,
  readCompactBytes,
  readCompactNullableBytes,
  writeString,
  writeCompactString,
  writeBytes,
  writeCompactBytes,
  writeRecords,
  writeCompactRecords,
  writeTag,
  zeroUuid,
  noBytes: Buffer.alloc(0),
}

const fixedBytes: { readonly [type: string]: number } = {
  bool: 1,
  int8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  float64: 8,
  uuid: 16,
}

/** Writer methods of types that have none of their own: the bits are the same. */
const writerMethod: { readonly [type: string]: string } = { uint16: "int16", uint32: "int32" }

class Generator {
  readonly functions: string[] = []
  readonly #decoders = new Map<Fields, string>()
  readonly #encoders = new Map<Fields, string>()
  readonly #defaultChecks = new Map<Fields, string>()

  constructor(
    readonly name: string,
    readonly version: number,
    readonly flexible: boolean,
  ) {}

  #isTagged(field: Field): boolean {
    return this.flexible && includesVersion(field.taggedVersions, this.version)
  }

  #isPresent(field: Field): boolean {
    return includesVersion(field.versions, this.version)
  }

  #isNullable(field: Field): boolean {
    return includesVersion(field.nullableVersions, this.version)
  }

  #isCompact(field: Field): boolean {
    return this.flexible && field.options.flexible !== "none"
  }

  /** The fewest bytes a value of the field can take, which bounds how many of them a message can hold. */
  #bytesMin(field: Field): number {
    const fixed = fixedBytes[field.type]
    if (fixed !== undefined) return fixed
    if (field.type === "string") return this.#isCompact(field) ? 1 : 2
    if (field.type !== "struct") return this.#isCompact(field) ? 1 : 4
    if (this.#isNullable(field)) return 1
    let sum = this.flexible ? 1 : 0
    for (const inner of Object.values(field.fields!)) {
      if (this.#isPresent(inner) && !this.#isTagged(inner)) sum += this.#bytesMin(inner)
    }
    return sum
  }

  #define(prefix: string, parameters: string, body: string[]): string {
    const name = `${prefix}${this.functions.length}`
    this.functions.push(`function ${name}(${parameters}) {\n${body.map((line) => `  ${line}`).join("\n")}\n}`)
    return name
  }

  /** Source of a fresh default value. */
  #defaultSource(field: Field): string {
    if (field.default !== emptyDefault) return field.type === "uuid" ? "zeroUuid" : literal(field.default)
    if (field.type === "array") return "[]"
    if (field.type !== "struct") return "noBytes"
    const inner = Object.entries(field.fields!).map(([name, one]) => `${name}: ${this.#defaultSource(one)}`)
    return `{ ${inner.join(", ")} }`
  }

  decoder(fields: Fields): string {
    const known = this.#decoders.get(fields)
    if (known !== undefined) return known
    const body: string[] = []
    const entries = Object.entries(fields)
    // All versions build the object with the same keys in the same order, so handlers see one hidden class.
    entries.forEach(([, field], i) => {
      if (!this.#isPresent(field)) return
      if (this.#isTagged(field)) body.push(`let f${i} = ${this.#defaultSource(field)}`)
      else body.push(`let f${i}`, ...this.#read(field, `f${i}`))
    })
    if (this.flexible) {
      const tagged = entries.map(([, field], i) => ({ field, i })).filter(({ field }) => this.#isTagged(field))
      if (tagged.length === 0) body.push("skipTags(r)")
      else {
        body.push(
          "for (let n = r.uvarint(), tag = -1; n > 0; n--) {",
          "  tag = nextTag(r, tag)",
          "  const end = tagEnd(r)",
        )
        body.push("  switch (tag) {")
        for (const { field, i } of tagged) {
          body.push(`    case ${field.tag}: {`, ...this.#read(field, `f${i}`).map((line) => `      ${line}`))
          body.push("      break", "    }")
        }
        body.push("    default:", "      r.position = end", "  }")
        body.push('  if (r.position !== end) malformed(r, "tagged field of another size")', "}")
      }
    }
    const properties = entries.map(
      ([name, field], i) => `${name}: ${this.#isPresent(field) ? `f${i}` : this.#defaultSource(field)}`,
    )
    body.push(`return { ${properties.join(", ")} }`)
    const name = this.#define("decode", "r", body)
    this.#decoders.set(fields, name)
    return name
  }

  /** Statements that read one value into `target`. */
  #read(field: Field, target: string): string[] {
    const nullable = this.#isNullable(field)
    if (field.type === "array") {
      const element = field.element!
      const elementBytesMin = this.#bytesMin(element)
      invariant(elementBytesMin > 0, `${this.name}: elements without bytes cannot be bounded`)
      const counter = `${this.#isCompact(field) ? "compactN" : "n"}ullableCount`
      const plain = this.#isCompact(field) ? "compactCount" : "count"
      const loop = [`${target} = []`, `for (let i = 0; i < c; i++) ${target}.push(${this.#readOne(element, false)})`]
      if (!nullable) return [`{ const c = ${plain}(r, ${elementBytesMin})`, ...loop, "}"]
      return [`{ const c = ${counter}(r, ${elementBytesMin})`, `if (c < 0) ${target} = null`, "else {", ...loop, "} }"]
    }
    return [`${target} = ${this.#readOne(field, nullable)}`]
  }

  #readOne(field: Field, nullable: boolean): string {
    if (fixedBytes[field.type] !== undefined) return `r.${field.type}()`
    if (field.type === "struct") {
      const call = `${this.decoder(field.fields!)}(r)`
      const isNull = this.#isTagged(field) ? "r.uvarint() === 0" : "r.int8() < 0"
      return nullable ? `${isNull} ? null : ${call}` : call
    }
    const kind = field.type === "string" ? "String" : "Bytes"
    return `read${this.#isCompact(field) ? "Compact" : ""}${nullable ? "Nullable" : ""}${kind}(r)`
  }

  encoder(fields: Fields): string {
    const known = this.#encoders.get(fields)
    if (known !== undefined) return known
    const body: string[] = []
    const tagged: { field: Field; name: string; i: number }[] = []
    Object.entries(fields).forEach(([name, field], i) => {
      const present = this.#isPresent(field)
      if (!present && field.ignorable) return
      body.push(`let f${i} = v.${name}`)
      if (!present) {
        body.push(
          `if (f${i} !== undefined && !(${this.#isDefault(field, `f${i}`)})) unsupported("${name}", ${this.version})`,
        )
        return
      }
      body.push(`if (f${i} === undefined) f${i} = ${this.#defaultSource(field)}`)
      if (this.#isTagged(field)) tagged.push({ field, name, i })
      else body.push(...this.#write(field, name, `f${i}`))
    })
    if (this.flexible) {
      tagged.sort((a, b) => a.field.tag - b.field.tag)
      for (const { field, i } of tagged) body.push(`const t${i} = !(${this.#isDefault(field, `f${i}`)})`)
      const counted = tagged.map(({ i }) => `(t${i} ? 1 : 0)`)
      body.push(counted.length === 0 ? "w.int8(0)" : `w.uvarint(${counted.join(" + ")})`)
      for (const { field, name, i } of tagged) {
        const bytes = fixedBytes[field.type]
        if (bytes !== undefined) {
          body.push(`if (t${i}) { w.uvarint(${field.tag}); w.uvarint(${bytes}); ${this.#writeOne(field, `f${i}`)} }`)
          continue
        }
        const one = this.#define("writeField", "w, f", this.#write(field, name, "f"))
        body.push(`if (t${i}) writeTag(w, ${field.tag}, f${i}, ${one})`)
      }
    }
    const name = this.#define("encode", "w, v", body)
    this.#encoders.set(fields, name)
    return name
  }

  #write(field: Field, name: string, value: string): string[] {
    const compact = this.#isCompact(field)
    const fixed = fixedBytes[field.type] !== undefined
    if (fixed) return [this.#writeOne(field, value)]
    const write: string[] = []
    if (field.type === "array") {
      write.push(compact ? `w.uvarint(${value}.length + 1)` : `w.int32(${value}.length)`)
      write.push(`for (let i = 0; i < ${value}.length; i++) ${this.#writeOne(field.element!, `${value}[i]`)}`)
    } else if (field.type === "struct") {
      if (this.#isNullable(field)) write.push("w.int8(1)")
      write.push(this.#writeOne(field, value))
    } else write.push(this.#writeOne(field, value))
    if (field.options.nullableVersions === undefined) return write
    const nothing = !this.#isNullable(field)
      ? `unsupported("${name}", ${this.version})`
      : field.type === "struct"
        ? `w.int8(${this.#isTagged(field) ? 0 : -1})`
        : compact
          ? "w.int8(0)"
          : field.type === "string"
            ? "w.int16(-1)"
            : "w.int32(-1)"
    return [`if (${value} === null) ${nothing}`, "else {", ...write, "}"]
  }

  #writeOne(field: Field, value: string): string {
    if (fixedBytes[field.type] !== undefined) return `w.${writerMethod[field.type] ?? field.type}(${value})`
    if (field.type === "struct") return `${this.encoder(field.fields!)}(w, ${value})`
    const kind = field.type === "string" ? "String" : field.type === "bytes" ? "Bytes" : "Records"
    return `write${this.#isCompact(field) ? "Compact" : ""}${kind}(w, ${value})`
  }

  /** Expression: does `value`, which is not undefined, equal the field's default? */
  #isDefault(field: Field, value: string): string {
    if (field.default !== emptyDefault) return `${value} === ${this.#defaultSource(field)}`
    const filled = field.options.nullableVersions === undefined ? "" : `${value} !== null && `
    if (field.type === "struct") return `${filled}${this.#structIsDefault(field.fields!)}(${value})`
    return `${filled}${value}.length === 0`
  }

  #structIsDefault(fields: Fields): string {
    const known = this.#defaultChecks.get(fields)
    if (known !== undefined) return known
    const terms = Object.entries(fields).map(
      ([name, field]) => `(v.${name} === undefined || (${this.#isDefault(field, `v.${name}`)}))`,
    )
    const name = this.#define("isDefault", "v", [`return ${terms.join(" && ") || "true"}`])
    this.#defaultChecks.set(fields, name)
    return name
  }
}

function literal(value: unknown): string {
  invariant(
    value === null || typeof value === "number" || typeof value === "boolean" || typeof value === "string",
    "defaults are plain values",
  )
  return typeof value === "string" ? JSON.stringify(value) : String(value)
}
