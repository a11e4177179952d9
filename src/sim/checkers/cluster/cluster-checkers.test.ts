import assert from "node:assert/strict"
import { test } from "node:test"
import type { MetadataRecord, ValueOf } from "../../../metadata/records.js"
import { type BatchList, type BatchSummary, CommittedRecords } from "./committed-records.js"
import { whyMisshapen } from "./log-shape.js"
import { PartitionStates } from "./partition-states.js"
import { QuorumElections, type VoteOnMedium } from "./quorum-elections.js"

/** Batches as `first-next@epoch`, each with the text as its checksum. */
function log(...texts: readonly string[]): BatchList {
  const batches = texts.map((text): BatchSummary => {
    const [, from, to, epoch, mark] = /^(\d+)-(\d+)@(\d+)(.*)$/.exec(text)!
    return {
      baseOffset: Number(from),
      nextOffset: Number(to),
      leaderEpoch: Number(epoch),
      checksum: Number(from) * 7 + mark!.length,
    }
  })
  return {
    batches,
    endOffset: batches.at(-1)?.nextOffset ?? 0,
    indexOf: (offset) => {
      const at = batches.findIndex(({ nextOffset }) => nextOffset > offset)
      return at < 0 ? batches.length : at
    },
  }
}

function judged<T>(run: (report: (what: string) => void) => T): string[] {
  const found: string[] = []
  run((what) => found.push(what))
  return found
}

const committed = (run: (checker: CommittedRecords) => void) => judged((report) => run(new CommittedRecords(report)))

test("leaders that hold what was committed, and followers that agree so far, are fine", () => {
  const found = committed((checker) => {
    checker.told("t/0", "1", 5, log("0-2@0", "2-5@0", "5-9@0"))
    checker.told("t/0", "2", 7, log("0-2@0", "2-5@0", "5-7@1"))
    checker.leads("t/0", "2", log("0-2@0", "2-5@0", "5-7@1", "7-8@1"))
    checker.leads("t/0", "its head was deleted", log("2-5@0", "5-7@1"))
    checker.follows("t/0", "3", 5, log("0-2@0", "2-5@0", "5-9@0"))
    checker.follows("t/0", "lost what it had not synced", 5, log("0-2@0"))
    checker.follows("t/0", "empty", 5, log())
    checker.leads("t/1", "of a partition nobody knows", log("0-3@0"))
  })
  assert.deepEqual(found, [])
})

const badLogs: readonly [what: string, run: (checker: CommittedRecords) => void][] = [
  ["a new leader lacks the end", (c) => c.leads("t/0", "2", log("0-2@0"))],
  ["a new leader has another batch", (c) => c.leads("t/0", "2", log("0-2@0", "2-5@1"))],
  ["a new leader has other bytes in the same batch", (c) => c.leads("t/0", "2", log("0-2@0", "2-5@0x"))],
  ["a new leader has a hole", (c) => c.leads("t/0", "2", log("0-2@0", "5-6@1"))],
  ["a follower holds something else below where it agreed", (c) => c.follows("t/0", "3", 5, log("0-2@0", "2-5@0y"))],
  ["a leader says more is committed than it has written", (c) => c.told("t/0", "1", 9, log("0-2@0", "2-5@0", "5-7@0"))],
  [
    "another leader commits something else",
    (c) => {
      c.told("t/0", "2", 7, log("0-2@0", "2-7@1"))
    },
  ],
]

for (const [what, run] of badLogs) {
  test(`committed records: ${what}`, () => {
    const found = committed((checker) => {
      checker.told("t/0", "1", 5, log("0-2@0", "2-5@0"))
      run(checker)
    })
    assert.equal(found.length, 1, found.join("; "))
  })
}

test("what a policy allows to be lost is not judged", () => {
  const found = committed((checker) => {
    checker.told("t/0", "1", 5, log("0-2@0", "2-5@0"))
    checker.forget("t/0")
    checker.leads("t/0", "2", log("0-1@3"))
  })
  assert.deepEqual(found, [])
})

test("a log has no holes and its epochs never fall", () => {
  assert.equal(whyMisshapen(log("3-4@1", "4-9@1", "9-10@4").batches), undefined)
  assert.match(whyMisshapen(log("0-2@0", "3-4@0").batches)!, /L3/)
  assert.match(whyMisshapen(log("0-2@0", "1-4@0").batches)!, /L3/)
  assert.match(whyMisshapen(log("0-2@3", "2-4@2").batches)!, /L4/)
})

const onMedium = (leaderEpoch: number, votedId: number, leaderId = -1): VoteOnMedium => ({
  leaderEpoch,
  votedId,
  leaderId,
})

test("elections of the quorum: one leader in an epoch, one vote of a voter, told when it is on the medium", () => {
  const fine = judged((report) => {
    const elections = new QuorumElections(report)
    elections.votes(1, 4, 1, onMedium(4, 1))
    elections.votes(2, 4, 1, onMedium(4, 1))
    elections.votes(2, 4, 1, onMedium(4, -1, 1))
    elections.votes(2, 5, 3, onMedium(6, -1))
    elections.leads(4, 1)
    elections.leads(4, -1)
    elections.leads(4, 1)
    elections.leads(6, 3)
    assert.deepEqual([elections.leaderEpoch, elections.leaderId], [6, 3])
  })
  assert.deepEqual(fine, [])
  const bad: readonly ((elections: QuorumElections) => void)[] = [
    (elections) => {
      elections.leads(4, 1)
      elections.leads(4, 2)
    },
    (elections) => {
      elections.votes(1, 4, 2, onMedium(4, 2))
      elections.votes(1, 4, 3, onMedium(4, 3))
    },
    (elections) => elections.votes(1, 4, 2, undefined),
    (elections) => elections.votes(1, 4, 2, onMedium(3, 2)),
    (elections) => elections.votes(1, 4, 2, onMedium(4, 3)),
  ]
  for (const run of bad) assert.equal(judged((report) => run(new QuorumElections(report))).length, 1)
})

const topicId = "t"
const strict = { minInsyncReplicas: () => 2, mayBeUnclean: () => false }
const registered = (brokerId: number, fenced: number): MetadataRecord => ({
  type: "BrokerRegistrationChangeRecord",
  value: {
    brokerId,
    brokerEpoch: 0,
    fenced,
    inControlledShutdown: 0,
    logDirs: [],
    cordonedLogDirs: null,
  },
})
const anew = (brokerId: number): MetadataRecord => ({
  type: "RegisterBrokerRecord",
  value: { brokerId, fenced: true } as ValueOf<"RegisterBrokerRecord">,
})
const partition = (value: Partial<ValueOf<"PartitionRecord">>): MetadataRecord => ({
  type: "PartitionRecord",
  value: {
    partitionId: 0,
    topicId,
    replicas: [1, 2, 3],
    isr: [1, 2, 3],
    removingReplicas: [],
    addingReplicas: [],
    leader: 1,
    leaderEpoch: 0,
    partitionEpoch: 0,
    directories: [],
    eligibleLeaderReplicas: null,
    lastKnownElr: null,
    leaderRecoveryState: 0,
    ...value,
  } as ValueOf<"PartitionRecord">,
})
const change = (value: Partial<ValueOf<"PartitionChangeRecord">>): MetadataRecord => ({
  type: "PartitionChangeRecord",
  value: {
    partitionId: 0,
    topicId,
    isr: null,
    leader: -2,
    replicas: null,
    removingReplicas: null,
    addingReplicas: null,
    leaderRecoveryState: -1,
    directories: null,
    eligibleLeaderReplicas: null,
    lastKnownElr: null,
    ...value,
  } as ValueOf<"PartitionChangeRecord">,
})

test("elections of partitions are clean and give every leadership an epoch of its own", () => {
  const leaders: string[] = []
  const found = judged((report) => {
    const states = new PartitionStates(report, strict, (_topicId, _partition, epoch, leader) =>
      leaders.push(`${epoch}:${leader}`),
    )
    states.committed(partition({}))
    states.committed(change({ isr: [2, 3], leader: 2 }))
    states.committed(change({ isr: [2] }))
    states.committed(change({ isr: [], leader: -1, eligibleLeaderReplicas: [2, 3] }))
    states.committed(change({ isr: [3], leader: 3, eligibleLeaderReplicas: [2] }))
    states.committed(change({ isr: [3, 2, 1], eligibleLeaderReplicas: [] }))
    states.committed(change({ isr: [4, 5], replicas: [4, 5], leader: 4 }))
  })
  assert.deepEqual(found, [])
  assert.deepEqual(leaders, ["0:1", "1:2", "2:-1", "3:3", "4:4"])
})

const badChanges: readonly [what: string, records: readonly MetadataRecord[]][] = [
  ["a leader from outside the in-sync replicas", [change({ isr: [2], leader: 2 }), change({ isr: [1], leader: 1 })]],
  ["a leader that is not in sync", [change({ leader: 2, isr: [1, 3] })]],
  ["a fenced leader", [registered(2, 1), change({ leader: 2, isr: [2, 3] })]],
  ["a leader that is fenced and stays", [registered(1, 1)]],
  ["a leader that begins a new life and stays", [anew(1)]],
  [
    "a leader whose directory is gone",
    [
      change({ directories: ["d1", "d2", "d3"] }),
      { ...registered(1, 0), value: { ...registered(1, 0).value, logDirs: ["d9"] } } as MetadataRecord,
    ],
  ],
  ["a fenced follower that comes in sync", [change({ isr: [1, 2] }), registered(3, 1), change({ isr: [1, 2, 3] })]],
  ["eligible leaders though enough are in sync", [change({ isr: [1, 2], eligibleLeaderReplicas: [3] })]],
  ["an unclean election", [change({ leader: 2, leaderRecoveryState: 1 })]],
  ["an in-sync replica that is none", [change({ isr: [1, 9] })]],
  ["a replica twice", [change({ replicas: [1, 2, 2, 3] })]],
  ["eligible and in sync at once", [change({ isr: [1], eligibleLeaderReplicas: [1] })]],
  ["a partition that was never made", [change({ partitionId: 7 })]],
]

for (const [what, records] of badChanges) {
  test(`elections of partitions: ${what}`, () => {
    const found = judged((report) => {
      const states = new PartitionStates(report, strict)
      states.committed(partition({}))
      for (const each of records) states.committed(each)
    })
    assert.equal(found.length, 1, found.join("; "))
  })
}
