/**
 * The envelope of metadata records: frame version, key and version as varints, then the record.
 *
 * Owns the way from a typed record to the value of a log record and back. The invariant: what is stored names its own type and version,
 * so a log is read without knowing who wrote it. Source: Kafka's MetadataRecordSerde (KIP-631).
 */
import { MalformedError, Reader } from "../base/reader.js"
import { Writer } from "../base/writer.js"
import type { FileRegion } from "../env/env.js"
import type { InputOf, ValueOf } from "./field.js"
import type { RecordMessage } from "./message.js"
import { metadataRecords } from "./messages/metadata-records.js"

type Declared = (typeof metadataRecords)[number]
type Decoded<R> =
  R extends RecordMessage<infer Name, infer F>
    ? { readonly type: Name; readonly version: number; readonly value: ValueOf<F> }
    : never
type Encodable<R> =
  R extends RecordMessage<infer Name, infer F>
    ? { readonly type: Name; readonly version: number; readonly value: InputOf<F> }
    : never

/** A record with its type: `switch (record.type)` gives `record.value` its fields. */
export type MetadataRecord = Decoded<Declared>
/** As `MetadataRecord`, with fields left out that have a default. */
export type MetadataRecordInput = Encodable<Declared>

const frameVersion = 1

const byKey = new Map<number, RecordMessage>(metadataRecords.map((record) => [record.key, record]))
const byName = new Map<string, RecordMessage>(metadataRecords.map((record) => [record.name, record]))

/** The value of a log record. Errors: EncodeError if the version cannot carry the value. */
export function encodeMetadataRecord(record: MetadataRecordInput): Buffer {
  const declared = byName.get(record.type)!
  const writer = new Writer<FileRegion>(64)
  writer.uvarint(frameVersion)
  writer.uvarint(declared.key)
  writer.uvarint(record.version)
  declared.encode(writer, record.value, record.version)
  return writer.finishBuffer()
}

/** Reads the value of a log record. Errors: MalformedError, also for types and versions that are not declared. */
export function decodeMetadataRecord(bytes: Buffer): MetadataRecord {
  const reader = new Reader(bytes)
  const frame = reader.uvarint()
  if (frame !== frameVersion) throw new MalformedError(`metadata record in frame version ${frame}`)
  const key = reader.uvarint()
  const version = reader.uvarint()
  const declared = byKey.get(key)
  if (declared === undefined) throw new MalformedError(`metadata record of unknown type ${key}`)
  if (version < declared.versions.min || version > declared.versions.max) {
    throw new MalformedError(`${declared.name} in unknown version ${version}`)
  }
  return { type: declared.name, version, value: declared.decode(reader, version) } as MetadataRecord
}
