/**
 * The envelope of records of `__consumer_offsets`: a key begins with its type, a value with its version, both int16.
 *
 * Owns the way from a typed record to the key and value of a log record and back, and in which version a value is written; the fields are
 * declared in `protocol/messages/group-records.ts`. The invariant: what is written is what Apache Kafka 4.3 writes, so either reads the other's.
 */
import { MalformedError, Reader } from "../../base/reader.js"
import { Writer } from "../../base/writer.js"
import type { FileRegion } from "../../env/env.js"
import type { Fields, InputOf, ValueOf } from "../../protocol/field.js"
import type { RecordMessage } from "../../protocol/message.js"
import { groupRecords, legacyOffsetCommitKey, legacyOffsetCommitValue } from "../../protocol/messages/group-records.js"
import type { RecordCursor } from "../../protocol/record-cursor.js"
import { includesVersion, type VersionRange } from "../../protocol/versions.js"

type Declared = Exclude<(typeof groupRecords)[number], { readonly key: RecordMessage<"LegacyOffsetCommitKey", Fields> }>
type Decoded<P> = P extends {
  readonly key: RecordMessage<`${infer Name}Key`, infer Key>
  readonly value: RecordMessage<string, infer Value>
}
  ? { readonly type: Name; readonly key: ValueOf<Key>; readonly value: ValueOf<Value> | null }
  : never
type Encodable<P> = P extends {
  readonly key: RecordMessage<`${infer Name}Key`, infer Key>
  readonly value: RecordMessage<string, infer Value>
}
  ? { readonly type: Name; readonly key: InputOf<Key>; readonly value: InputOf<Value> | null }
  : never

/** A record with its type: `switch (record.type)` gives key and value their fields. The value null is a tombstone. */
export type GroupRecord = Decoded<Declared>
/** As `GroupRecord`, with fields left out that have a default. */
export type GroupRecordInput = Encodable<Declared>
export type GroupRecordType = GroupRecord["type"]
export type GroupRecordOf<Type extends GroupRecordType> = Extract<GroupRecord, { readonly type: Type }>

interface Kind {
  readonly type: GroupRecordType
  readonly key: RecordMessage
  readonly value: RecordMessage
  /** The versions in which values are read. */
  readonly versions: VersionRange
  /** The version in which values are written. */
  readonly written: number
}

const keyVersion = 0
const initialBytes = 128

/** Versions other than 0 in which Kafka 4.3 writes values, where newer ones exist as well. */
const writtenVersions: { readonly [Type in GroupRecordType]?: number } = { OffsetCommit: 4, GroupMetadata: 3 }
/** The only version of an offset that can say when it expires. */
const expiringOffsetVersion = 1

const kinds: readonly Kind[] = groupRecords
  .filter(({ key }) => key !== legacyOffsetCommitKey)
  .map(({ key, value }) => {
    const type = key.name.slice(0, -"Key".length) as GroupRecordType
    return { type, key, value, versions: value.versions, written: writtenVersions[type] ?? 0 }
  })
const byType = new Map<GroupRecordType, Kind>(kinds.map((kind) => [kind.type, kind]))
const byKey: (Kind | undefined)[] = []
for (const kind of kinds) byKey[kind.key.key] = kind
// Key and value of the legacy type have the fields of the first version of its successor, in the same order.
byKey[legacyOffsetCommitKey.key] = { ...byType.get("OffsetCommit")!, versions: legacyOffsetCommitValue.versions }

/**
 * Writes the key, and right behind it the value; returns where the value begins. A tombstone has none.
 *
 * Errors: EncodeError if the version that is written cannot carry the value.
 */
export function writeGroupRecord(record: GroupRecordInput, writer: Writer<FileRegion>): number {
  const kind = byType.get(record.type)!
  writer.int16(kind.key.key)
  kind.key.encode(writer, record.key, keyVersion)
  const valueAt = writer.length
  if (record.value === null) return valueAt
  const version =
    record.type === "OffsetCommit" && (record.value.expireTimestamp ?? -1) !== -1 ? expiringOffsetVersion : kind.written
  writer.int16(version)
  kind.value.encode(writer, record.value, version)
  return valueAt
}

/** As `writeGroupRecord`, in buffers of their own. */
export function encodeGroupRecord(record: GroupRecordInput): { key: Buffer; value: Buffer | null } {
  const writer = new Writer<FileRegion>(initialBytes)
  const valueAt = writeGroupRecord(record, writer)
  const bytes = writer.finishBuffer()
  return { key: bytes.subarray(0, valueAt), value: record.value === null ? null : bytes.subarray(valueAt) }
}

/**
 * Reads a record of `__consumer_offsets`. Bytes are views of `value`, not copies. Undefined: a type or a version that is not declared, such as a
 * later release writes. Offsets under the legacy key come as "OffsetCommit".
 * Errors: MalformedError for what cannot be read. What follows the last field is ignored, as in Kafka.
 */
export function decodeGroupRecord(key: Buffer, value: Buffer | null): GroupRecord | undefined {
  return decode(new Reader(key), 0, key.length, value === null ? undefined : new Reader(value), 0, value?.length ?? 0)
}

/** As `decodeGroupRecord`, of the record where the cursor stands. Bytes are views of its batch. */
export function decodeGroupRecordAt(cursor: RecordCursor): GroupRecord | undefined {
  const { reader, keyAt, keyBytes, valueAt, valueBytes } = cursor
  return decode(reader, keyAt, keyAt + keyBytes, valueBytes < 0 ? undefined : reader, valueAt, valueAt + valueBytes)
}

function decode(
  keyReader: Reader,
  keyAt: number,
  keyEnd: number,
  valueReader: Reader | undefined,
  valueAt: number,
  valueEnd: number,
): GroupRecord | undefined {
  keyReader.position = keyAt
  const kind = byKey[keyReader.int16()]
  if (kind === undefined) return undefined
  const key = kind.key.read(keyReader, keyVersion)
  checkEnd(keyReader, keyEnd)
  if (valueReader === undefined) return { type: kind.type, key, value: null } as GroupRecord
  valueReader.position = valueAt
  const version = valueReader.int16()
  if (!includesVersion(kind.versions, version)) return undefined
  const value = kind.value.read(valueReader, version)
  checkEnd(valueReader, valueEnd)
  return { type: kind.type, key, value } as GroupRecord
}

/** One reader is over all of a batch: only here it shows that something says it is longer than it is. */
function checkEnd({ position }: Reader, end: number): void {
  if (position > end) throw new MalformedError(`a record of a group goes ${position - end} bytes beyond its end`)
}
