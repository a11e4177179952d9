import assert from "node:assert/strict"
import { test } from "node:test"
import { groupOverrideProblem, limitedGroupValue } from "./group-limits.js"
import { loadServerConfig } from "./server-config.js"

const errorsOf = (overrides: Record<string, string>): readonly string[] => loadServerConfig({ overrides }).errors

test("settings of groups that contradict each other are refused, with the names of both", () => {
  const cases: { overrides: Record<string, string>; names: string[] }[] = [
    {
      overrides: { "group.consumer.heartbeat.interval.ms": "3000" },
      names: ["group.consumer.min.heartbeat.interval.ms", "group.consumer.heartbeat.interval.ms"],
    },
    {
      overrides: { "group.consumer.session.timeout.ms": "70000" },
      names: ["group.consumer.session.timeout.ms", "group.consumer.max.session.timeout.ms"],
    },
    {
      overrides: { "group.consumer.assignment.interval.ms": "20000" },
      names: ["group.consumer.assignment.interval.ms", "group.consumer.max.assignment.interval.ms"],
    },
    {
      overrides: { "group.consumer.min.session.timeout.ms": "1000", "group.consumer.session.timeout.ms": "5000" },
      names: ["group.consumer.heartbeat.interval.ms", "group.consumer.session.timeout.ms"],
    },
    { overrides: { "group.consumer.assignors": "uniform,sticky" }, names: ["group.consumer.assignors", "sticky"] },
    {
      overrides: { "group.coordinator.rebalance.protocols": "consumer" },
      names: ["group.coordinator.rebalance.protocols"],
    },
    { overrides: { "offsets.topic.compression.codec": "5" }, names: ["offsets.topic.compression.codec"] },
  ]
  for (const { overrides, names } of cases) {
    const errors = errorsOf(overrides)
    assert.equal(errors.length, 1, JSON.stringify(overrides))
    for (const name of names) assert.ok(errors[0]!.includes(name), errors[0])
  }
})

test("Kafka's names of the assignors' classes are names of assignors", () => {
  assert.deepEqual(
    errorsOf({ "group.consumer.assignors": "org.apache.kafka.coordinator.group.assignor.RangeAssignor, uniform" }),
    [],
  )
})

test("shorter timeouts are possible when their lower limits say so", () => {
  assert.deepEqual(
    errorsOf({
      "group.consumer.min.session.timeout.ms": "6000",
      "group.consumer.session.timeout.ms": "6000",
      "group.consumer.min.heartbeat.interval.ms": "1000",
      "group.consumer.heartbeat.interval.ms": "1000",
    }),
    [],
  )
})

test("a group's own setting stays within the broker's limits", () => {
  const limits: Record<string, number> = {
    "group.consumer.min.session.timeout.ms": 45000,
    "group.consumer.max.session.timeout.ms": 60000,
  }
  const limit = (name: string) => limits[name]!
  const name = "consumer.session.timeout.ms"
  assert.equal(
    groupOverrideProblem(name, 44999, limit),
    "consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms",
  )
  assert.equal(
    groupOverrideProblem(name, 60001, limit),
    "consumer.session.timeout.ms must be less than or equal to group.consumer.max.session.timeout.ms",
  )
  assert.equal(groupOverrideProblem(name, 45000, limit), undefined)
  assert.equal(groupOverrideProblem("share.auto.offset.reset", Number.NaN, limit), undefined)
  assert.deepEqual(
    [1, 50000, 90000].map((value) => limitedGroupValue(name, value, limit)),
    [45000, 50000, 60000],
  )
})
