/**
 * `ottla/client`: produces to and consumes from anything that speaks Kafka's protocol.
 *
 * Owns what users of the package see, and the real world under it. Everything else takes its world as a parameter.
 */
import { createNodeEnv } from "../env/node/index.js"
import { ClientCore } from "./core.js"
import type { ClientOptions } from "./options.js"

export class Client extends ClientCore {
  constructor(options: ClientOptions = {}) {
    super(createNodeEnv({ native: false, timersKeepAlive: true }), options)
  }
}

export { bytes, type Codec, json, string } from "./codecs.js"
export type { Consumer, TopicPartition } from "./consumer/consumer.js"
export type { ConsumerRecord } from "./consumer/record.js"
export * from "./errors.js"
export type { ClientOptions, ConsumerConfig, ProducerConfig } from "./options.js"
export type { Header, Headers, HeaderValue } from "./producer/producer-batch.js"
export type { Producer, ProducerRecord, RecordMetadata } from "./producer/producer.js"
export type { StandardSchema } from "./standard-schema.js"
export { CodecError, Topic, topic, type TopicCodecs, type TypedProducerRecord, type TypedRecord } from "./topic.js"
