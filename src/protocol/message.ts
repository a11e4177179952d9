/**
 * A declared message with its codecs, and an API as the pair of request and response.
 *
 * Owns version ranges of messages and when a codec is made: on first use of a version. A message value carries no version; fields that a
 * version lacks hold their defaults.
 */
import { invariant } from "../base/assert.js"
import { MalformedError, type Reader } from "../base/reader.js"
import { Writer } from "../base/writer.js"
import type { FileRegion } from "../env/env.js"
import { type Codec, compileCodec, type MessageWriter } from "./codec.js"
import { checkFieldName, emptyDefault, type Field, type Fields, type InputOf, type ValueOf } from "./field.js"
import { includesVersion, parseVersions, type VersionRange } from "./versions.js"

export class Message<F extends Fields = Fields> {
  readonly #codecs: (Codec | undefined)[] = []

  constructor(
    readonly name: string,
    readonly versions: VersionRange,
    readonly flexibleVersions: VersionRange,
    readonly fields: F,
  ) {
    for (const field of Object.keys(fields)) checkFieldName(field)
  }

  isFlexible(version: number): boolean {
    return includesVersion(this.flexibleVersions, version)
  }

  /**
   * Decodes the rest of the reader. Bytes and records are views of the reader's memory. `version` must be one the message has.
   * Errors: MalformedError for whatever is wrong with the bytes, something left over included.
   */
  decode(reader: Reader, version: number): ValueOf<F> {
    const value = this.read(reader, version)
    if (reader.remaining !== 0) throw new MalformedError(`${reader.remaining} bytes after ${this.name}`)
    return value
  }

  /** As `decode`, but leaves what follows the message to the caller. */
  read(reader: Reader, version: number): ValueOf<F> {
    return (this.#codecs[version] ?? this.#compile(version)).decode(reader) as ValueOf<F>
  }

  /** Errors: EncodeError if `version` cannot carry the value, with the writer left in the middle. */
  encode(writer: MessageWriter, value: InputOf<F>, version: number): void {
    ;(this.#codecs[version] ?? this.#compile(version)).encode(writer, value)
  }

  /** The message alone as one buffer, for records and files. */
  encodeToBuffer(value: InputOf<F>, version: number): Buffer {
    const writer = new Writer<FileRegion>()
    this.encode(writer, value, version)
    return writer.finishBuffer()
  }

  /** A full value: what is left out is filled with defaults, at every depth. Not for the hot path: `encode` takes the short form as it is. */
  create(input: Partial<InputOf<F>> = {}): ValueOf<F> {
    return fill(this.fields, input) as ValueOf<F>
  }

  #compile(version: number): Codec {
    invariant(includesVersion(this.versions, version), `${this.name} has no version ${version}`)
    return (this.#codecs[version] = compileCodec(this.name, this.fields, version, this.isFlexible(version)))
  }
}

function fill(fields: Fields, input: object): object {
  const given = input as { readonly [name: string]: unknown }
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, fillField(field, given[name])]))
}

function fillField(field: Field, given: unknown): unknown {
  if (given === undefined) {
    if (field.default !== emptyDefault) return field.default
    if (field.type === "struct") return fill(field.fields!, {})
    return field.type === "array" ? [] : Buffer.alloc(0)
  }
  if (given === null) return null
  if (field.type === "struct") return fill(field.fields!, given)
  if (field.type === "array") return (given as unknown[]).map((element) => fillField(field.element!, element))
  return given
}

/** A message that is neither request nor response: headers, control records, files. */
export const message = <const F extends Fields>(declaration: {
  readonly name: string
  readonly versions: string
  readonly flexible: string
  readonly fields: F
}): Message<F> =>
  new Message(
    declaration.name,
    parseVersions(declaration.versions),
    parseVersions(declaration.flexible),
    declaration.fields,
  )

/** A message that is stored as a record of a log and known there by its key. */
export class RecordMessage<Name extends string = string, F extends Fields = Fields> extends Message<F> {
  constructor(
    override readonly name: Name,
    readonly key: number,
    versions: VersionRange,
    flexibleVersions: VersionRange,
    fields: F,
  ) {
    super(name, versions, flexibleVersions, fields)
  }
}

export const record = <const Name extends string, const F extends Fields>(declaration: {
  readonly name: Name
  readonly key: number
  readonly versions: string
  readonly flexible: string
  readonly fields: F
}): RecordMessage<Name, F> =>
  new RecordMessage(
    declaration.name,
    declaration.key,
    parseVersions(declaration.versions),
    parseVersions(declaration.flexible),
    declaration.fields,
  )

export type Listener = "broker" | "controller"

export interface Api<Request extends Fields = Fields, Response extends Fields = Fields> {
  readonly name: string
  readonly key: number
  readonly listeners: readonly Listener[]
  /** Versions that are accepted, inclusive. An unstable latest version is not among them, though its codec exists. */
  readonly minVersion: number
  readonly maxVersion: number
  /** What ApiVersions says, which may be more than is accepted. */
  readonly advertisedVersions: VersionRange
  readonly latestVersionUnstable: boolean
  readonly request: Message<Request>
  readonly response: Message<Response>
  supports(version: number): boolean
  /** Also answers for versions that are not supported: their header is still read. */
  isFlexible(version: number): boolean
  requestHeaderVersion(version: number): 1 | 2
  responseHeaderVersion(version: number): 0 | 1
}

const apiVersionsKey = 18

export function api<const Request extends Fields, const Response extends Fields>(declaration: {
  readonly name: string
  readonly key: number
  /** Versions that are declared; all but an unstable latest one are accepted. */
  readonly versions: string
  /** What ApiVersions says where that differs from what is accepted. */
  readonly advertised?: string
  readonly flexible: string
  readonly listeners?: readonly Listener[]
  readonly latestVersionUnstable?: boolean
  readonly request: Request
  readonly response: Response
}): Api<Request, Response> {
  const versions = parseVersions(declaration.versions)
  const flexible = parseVersions(declaration.flexible)
  const unstable = declaration.latestVersionUnstable ?? false
  const maxVersion = unstable ? versions.max - 1 : versions.max
  const isFlexible = (version: number) => includesVersion(flexible, version)
  return {
    name: declaration.name,
    key: declaration.key,
    listeners: declaration.listeners ?? ["broker"],
    minVersion: versions.min,
    maxVersion,
    advertisedVersions:
      declaration.advertised === undefined
        ? { min: versions.min, max: maxVersion }
        : parseVersions(declaration.advertised),
    latestVersionUnstable: unstable,
    request: new Message(`${declaration.name}Request`, versions, flexible, declaration.request),
    response: new Message(`${declaration.name}Response`, versions, flexible, declaration.response),
    supports: (version) => version >= versions.min && version <= maxVersion,
    isFlexible,
    requestHeaderVersion: (version) => (isFlexible(version) ? 2 : 1),
    // A client that does not know yet what the broker speaks must be able to read the answer: KIP-511.
    responseHeaderVersion: (version) => (declaration.key !== apiVersionsKey && isFlexible(version) ? 1 : 0),
  }
}

/** What decoding a request or response gives. */
export type RequestOf<A extends Api> = A extends Api<infer F, Fields> ? ValueOf<F> : never
export type ResponseOf<A extends Api> = A extends Api<Fields, infer F> ? ValueOf<F> : never
/** What encoding takes: fields with a declared default may be left out. */
export type RequestInputOf<A extends Api> = A extends Api<infer F, Fields> ? InputOf<F> : never
export type ResponseInputOf<A extends Api> = A extends Api<Fields, infer F> ? InputOf<F> : never
export type MessageValue<M extends Message> = M extends Message<infer F> ? ValueOf<F> : never
