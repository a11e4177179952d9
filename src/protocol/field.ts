/**
 * The words in which messages are declared: one constructor per wire type.
 *
 * Owns what a field is (type, versions, default, ...) and which TypeScript type follows from it; not how it travels (`codec.ts`).
 * A declaration is the only place where a field is described, so everything derived from it agrees. Source of the notation: the
 * message definitions of Apache Kafka.
 */
import { invariant } from "../base/assert.js"
import { zeroUuid, type Uuid } from "../base/ids.js"
import type { FileRegion } from "../env/env.js"
import { allVersions, noVersions, parseVersions, type VersionRange } from "./versions.js"

export type PrimitiveType =
  | "bool"
  | "int8"
  | "int16"
  | "uint16"
  | "int32"
  | "uint32"
  | "int64"
  | "float64"
  | "uuid"
  | "string"
  | "bytes"
  | "records"

/** Record batches on their way out: bytes and regions of files, passed on by reference in this order. Comes in as one view of the request. */
export type RecordsPayload = Buffer | readonly (Buffer | FileRegion)[]

export interface FieldOptions<Value = unknown> {
  /** Versions that have the field. Absent: the tagged versions if there are some, else all that have the struct or message around it. */
  readonly versions?: string
  /** Versions where it travels as a tagged field, in which case it is left out when it holds its default. */
  readonly taggedVersions?: string
  readonly tag?: number
  /** Versions where null may travel. */
  readonly nullableVersions?: string
  /** What a value without the field holds. Absent: 0, false, "", the zero uuid, no bytes, no elements, a struct of defaults; null for records. */
  readonly default?: Value | null
  /** A version without the field drops its value silently; otherwise encoding anything but the default is an error. */
  readonly ignorable?: boolean
  /** Part of the key of an array that Kafka keeps as a map. No effect on the wire. */
  readonly mapKey?: boolean
  /** "none": keeps its old encoding in flexible versions too. */
  readonly flexible?: "none"
}

export type FieldType = PrimitiveType | "array" | "struct"

/** One declared field. The type parameters say what decoding gives, what encoding takes, and whether it may be left out there. */
export class Field<Value = unknown, Input = unknown, Optional extends boolean = boolean> {
  /** Only for the type checker. */
  declare readonly typed: { readonly value: Value; readonly input: Input; readonly optional: Optional }
  readonly versions: VersionRange
  readonly taggedVersions: VersionRange
  readonly nullableVersions: VersionRange
  readonly tag: number
  readonly default: unknown

  constructor(
    readonly type: FieldType,
    readonly options: FieldOptions,
    /** Of an array. */
    readonly element?: Field,
    /** Of a struct. */
    readonly fields?: Fields,
  ) {
    const versions = options.versions ?? options.taggedVersions
    this.versions = versions === undefined ? allVersions : parseVersions(versions)
    this.taggedVersions = options.taggedVersions === undefined ? noVersions : parseVersions(options.taggedVersions)
    this.nullableVersions =
      options.nullableVersions === undefined ? noVersions : parseVersions(options.nullableVersions)
    this.tag = options.tag ?? -1
    this.default = "default" in options ? options.default : implicitDefault(type, options)
    invariant(this.tag >= 0 === (options.taggedVersions !== undefined), "tag and taggedVersions go together")
    invariant(options.nullableVersions === undefined || canBeNull(type), `${type} has no null on the wire`)
    for (const name of Object.keys(fields ?? {})) checkFieldName(name)
  }

  get ignorable(): boolean {
    return this.options.ignorable ?? false
  }
}

export type Fields = { readonly [name: string]: Field }

const canBeNull = (type: FieldType): boolean =>
  type === "string" || type === "bytes" || type === "records" || type === "array" || type === "struct"

/** Names become identifiers of generated code (`codec.ts`), so nothing else may get through here. */
export function checkFieldName(name: string): void {
  invariant(/^[a-z][a-zA-Z0-9]*$/.test(name), `"${name}" is no name for a field`)
}

/** Stands for "no elements", "no bytes" and "a struct of defaults", which are made anew for each value. */
export const emptyDefault: unique symbol = Symbol("empty")

function implicitDefault(type: FieldType, options: FieldOptions): unknown {
  switch (type) {
    case "bool":
      return false
    case "string":
      return ""
    case "uuid":
      return zeroUuid
    case "records":
      return options.nullableVersions === undefined ? emptyDefault : null
    case "bytes":
    case "array":
    case "struct":
      return emptyDefault
    default:
      return 0
  }
}

/** What decoding gives: every field, those the version lacks at their default. */
export type ValueOf<F extends Fields> = { -readonly [Name in keyof F]: F[Name]["typed"]["value"] }

type OptionalName<F extends Fields> = {
  [Name in keyof F]: F[Name]["typed"]["optional"] extends true ? Name : never
}[keyof F]

/** What encoding takes: fields that are tagged or declare a default may be left out. Every `ValueOf` is one. */
export type InputOf<F extends Fields> = {
  readonly [Name in Exclude<keyof F, OptionalName<F>>]: F[Name]["typed"]["input"]
} & {
  readonly [Name in OptionalName<F>]?: F[Name]["typed"]["input"] | undefined
}

type Nullable<Value, O> = O extends { readonly nullableVersions: string } ? Value | null : Value
type IsOptional<O> = O extends { readonly default: unknown } | { readonly tag: number } ? true : false
type Made<Value, Input, O> = Field<Nullable<Value, O>, Nullable<Input, O>, IsOptional<O>>

const primitive =
  <Value, Input = Value>(type: PrimitiveType) =>
  <const O extends FieldOptions<Value> = FieldOptions<Value>>(options?: O): Made<Value, Input, O> =>
    new Field(type, options ?? {}) as Made<Value, Input, O>

export const bool = primitive<boolean>("bool")
export const int8 = primitive<number>("int8")
export const int16 = primitive<number>("int16")
export const uint16 = primitive<number>("uint16")
export const int32 = primitive<number>("int32")
export const uint32 = primitive<number>("uint32")
/** A number, exact up to 2^53 (see `base/ids.ts`). */
export const int64 = primitive<number>("int64")
export const float64 = primitive<number>("float64")
export const uuid = primitive<Uuid>("uuid")
export const string = primitive<string>("string")
/** Decodes to a view of the message, not a copy. */
export const bytes = primitive<Buffer, Uint8Array>("bytes")
/** Decodes to a view of the message, not a copy; encodes by reference. */
export const records = primitive<Buffer, RecordsPayload>("records")

type Elements<Of> =
  Of extends Field<infer Value, infer Input>
    ? { value: Value[]; input: readonly Input[] }
    : Of extends Fields
      ? { value: ValueOf<Of>[]; input: readonly InputOf<Of>[] }
      : never

/** An array of a primitive type, or of structs if fields are given. */
export const array = <const Of extends Field | Fields, const O extends FieldOptions<never> = FieldOptions<never>>(
  of: Of,
  options?: O,
): Made<Elements<Of>["value"], Elements<Of>["input"], O> =>
  new Field(
    "array",
    options ?? {},
    of instanceof Field ? of : new Field("struct", {}, undefined, of as Fields),
  ) as Made<Elements<Of>["value"], Elements<Of>["input"], O>

export const struct = <const F extends Fields, const O extends FieldOptions<never> = FieldOptions<never>>(
  fields: F,
  options?: O,
): Made<ValueOf<F>, InputOf<F>, O> =>
  new Field("struct", options ?? {}, undefined, fields) as Made<ValueOf<F>, InputOf<F>, O>
