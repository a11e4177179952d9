/**
 * kafkajs's `Kafka` over the client.
 *
 * Owns which of its settings become which of the client's. What cannot be done is refused here, by name.
 */
import { ClientCore } from "../client/core.js"
import type { Env } from "../env/env.js"
import { Admin } from "./admin.js"
import { Connection } from "./connection.js"
import { logLevel } from "./constants.js"
import { Consumer, type ConsumerConfig } from "./consumer.js"
import { KafkaJSNonRetriableError, KafkaJSNotImplemented } from "./errors.js"
import { createLogger, type LogEntry, type Logger, type logCreator, type LoggerParts } from "./logger.js"
import { Producer, type ProducerConfig } from "./producer.js"
import type { RetryOptions } from "./retry.js"

export interface KafkaConfig {
  brokers: string[]
  clientId?: string
  connectionTimeout?: number
  requestTimeout?: number
  enforceRequestTimeout?: boolean
  retry?: RetryOptions
  logLevel?: logLevel
  logCreator?: logCreator
  /** Not yet: refused unless false. */
  ssl?: unknown
  /** Not yet: refused. */
  sasl?: unknown
}

/** Shared by what producers and consumers of kafkajs say of topics. */
interface TopicOptions {
  readonly allowAutoTopicCreation?: boolean
  readonly metadataMaxAge?: number
  readonly retry?: RetryOptions
}

export class KafkaCore {
  readonly #logger: Logger

  /** `write`: where log lines go that no creator of the user's takes. */
  constructor(
    private readonly env: Env,
    private readonly config: KafkaConfig,
    write: (entry: LogEntry) => void,
  ) {
    const { brokers, ssl, sasl } = config
    if (!Array.isArray(brokers) || brokers.length === 0)
      throw new KafkaJSNonRetriableError(
        "brokers: name at least one, such as localhost:9092; a function is not supported",
      )
    for (const [name, value] of Object.entries({ ssl, sasl }))
      if (value !== undefined && value !== false)
        throw new KafkaJSNotImplemented(`${name}: this version of Ottla's client speaks neither TLS nor SASL`)
    const level = config.logLevel ?? logLevel.INFO
    const logs: LoggerParts = { clock: env.clock, write: config.logCreator?.(level) ?? write, shared: { level } }
    this.#logger = createLogger(logs)
  }

  logger(): Logger {
    return this.#logger
  }

  #connection(name: string, { allowAutoTopicCreation, metadataMaxAge, retry = this.config.retry }: TopicOptions) {
    const { brokers, clientId = "kafkajs", requestTimeout } = this.config
    const make = () =>
      new ClientCore(this.env, {
        ...{ bootstrap: brokers, clientId },
        ...(requestTimeout !== undefined && { requestTimeoutMs: requestTimeout }),
        ...(retry?.initialRetryTime !== undefined && { retryBackoffMs: Math.max(1, retry.initialRetryTime) }),
        ...(allowAutoTopicCreation !== undefined && { allowAutoTopicCreation }),
        ...(metadataMaxAge !== undefined && { metadataMaxAgeMs: metadataMaxAge }),
      })
    return new Connection(name, make)
  }

  producer(config: ProducerConfig = {}): Producer {
    const logger = this.#logger.namespace("Producer")
    return new Producer({ connection: this.#connection("producer", config), clock: this.env.clock, logger }, config)
  }

  consumer(config: ConsumerConfig): Consumer {
    const logger = this.#logger.namespace("Consumer")
    return new Consumer({ connection: this.#connection("consumer", config), env: this.env, logger }, config)
  }

  admin(config: { readonly retry?: RetryOptions } = {}): Admin {
    const logger = this.#logger.namespace("Admin")
    return new Admin({ connection: this.#connection("admin", config), clock: this.env.clock, logger })
  }
}
