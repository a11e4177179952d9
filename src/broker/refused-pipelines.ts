/**
 * What a producer's pipeline goes on with behind a batch that was refused for a time (no leader yet, too few replicas in sync), or that went to the leader before this one.
 *
 * Owns, per connection, where each such pipeline stands. What was sent before its producer heard of the refusal has a gap before it, and Kafka says OUT_OF_ORDER_SEQUENCE_NUMBER.
 * librdkafka takes that for lost state: it begins a new producer epoch and sends everything again that is not acknowledged, in every partition; what had been stored there is stored
 * twice (librdkafka issue 4953). So what directly follows a refused batch is refused like it, once; and what comes to a new leader with a gap before it, once: its producer sends
 * both again, in order. A gap that stays is told as in Kafka.
 */
import { batchBaseSequence, batchLastSequence, batchProducerEpoch, batchProducerId } from "../protocol/batch-header.js"
import { Errors } from "../protocol/errors.js"
import { hasSequence, isSequenceBetween, sequencePlus } from "../protocol/sequences.js"
import type { RequestConnection } from "./services.js"

/** Pipelines remembered per connection; the oldest is forgotten first. */
export const refusedPipelinesMax = 1024

const passing: ReadonlySet<number> = new Set([
  Errors.NOT_LEADER_OR_FOLLOWER,
  Errors.NOT_ENOUGH_REPLICAS,
  Errors.UNKNOWN_TOPIC_OR_PARTITION,
  Errors.UNKNOWN_TOPIC_ID,
  Errors.KAFKA_STORAGE_ERROR,
  Errors.REPLICA_NOT_AVAILABLE,
  Errors.LEADER_NOT_AVAILABLE,
])

interface Pipeline {
  readonly producerEpoch: number
  readonly errorCode: number
  readonly firstSequence: number
  /** The sequence of what was sent behind it, if anything was. */
  readonly nextSequence: number
}

export class RefusedPipelines {
  readonly #pipelines = new Map<string, Pipeline>()

  static of({ state }: RequestConnection): RefusedPipelines {
    return (state.refusedPipelines ??= new RefusedPipelines()) as RefusedPipelines
  }

  /** The batch was appended: its pipeline goes on. `topic`: its name or its id, whichever the client says. */
  taken(topic: string, partition: number, batch: Buffer): void {
    if (this.#pipelines.size > 0) this.#pipelines.delete(keyOf(topic, partition, batchProducerId(batch)))
  }

  /**
   * The error to answer with, of a batch that was refused with `errorCode`. Nothing in `records` is checked. `isAhead`: what comes before it may be on its way here, from the leader before.
   */
  refused(topic: string, partition: number, records: Buffer | null, errorCode: number, isAhead: boolean): number {
    if (!hasSequence(records)) return errorCode
    const producerId = batchProducerId(records)
    const producerEpoch = batchProducerEpoch(records)
    const key = keyOf(topic, partition, producerId)
    const known = this.#pipelines.get(key)
    const before = known?.producerEpoch === producerEpoch ? known : undefined
    const sequence = batchBaseSequence(records)
    const nextSequence = sequencePlus(batchLastSequence(records), 1)
    const isOutOfOrder = errorCode === Errors.OUT_OF_ORDER_SEQUENCE_NUMBER
    if (isOutOfOrder && before?.nextSequence === sequence) {
      this.#pipelines.set(key, { ...before, nextSequence })
      return before.errorCode
    }
    const wasRefused = before !== undefined && isSequenceBetween(sequence, before.firstSequence, before.nextSequence)
    const told = isOutOfOrder && isAhead && !wasRefused ? Errors.NOT_ENOUGH_REPLICAS : errorCode
    if (!passing.has(told)) return told
    this.#pipelines.delete(key)
    this.#pipelines.set(key, { producerEpoch, errorCode: told, firstSequence: sequence, nextSequence })
    if (this.#pipelines.size > refusedPipelinesMax) this.#pipelines.delete(this.#pipelines.keys().next().value!)
    return told
  }
}

const keyOf = (topic: string, partition: number, producerId: number): string => `${topic}/${partition}/${producerId}`
