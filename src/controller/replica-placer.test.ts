import assert from "node:assert/strict"
import { test } from "node:test"
import type { BrokerRegistration } from "../metadata/image.js"
import { seededInt } from "../protocol/testdata/random.js"
import { placeReplicas } from "./replica-placer.js"
import { ClusterTest } from "./testing/cluster-test.js"
import { createPartitions, createTopics, type TopicDefaults } from "./topics.js"

const broker = (
  brokerId: number,
  {
    rack = null,
    machineId = null,
    fenced = false,
  }: { rack?: string | null; machineId?: string | null; fenced?: boolean } = {},
): BrokerRegistration => ({
  brokerId,
  rack,
  machineId,
  fenced,
  incarnationId: "AAAAAAAAAAAAAAAAAAAAAA",
  brokerEpoch: 0,
  endPoints: [],
  features: [],
  inControlledShutdown: false,
  logDirs: [],
  cordonedLogDirs: [],
})

const countBy = <T>(items: readonly T[]): Map<T, number> =>
  items.reduce((counts, item) => counts.set(item, (counts.get(item) ?? 0) + 1), new Map<T, number>())
const spread = (counts: Map<number, number>, ids: readonly number[]): number => {
  const values = ids.map((id) => counts.get(id) ?? 0)
  return Math.max(...values) - Math.min(...values)
}

test("whatever the cluster looks like: machines apart, racks apart where there are enough, leaders even", () => {
  for (let seed = 1; seed <= 500; seed++) {
    const below = seededInt(seed)
    const racks = 1 + below(4)
    const machines = 1 + below(8)
    const brokers = Array.from({ length: 1 + below(12) }, (_, index) => {
      const machine = below(machines)
      return broker(index + 1, { rack: `r${machine % racks}`, machineId: `m${machine}`, fenced: below(5) === 0 })
    })
    const live = brokers.filter(({ fenced }) => !fenced)
    if (live.length === 0) continue
    const machineCount = new Set(brokers.map(({ machineId }) => machineId)).size
    const rackCount = new Set(brokers.map(({ rack }) => rack)).size
    const factor = 1 + below(Math.min(4, machineCount))
    const count = 1 + below(60)
    const placed = placeReplicas(brokers, below(10), count, factor, below)
    const of = (id: number) => brokers[id - 1]!
    for (const replicas of placed) {
      assert.equal(replicas.length, factor)
      assert.equal(new Set(replicas.map((id) => of(id).machineId)).size, factor, `seed ${seed}: machines`)
      assert.equal(new Set(replicas.map((id) => of(id).rack)).size, Math.min(factor, rackCount), `seed ${seed}: racks`)
      assert.equal(of(replicas[0]!).fenced, false, `seed ${seed}: the first replica lives`)
    }
    const leaders = countBy(placed.map((replicas) => replicas[0]!))
    assert.ok(
      spread(
        leaders,
        live.map(({ brokerId }) => brokerId),
      ) <= 1,
      `seed ${seed}: leaders`,
    )
  }
})

test("among equals replicas are even too, and the partitions of a broker that dies fall to all others", () => {
  for (const size of [3, 4, 5, 8]) {
    const brokers = Array.from({ length: size }, (_, index) => broker(index + 1))
    const ids = brokers.map(({ brokerId }) => brokerId)
    const placed = placeReplicas(brokers, 0, size * (size - 1) * 4, 3, () => 0)
    assert.ok(spread(countBy(placed.flat()), ids) <= 2, `${size} brokers`)
    for (const dead of ids) {
      const heirs = countBy(placed.filter(([first]) => first === dead).map(([, second]) => second!))
      assert.ok(
        spread(
          heirs,
          ids.filter((id) => id !== dead),
        ) <= 3,
        `${size} brokers, ${dead} dies: ${JSON.stringify([...heirs])}`,
      )
    }
  }
})

const defaults = (below: (count: number) => number): TopicDefaults => ({
  numPartitions: 1,
  replicationFactor: 3,
  configProblem: () => undefined,
  newUuid: () => "AAAAAAAAAAAAAAAAAAAAZA",
  randomInt: below,
})

const topic = (replicationFactor: number, assignments: readonly number[][] = []) => ({
  name: "t",
  numPartitions: assignments.length > 0 ? -1 : 1,
  replicationFactor: assignments.length > 0 ? -1 : replicationFactor,
  assignments: assignments.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds })),
  configs: [],
})

function problemOf(t: ClusterTest, replicationFactor: number, assignments?: readonly number[][]): string | null {
  const { results } = createTopics(t.image, [topic(replicationFactor, assignments)], defaults(seededInt(1)))
  const [result] = results
  return "failure" in result! ? `${result.failure.errorCode} ${result.failure.errorMessage}` : null
}

test("more replicas than machines are refused with the reason", () => {
  const t = new ClusterTest()
  t.start([1, 2, 3], { machineId: "m" })
  assert.equal(problemOf(t, 1), null)
  assert.equal(
    problemOf(t, 2),
    "38 Unable to replicate the partition 2 time(s): The target replication factor of 2 cannot be reached because the 3 registered broker(s) are on only 1 machine(s), and two replicas on one machine would fail together.",
  )
  assert.equal(
    problemOf(t, 4),
    "38 Unable to replicate the partition 4 time(s): The target replication factor of 4 cannot be reached because only 3 broker(s) are registered.",
  )
  assert.equal(
    problemOf(t, 1, [[1, 2]]),
    "39 The manual partition assignment includes brokers 1 and 2, which are on the same machine (m): its failure would take both replicas.",
  )
  t.start([4])
  assert.equal(problemOf(t, 2), null)
})

test("with nobody to lead, nothing is created", () => {
  const t = new ClusterTest()
  t.start([1, 2])
  t.fence(1)
  t.heartbeat(2, { wantFence: true })
  assert.equal(
    problemOf(t, 1),
    "38 Unable to replicate the partition 1 time(s): All brokers are currently fenced or in controlled shutdown.",
  )
  assert.equal(
    problemOf(t, 1, [[1, 2]]),
    "39 All brokers specified in the manual partition assignment for partition 0 are fenced or in controlled shutdown.",
  )
})

test("further partitions of a topic keep machines apart too", () => {
  const t = new ClusterTest()
  t.start([1, 2], { machineId: "m" })
  t.start([3])
  t.topic("a", [[1, 3]])
  const { records, results } = createPartitions(
    t.image,
    [{ name: "a", count: 20, assignments: null }],
    defaults(seededInt(3)),
  )
  assert.ok("ok" in results[0]!)
  for (const record of records)
    if (record.type === "PartitionRecord")
      assert.ok(record.value.replicas.includes(3), "one replica is on the other machine")
})
