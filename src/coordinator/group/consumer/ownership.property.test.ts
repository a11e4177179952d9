import assert from "node:assert/strict"
import { test } from "node:test"
import { seededInt } from "../../../protocol/testdata/random.js"
import { leavingStaticEpoch } from "./consumer-member.js"
import { type Client, ConsumerTest } from "./testing/consumer-test.js"

type Int = (below: number) => number
const names = ["a", "b", "c", "d", "e", "f"]
const statics = new Set(["e", "f"])

/** Members come, go, lag, crash and change their minds; answers get lost; topics grow; the coordinator moves. */
class RandomGroup {
  readonly test: ConsumerTest
  /** Those that send nothing any more. */
  readonly silent = new Set<string>()
  readonly topics: Record<string, number> = { t: 4, u: 3 }
  readonly subscriptions = new Map<string, readonly string[]>()
  incarnations = 0

  constructor(private readonly int: Int) {
    this.test = new ConsumerTest(this.topics, {
      settings: {
        consumerAssignmentIntervalMs: () => [0, 1000][this.int(2)]!,
        consumerAssignors: int(2) === 0 ? ["uniform", "range"] : ["range", "uniform"],
      },
      seed: `${int(1e9)}`,
    })
  }

  isMember(name: string): boolean {
    const group = this.test.harness.groups.get("orders")
    if (group === undefined) return false
    const member = this.test.group.members.get(this.test.client(name).memberId)
    return member !== undefined && member.memberEpoch !== leavingStaticEpoch
  }

  step(): void {
    const { int, test } = this
    const name = names[int(names.length)]!
    switch (int(14)) {
      case 0:
      case 1:
        this.join(name)
        return
      case 2:
        if (this.isSpeaking(name)) test.leave(name)
        return
      case 3:
        if (this.isSpeaking(name) && statics.has(name)) test.leaveForAWhile(name)
        return
      case 4:
        if (int(3) === 0 && this.isMember(name)) this.silent.add(name)
        return
      case 5:
        if (!this.isSpeaking(name)) return
        this.subscriptions.set(name, this.randomTopics())
        test.beatInFull(name, this.subscriptions.get(name))
        return
      case 6:
        if (!this.isSpeaking(name)) return
        test.losesNextAnswer = true
        test.beat(name)
        test.beatInFull(name, this.subscriptions.get(name))
        return
      case 7:
        if (this.isSpeaking(name)) test.lag(name)
        return
      case 8:
        if (int(6) !== 0) return
        this.topics.t = this.topics.t! + 1
        test.setTopics(this.topics)
        return
      case 9:
        if (int(6) === 0) test.harness.reload()
        return
      case 10:
        test.advance(int(20_000))
        return
      default:
        test.advance(int(500))
        if (this.isSpeaking(name)) test.beat(name)
    }
  }

  isSpeaking(name: string): boolean {
    return this.isMember(name) && !this.silent.has(name) && this.test.client(name).epoch > 0
  }

  randomTopics(): string[] {
    return [["t"], ["u"], ["t", "u"], ["t", "u", "gone"]][this.int(4)]!
  }

  join(name: string): void {
    const client = this.test.client(name)
    if (this.isMember(name) && !this.silent.has(name) && this.int(5) > 0) return
    // A process that starts again has another id.
    if (this.silent.has(name) || this.int(2) === 0) this.test.clients.set(name, this.another(client))
    this.silent.delete(name)
    this.subscriptions.set(name, this.randomTopics())
    this.test.join(name, {
      topics: this.subscriptions.get(name)!,
      memberId: this.test.client(name).memberId,
      ...(statics.has(name) && { instanceId: `i-${name}` }),
    })
  }

  another({ name }: Client): Client {
    const Same = this.test.client(name).constructor as new (name: string) => Client
    const client = new Same(name)
    client.memberId = `${name}${++this.incarnations}`
    return client
  }

  checkOwners(): void {
    const owners = new Map<string, string>()
    for (const [name, client] of this.test.clients) {
      if (!this.isMember(name)) continue
      for (const partition of client.holds) {
        assert.equal(
          owners.get(partition),
          undefined,
          `${partition} is worked on by ${owners.get(partition)} and ${name}`,
        )
        owners.set(partition, name)
      }
    }
  }

  settle(): void {
    const { test } = this
    for (let round = 0; round < 80; round++) {
      test.advance(1000)
      for (const name of names) {
        if (!this.isMember(name) || this.silent.has(name)) continue
        if (test.client(name).epoch === 0) this.join(name)
        else if (test.beat(name) !== "NONE") this.join(name)
        this.checkOwners()
      }
    }
    if (test.harness.groups.get("orders") === undefined || test.group.isEmpty) return
    assert.equal(test.state, "Stable")
    const held = new Set<string>()
    const wanted = new Set<string>()
    for (const name of names) {
      if (!this.isMember(name)) continue
      for (const partition of test.client(name).holds) held.add(partition)
      for (const topic of this.subscriptions.get(name)!)
        for (let partition = 0; partition < (this.topics[topic] ?? 0); partition++) wanted.add(`${topic}-${partition}`)
    }
    assert.deepEqual([...held].sort(), [...wanted].sort())
  }

  image(): unknown {
    const { group } = this.test
    return {
      epoch: group.groupEpoch,
      hash: group.metadataHash,
      assignmentEpoch: group.assignmentEpoch,
      members: [...group.members].sort(),
      targets: [...group.members.keys()].sort().map((memberId) => group.target(memberId)),
      state: group.state(),
    }
  }

  checkReplay(): void {
    if (this.test.harness.groups.get("orders") === undefined) return
    this.test.advance(1)
    // What is overdue is done when the group is loaded.
    if (this.test.group.groupEpoch > this.test.group.assignmentEpoch) return
    const before = this.image()
    this.test.harness.reload()
    assert.deepEqual(this.image(), before)
  }
}

test("no partition has two owners, the group settles, and the log gives the same state", () => {
  for (let seed = 0; seed < 150; seed++) {
    const group = new RandomGroup(seededInt(seed))
    try {
      for (let step = 0; step < 120; step++) {
        group.step()
        group.checkOwners()
      }
      group.checkReplay()
      group.settle()
      group.checkReplay()
    } catch (error) {
      throw new Error(`seed ${seed}: ${String(error)}\n${group.test.harness.trace.text().slice(-3000)}`, {
        cause: error,
      })
    }
  }
})
