/**
 * The stories clients live through: a group of three that loses a member by force, another by its leave, the rest by a stop, and goes on;
 * and one whose broker is killed and comes back.
 *
 * Owns the order of events and how long each may take. What is right is judge.ts's business; how a client does it, that of members/.
 */
import type { CheckContext } from "../check.js"
import { type Address, parseAddress, WireClient } from "../client.js"
import { Journal } from "./journal.js"
import { judge, judgeLog, type LoggedRecord, type Verdict } from "./judge.js"
import { type Launch, Member } from "./member.js"

export type GroupProtocol = "classic" | "consumer"

export interface GroupClient {
  readonly name: string
  readonly about: string
  /** What the story is told with: the second word, if any, names a way to assign within the protocol. */
  readonly protocols: readonly (GroupProtocol | "classic cooperative")[]
  /** As `JudgeOptions` has it, seen on Apache Kafka too. */
  readonly deliversLate?: boolean
  /** As `Check` has it. */
  readonly needsCalm?: string
  /** Installs and builds. Errors: `Skip`. */
  prepare(): Promise<(args: readonly string[]) => Launch>
}

const partitions = 6
const keys = 60
const batchRecords = 150
const stepTimeoutMs = 40_000
const lookAgainMs = 20
const commitAttemptsMax = 20
const complaintCharactersMax = 300
const keyOf = (value: number) => `key-${value % keys}`

interface Stage {
  readonly bootstrap: string
  readonly topic: string
  readonly client: GroupClient
  readonly protocol: GroupClient["protocols"][number]
}

async function withStory(stage: Stage, body: (story: Story) => Promise<string>): Promise<string> {
  const { bootstrap, topic, client, protocol } = stage
  const launch = await client.prepare()
  const story = new Story(client, parseAddress(bootstrap), topic, (role) =>
    launch([role, bootstrap, topic, topic, protocol]),
  )
  try {
    await story.begin()
    return await body(story)
  } finally {
    await story.end()
  }
}

/** The story of members that go and come. */
export function tellOfMembers(
  context: CheckContext,
  client: GroupClient,
  protocol: GroupClient["protocols"][number],
): Promise<string> {
  const topic = context.topic(`group-${client.name}-${protocol.replace(" ", "-")}`)
  return withStory({ bootstrap: context.bootstrap, topic, client, protocol }, (story) => story.ofMembers())
}

/** The story of a broker that is killed and comes back: `killAndStart` resolves when it answers again, where it was. */
export function tellOfBroker(
  broker: { readonly bootstrap: string; killAndStart(): Promise<void> },
  client: GroupClient,
  protocol: GroupClient["protocols"][number],
): Promise<string> {
  const stage = { bootstrap: broker.bootstrap, topic: "group-over-restarts", client, protocol }
  return withStory(stage, (story) => story.ofBroker(() => broker.killAndStart()))
}

class Story {
  readonly #journal = new Journal()
  readonly #cast = new Set<Member>()
  #produced = 0
  readonly #ends = new Array<number>(partitions).fill(0)
  #producer: Member | undefined
  #wire: WireClient | undefined

  constructor(
    private readonly client: GroupClient,
    private readonly address: Address,
    private readonly topic: string,
    private readonly launch: (role: "produce" | "consume") => Launch,
  ) {}

  async begin(): Promise<void> {
    await (await this.#client()).createTopic(this.topic, partitions)
    this.#producer = this.#enter("producer", "produce")
    await this.#producer.says("ready")
  }

  /** To a broker that may have been away since the last time. */
  async #client(): Promise<WireClient> {
    if (this.#wire === undefined || this.#wire.isLost) this.#wire = await WireClient.connect(this.address)
    return this.#wire
  }

  async ofBroker(killAndStart: () => Promise<void>): Promise<string> {
    const members = ["a", "b", "c"].map((name) => this.#enter(name, "consume"))
    await this.#settled(members)
    await this.#produce()
    await this.#seenByMembers()
    for (const member of members) await this.#commit(member)
    await this.#produce()
    await this.#seenByMembers()
    await this.#kill(killAndStart)
    const startedMs = Date.now()
    // What is committed now was perhaps seen before the kill only: whoever still has the partition may commit it.
    await this.#produce()
    await this.#seenByMembers()
    const seconds = ((Date.now() - startedMs) / 1000).toFixed(1)
    await this.#settled(members)
    for (const member of members) await this.#commit(member)
    await this.#produce()
    await this.#exit(members[0]!, () => members[0]!.leave())
    await this.#settled(members.slice(1))
    await this.#seenByMembers()
    await this.#kill(killAndStart)
    // Nobody left with a commit: whoever comes begins where the last ones are.
    for (const member of members.slice(1)) await this.#exit(member, () => member.kill())
    const d = this.#enter("d", "consume")
    await this.#settled([d])
    await this.#seenByMembers()
    await this.#commit(d)
    await this.#exit(d, () => d.leave())
    await this.#exit(this.#producer!, () => this.#producer!.leave())
    const { seen, redelivered } = await this.#judge()
    return `${seen} seen, ${redelivered} of them again; ${seconds} s after the broker's return`
  }

  async #kill(killAndStart: () => Promise<void>): Promise<void> {
    this.#journal.add({ kind: "brokerKilled", atMs: Date.now(), member: "broker" })
    await killAndStart()
  }

  async ofMembers(): Promise<string> {
    const [a, b, c] = ["a", "b", "c"].map((name) => this.#enter(name, "consume")) as [Member, Member, Member]
    await this.#settled([a, b, c])
    await this.#produce()
    await this.#seenByMembers()
    for (const member of [a, b, c]) await this.#commit(member)

    // What only a saw and did not commit has to be seen again by whoever follows it.
    await this.#produce()
    await this.#seenByMembers()
    for (const member of [b, c]) await this.#commit(member)
    const killedMs = Date.now()
    await this.#exit(a, () => a.kill())
    await this.#settled([b, c])
    await this.#seenByMembers()
    const killSeconds = ((Date.now() - killedMs) / 1000).toFixed(1)

    await this.#produce()
    await this.#seenByMembers()
    for (const member of [b, c]) await this.#commit(member)
    const leftMs = Date.now()
    await this.#exit(c, () => c.leave())
    await this.#settled([b])
    await this.#produce()
    await this.#seenByMembers()
    const leaveSeconds = ((Date.now() - leftMs) / 1000).toFixed(1)
    await this.#commit(b)

    await this.#produce()
    await this.#seenByMembers()
    await this.#exit(b, () => b.leave())
    await this.#produce()
    const d = this.#enter("d", "consume")
    await this.#settled([d])
    await this.#seenByMembers()
    await this.#commit(d)
    await this.#exit(d, () => d.leave())
    await this.#exit(this.#producer!, () => this.#producer!.leave())
    const { seen, redelivered, late } = await this.#judge()
    const lateNote = late > 0 ? `, ${late} of them late` : ""
    return `${seen} seen, ${redelivered} of them again${lateNote}; ${killSeconds} s after a kill, ${leaveSeconds} s after a leave`
  }

  async end(): Promise<void> {
    await Promise.all([...this.#cast].map((member) => member.kill()))
    this.#wire?.close()
  }

  #enter(name: string, role: "produce" | "consume"): Member {
    const member = new Member(name, this.launch(role), this.#journal)
    this.#cast.add(member)
    return member
  }

  async #exit(member: Member, how: () => Promise<void>): Promise<void> {
    this.#cast.delete(member)
    await how()
  }

  async #produce(): Promise<void> {
    const answer = await this.#producer!.ask(`produce ${this.#produced} ${batchRecords}`, "produced", "failed")
    if (answer.startsWith("failed")) throw new Error(`produce: ${answer}`)
    this.#produced += batchRecords
    const wire = await this.#client()
    for (let partition = 0; partition < partitions; partition++)
      this.#ends[partition] = (await wire.listOffset(this.topic, partition, -1)).offset
  }

  /** A commit during a rebalance may be refused; the client is asked again. */
  async #commit(member: Member): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const answer = await member.ask("commit", "committed", "failed")
      if (answer.startsWith("committed")) return
      if (attempt === commitAttemptsMax) throw new Error(`${member.name}: commit ${answer}`)
      await new Promise((resolve) => setTimeout(resolve, 10 * lookAgainMs))
    }
  }

  /** All partitions are owned, each by one of these, evenly. */
  async #settled(members: readonly Member[]): Promise<void> {
    await this.#until("settle", () => {
      const owned = members.map(({ name }) => this.#journal.owned(name))
      const sizes = owned.map(({ size }) => size)
      const distinct = new Set(owned.flatMap((one) => [...one])).size
      const total = sizes.reduce((sum, size) => sum + size, 0)
      return distinct === partitions && total === partitions && Math.max(...sizes) - Math.min(...sizes) <= 1
    })
  }

  /** Members that are still there have seen, or somebody has committed, all there is. */
  async #seenByMembers(): Promise<void> {
    await this.#until("see everything", () =>
      this.#ends.every(
        (end, partition) => this.#journal.position(partition) >= end || this.#journal.committed(partition) >= end,
      ),
    )
  }

  async #until(what: string, isMet: () => boolean): Promise<void> {
    const deadlineMs = Date.now() + stepTimeoutMs
    while (!isMet()) {
      for (const member of this.#cast) member.check()
      if (Date.now() > deadlineMs) throw new Error(`the group did not ${what} in time: ${this.#situation()}`)
      await new Promise((resolve) => setTimeout(resolve, lookAgainMs))
    }
  }

  #situation(): string {
    const owned = [...this.#cast].map(({ name }) => `${name} [${[...this.#journal.owned(name)].sort().join(" ")}]`)
    const offsets = this.#ends.map(
      (end, partition) => `${this.#journal.committed(partition)}<=${this.#journal.position(partition)}<=${end}`,
    )
    const complaints = [...this.#cast].filter(({ errors }) => errors !== "")
    const errors = complaints.map(({ name, errors }) => `\n${name}: ${errors.slice(-complaintCharactersMax)}`).join("")
    return `${owned.join(" ")}, committed<=seen<=end ${offsets.join(" ")}${errors}`
  }

  async #judge(): Promise<Verdict> {
    const log: LoggedRecord[][] = []
    const wire = await this.#client()
    for (let partition = 0; partition < partitions; partition++) {
      const records: LoggedRecord[] = []
      for await (const { key, value } of wire.readPartition(this.topic, partition))
        records.push({ key: String(key), value: String(value) })
      log.push(records)
    }
    const verdict = judge(log, this.#journal.entries, this.client)
    const faults = [...judgeLog(log, this.#produced, keyOf), ...verdict.faults]
    if (faults.length > 0)
      throw new Error(`${verdict.faultCount} faults among ${verdict.seen} seen\n${faults.join("\n")}`)
    return verdict
  }
}
