/**
 * Members of one group in the simulated world, each on a machine of its own, and a producer, for tests that read as stories.
 *
 * Owns the harness: what was sent, what was read by whom, and the checks on both. Time is virtual; nothing sleeps.
 */
import assert from "node:assert/strict"
import {
  type BrokerWorld,
  type BrokerWorldOptions,
  brokerPort,
  inBrokerWorld,
} from "../../../../broker/testing/broker-world.js"
import { createPartitions } from "../../../../protocol/messages/create-partitions.js"
import type { SimulatedNode } from "../../../../sim/node.js"
import { ClientCore } from "../../../core.js"
import type { ClientOptions, GroupConsumerConfig } from "../../../options.js"
import type { ConsumerRecord } from "../../record.js"
import type { GroupConsumer } from "../group-consumer.js"
import type { RebalanceEvent } from "../rebalance-listeners.js"

export type GroupConfig = Partial<GroupConsumerConfig>

export interface GroupStory extends BrokerWorldOptions {
  readonly partitions?: number
  readonly client?: ClientOptions
  readonly consumer?: GroupConfig
}

export class Member {
  readonly values: string[] = []
  readonly events: RebalanceEvent[] = []
  readonly failures: unknown[] = []
  #reading: Promise<void> | undefined

  constructor(
    readonly name: string,
    readonly node: SimulatedNode,
    readonly client: ClientCore,
    readonly consumer: GroupConsumer,
    private readonly onRecord: (record: ConsumerRecord) => void,
  ) {
    consumer.onRebalance((event) => {
      this.events.push(event)
    })
  }

  tenure(partition: number): number {
    return this.events.filter(
      ({ type, partitions }) => type === "assigned" && partitions.some((each) => each.partition === partition),
    ).length
  }

  take(record: ConsumerRecord): void {
    this.values.push(String(record.value))
    this.onRecord(record)
  }

  read(): void {
    this.#reading = this.#read().catch((error: unknown) => {
      this.failures.push(error)
    })
  }

  async #read(): Promise<void> {
    for await (const record of this.consumer) this.take(record)
  }

  kill(): void {
    this.node.crash("kill")
  }

  async close(): Promise<void> {
    await this.consumer.close()
    await this.client.close()
    await this.#reading
  }
}

interface Read {
  readonly member: string
  readonly partition: number
  readonly offset: bigint
  readonly value: string
  /** How often the member had been given the partition. */
  readonly tenure: number
}

export class GroupWorld {
  readonly members: Member[] = []
  readonly reads: Read[] = []
  readonly #sent: Promise<unknown>[] = []
  readonly #producing: ClientCore
  readonly #producer: ReturnType<ClientCore["producer"]>
  #nextValue = 0
  #isProducing = false

  constructor(
    readonly world: BrokerWorld,
    readonly story: GroupStory,
  ) {
    this.#producing = new ClientCore(world.clients.env, { bootstrap: this.bootstrap })
    this.#producer = this.#producing.producer({ lingerMs: 0 })
  }

  get bootstrap(): string {
    return `${this.world.node.address}:${brokerPort}`
  }

  get partitions(): number {
    return this.story.partitions ?? 1
  }

  get sentCount(): number {
    return this.#nextValue
  }

  get readCount(): number {
    return this.reads.length
  }

  /** A member on a machine of its own, not reading yet. */
  idle(name: string, config: GroupConfig = {}): Member {
    const node = this.world.world.addNode(name)
    const client = new ClientCore(node.env, { bootstrap: this.bootstrap, clientId: name, ...this.story.client })
    const { consumer: common } = this.story
    const consumer = client.consumer({
      groupId: "g",
      topics: ["t"],
      from: "earliest",
      sessionTimeoutMs: 10_000,
      ...common,
      ...config,
    })
    const member = new Member(name, node, client, consumer, ({ partition, offset, value }) => {
      this.reads.push({ member: name, partition, offset, value: String(value), tenure: member.tenure(partition) })
    })
    this.members.push(member)
    return member
  }

  /** A member that iterates. */
  member(name: string, config: GroupConfig = {}): Member {
    const member = this.idle(name, config)
    member.read()
    return member
  }

  passTime(ms: number): Promise<void> {
    return this.world.passTime(ms)
  }

  async until(what: string, isSo: () => boolean, withinMs = 60_000): Promise<void> {
    const endMs = this.world.world.nowMs + withinMs
    while (!isSo()) {
      if (this.world.world.nowMs > endMs) {
        const failures = this.members.flatMap(({ name, failures }) =>
          failures.map((error) => `${name}: ${String(error)}`),
        )
        assert.fail(
          `not within ${withinMs} ms: ${what}. ${failures.join("; ")} missing ${this.missing().slice(0, 5).join()}`,
        )
      }
      await this.passTime(20)
    }
  }

  /** Until these members, and nobody else who lives, have all partitions, evenly. */
  settled(members: readonly Member[], withinMs?: number): Promise<void> {
    return this.until(
      `${members.map(({ name }) => name).join()} have all`,
      () => {
        const all = members.flatMap(({ consumer }) => consumer.assignment.map(({ partition }) => partition))
        const most = Math.ceil(this.partitions / members.length)
        const isEven = members.every(({ consumer }) => consumer.assignment.length <= most)
        return isEven && all.length === this.partitions && new Set(all).size === all.length
      },
      withinMs,
    )
  }

  async takes(mostMs: number, work: () => Promise<unknown>): Promise<void> {
    const beganMs = this.world.world.nowMs
    await work()
    const tookMs = this.world.world.nowMs - beganMs
    assert.ok(tookMs <= mostMs, `took ${tookMs} ms`)
  }

  #send(): void {
    const index = this.#nextValue++
    const partition = index % this.partitions
    this.#sent.push(this.#producer.send({ topic: "t", partition, key: `k${index % 7}`, value: `v${index}` }))
  }

  async produce(count: number): Promise<void> {
    for (let sent = 0; sent < count; sent++) this.#send()
    await Promise.all(this.#sent.splice(0))
  }

  /** One record after the other, until it is stopped. */
  produceSteadily(everyMs: number): void {
    this.#isProducing = true
    const next = () => {
      if (!this.#isProducing) return
      this.#send()
      this.world.world.at(everyMs, "produce", next)
    }
    next()
  }

  async stopProducing(): Promise<void> {
    this.#isProducing = false
    await Promise.all(this.#sent.splice(0))
  }

  missing(): string[] {
    const read = new Set(this.reads.map(({ value }) => value))
    return Array.from({ length: this.#nextValue }, (_, index) => `v${index}`).filter((value) => !read.has(value))
  }

  /** Of one partition a member reads on, or begins again at what was committed: nothing is passed over. */
  checkOrder(): void {
    const highest = new Map<number, bigint>()
    for (const { partition, offset, member } of this.reads) {
      const before = highest.get(partition) ?? -1n
      assert.ok(offset <= before + 1n, `${member} read ${partition}@${offset} after ${before}`)
      if (offset > before) highest.set(partition, offset)
    }
    const last = new Map<string, bigint>()
    for (const { partition, offset, member, tenure } of this.reads) {
      const key = `${member}/${partition}/${tenure}`
      const before = last.get(key)
      if (before !== undefined)
        assert.equal(offset, before + 1n, `${member} read ${partition}@${offset} after ${before}`)
      last.set(key, offset)
    }
  }

  async addPartitions(count: number): Promise<void> {
    const answer = await this.world.client.send(createPartitions, 3, {
      topics: [{ name: "t", count, assignments: null }],
      timeoutMs: 10_000,
      validateOnly: false,
    })
    assert.equal(answer.results[0]!.errorCode, 0)
  }

  async close(): Promise<void> {
    for (const { node, client } of this.members) if (node.alive) await client.close()
    await this.#producing.close()
  }
}

/** Runs a story in a world of its own: a broker with topic "t". */
export const inGroupWorld = (options: GroupStory, story: (t: GroupWorld) => Promise<void>): Promise<void> =>
  inBrokerWorld(async (world) => {
    const t = new GroupWorld(world, options)
    await world.createTopic("t", t.partitions)
    await story(t)
    for (const { name, failures } of t.members) assert.deepEqual(failures, [], name)
    await t.close()
  }, options)
