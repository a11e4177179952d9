import assert from "node:assert/strict"
import { test } from "node:test"
import { type ConfigRules, incrementalAlterConfigs } from "./configs.js"
import { ClusterTest } from "./testing/cluster-test.js"

const rules: ConfigRules = {
  nodeId: () => 1,
  isPerBroker: () => false,
  problem: () => undefined,
  isList: () => false,
  inherited: () => "",
}

function cluster(): ClusterTest {
  const t = new ClusterTest()
  t.start([1, 2])
  t.topic("a", [[1, 2]], { minInsyncReplicas: 2 })
  t.topic("b", [[1, 2]], { minInsyncReplicas: 2 })
  t.fence(2)
  return t
}

function setMinimum(t: ClusterTest, resourceType: number, resourceName: string, value = "1"): string[] {
  const configs = [{ name: "min.insync.replicas", operation: 0, value }]
  const { records } = incrementalAlterConfigs(t.image, [{ resourceType, resourceName, configs }], rules)
  t.apply(records)
  return records.map(({ type }) => type)
}

test("another minimum of a topic forgets its eligible leaders; of the cluster, all (KIP-966)", () => {
  const one = cluster()
  const epoch = one.partition("a").partitionEpoch
  assert.deepEqual(setMinimum(one, 2, "a"), ["ConfigRecord", "ClearElrRecord"])
  assert.deepEqual([one.state("a"), one.state("b")], ["1@0 isr 1", "1@0 isr 1 elr 2"])
  assert.equal(one.partition("a").partitionEpoch, epoch + 1)
  const all = cluster()
  assert.deepEqual(setMinimum(all, 4, ""), ["ConfigRecord", "ClearElrRecord"])
  assert.deepEqual([all.state("a"), all.state("b")], ["1@0 isr 1", "1@0 isr 1"])
  // Nothing is left to forget.
  assert.deepEqual(setMinimum(all, 4, "", "2"), ["ConfigRecord"])
})

test("a partition without a leader keeps them, for there is nobody else", () => {
  const t = cluster()
  t.topic("c", [[1, 2], [1]], { minInsyncReplicas: 2 })
  t.fence(1)
  t.unfence(1)
  t.alterIsr("a", [1])
  t.apply([{ type: "TopicRecord", value: { name: "empty", topicId: "AAAAAAAAAAAAAAAAAAAAQQ" } }])
  t.fence(1)
  t.start([3])
  t.topic("d", [[3, 1]], { minInsyncReplicas: 2 })
  const before = t.state("a")
  assert.deepEqual(setMinimum(t, 4, ""), ["ConfigRecord"])
  assert.equal(t.state("a"), before)
})
