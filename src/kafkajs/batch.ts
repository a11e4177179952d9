/**
 * What kafkajs hands to `eachBatch`.
 *
 * Owns the numbers of a batch. The high watermark is told by what is left to read.
 */
import type { KafkaMessage } from "./messages.js"

export interface Batch {
  topic: string
  partition: number
  highWatermark: string
  messages: KafkaMessage[]
  isEmpty(): boolean
  firstOffset(): string | null
  lastOffset(): string
  offsetLag(): string
  offsetLagLow(): string
}

/** `lag`: records behind the last one. */
export function batchOf(topic: string, partition: number, messages: KafkaMessage[], lag: number): Batch {
  const first = messages[0]?.offset ?? null
  const last = messages.at(-1)?.offset ?? "-1"
  const highWatermark = BigInt(last) + 1n + BigInt(lag)
  const behind = (offset: string): string => String(highWatermark - 1n - BigInt(offset))
  return {
    ...{ topic, partition, messages, highWatermark: String(highWatermark) },
    isEmpty: () => messages.length === 0,
    firstOffset: () => first,
    lastOffset: () => last,
    offsetLag: () => behind(last),
    offsetLagLow: () => (first === null ? "0" : behind(first)),
  }
}
