/**
 * `ottla/compat/kafkajs`: the API of kafkajs over Ottla's client. Programs change their import and nothing else; what differs is in README.md of this folder.
 *
 * Owns what is exported, and the real world under it.
 */
import { createNodeEnv } from "../env/node/index.js"
import { KafkaCore, type KafkaConfig } from "./kafka.js"
import { logLevel } from "./constants.js"

export class Kafka extends KafkaCore {
  constructor(config: KafkaConfig) {
    super(createNodeEnv({ native: false, timersKeepAlive: true }), config, ({ level, namespace, label, log }) => {
      const line = JSON.stringify({
        level: label,
        ...log,
        message: namespace === "" ? log.message : `[${namespace}] ${log.message}`,
      })
      if (level === logLevel.ERROR) console.error(line)
      else if (level === logLevel.WARN) console.warn(line)
      else console.log(line)
    })
  }
}

export { Admin } from "./admin.js"
export type * from "./admin.js"
export { type Assigner, PartitionAssigners } from "./assigners.js"
export type { Batch } from "./batch.js"
export * from "./constants.js"
export { Consumer } from "./consumer.js"
export type * from "./consumer.js"
export * from "./errors.js"
export type { InstrumentationEvent, RemoveInstrumentationEventListener } from "./events.js"
export type { KafkaConfig } from "./kafka.js"
export type { LogEntry, Logger, LoggerEntryContent, logCreator } from "./logger.js"
export type { IHeaders, KafkaMessage, Message } from "./messages.js"
export { type ICustomPartitioner, type PartitionerArgs, type PartitionMetadata, Partitioners } from "./partitioners.js"
export { Producer } from "./producer.js"
export type * from "./producer.js"
export type { RetryOptions } from "./retry.js"

/** kafkajs lets codecs be plugged in; all of them are here already. What is set is not used. */
export const CompressionCodecs: Record<number, unknown> = {}
