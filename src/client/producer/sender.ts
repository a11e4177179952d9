/**
 * Takes batches to the brokers that lead their partitions, and what came of them to whoever waits.
 *
 * Owns when a batch goes (it is full, it has lingered, somebody waits for everything), how many requests are on their way to a broker, what is tried again and when it is given up. Order
 * and numbers are the queues'. Every batch ends once: stored, or failed with a reason.
 */
import type { Env, Timer } from "../../env/env.js"
import { PeerError } from "../../net/peer.js"
import type { CompressionType } from "../../protocol/batch-header.js"
import { prepareCompression } from "../../protocol/compression/compression.js"
import { Errors, errorByCode } from "../../protocol/errors.js"
import type { ResponseOf } from "../../protocol/message.js"
import { initProducerId } from "../../protocol/messages/init-producer-id.js"
import { produce } from "../../protocol/messages/produce.js"
import type { Cluster } from "../cluster.js"
import { BrokerError, ConnectionError, TimeoutError } from "../errors.js"
import type { PartitionQueue, ProducerIdentity } from "./partition-queue.js"
import type { ProducerBatch } from "./producer-batch.js"

export interface SenderOptions {
  /** 0: nobody says what became of a batch, so it is done with once it has been sent. */
  readonly acks: -1 | 0 | 1
  readonly isIdempotent: boolean
  readonly lingerMs: number
  readonly requestBytesMax: number
  readonly inFlightMax: number
  readonly deliveryTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly retryBackoffMs: number
  readonly retryBackoffMaxMs: number
  readonly compression: CompressionType
  readonly compressionLevel: number | undefined
}

type PartitionAnswer = ResponseOf<typeof produce>["responses"][number]["partitionResponses"][number]

interface Sent {
  readonly queue: PartitionQueue
  readonly batch: ProducerBatch
}

const producerEpochMax = 0x7fff
/** Deadlines are looked at this often while nothing else happens. */
const sweepMs = 500

export class Sender {
  readonly #active = new Set<PartitionQueue>()
  /** Requests on their way, by broker. */
  readonly #requests = new Map<number, number>()
  #identity: ProducerIdentity | undefined
  #identityIsComing = false
  #identityFailures = 0
  #isComing = false
  #timer: Timer | undefined
  #timerDueMs = Number.POSITIVE_INFINITY
  #flushing = 0
  #isClosed = false
  /** The codec is loaded. */
  #isPrepared: boolean

  constructor(
    private readonly env: Env,
    private readonly cluster: Cluster,
    private readonly options: SenderOptions,
    /** The batch is done with, and its memory free. */
    private readonly done: (batch: ProducerBatch) => void,
    /** Two batches with its records in place of one. */
    private readonly split: (batch: ProducerBatch) => readonly ProducerBatch[],
  ) {
    this.#isPrepared = options.compression !== "zstd"
    if (!this.#isPrepared)
      void prepareCompression().then(() => {
        this.#isPrepared = true
        this.#soon()
      })
  }

  /** The queue holds a batch now, or one that is full. */
  stirred(queue: PartitionQueue): void {
    this.#active.add(queue)
    this.#soon()
  }

  /** While somebody waits for everything nothing lingers. */
  hurry(isHurried: boolean): void {
    this.#flushing += isHurried ? 1 : -1
    this.#soon()
  }

  /** Of one partition, and to one broker. What is sent again must not come behind what was sent after it, and without answers nothing but waiting keeps it so. */
  get #inFlightMax(): number {
    return this.options.acks === 0 ? 1 : this.options.inFlightMax
  }

  #soon(): void {
    if (this.#isComing || this.#isClosed) return
    this.#isComing = true
    this.env.timers.soon(() => {
      this.#isComing = false
      this.#pump()
    })
  }

  #wakeAt(dueMs: number): void {
    if (dueMs >= this.#timerDueMs) return
    this.#timer?.cancel()
    this.#timerDueMs = dueMs
    this.#timer = this.env.timers.after(Math.max(0, dueMs - this.env.clock.monotonicMs()), () => {
      this.#timerDueMs = Number.POSITIVE_INFINITY
      this.#timer = undefined
      this.#pump()
    })
  }

  #pump(): void {
    if (this.#isClosed) return
    const nowMs = this.env.clock.monotonicMs()
    const byLeader = new Map<number, PartitionQueue[]>()
    for (const queue of this.#active) {
      this.#giveUpLate(queue, nowMs)
      if (queue.isEmpty) {
        this.#active.delete(queue)
        continue
      }
      this.#wakeAt(nowMs + sweepMs)
      const next = queue.next
      if (next === undefined || queue.inFlight.length >= (queue.isRetrying ? 1 : this.#inFlightMax)) continue
      const lingersUntilMs = queue.ready.length > 0 || this.#flushing > 0 ? 0 : next.createdMs + this.options.lingerMs
      const dueMs = Math.max(lingersUntilMs, queue.blockedUntilMs)
      if (dueMs > nowMs) {
        this.#wakeAt(dueMs)
        continue
      }
      const leaderId = this.cluster.topic(queue.topic)?.partitions[queue.partition]?.leaderId ?? -1
      if (leaderId < 0 || this.cluster.broker(leaderId) === undefined) {
        this.cluster.refresh()
        this.cluster.onRefreshed(() => this.#soon())
        continue
      }
      const led = byLeader.get(leaderId)
      if (led === undefined) byLeader.set(leaderId, [queue])
      else led.push(queue)
    }
    if (byLeader.size === 0 || !this.#isPrepared) return
    if (this.options.isIdempotent && this.#identity === undefined) {
      void this.#obtainIdentity()
      return
    }
    for (const [leaderId, queues] of byLeader) this.#sendTo(leaderId, queues)
  }

  #sendTo(leaderId: number, queues: readonly PartitionQueue[]): void {
    let sent: Sent[] = []
    let bytes = 0
    for (const queue of queues) {
      if ((this.#requests.get(leaderId) ?? 0) >= this.#inFlightMax) return
      const estimated = queue.next!.bytes
      if (sent.length > 0 && bytes + estimated > this.options.requestBytesMax) {
        this.#send(leaderId, sent)
        sent = []
        bytes = 0
        if (this.#requests.get(leaderId)! >= this.#inFlightMax) return
      }
      const batch = queue.take(this.#identity)
      if (batch === undefined) continue
      sent.push({ queue, batch })
      bytes += estimated
      // What has gathered behind it goes with the next request.
      if (queue.next !== undefined) this.#soon()
    }
    if (sent.length > 0) this.#send(leaderId, sent)
  }

  #send(leaderId: number, sent: readonly Sent[]): void {
    const { acks, requestTimeoutMs, compression, compressionLevel } = this.options
    const topics = new Map<string, { index: number; records: Buffer }[]>()
    for (const { queue, batch } of sent) {
      const partition = { index: queue.partition, records: batch.seal(compression, compressionLevel) }
      const partitions = topics.get(queue.topic)
      if (partitions === undefined) topics.set(queue.topic, [partition])
      else partitions.push(partition)
    }
    const topicData = [...topics].map(([name, partitionData]) => ({
      name,
      topicId: this.cluster.topic(name)!.topicId,
      partitionData,
    }))
    this.#requests.set(leaderId, (this.#requests.get(leaderId) ?? 0) + 1)
    const request = { transactionalId: null, acks, timeoutMs: requestTimeoutMs, topicData }
    const timeoutMs = requestTimeoutMs + answerMarginMs
    const lost = (error: unknown) => this.#lost(sent, error)
    // A broker that does not take what has no answer, for it leads no more or is gone, ends the connection.
    const ended = () => this.cluster.refresh()
    const over =
      acks === 0
        ? this.cluster
            .unanswering(leaderId)!
            .post(produce, request, { timeoutMs, ended })
            .then(() => this.#posted(sent), lost)
        : this.cluster
            .broker(leaderId)!
            .request(produce, request, { timeoutMs })
            .then(({ response, release }) => {
              this.#answered(sent, response)
              release()
            }, lost)
    void over.finally(() => {
      this.#requests.set(leaderId, this.#requests.get(leaderId)! - 1)
      this.#soon()
    })
  }

  #posted(sent: readonly Sent[]): void {
    for (const { queue, batch } of sent) {
      if (!queue.landed(batch)) continue
      this.#delivered(queue, batch, -1, -1)
    }
  }

  #delivered(queue: PartitionQueue, batch: ProducerBatch, baseOffset: number, logAppendTimeMs: number): void {
    this.#observe(queue, batch, baseOffset)
    batch.delivered(baseOffset, logAppendTimeMs)
    this.done(batch)
  }

  #failed(queue: PartitionQueue, batch: ProducerBatch, error: Error): void {
    this.#observe(queue, batch, -1, error)
    batch.failed(error)
    this.done(batch)
  }

  #observe({ topic, partition }: PartitionQueue, batch: ProducerBatch, baseOffset: number, error?: Error): void {
    const { send } = this.cluster.observer
    if (!send.hasSubscribers) return
    const { count: records, bytes, attempts, createdMs } = batch
    const durationMs = this.env.clock.monotonicMs() - createdMs
    send.publish({ topic, partition, offset: BigInt(baseOffset), records, bytes, attempts, durationMs, error })
  }

  #answered(sent: readonly Sent[], { responses, nodeEndpoints }: ResponseOf<typeof produce>): void {
    const answers = new Map<string, PartitionAnswer>()
    for (const { name, topicId, partitionResponses } of responses)
      for (const answer of partitionResponses) {
        answers.set(`${name}/${answer.index}`, answer)
        answers.set(`${topicId}/${answer.index}`, answer)
      }
    for (const { queue, batch } of sent) {
      const { topic, partition } = queue
      const answer =
        answers.get(`${topic}/${partition}`) ?? answers.get(`${this.cluster.topic(topic)?.topicId}/${partition}`)
      if (answer === undefined) {
        this.#retry(queue, batch, `the answer to Produce does not speak of ${topic}-${partition}`)
        continue
      }
      const { leaderId = -1, leaderEpoch = -1 } = answer.currentLeader ?? {}
      const endpoint = nodeEndpoints.find(({ nodeId }) => nodeId === leaderId)
      const hasMoved = this.cluster.leaderMoved(topic, partition, { leaderId, leaderEpoch }, endpoint)
      this.#judge(queue, batch, answer, hasMoved)
    }
  }

  #judge(queue: PartitionQueue, batch: ProducerBatch, answer: PartitionAnswer, hasMoved: boolean): void {
    const { errorCode, baseOffset, logAppendTimeMs, errorMessage } = answer
    if (errorCode === Errors.NONE || errorCode === Errors.DUPLICATE_SEQUENCE_NUMBER) {
      if (queue.landed(batch)) this.#delivered(queue, batch, baseOffset, logAppendTimeMs)
      return
    }
    const lostState: readonly number[] = [
      Errors.OUT_OF_ORDER_SEQUENCE_NUMBER,
      Errors.UNKNOWN_PRODUCER_ID,
      Errors.INVALID_PRODUCER_EPOCH,
    ]
    if (this.options.isIdempotent && lostState.includes(errorCode)) {
      // What was sent behind a batch that failed has a gap before it, and goes again after that one.
      if (queue.inFlight.includes(batch) && queue.isFirst(batch)) this.#beginAnew(queue, batch)
      this.#retry(queue, batch, errorMessage ?? errorByCode(errorCode)!.message, 0)
      return
    }
    const info = errorByCode(errorCode)
    if (info?.retriable === true) {
      if (info.invalidMetadata && !hasMoved) this.cluster.refresh()
      const isStored = errorCode === Errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND || errorCode === Errors.REQUEST_TIMED_OUT
      if (isStored) batch.isInDoubt = true
      this.#retry(queue, batch, new BrokerError(errorCode, "the broker", errorMessage).message)
      return
    }
    if (!queue.landed(batch)) return
    // Together they are larger than the topic takes; each alone may not be.
    if (errorCode === Errors.MESSAGE_TOO_LARGE && batch.count > 1) {
      for (const half of this.split(batch)) queue.putBack(half)
      return
    }
    if (batch.isInDoubt) this.#beginAnew(queue, batch)
    else queue.closeGap(batch)
    const what = `${queue.topic}-${queue.partition} did not take the records`
    this.#failed(queue, batch, new BrokerError(errorCode, what, errorMessage))
  }

  /** Its log does not know what this producer sent before: what waits is numbered from 0, in a new epoch. */
  #beginAnew(queue: PartitionQueue, batch: ProducerBatch): void {
    const { producerId, producerEpoch } = this.#identity!
    if (batch.producerEpoch === producerEpoch && batch.producerId === producerId)
      this.#identity = producerEpoch < producerEpochMax ? { producerId, producerEpoch: producerEpoch + 1 } : undefined
    batch.baseSequence = -1
    queue.renumber()
  }

  #lost(sent: readonly Sent[], error: unknown): void {
    // Nobody but a broker knows what became of it, unless it was never sent.
    const isUnsent = error instanceof PeerError && (error.code === "refused" || error.code === "unreachable")
    this.cluster.refresh()
    for (const { queue, batch } of sent) {
      if (!isUnsent) batch.isInDoubt = true
      this.#retry(queue, batch, error instanceof Error ? error.message : String(error))
    }
  }

  #retry(queue: PartitionQueue, batch: ProducerBatch, why: string, delayMs = this.#backoffMs(batch.attempts)): void {
    if (!queue.landed(batch)) return
    batch.problem = why
    queue.putBack(batch)
    queue.blockedUntilMs = Math.max(queue.blockedUntilMs, this.env.clock.monotonicMs() + delayMs)
    this.#active.add(queue)
  }

  #backoffMs(attempts: number): number {
    const { retryBackoffMs, retryBackoffMaxMs } = this.options
    const delayMs = Math.min(retryBackoffMaxMs, retryBackoffMs * 2 ** Math.min(20, attempts - 1))
    return Math.round(delayMs * (0.8 + this.env.random.int(401) / 1000))
  }

  #giveUpLate(queue: PartitionQueue, nowMs: number): void {
    const { deliveryTimeoutMs } = this.options
    while (
      queue.inFlight.length === 0 &&
      queue.next !== undefined &&
      nowMs - queue.next.createdMs >= deliveryTimeoutMs
    ) {
      const batch = queue.ready.shift() ?? queue.open!
      if (queue.open === batch) queue.open = undefined
      // It may have been stored: what comes next cannot be numbered as if it had, nor as if it had not.
      if (batch.isInDoubt && this.#identity !== undefined) this.#beginAnew(queue, batch)
      else queue.closeGap(batch)
      const { topic, partition } = queue
      const reason = batch.problem ?? this.#whyNot(queue)
      const whether = batch.isInDoubt ? "may have been stored" : "was not stored"
      const message = `${topic}-${partition}: not acknowledged within deliveryTimeoutMs = ${deliveryTimeoutMs}, and ${whether}: ${reason}`
      this.#failed(queue, batch, new TimeoutError(message))
    }
  }

  #whyNot(queue: PartitionQueue): string {
    const { failure } = this.cluster
    if (failure instanceof ConnectionError) return failure.message
    const leaderId = this.cluster.topic(queue.topic)?.partitions[queue.partition]?.leaderId ?? -1
    return leaderId < 0 ? "it has no leader" : `broker ${leaderId}, which leads it, did not take it in time`
  }

  async #obtainIdentity(): Promise<void> {
    if (this.#identityIsComing) return
    this.#identityIsComing = true
    try {
      const { errorCode, producerId, producerEpoch } = await this.cluster.askAny(initProducerId, {
        transactionalId: null,
        transactionTimeoutMs: 0,
      })
      if (errorCode === Errors.NONE) {
        this.#identity = { producerId, producerEpoch }
        this.#identityFailures = 0
      } else if (errorByCode(errorCode)?.retriable === true) this.#identityFailures++
      else return this.#failAll(new BrokerError(errorCode, "the cluster gives this producer no id"))
    } catch {
      // Who waits is told when the time for its delivery is over.
      this.#identityFailures++
    } finally {
      this.#identityIsComing = false
    }
    if (this.#identityFailures === 0) this.#soon()
    else this.#wakeAt(this.env.clock.monotonicMs() + this.#backoffMs(this.#identityFailures))
  }

  #failAll(error: Error): void {
    for (const queue of this.#active) for (const batch of queue.takeAll()) this.#failed(queue, batch, error)
    this.#active.clear()
  }

  close(error: Error): void {
    this.#failAll(error)
    this.#isClosed = true
    this.#timer?.cancel()
  }
}

/** A broker answers after `requestTimeoutMs` at the latest; the way there and back takes time too. */
const answerMarginMs = 5_000
