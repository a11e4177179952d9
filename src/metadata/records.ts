/**
 * Metadata records as the rest of the house knows them: a type and a value, no versions.
 *
 * Owns which version of each record is written: those of metadata.version 30 (Apache Kafka 4.3). Any declared version is read.
 */
import {
  decodeMetadataRecord,
  encodeMetadataRecord,
  type MetadataRecord as DecodedRecord,
  type MetadataRecordInput,
} from "../protocol/metadata-record.js"

type Unversioned<R> = R extends { readonly type: infer Type; readonly value: infer Value }
  ? { readonly type: Type; readonly value: Value }
  : never

export type MetadataRecord = Unversioned<DecodedRecord>
export type MetadataRecordType = MetadataRecord["type"]
export type ValueOf<Type extends MetadataRecordType> = Extract<MetadataRecord, { readonly type: Type }>["value"]

/** `metadata.version` of Apache Kafka 4.3 (4.3-IV0), which these versions belong to. */
export const metadataVersion = 30

const writtenVersions: Partial<Record<MetadataRecordType, number>> = {
  RegisterBrokerRecord: 4,
  PartitionRecord: 2,
  PartitionChangeRecord: 2,
  BrokerRegistrationChangeRecord: 3,
}

/** The value of a log record. */
export function encodeRecord(record: MetadataRecord): Buffer {
  return encodeMetadataRecord({ ...record, version: writtenVersions[record.type] ?? 0 } as MetadataRecordInput)
}

/** Errors: MalformedError for bytes that are no metadata record, or of a type this version does not know. */
export function decodeRecord(bytes: Buffer): MetadataRecord {
  return decodeMetadataRecord(bytes)
}
