/**
 * One large group under the consumer protocol, and how long one more member takes it.
 *
 * Owns the measure: from the new member's heartbeat leaving until every member has been answered with the new epoch and all partitions have an owner, which the broker then confirms
 * by calling the group stable. Members send their next heartbeat once they are answered, in turn, as many at once as there are connections.
 */
import type { Client } from "../client.js"
import { ConsumerMember, groupStates } from "./consumer-members.js"
import { connectMany, pause } from "./coordinator.js"
import type { GroupEvent, SettleTask } from "./tasks.js"

const groupId = "large"
const connections = 100
const settleTimeoutMs = 120_000
/** More than the interval between two assignments, which would else be part of what is measured. */
const quietMs = 1500

export async function settle(task: SettleTask, tell: (event: GroupEvent) => void): Promise<void> {
  const [asking, ...clients] = await connectMany(task.port, connections + 1)
  const turns = Array.from({ length: task.members - 1 }, () => new ConsumerMember(groupId, task.topic))
  const group = new SettlingGroup(task, asking!, turns)
  const firstMs = group.settled()
  group.run(clients)
  tell({ event: "settled", ms: await firstMs })
  for (let join = 0; join < task.joins; join++) {
    await group.idle(quietMs)
    const { member, ms } = await group.join()
    tell({ event: "settled", ms })
    if (join < task.joins - 1) await group.leave(member)
  }
}

class SettlingGroup {
  /** Whoever stands first sends next. */
  readonly #turns: ConsumerMember[]
  readonly #members: Set<ConsumerMember>
  readonly #leaving = new Set<ConsumerMember>()
  #onBeat: () => void = () => {}
  #fail: (error: unknown) => void = () => {}
  readonly #failed: Promise<never>

  constructor(
    private readonly task: SettleTask,
    private readonly asking: Client,
    members: readonly ConsumerMember[],
  ) {
    this.#turns = [...members]
    this.#members = new Set(members)
    this.#failed = new Promise((_, reject) => (this.#fail = reject))
  }

  run(clients: readonly Client[]): void {
    for (const client of clients) this.#lane(client).catch(this.#fail)
  }

  async #lane(client: Client): Promise<void> {
    for (;;) {
      const member = this.#turns.shift()
      if (member === undefined) {
        await pause(1)
        continue
      }
      if (this.#leaving.delete(member)) {
        await member.leave(client)
        this.#members.delete(member)
      } else {
        await member.beat(client)
        this.#turns.push(member)
      }
      this.#onBeat()
    }
  }

  idle(ms: number): Promise<void> {
    return Promise.race([this.#failed, pause(ms)])
  }

  /** From now on, in ms. */
  async settled(): Promise<number> {
    const started = performance.now()
    for (;;) {
      await Promise.race([this.#failed, this.#looksSettled(started)])
      const ms = performance.now() - started
      const [state] = await groupStates(this.asking, [groupId])
      if (state === "Stable") return ms
    }
  }

  #looksSettled(started: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#onBeat = () => {
        if (performance.now() - started > settleTimeoutMs) reject(new Error("the group does not settle"))
        let partitions = 0
        let epoch = -1
        for (const member of this.#members) {
          if (epoch === -1) epoch = member.epoch
          if (member.epoch !== epoch || epoch === 0) return
          partitions += member.partitions
        }
        if (partitions !== this.task.partitions) return
        this.#onBeat = () => {}
        resolve()
      }
    })
  }

  async join(): Promise<{ member: ConsumerMember; ms: number }> {
    const member = new ConsumerMember(groupId, this.task.topic)
    this.#members.add(member)
    this.#turns.unshift(member)
    const ms = await this.settled()
    return { member, ms }
  }

  async leave(member: ConsumerMember): Promise<void> {
    this.#leaving.add(member)
    // Those that stay get what it had.
    while (this.#members.has(member)) await Promise.race([this.#failed, pause(1)])
    await this.settled()
  }
}
