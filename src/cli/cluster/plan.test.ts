import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import type { ClusterState } from "./cluster-state.js"
import { balancePlan, drainPlan, loadsOf, type Move, type Plan, placeTopic, target } from "./plan.js"
import { broker, cluster, partition } from "./testing/states.js"

const movesOf = (plan: Plan): readonly Move[] => ("moves" in plan ? plan.moves : assert.fail(plan.impossible))

/** The state after the moves. */
const after = (state: ClusterState, moves: readonly Move[]): ClusterState => ({
  ...state,
  partitions: state.partitions.map((each) => {
    const move = moves.find(({ topic, partition }) => topic === each.topic && partition === each.partition)
    return move === undefined ? each : partition(each.partition, move.replicas)
  }),
})

test("a drained broker's replicas go where the rules of racks and machines are kept, in their places", () => {
  const brokers = [
    broker(1, { rack: "a" }),
    broker(2, { rack: "b" }),
    broker(3, { rack: "b", machine: "broker 2" }),
    broker(4, { rack: "a" }),
  ]
  const state = cluster({ brokers, partitions: [partition(0, [1, 2]), partition(1, [2, 1])] })
  assert.deepEqual(
    movesOf(drainPlan(state, new Set([1]))).map(({ replicas }) => replicas),
    [
      [4, 2],
      [2, 4],
    ],
  )
})

test("a broker cannot be drained when too few remain", () => {
  const plan = drainPlan(cluster(), new Set([3]))
  assert.match("impossible" in plan ? plan.impossible : "", /t-0 needs 3 replicas, and only 2 brokers are left/)
})

test("fenced brokers are given nothing", () => {
  const brokers = [broker(1), broker(2), broker(3, { fenced: true }), broker(4)]
  const moves = movesOf(drainPlan(cluster({ brokers, partitions: [partition(0, [1, 2])] }), new Set([1])))
  assert.deepEqual(moves[0]!.replicas, [4, 2])
})

test("a new broker gets its share, and what is even stays where it is", () => {
  const partitions = Array.from({ length: 12 }, (_, index) => partition(index, [1, 2, 3]))
  const state = cluster({ brokers: [1, 2, 3, 4].map((id) => broker(id)), partitions })
  const moves = movesOf(balancePlan(state))
  const balanced = after(state, moves)
  assert.deepEqual([...loadsOf(balanced).replicas.values()], [9, 9, 9, 9])
  assert.deepEqual([...loadsOf(balanced).first.values()], [3, 3, 3, 3])
  assert.deepEqual(movesOf(balancePlan(balanced)), [])
})

test("any plan keeps the number of replicas and never names a broker twice or a machine where another is free", () => {
  const states = fc
    .record({
      machines: fc.integer({ min: 3, max: 6 }),
      perMachine: fc.integer({ min: 1, max: 2 }),
      partitions: fc.array(fc.array(fc.nat(1000), { minLength: 1, maxLength: 3 }), { maxLength: 20 }),
    })
    .map(({ machines, perMachine, partitions }): ClusterState => {
      const brokers = Array.from({ length: machines * perMachine }, (_, index) =>
        broker(index, { machine: `m${index % machines}`, rack: `r${index % 2}` }),
      )
      const place = (picks: readonly number[]) => {
        const chosen: number[] = []
        for (const pick of picks) {
          const free = brokers.filter(({ machine }) => !chosen.some((id) => brokers[id]!.machine === machine))
          chosen.push(free[pick % free.length]!.id)
        }
        return chosen
      }
      return cluster({ brokers, partitions: partitions.map((picks, index) => partition(index, place(picks))) })
    })
  fc.assert(
    fc.property(states, fc.nat(20), (state, leaving) => {
      const drained = new Set([leaving % state.brokers.length])
      for (const plan of [balancePlan(state), drainPlan(state, drained)]) {
        if ("impossible" in plan) continue
        for (const each of after(state, plan.moves).partitions) {
          const before = target(state.partitions[each.partition]!)
          const machines = each.replicas.map((id) => state.brokers[id]!.machine)
          assert.equal(each.replicas.length, before.length)
          assert.equal(new Set(each.replicas).size, each.replicas.length)
          const left = new Set(state.brokers.filter(({ id }) => !drained.has(id)).map(({ machine }) => machine)).size
          if (left >= each.replicas.length) assert.equal(new Set(machines).size, machines.length)
        }
      }
    }),
    { seed: 1, numRuns: 200 },
  )
})

test("a balanced cluster differs by one replica at most, however it began", () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 6 }), fc.array(fc.nat(1000), { maxLength: 40 }), (count, picks) => {
      const brokers = Array.from({ length: count }, (_, id) => broker(id))
      const partitions = picks.map((pick, index) => partition(index, [pick % count, (pick + 1) % count]))
      const state = cluster({ brokers, partitions })
      const { replicas } = loadsOf(after(state, movesOf(balancePlan(state))))
      const loads = brokers.map(({ id }) => replicas.get(id) ?? 0)
      assert.ok(Math.max(...loads) - Math.min(...loads) <= 1, loads.join())
    }),
    { seed: 1, numRuns: 200 },
  )
})

test("a topic is placed over the brokers named, or told why not", () => {
  const state = cluster({ brokers: [1, 2, 3, 4].map((id) => broker(id, { fenced: id === 4 })) })
  const placed = after(state, movesOf(placeTopic(state, "t", [1, 2], 2)))
  assert.deepEqual(
    placed.partitions.map(({ replicas }) => [...replicas].sort()),
    [
      [1, 2],
      [1, 2],
    ],
  )
  assert.notEqual(placed.partitions[0]!.replicas[0], placed.partitions[1]!.replicas[0])
  const refused: [number[], number | undefined, RegExp][] = [
    [[1, 9], undefined, /no broker 9; there are 1, 2, 3, 4/],
    [[1, 4], 2, /broker 4 is fenced/],
    [[1, 2], 3, /t-0 is to have 3 replicas, and --to names 2 brokers/],
  ]
  for (const [to, factor, expected] of refused) {
    const plan = placeTopic(state, "t", to, factor)
    assert.match("impossible" in plan ? plan.impossible : "", expected)
  }
})
