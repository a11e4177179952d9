import assert from "node:assert/strict"
import { test } from "node:test"
import { Errors } from "../../../protocol/errors.js"
import { SeededRandom } from "../../../sim/random.js"
import type { SyncResponse } from "./classic-member.js"
import { assignmentText, errorName, GroupTest, sessionTimeoutMs } from "./testing/group-test.js"

const seeds = 150
const steps = 120
const names = ["a", "b", "c", "d", "e"]
const instances: Readonly<Record<string, string>> = { d: "i-d", e: "i-e" }
const settings = { classicMaxSize: 4, initialRebalanceDelayMs: 3000 }

interface Parked {
  readonly isAnswered: boolean
  readonly answer: { readonly errorCode: number }
}

/** A client as its library would behave: what it is told it obeys, when it is its turn. */
class Client {
  #phase: "out" | "joining" | "joined" | "syncing" | "stable" = "out"
  #parked: Parked | undefined

  constructor(
    private readonly group: GroupTest,
    private readonly name: string,
  ) {}

  act(random: SeededRandom, mayLeave = true): void {
    const { group, name } = this
    this.look()
    switch (this.#phase) {
      case "out": {
        const topics = random.pick(["x", "y"])
        const protocols = random.chance(0.5) ? { range: topics, sticky: topics } : { sticky: topics, range: topics }
        const instanceId = instances[name] ?? null
        this.#park(
          "joining",
          group.join(name, { protocols, instanceId, version: instanceId === null ? random.pick([3, 9]) : 9 }),
        )
        break
      }
      case "joined": {
        const { generation, memberId } = group.client(name)
        const leads = group.harness.groups.byId.size > 0 && group.group.isLeader(memberId)
        const shares = leads ? names.map((member) => [member, `${member} in ${generation}`]) : []
        this.#park("syncing", group.sync(name, Object.fromEntries(shares)))
        break
      }
      case "stable":
        if (mayLeave && random.chance(0.1)) {
          group.leave(name)
          this.restart()
        } else this.#obey(group.heartbeat(name))
    }
    this.look()
  }

  /** The process is killed, and comes again later. */
  restart(): void {
    this.group.restart(this.name)
    this.#phase = "out"
    this.#parked = undefined
  }

  #park(phase: "joining" | "syncing", parked: Parked): void {
    this.#phase = phase
    this.#parked = parked
  }

  /** Takes in the answer, if it is there. */
  look(): void {
    const parked = this.#parked
    if (parked?.isAnswered !== true) return
    this.#parked = undefined
    if (parked.answer.errorCode !== Errors.NONE) {
      this.#obey(errorName(parked.answer))
      return
    }
    if (this.#phase === "syncing") this.#checkShare(parked.answer as SyncResponse)
    this.#phase = this.#phase === "joining" ? "joined" : "stable"
  }

  #checkShare(answer: SyncResponse): void {
    const share = assignmentText(answer)
    const { generation, memberId } = this.group.client(this.name)
    if (share !== "") assert.equal(share, `${this.name} in ${generation}`)
    const isInTheLog = this.group.harness
      .committedRecords()
      .some(
        ({ type, value }) =>
          type === "GroupMetadata" &&
          value?.generation === generation &&
          value.members.some((member) => member.memberId === memberId && member.assignment.toString() === share),
      )
    assert.ok(isInTheLog, `${this.name} was told a share that the log does not have`)
  }

  #obey(error: string): void {
    if (error === "NONE") return
    if (error === "REBALANCE_IN_PROGRESS" || error === "ILLEGAL_GENERATION" || error === "MEMBER_ID_REQUIRED")
      this.#phase = "out"
    else this.restart()
  }
}

function checkGroup(group: GroupTest, seed: number): void {
  const state = group.harness.groups.byId.size === 0 ? undefined : group.group
  if (state === undefined) return
  const members = [...state.members.values()]
  const parked = members.filter(({ parkedJoin }) => parkedJoin !== undefined).length
  assert.equal(state.parkedJoins, parked, `seed ${seed}: the count of parked joins`)
  if (members.length > 0) assert.ok(state.members.has(state.leaderId ?? ""), `seed ${seed}: a leader that is a member`)
  for (const [instanceId, memberId] of state.staticMembers)
    assert.equal(state.members.get(memberId)?.groupInstanceId, instanceId, `seed ${seed}: static members`)
  for (const memberId of state.pendingSyncs)
    assert.ok(state.members.has(memberId), `seed ${seed}: who has to sync is a member`)
  assert.ok(
    state.state !== "Stable" || parked === 0 || members.some(({ isStatic }) => isStatic),
    `seed ${seed}: nobody parked in Stable`,
  )
  if (state.state === "Empty") assert.equal(members.length, 0, `seed ${seed}: nobody in Empty`)
  const sessions = group.harness.timerKeys().filter((key) => key.includes(":session:")).length
  assert.ok(sessions <= members.length + state.pendingJoins.size, `seed ${seed}: no session without a member`)
  if (state.state === "PreparingRebalance")
    assert.ok(
      group.harness.timerKeys().some((key) => key.endsWith(":join")),
      `seed ${seed}: a join phase ends`,
    )
}

test("members that join, crash, restart and leave at random, over writes that are slow or fail: everybody is answered once, and the group settles", () => {
  for (let seed = 1; seed <= seeds; seed++) {
    const random = new SeededRandom(`classic-${seed}`)
    const group = new GroupTest({ settings, seed: `classic-${seed}` })
    const clients = names.map((name) => new Client(group, name))
    for (let step = 0; step < steps; step++) {
      const client = random.pick(clients)
      if (random.chance(0.04)) client.restart()
      else client.act(random)
      if (random.chance(0.3)) group.advance(random.pick([100, 1000, 4000, 20_000]))
      if (random.chance(0.05)) group.harness.holdWrites()
      if (random.chance(0.1)) group.harness.completeWrites()
      if (random.chance(0.02)) group.harness.failWrites(Errors.NOT_COORDINATOR)
      if (random.chance(0.02)) group.harness.refuseNextWrite(Errors.RECORD_LIST_TOO_LARGE)
      for (const each of clients) each.look()
      checkGroup(group, seed)
    }
    group.harness.completeWrites()
    // Four clients that go on as they should; more would not fit.
    const remaining = clients.slice(1)
    for (let round = 0; round < 200 && !(group.group?.state === "Stable" && round > 150); round++) {
      for (const client of remaining) client.act(random, false)
      group.advance(1000)
      checkGroup(group, seed)
    }
    assert.equal(group.state, "Stable", `seed ${seed}: the group settles`)
    group.advance(2 * sessionTimeoutMs + 120_000)
    assert.equal(group.state, "Empty", `seed ${seed}: and is empty when all are gone`)
    assert.deepEqual(group.harness.timerKeys(), [], `seed ${seed}: with nothing left to run`)
  }
})
