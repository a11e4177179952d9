/**
 * Identifiers that must not be mixed up, as brands over plain numbers and strings.
 *
 * 64-bit values of the wire (offsets, producer ids, timestamps) are JavaScript numbers: exact up to 2^53, which an offset reaches
 * after 285 years at a million records a second. What a hostile client sends above that is rounded, and refused as out of range.
 */
declare const brand: unique symbol
type Brand<T, Name extends string> = T & { readonly [brand]?: Name }

/** Position of a record in a partition. */
export type Offset = Brand<number, "Offset">
/** Number of a leadership of one partition. */
export type LeaderEpoch = Brand<number, "LeaderEpoch">
/** Number of a broker registration: the metadata offset of its record. */
export type BrokerEpoch = Brand<number, "BrokerEpoch">
export type BrokerId = Brand<number, "BrokerId">
export type ProducerId = Brand<number, "ProducerId">
export type ProducerEpoch = Brand<number, "ProducerEpoch">
/** Milliseconds since 1970, as records and retention know it. */
export type TimestampMs = Brand<number, "TimestampMs">
/** 128-bit id in Kafka's text form: 22 characters of base64url. Topic ids, directory ids, incarnations, cluster ids. */
export type Uuid = Brand<string, "Uuid">

/** The digits of a uuid's text. Reader and Writer convert by table, in half the time of Buffer's own conversion: topic ids are in every message. */
export const base64UrlLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

export const zeroUuid: Uuid = "AAAAAAAAAAAAAAAAAAAAAA"

export const nextOffset = (offset: Offset): Offset => offset + 1

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export const topicPartitionName = (topic: string, partition: number): string => `${topic}-${partition}`

const topicName = /^[a-zA-Z0-9._-]{1,249}$/

/** Kafka's grammar of topic names; checked before any path is built from one (reliability.md SEC-11). */
export const isValidTopicName = (name: string): boolean => topicName.test(name) && name !== "." && name !== ".."
