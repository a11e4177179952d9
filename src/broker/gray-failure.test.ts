import assert from "node:assert/strict"
import { test } from "node:test"
import { createTopics } from "../protocol/messages/create-topics.js"
import { describeQuorum } from "../protocol/messages/describe-quorum.js"
import { metadata } from "../protocol/messages/metadata.js"
import { type ClusterWorld, inClusterWorld } from "./testing/cluster-world.js"
import { Pulse } from "./testing/pulse.js"

const ids = [1, 2, 3]

interface PartitionState {
  readonly leaderId: number
  readonly leaderEpoch: number
  readonly isrNodes: readonly number[]
}

/** What a live node says of the topic's partitions. */
async function states(t: ClusterWorld, from: number): Promise<PartitionState[]> {
  const { topics } = await t.ask(from, metadata, {
    topics: [{ topicId: "AAAAAAAAAAAAAAAAAAAAAA", name: "t" }],
    allowAutoTopicCreation: false,
    includeTopicAuthorizedOperations: false,
    includeClusterAuthorizedOperations: false,
  })
  return [...topics[0]!.partitions].sort((a, b) => a.partitionIndex - b.partitionIndex)
}

/** Who leads the quorum, as a node says that lives. */
async function quorum(t: ClusterWorld, from = 1): Promise<{ readonly leaderId: number; readonly leaderEpoch: number }> {
  const { topics } = await t.ask(from, describeQuorum, {
    topics: [{ topicName: "__cluster_metadata", partitions: [{ partitionIndex: 0 }] }],
  })
  const { leaderId, leaderEpoch } = topics[0]!.partitions[0]!
  return { leaderId, leaderEpoch }
}

/** The active controller, or another node, by turns. */
async function victim(t: ClusterWorld, round: number): Promise<number> {
  const { leaderId } = await quorum(t)
  return round % 2 === 0 ? leaderId : otherThan(leaderId)
}

const otherThan = (id: number): number => ids.find((each) => each !== id)!

const isWhole = (t: ClusterWorld, from: number) => async () =>
  (await states(t, from)).every(({ isrNodes }) => isrNodes.length === 3) ? true : undefined

/** Three nodes, each leads one partition of three replicas, and a client produces to each. */
async function underLoad(
  seed: number,
  story: (t: ClusterWorld, pulses: readonly Pulse[]) => Promise<void>,
): Promise<void> {
  await inClusterWorld(
    ids,
    async (t) => {
      await t.startAll(settings(t))
      const assignments = ids.map((_, index) => ({
        partitionIndex: index,
        brokerIds: [...ids.slice(index), ...ids.slice(0, index)],
      }))
      const topic = { name: "t", numPartitions: -1, replicationFactor: -1, assignments, configs: minIsr }
      const created = await t.ask(1, createTopics, { topics: [topic], timeoutMs: 5000, validateOnly: false })
      assert.equal(created.topics[0]!.errorCode, 0)
      const pulses = ids.map((_, partition) => new Pulse(t, "t", partition).start())
      await t.until("everybody is answered", () => pulses.every(({ count }) => count > 20) || undefined)
      await story(t, pulses)
      for (const pulse of pulses) pulse.stop()
      for (const id of ids) assert.deepEqual(t.of(id).fatal, [])
    },
    { seed },
  )
}

const minIsr = [{ name: "min.insync.replicas", value: "2" }]
const settings = (t: ClusterWorld) => ({ "controller.quorum.voters": t.voters(ids) })

/** The longest any partition was gone. */
async function gap(t: ClusterWorld, pulses: readonly Pulse[], strike: () => void, watchMs: number): Promise<number> {
  const fromMs = t.world.nowMs
  strike()
  await t.passTime(watchMs)
  return Math.max(...pulses.map((pulse) => pulse.longestGapMs(fromMs)))
}

const told = (all: readonly number[]): string => {
  const sorted = [...all].sort((a, b) => a - b)
  const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!.toFixed(0)
  return `${sorted.length} times: median ${at(0.5)} ms, p99 ${at(0.99)} ms, at most ${sorted.at(-1)!.toFixed(0)} ms without an acknowledgement`
}

test("a node that is killed is found at once, whatever it led", async (context) => {
  const all: number[] = []
  for (const seed of [1, 2]) {
    await underLoad(seed, async (t, pulses) => {
      for (let round = 0; round < 4; round++) {
        const id = await victim(t, round)
        all.push(await gap(t, pulses, () => t.crash(id), 1500))
        await t.start(id, settings(t))
        await t.until("all are in sync", isWhole(t, id))
        await t.passTime(500)
      }
    })
  }
  context.diagnostic(told(all))
  assert.ok(Math.max(...all) <= 1000, told(all))
})

test("a silent node is found within two seconds", async (context) => {
  const all: number[] = []
  for (const seed of [1, 2]) {
    await underLoad(seed, async (t, pulses) => {
      for (let round = 0; round < 4; round++) {
        const id = await victim(t, round)
        all.push(await gap(t, pulses, () => t.of(id).machine.pause(5000), 5000))
        await t.passTime(2000)
        await t.until("all are in sync", isWhole(t, id))
      }
    })
  }
  context.diagnostic(told(all))
  assert.ok(Math.max(...all) <= 3000, told(all))
})

test("a disk that hangs, under a leader or under the controller, is waited for three seconds at most", async (context) => {
  const all: number[] = []
  for (const seed of [1, 2]) {
    await underLoad(seed, async (t, pulses) => {
      for (let round = 0; round < 4; round++) {
        const id = await victim(t, round)
        const other = otherThan(id)
        all.push(await gap(t, pulses, () => t.of(id).machine.disk.hang(6_000), 5_000))
        const now = await states(t, other)
        assert.ok(now.every(({ leaderId, isrNodes }) => leaderId !== id && !isrNodes.includes(id)))
        assert.notEqual((await quorum(t, other)).leaderId, id)
        await t.passTime(1_500)
        await t.until("it is in sync again", isWhole(t, other))
      }
    })
  }
  context.diagnostic(told(all))
  assert.ok(Math.max(...all) <= 3000, told(all))
})

test("a disk that becomes 100 ms slower loses the leaderships and the quorum, and nobody is kept waiting", async () => {
  await underLoad(1, async (t, pulses) => {
    const id = (await quorum(t)).leaderId
    const other = otherThan(id)
    const { options } = t.of(id).machine.disk
    options.syncLatencyNs = { least: options.syncLatencyNs.least + 100e6, spread: options.syncLatencyNs.spread }
    const fromMs = t.world.nowMs
    await t.until(
      "others lead",
      async () => ((await states(t, other)).every(({ leaderId }) => leaderId !== id) ? true : undefined),
      4000,
    )
    assert.ok(pulses.every((pulse) => pulse.longestGapMs(fromMs) < 1000))
    // The metadata log is written when there is something to decide.
    for (let number = 0; number < 8 && (await quorum(t, other)).leaderId === id; number++) {
      const topic = { name: `u${number}`, numPartitions: 1, replicationFactor: 3, assignments: [], configs: [] }
      await t.ask(other, createTopics, { topics: [topic], timeoutMs: 5000, validateOnly: false })
      await t.passTime(500)
    }
    assert.notEqual((await quorum(t, other)).leaderId, id)
  })
})

test("a leader whose event loop stood still for longer than clients bear hands over what it leads", async () => {
  await underLoad(1, async (t, pulses) => {
    const id = otherThan((await quorum(t)).leaderId)
    const led = pulses.filter(({ leaderId }) => leaderId === id)
    assert.ok(led.length > 0)
    const fromMs = t.world.nowMs
    t.of(id).machine.pause(2400)
    await t.passTime(4000)
    const other = otherThan(id)
    assert.ok((await states(t, other)).every(({ leaderId, isrNodes }) => leaderId !== id && isrNodes.length === 3))
    for (const pulse of pulses) assert.ok(pulse.longestGapMs(fromMs) < 3500)
  })
})

test("100 ms of delay, 50 more or less, and 2 % of loss are no reason for another leader in ten minutes", async () => {
  await underLoad(1, async (t, pulses) => {
    const network = t.world.network.options
    network.latencyNs = { least: 50e6, spread: 100e6 }
    network.stallChance = 0.02
    network.stallNsMax = 400e6
    for (const pulse of pulses) pulse.patienceMs = 10_000
    const [leaders, elected] = [await states(t, 1), await quorum(t)]
    for (let minute = 0; minute < 10; minute++) {
      await t.passTime(60_000)
      assert.deepEqual(await states(t, 1), leaders)
      assert.deepEqual(await quorum(t), elected)
    }
    assert.ok(pulses.every(({ count }) => count > 500))
  })
})
