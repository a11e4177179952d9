/**
 * `ottla/client`: produces to and consumes from anything that speaks Kafka's protocol.
 *
 * Owns what users of the package see, and the real world under it. Everything else takes its world as a parameter. What a client does can be traced on three channels of `node:diagnostics_channel`, whose
 * messages are described in `observer.ts`: `ottla:client:request` (RequestEvent), `ottla:producer:send` (SendEvent) and `ottla:consumer:batch` (BatchEvent).
 */
import { channel } from "node:diagnostics_channel"
import { createNodeEnv } from "../env/node/index.js"
import { ClientCore } from "./core.js"
import type { Observer } from "./observer.js"
import type { ClientOptions } from "./options.js"

const channels: Observer = {
  request: channel("ottla:client:request"),
  send: channel("ottla:producer:send"),
  batch: channel("ottla:consumer:batch"),
}

export class Client extends ClientCore {
  constructor(options: ClientOptions = {}) {
    super(createNodeEnv({ native: false, timersKeepAlive: true }), options, channels)
  }
}

export type { Admin } from "./admin/admin.js"
export type * from "./admin/cluster.js"
export type * from "./admin/configs.js"
export type * from "./admin/group-offsets.js"
export type * from "./admin/groups.js"
export type * from "./admin/records.js"
export type * from "./admin/replicas.js"
export type { CallOptions, Result } from "./admin/routing.js"
export type * from "./admin/topics.js"
export { bytes, type Codec, json, string } from "./codecs.js"
export type { Consumer } from "./consumer/consumer.js"
export type { OffsetAndMetadata } from "./consumer/group/commits.js"
export type { GroupConsumer, RunOptions } from "./consumer/group/group-consumer.js"
export type { RebalanceEvent, RebalanceListener } from "./consumer/group/rebalance-listeners.js"
export type { RecordHandler } from "./consumer/group/record-work.js"
export type { ConsumerRecord } from "./consumer/record.js"
export type { PollOptions, TopicPartition } from "./consumer/record-reader.js"
export * from "./errors.js"
export type { BatchEvent, RequestEvent, SendEvent } from "./observer.js"
export type { AdminConfig, ClientOptions, ConsumerConfig, GroupConsumerConfig, ProducerConfig } from "./options.js"
export type { Header, Headers, HeaderValue } from "./producer/producer-batch.js"
export type { Producer, ProducerRecord, RecordMetadata } from "./producer/producer.js"
export type { StandardSchema } from "./standard-schema.js"
export { CodecError, Topic, topic, type TopicCodecs, type TypedProducerRecord, type TypedRecord } from "./topic.js"
