/**
 * Between the bytes of keys and values, and what programs use.
 *
 * Owns the codecs that need no schema registry. A codec never sees null: a record without a key, and a tombstone, stay null.
 */
import { type StandardSchema, validate } from "./standard-schema.js"

export interface Codec<T> {
  /** Errors become a CodecError that says which record it was. */
  encode(value: T): Uint8Array | string | Promise<Uint8Array | string>
  decode(bytes: Buffer): T | Promise<T>
}

/** Text in UTF-8. Bytes that are none are an error. */
export const string: Codec<string> = {
  encode: (value) => value,
  decode: (bytes) => {
    const text = bytes.toString("utf8")
    // What cannot be read comes back as U+FFFD, which takes three bytes.
    if (text.includes("\ufffd") && !Buffer.from(text, "utf8").equals(bytes))
      throw new Error("these bytes are not UTF-8")
    return text
  },
}

/** As they are. */
export const bytes: Codec<Uint8Array> = {
  encode: (value) => value,
  decode: (value) => value,
}

/** JSON, whatever it holds. With a schema (any that implements Standard Schema: Zod, Valibot, ArkType, ...) what it does not allow is neither sent nor handed out. */
export function json<T = unknown>(schema?: StandardSchema<T>): Codec<T> {
  const text = (value: unknown): string => {
    const written: string | undefined = JSON.stringify(value)
    if (written === undefined) throw new Error(`${typeof value} has no form in JSON`)
    return written
  }
  const parse = (value: Buffer): unknown => JSON.parse(value.toString("utf8"))
  if (schema === undefined) return { encode: text, decode: (value) => parse(value) as T }
  return {
    // What is sent is what was given; a schema that changes values does so when they are read.
    encode: async (value) => {
      await validate(schema, value)
      return text(value)
    },
    decode: (value) => validate(schema, parse(value)),
  }
}
