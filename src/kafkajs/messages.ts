/**
 * Messages as kafkajs's programs write and read them, and the client's records.
 *
 * Owns the difference: offsets and timestamps are text, headers are an object with buffers.
 */
import type { ConsumerRecord } from "../client/consumer/record.js"
import type { ProducerRecord } from "../client/producer/producer.js"
import { CompressionTypes } from "./constants.js"
import { KafkaJSNonRetriableError } from "./errors.js"

export interface IHeaders {
  [key: string]: Buffer | string | (Buffer | string)[] | undefined
}

export interface Message {
  key?: Buffer | string | null
  value: Buffer | string | null
  partition?: number
  headers?: IHeaders
  timestamp?: string
}

export interface KafkaMessage {
  key: Buffer | null
  value: Buffer | null
  timestamp: string
  attributes: number
  offset: string
  headers?: IHeaders
}

/** Errors: KafkaJSNonRetriableError, naming what cannot be. */
export function recordOf(topic: string, message: Message, partition = message.partition): ProducerRecord {
  const { key = null, value, headers, timestamp } = message
  if (value === undefined)
    throw new KafkaJSNonRetriableError(`Invalid message without value for topic "${topic}": ${JSON.stringify(message)}`)
  const time = timestamp === undefined ? undefined : Number(timestamp)
  if (time !== undefined && !Number.isInteger(time))
    throw new KafkaJSNonRetriableError(`timestamp: "${timestamp}" is not in milliseconds since 1970`)
  return {
    ...{ topic, key, value },
    ...(partition !== undefined && { partition }),
    ...(time !== undefined && { timestamp: time }),
    ...(headers !== undefined && {
      headers: Object.fromEntries(Object.entries(headers).map(([name, each]) => [name, each ?? null])),
    }),
  }
}

export function messageOf({ key, value, timestamp, offset, headers }: ConsumerRecord): KafkaMessage {
  const named: IHeaders = {}
  for (const header of headers) {
    const before = named[header.key]
    const its = header.value ?? undefined
    if (before === undefined) named[header.key] = its
    else if (its !== undefined) named[header.key] = Array.isArray(before) ? [...before, its] : [before, its]
  }
  return { key, value, timestamp: String(timestamp), attributes: 0, offset: String(offset), headers: named }
}

const compressionNames = ["none", "gzip", "snappy", "lz4", "zstd"] as const

export function compressionOf(type: CompressionTypes = CompressionTypes.None): (typeof compressionNames)[number] {
  const name = compressionNames[type]
  if (name === undefined) throw new KafkaJSNonRetriableError(`compression: ${type} is none of CompressionTypes`)
  return name
}
