/**
 * A place in a group, taken by one process of a member after the other.
 *
 * Owns what becomes of processes: they stall, crash without a word, leave, change what they subscribe to, are started a second time beside themselves, come back. When the end has come nothing
 * of this happens any more: who is there stays.
 */
import type { Env } from "../../../env/env.js"
import type { SeededRandom } from "../../random.js"
import { ClassicMember } from "./classic-member.js"
import { ConsumerMember } from "./consumer-member.js"
import type { GroupMember } from "./member.js"
import type { GroupsModel } from "./model.js"
import type { GroupOptions } from "./options.js"

export class MemberSlot {
  readonly #random: SeededRandom
  readonly #instanceId: string | null
  #topics: readonly string[]

  /** Names of topics that it subscribes to. */
  get topics(): readonly string[] {
    return this.#topics
  }

  /** The process that is there now. */
  member: GroupMember | undefined
  isRetired = false

  constructor(
    readonly model: GroupsModel,
    readonly group: GroupOptions,
    readonly index: number,
    readonly envs: () => Env,
  ) {
    this.#random = model.random.fork(`slot ${index} of ${group.name}`)
    this.#instanceId = index < group.staticMembers ? `${group.name}-instance${index}` : null
    this.#topics = this.#choose()
  }

  /** Names of topics; a static member keeps to them: a restart in between would go unnoticed by its group, as with Kafka. */
  #choose(): readonly string[] {
    const names = this.group.topics.map((slot) => `topic${slot}`)
    if (this.#instanceId !== null || this.#random.chance(0.6)) return names
    return [this.#random.pick(names)]
  }

  async run(): Promise<void> {
    const { model } = this
    const random = this.#random
    // Most come at once, some later.
    await this.#pause(random.chance(0.7) ? random.int(500) : random.int(30_000))
    while (!model.isOver) {
      if (model.isEnding && this.isRetired) return
      const member = this.#newMember()
      this.member = member
      const how = await this.#live(member)
      if (how === "doubled") {
        model.counts.doubles += 1
        void this.#liveOn(member)
        continue
      }
      member.close()
      this.member = undefined
      // Another process has its place, and knows nothing of this slot: it is fenced in turn.
      if (member.isFenced) continue
      if (model.isEnding && random.chance(0.5)) this.isRetired = true
      if (!this.isRetired)
        await this.#pause(random.chance(0.5) ? random.int(1000) : random.int(2 * this.group.sessionTimeoutMs))
      if (model.isEnding && random.chance(0.5)) this.isRetired = true
    }
    this.member?.close()
  }

  #newMember(): GroupMember {
    const { flavour } = this.group
    const isConsumer = flavour === "consumer" || (flavour === "mixed" && this.#random.chance(0.5))
    const Member = isConsumer ? ConsumerMember : ClassicMember
    return new Member(this.model, this.group, this.envs(), { instanceId: this.#instanceId, topics: this.#topics })
  }

  #pause(ms: number): Promise<void> {
    return this.model.pause(this.envs(), ms)
  }

  /** Until the process is no more, or another is started beside it. */
  async #live(member: GroupMember): Promise<"over" | "doubled"> {
    const { model } = this
    const random = this.#random
    const { churnChance, doubleChance } = model.options
    while (!model.isOver) {
      await member.step()
      if (member.isFenced) {
        // In the end the instance is one process only, and that is the latest.
        await this.#pause(random.int(2000))
        return "over"
      }
      await model.pause(member.env, random.int(member.paceMs))
      if (model.isEnding || !random.chance(churnChance)) continue
      // Under the consumer protocol the second would wait for the first to go.
      const mayDouble = this.#instanceId !== null && model.isClassicOnly(this.group)
      if (mayDouble && random.chance(doubleChance)) return "doubled"
      if (!(await this.#happen(member))) return "over"
    }
    return "over"
  }

  /** False: the process is gone. */
  async #happen(member: GroupMember): Promise<boolean> {
    const { model, group } = this
    const random = this.#random
    switch (random.int(5)) {
      case 0:
        model.counts.crashes += 1
        return false
      case 1:
        await member.leave()
        return false
      case 2:
        if (this.#instanceId !== null) return true
        this.#topics = this.#choose()
        member.resubscribe(this.#topics)
        return true
      default:
        model.counts.stalls += 1
        await model.pause(member.env, random.int(3 * group.sessionTimeoutMs))
        // What a process does first when it runs again: as if nothing had happened.
        if (random.chance(0.5)) await member.commit()
        return true
    }
  }

  /** The process that another was started beside: until it finds out. */
  async #liveOn(member: GroupMember): Promise<void> {
    const { model } = this
    while (!model.isOver && !member.isFenced) {
      await model.pause(member.env, this.#random.int(member.paceMs))
      if (!member.isFenced) await member.step()
    }
    member.close()
  }
}
