import assert from "node:assert/strict"
import { test } from "node:test"
import { zeroUuid } from "../base/ids.js"
import { formatQuorumState, parseQuorumState } from "./quorum-state.js"

// Written by Apache Kafka 4.3.1 with static voters.
const kafkas =
  '{"clusterId":"","leaderId":1,"leaderEpoch":1,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}'

test("Kafka's own file is read, and written back byte for byte", () => {
  const state = parseQuorumState(kafkas)!
  assert.deepEqual(state, {
    election: { leaderId: 1, leaderEpoch: 1, votedId: -1, votedDirectoryId: zeroUuid },
    dataVersion: 0,
  })
  assert.equal(formatQuorumState(state, [1]), kafkas)
})

test("a vote without a leader survives, and either version comes back as it was", () => {
  for (const dataVersion of [0, 1] as const) {
    const votedDirectoryId = dataVersion === 1 ? "AAAAAAAAAAAAAAAAAAAACQ" : zeroUuid
    const state = { election: { leaderId: -1, leaderEpoch: 4, votedId: 2, votedDirectoryId }, dataVersion }
    assert.deepEqual(parseQuorumState(formatQuorumState(state, [2])), state)
  }
})

test("what is no quorum state is not taken for an empty one", () => {
  for (const text of [
    "",
    "{",
    "null",
    "[]",
    '{"leaderEpoch":1}',
    '{"leaderEpoch":"1","data_version":0}',
    '{"data_version":1}',
  ]) {
    assert.equal(parseQuorumState(text), undefined, text)
  }
})
