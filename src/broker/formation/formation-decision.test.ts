import assert from "node:assert/strict"
import { test } from "node:test"
import { decideFormation, type Introduction, type Round } from "./formation-decision.js"

const servers = ["a:9093", "b:9093", "c:9093"]

const node = (nodeId: number, fields: Partial<Introduction> = {}): Introduction => ({
  nodeId,
  directoryId: `directory-${nodeId}`,
  processId: `process-${nodeId}`,
  clusterId: null,
  bootstrapServers: servers,
  ...fields,
})

const all: Record<string, Introduction | string> = { "a:9093": node(1), "b:9093": node(2), "c:9093": node(3) }

/** What node 1, behind a:9093, decides. */
const decide = (answers: Record<string, Introduction | string> = {}, round: Partial<Round> = {}) =>
  decideFormation({
    setting: "controller.quorum.bootstrap.servers",
    idOf: new Map(),
    self: node(1),
    isController: true,
    servers,
    ownServers: new Set(["a:9093"]),
    answers: new Map(Object.entries({ ...all, ...answers })),
    ...round,
  })

test("the node with the smallest id founds, with all as voters; the others wait for it", () => {
  const founded = decide()
  assert.deepEqual(
    founded.kind === "found" && founded.members.map((each) => [each.server, each.node.directoryId]),
    servers.map((server, index) => [server, `directory-${index + 1}`]),
  )
  assert.deepEqual(decide({}, { self: node(2), ownServers: new Set(["b:9093"]) }), {
    kind: "wait",
    reason: "node 1 is to found the cluster",
  })
})

test("whoever belongs to a cluster is joined, though others are silent or were told another list", () => {
  const member = node(3, { clusterId: "X", bootstrapServers: [] })
  const joined = { kind: "join", clusterId: "X" }
  assert.deepEqual(decide({ "c:9093": member }), joined)
  assert.deepEqual(decide({ "b:9093": "does not answer", "c:9093": member }), joined)
  assert.deepEqual(decide({ "c:9093": member }, { isController: false, self: node(9), ownServers: new Set() }), joined)
})

const waits: [string, ReturnType<typeof decide>, RegExp][] = [
  ["one server is silent", decide({ "b:9093": "does not answer (refused)" }), /all of .* are needed: b:9093 does not/],
  ["it is a broker only", decide({}, { isController: false }), /belongs to a cluster yet/],
  ["it is none of the servers", decide({}, { self: node(0), ownServers: new Set() }), /this node is none of/],
]
for (const [rule, decision, reason] of waits) {
  test(`nothing is founded while ${rule}`, () => {
    assert.equal(decision.kind, "wait")
    assert.match(decision.kind === "wait" ? decision.reason : "", reason)
  })
}

const refusals: [string, ReturnType<typeof decide>, RegExp][] = [
  [
    "servers belong to two clusters",
    decide({ "b:9093": node(2, { clusterId: "X" }), "c:9093": node(3, { clusterId: "Y" }) }),
    /different clusters: X at b:9093, Y at c:9093/,
  ],
  [
    "another was told another list",
    decide({ "b:9093": node(2, { bootstrapServers: ["a:9093", "b:9093", "d:9093"] }) }),
    /node 2 at b:9093 was told a:9093,b:9093,d:9093, this one a:9093,b:9093,c:9093/,
  ],
  [
    "two say they are the same node",
    decide({ "c:9093": node(2, { processId: "another" }) }),
    /b:9093 and c:9093 both say they are node 2/,
  ],
  [
    "another has this node's id",
    decide({ "a:9093": node(1, { processId: "another" }) }, { ownServers: new Set() }),
    /a:9093 has id 1 too/,
  ],
  [
    "a member of the cluster has this node's id",
    decide({ "a:9093": node(1, { processId: "another", clusterId: "X" }) }),
    /a:9093 has id 1 too/,
  ],
  [
    "another node than was told answers",
    decide({}, { setting: "controller.quorum.voters", idOf: new Map([["b:9093", 7]]) }),
    /controller\.quorum\.voters: at b:9093 node 2 answers/,
  ],
  ["two servers are one node", decide({ "c:9093": node(2) }), /b:9093 and c:9093 lead to the same node 2/],
  ["a name that is not its own leads to it", decide({}, { ownServers: new Set() }), /advertised as something else/],
]
for (const [rule, decision, reason] of refusals) {
  test(`a start is refused where ${rule}`, () => {
    assert.equal(decision.kind, "refuse")
    assert.match(decision.kind === "refuse" ? decision.reason : "", reason)
  })
}
