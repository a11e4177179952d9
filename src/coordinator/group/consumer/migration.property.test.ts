import assert from "node:assert/strict"
import { test } from "node:test"
import { seededInt } from "../../../protocol/testdata/random.js"
import { Errors } from "../../../protocol/errors.js"
import { ClassicGroup } from "../classic/classic-group.js"
import type { JoinResponse } from "../classic/classic-member.js"
import type { Asked } from "../testing/group-harness.js"
import { readSubscription } from "./consumer-payloads.js"
import { groupId } from "./testing/consumer-test.js"
import { MigrationTest } from "./testing/migration-test.js"

type Int = (below: number) => number
const modern = ["a", "b", "c"]
const classic = ["x", "y", "z"]
const partitions = 5

/** Members of both protocols come, go and fall silent; the group changes its kind as they do. */
class RandomMigration {
  readonly test: MigrationTest
  readonly silent = new Set<string>()
  /** Classic joins that wait for their generation. */
  readonly joins = new Map<string, Asked<JoinResponse>>()
  /** Joined, and not synced yet: they go on with what they have. */
  readonly joined = new Map<string, JoinResponse>()
  conversions = 0
  #kind: string | undefined

  constructor(private readonly int: Int) {
    this.test = new MigrationTest({ t: partitions }, { seed: `${int(1e9)}` })
  }

  isMember(name: string): boolean {
    const group = this.test.harness.groups.get(groupId)
    const { memberId } = this.test.client(name)
    if (group === undefined || memberId === "") return false
    return group instanceof ClassicGroup ? group.members.has(memberId) : this.test.group.members.has(memberId)
  }

  step(): void {
    const { int, test } = this
    const name = [...modern, ...classic][int(6)]!
    const isClassic = classic.includes(name)
    switch (int(10)) {
      case 0:
        if (this.silent.delete(name) || !this.isMember(name)) this.enter(name)
        break
      case 1:
        if (!this.isMember(name) || this.silent.has(name)) break
        if (isClassic) test.classicLeave(name)
        else if (test.client(name).epoch > 0) test.leave(name)
        this.joins.delete(name)
        this.joined.delete(name)
        if (isClassic) test.client(name).memberId = ""
        break
      case 2:
        if (int(3) === 0) this.silent.add(name)
        break
      case 3:
        if (int(8) === 0) {
          test.harness.reload()
          this.joins.clear()
          this.joined.clear()
        }
        break
      case 4:
        test.advance(int(12_000))
        break
      default:
        test.advance(int(800))
        this.turn(name)
    }
    this.checkOwners()
    if (this.#kind !== undefined && test.kind !== this.#kind) this.conversions++
    this.#kind = test.kind
  }

  enter(name: string): void {
    const client = this.test.client(name)
    client.forgetAll()
    this.joined.delete(name)
    if (classic.includes(name)) {
      client.memberId = ""
      this.classicJoin(name)
    } else {
      client.memberId = `${name}${this.int(1e6)}`
      this.test.join(name)
    }
  }

  /** What a library does from time to time. */
  turn(name: string): void {
    const { test } = this
    if (this.silent.has(name)) return
    const client = test.client(name)
    if (!classic.includes(name)) {
      if (client.epoch > 0 && test.beat(name) !== "NONE") this.enter(name)
      return
    }
    const answer = this.joined.get(name)
    if (answer !== undefined) {
      this.#sync(name, answer)
      return
    }
    const join = this.joins.get(name)
    if (join !== undefined) {
      if (join.isAnswered) this.#onJoined(name, join.answer)
      return
    }
    if (client.memberId === "") return
    const error = test.classicBeat(name)
    if (error === "NONE") return
    if (error === "REBALANCE_IN_PROGRESS") this.classicJoin(name)
    else {
      client.holds.clear()
      if (error === "UNKNOWN_MEMBER_ID") client.memberId = ""
      this.classicJoin(name)
    }
  }

  classicJoin(name: string): void {
    const join = this.test.classicJoin(name)
    this.joins.set(name, join)
    if (join.isAnswered) this.#onJoined(name, join.answer)
  }

  #onJoined(name: string, answer: JoinResponse): void {
    this.joins.delete(name)
    if (answer.errorCode !== 0) {
      if (answer.errorCode === Errors.UNKNOWN_MEMBER_ID) this.enter(name)
      return
    }
    if (this.int(2) === 0) this.joined.set(name, answer)
    else this.#sync(name, answer)
  }

  #sync(name: string, answer: JoinResponse): void {
    this.joined.delete(name)
    const isLeader = answer.leader === this.test.client(name).memberId
    this.test.classicSync(name, isLeader ? this.#assign(answer) : {})
  }

  /** As a cooperative assignor: everybody keeps what it has, what nobody has is dealt out, and who has too much gives one away. */
  #assign({ members }: JoinResponse): Record<string, string[]> {
    const byId = new Map(classic.map((name) => [this.test.client(name).memberId, name]))
    const shares = new Map<string, string[]>()
    const taken = new Set<string>()
    for (const { memberId, metadata } of members) {
      const owned = readSubscription(Buffer.from(metadata))!.ownedPartitions.flatMap(({ topic, partitions: held }) =>
        held.map((each) => `${topic}-${each}`),
      )
      shares.set(
        memberId,
        owned.filter((each) => !taken.has(each)),
      )
      for (const each of owned) taken.add(each)
    }
    const least = () => [...shares].reduce((a, b) => (b[1].length < a[1].length ? b : a))[1]
    for (let partition = 0; partition < partitions; partition++)
      if (!taken.has(`t-${partition}`)) least().push(`t-${partition}`)
    return Object.fromEntries([...shares].map(([memberId, held]) => [byId.get(memberId) ?? memberId, held]))
  }

  checkOwners(): void {
    const owners = new Map<string, string>()
    for (const [name, client] of this.test.clients) {
      if (!this.isMember(name)) continue
      for (const partition of client.holds) {
        assert.equal(owners.get(partition), undefined, `${partition}: ${owners.get(partition)} and ${name}`)
        owners.set(partition, name)
      }
    }
  }

  settle(): void {
    const { test } = this
    for (let round = 0; round < 140; round++) {
      test.advance(1000)
      for (const name of [...modern, ...classic]) if (this.isMember(name) || this.joins.has(name)) this.turn(name)
      this.checkOwners()
    }
    const names = [...modern, ...classic].filter((name) => this.isMember(name))
    if (names.length === 0) return
    const group = test.harness.groups.get(groupId)!
    assert.equal(group instanceof ClassicGroup ? group.state : test.state, "Stable")
    assert.equal(
      names.reduce((sum, name) => sum + test.client(name).holds.size, 0),
      partitions,
    )
  }
}

test("no partition has two owners while members of both protocols come and go, and the group settles", () => {
  let conversions = 0
  for (let seed = 0; seed < 100; seed++) {
    const group = new RandomMigration(seededInt(seed))
    try {
      for (let step = 0; step < 120; step++) group.step()
      group.settle()
    } catch (error) {
      throw new Error(`seed ${seed}: ${String(error)}\n${group.test.harness.trace.text().slice(-6000)}`, {
        cause: error,
      })
    }
    conversions += group.conversions
  }
  assert.ok(conversions > 100, `only ${conversions} conversions`)
})
