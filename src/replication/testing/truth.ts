/**
 * What must always hold of replicas, checked against all of them at once.
 *
 * Owns the checks of L1, L2, L4, L5 and L6 (reliability.md) that need nothing but what the brokers hold in memory. Cheap enough for every step of every story.
 */
import assert from "node:assert/strict"
import type { ReplicationTest } from "./replication-test.js"

interface Known {
  /** Values acknowledged to a producer that asked for all replicas, by offset. */
  readonly acknowledged: Map<number, string>
  /** The highest high watermark that any leader ever had. */
  committed: number
}

export class Truth {
  readonly #partitions = new Map<string, Known>()
  /** The last high watermark of a leader in an epoch, by life. */
  readonly #highWatermarks = new Map<string, number>()
  readonly #lives = new WeakMap<object, number>()
  #nextLife = 0

  constructor(private readonly t: ReplicationTest) {}

  #known(topic: string, partition: number): Known {
    const key = `${this.t.controller.image.topics.get(topic)?.topicId}:${partition}`
    let known = this.#partitions.get(key)
    if (known === undefined) this.#partitions.set(key, (known = { acknowledged: new Map(), committed: 0 }))
    return known
  }

  acknowledged(topic: string, partition: number, baseOffset: number, values: readonly string[]): void {
    const { acknowledged } = this.#known(topic, partition)
    values.forEach((value, index) => {
      const offset = baseOffset + index
      assert.equal(acknowledged.get(offset) ?? value, value, `two values were acknowledged at ${offset}`)
      acknowledged.set(offset, value)
    })
  }

  look(): void {
    if (this.t.options.isUnclean === true) return
    for (const life of this.t.lives) {
      if (life === undefined || !life.incarnation.alive || life.replicas === undefined) continue
      for (const topic of life.image.topics.values())
        topic.partitions.forEach((_, index) => {
          const replica = life.replicas.partition(topic.name, index)
          if (replica !== undefined && replica.topicId === this.t.controller.image.topics.get(topic.name)?.topicId)
            this.#lookAt(life, replica)
        })
    }
  }

  #lookAt(life: object, replica: ReturnType<ReplicationTest["replica"]>): void {
    const { log, highWatermark } = replica
    if (log.offlineReason !== undefined) return
    const known = this.#known(replica.topic, replica.partition)
    assert.ok(
      log.logStartOffset <= highWatermark && highWatermark <= log.logEndOffset,
      `${replica.name}: offsets in order`,
    )
    const { entries } = log.epochs
    for (let index = 1; index < entries.length; index++)
      assert.ok(entries[index - 1]!.epoch < entries[index]!.epoch, `${replica.name}: epochs rise along the log (L4)`)
    const { leadership } = replica
    if (leadership === undefined) return
    if (!this.#lives.has(life)) this.#lives.set(life, this.#nextLife++)
    const key = `${this.#lives.get(life)}:${replica.name}:${replica.leaderEpoch}`
    const before = this.#highWatermarks.get(key)
    if (before === undefined)
      assert.ok(
        log.logEndOffset >= known.committed,
        `${replica.name}: the leader of epoch ${replica.leaderEpoch} ends at ${log.logEndOffset}, ${known.committed} are committed (L6)`,
      )
    else
      assert.ok(
        highWatermark >= before,
        `${replica.name}: the high watermark went from ${before} to ${highWatermark} (L5)`,
      )
    this.#highWatermarks.set(key, highWatermark)
    known.committed = Math.max(known.committed, highWatermark)
  }

  /** Everything that was acknowledged is where it was said to be, on every replica that is in sync (L1, L2). */
  async acknowledgedIsThere(topic = "t", partition = 0): Promise<number> {
    const { acknowledged } = this.#known(topic, partition)
    for (const id of this.t.controller.partition(topic, partition).isr) {
      const values = await this.t.values(id, topic, partition)
      const start = this.t.log(id, topic, partition).logStartOffset
      for (const [offset, value] of acknowledged)
        if (offset >= start)
          assert.equal(values[offset - start], value, `broker ${id}, offset ${offset}: acknowledged and lost`)
    }
    return acknowledged.size
  }
}
