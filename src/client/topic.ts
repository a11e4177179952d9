/**
 * A topic with the types of its keys and values.
 *
 * Owns coding on the way in and out, and what becomes of a record that cannot be read. Sending, reading, groups and order are the producer's and the consumer's, which are used as they are.
 */
import type { Codec } from "./codecs.js"
import type { RecordReader } from "./consumer/record-reader.js"
import type { ConsumerRecord } from "./consumer/record.js"
import { ClientError } from "./errors.js"
import type { Bytes, Headers } from "./producer/producer-batch.js"
import type { Producer, ProducerRecord, RecordMetadata } from "./producer/producer.js"

export interface TopicCodecs<K, V> {
  readonly key: Codec<K>
  readonly value: Codec<V>
}

export interface TypedRecord<K, V> extends Omit<ConsumerRecord, "key" | "value"> {
  readonly key: K | null
  /** null: a tombstone. */
  readonly value: V | null
}

export interface TypedProducerRecord<K, V> extends Omit<ProducerRecord, "topic" | "key" | "value" | "headers"> {
  readonly key?: K | null | undefined
  readonly value: V | null
  readonly headers?: Headers
}

/** A key or value that its codec refused: `record` says which it was when it was read. Reading goes on behind it. */
export class CodecError extends ClientError {
  override name = "CodecError"
  constructor(
    message: string,
    cause: unknown,
    /** As it was stored; undefined when it was to be sent. */
    readonly record?: ConsumerRecord,
  ) {
    super("INVALID_RECORD", message, false, cause)
  }
}

export class Topic<K, V> {
  /** Until when a producer's next record must wait, for its codec may be faster. */
  readonly #coming = new WeakMap<Producer, Promise<void>>()

  constructor(
    readonly name: string,
    private readonly codecs: TopicCodecs<K, V>,
  ) {}

  /** The record as a producer takes it; at once where both codecs answer at once. Throws or rejects with CodecError. */
  encode({ key, value, ...rest }: TypedProducerRecord<K, V>): ProducerRecord | Promise<ProducerRecord> {
    const codedKey = this.#coded(this.codecs.key, "key", key)
    const codedValue = this.#coded(this.codecs.value, "value", value)
    const whole = ([key, value]: readonly [Bytes, Bytes]): ProducerRecord => ({ ...rest, topic: this.name, key, value })
    if (codedKey instanceof Promise || codedValue instanceof Promise)
      return Promise.all([codedKey, codedValue]).then(whole)
    return whole([codedKey, codedValue])
  }

  #coded<T>(codec: Codec<T>, part: string, given: T | null | undefined): Bytes | Promise<Bytes> {
    if (given === null || given === undefined) return null
    const refuse = (error: unknown): never => {
      throw new CodecError(`the ${part} of a record for ${this.name}: ${messageOf(error)}`, error)
    }
    try {
      const coded = codec.encode(given)
      return coded instanceof Promise ? coded.catch(refuse) : coded
    } catch (error) {
      return refuse(error)
    }
  }

  /** What a consumer handed out, with its types. Rejects with CodecError. */
  async decode(record: ConsumerRecord): Promise<TypedRecord<K, V>> {
    const read = async <T>(codec: Codec<T>, part: string, stored: Buffer | null) => {
      if (stored === null) return null
      try {
        return await codec.decode(stored)
      } catch (error) {
        const { topic, partition, offset } = record
        throw new CodecError(`the ${part} of ${topic}-${partition} at ${offset}: ${messageOf(error)}`, error, record)
      }
    }
    return {
      ...record,
      key: await read(this.codecs.key, "key", record.key),
      value: await read(this.codecs.value, "value", record.value),
    }
  }

  /** Sends by a producer, in the order of the calls, however long a codec takes. Errors: as `Producer.send`, and CodecError. */
  async send(producer: Producer, record: TypedProducerRecord<K, V>): Promise<RecordMetadata> {
    const encoded = this.encode(record)
    const before = this.#coming.get(producer)
    if (before === undefined && !(encoded instanceof Promise)) return producer.send(encoded)
    const mine = Promise.all([encoded, before])
    const over = mine.then(
      () => {},
      () => {},
    )
    this.#coming.set(producer, over)
    void over.then(() => {
      if (this.#coming.get(producer) === over) this.#coming.delete(producer)
    })
    const [ready] = await mine
    return producer.send(ready)
  }

  /**
   * What a consumer of this topic hands out, one by one, until it is closed. `onInvalid` is told of each record that cannot be read, which is then left out; without it such a record ends the
   * iteration with a CodecError, and a new one begins behind it.
   */
  async *read(
    consumer: RecordReader,
    { onInvalid }: { readonly onInvalid?: (error: CodecError) => void | Promise<void> } = {},
  ): AsyncGenerator<TypedRecord<K, V>> {
    for await (const record of consumer) {
      let typed: TypedRecord<K, V>
      try {
        typed = await this.decode(record)
      } catch (error) {
        if (!(error instanceof CodecError) || onInvalid === undefined) throw error
        await onInvalid(error)
        continue
      }
      yield typed
    }
  }
}

/** A topic whose keys and values have types: `topic("orders", { key: string, value: json<Order>() })`. */
export const topic = <K, V>(name: string, codecs: TopicCodecs<K, V>): Topic<K, V> => new Topic(name, codecs)

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
