/** Hand-made histories for the checkers of groups. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { type Checker, History, type Observation } from "../history.js"
import { CommittedOffsetsSurvive } from "./committed-offsets-survive.js"
import { EveryRecordProcessed } from "./every-record-processed.js"
import { GenerationsNeverGoBack } from "./generations-never-go-back.js"
import { type Standing, whyNotSettled } from "./group-settles.js"
import { LeaderAssigns } from "./leader-assigns.js"
import { MembersProtectTheirGroup } from "./members-protect-their-group.js"
import { OneOwnerAtATime } from "./one-owner-at-a-time.js"
import { OneOwnerPerGeneration } from "./one-owner-per-generation.js"
import { StaleMembersRefused } from "./stale-members-refused.js"

const group = "g"
const p = "t.0-0"
const retentionMs = 1000

const isIn = (member: string, atMs: number, untilMs: number, topics = ["t"], owner = member): Observation => ({
  kind: "in group",
  group,
  member,
  owner,
  atMs,
  untilMs,
  topics,
})
const isOut = (member: string, atMs: number, wasTold = true): Observation => ({
  kind: "out of group",
  group,
  member,
  atMs,
  wasTold,
})
const owns = (member: string, atMs: number, partitions = [p], owner = member): Observation => ({
  kind: "owns",
  group,
  member,
  owner,
  atMs,
  partitions,
})
const takesOver = (member: string, owner: string, atMs: number): Observation => ({
  kind: "takes over",
  group,
  member,
  owner,
  atMs,
})
interface AssignedFacts {
  readonly owner?: string
  readonly isClassic?: boolean
  readonly sentMs?: number
  readonly untilMs?: number
  readonly partitions?: readonly string[]
}
const assigned = (member: string, generation: number, atMs: number, facts: AssignedFacts = {}): Observation => ({
  kind: "assigned",
  group,
  member,
  owner: member,
  isClassic: true,
  generation,
  atMs,
  sentMs: atMs - 1,
  untilMs: atMs + 100,
  partitions: [p],
  ...facts,
})
const accepted = (
  what: "heartbeat" | "commit",
  member: string,
  generation: number,
  sentMs: number,
  facts: { readonly owner?: string; readonly isClassic?: boolean } = {},
): Observation => ({
  kind: "accepted",
  what,
  group,
  member,
  owner: member,
  isClassic: true,
  generation,
  sentMs,
  atMs: sentMs + 1,
  partitions: what === "commit" ? [p] : [],
  ...facts,
})
const mayVanish = (isPossible: boolean, atMs = 0): Observation => ({
  kind: "group may vanish",
  group,
  isPossible,
  atMs,
})
const fromOutside = (sentMs: number, atMs: number, topic?: string): Observation => ({
  kind: "done from outside",
  group,
  what: "it was deleted",
  topic,
  sentMs,
  atMs,
})
const sent = (write: string, offset: number | undefined, wallMs = 0): Observation => ({
  kind: "offset sent",
  write,
  group,
  partition: p,
  byName: "t-0",
  offset,
  wallMs,
})
const settled = (write: string, outcome: "done" | "refused" | "open", atMs = 0): Observation => ({
  kind: "offset settled",
  write,
  group,
  partition: p,
  outcome,
  atMs: atMs + 1,
  wallMs: atMs,
})
const committed = (write: string, offset: number | undefined, atMs = 0) => [
  sent(write, offset, atMs),
  settled(write, "done", atMs),
]
let fetches = 0
const asked = (): Observation => ({ kind: "offsets asked", fetch: `f${++fetches}` })
const told = (write: string | undefined, offset: number, partition = p, wallMsMax = 0): Observation => ({
  kind: "offset read",
  fetch: `f${fetches}`,
  group,
  partition,
  byName: "t-0",
  topic: "t",
  write,
  offset,
  atMs: wallMsMax,
  wallMsMax,
})
const read = (write: string | undefined, offset: number, wallMsMax = 0) => [asked(), told(write, offset, p, wallMsMax)]
const processed = (from: number, to: number): Observation => ({ kind: "processed", group, partition: p, from, to })
const skippable = (below: number): Observation => ({ kind: "skippable", group, partition: p, below })
const caughtUp = (to: number): Observation => ({ kind: "caught up", group, partition: p, to })
const led = (generation: number, assignment: Record<string, readonly string[]>): Observation => ({
  kind: "led",
  group,
  generation,
  assignment: Object.entries(assignment).map(([member, partitions]) => ({ member, partitions })),
})
const taken = (generation: number, member: string, partitions: readonly string[]): Observation => ({
  kind: "taken",
  group,
  generation,
  member,
  partitions,
})
const brokerDied: Observation = { kind: "broker died" }

type Maker = (report: (what: string) => void) => Checker
const perGeneration: Maker = (report) => new OneOwnerPerGeneration(report)
const atATime: Maker = (report) => new OneOwnerAtATime(report)
const generations: Maker = (report) => new GenerationsNeverGoBack(report)
const stale: Maker = (report) => new StaleMembersRefused(report, false)
const protect: Maker = (report) => new MembersProtectTheirGroup(report)
const offsets: Maker = (report) => new CommittedOffsetsSurvive(report, retentionMs)
const records: Maker = (report) => new EveryRecordProcessed(report)
const leader: Maker = (report) => new LeaderAssigns(report)

/** Name, checker, observations, and what the complaint says; no complaint where it is undefined. */
const histories: readonly [name: string, maker: Maker, observations: Observation[], complaint: RegExp | undefined][] = [
  // One owner in a generation.
  ["another generation, another owner", perGeneration, [assigned("a", 1, 1), assigned("b", 2, 2)], undefined],
  [
    "two owners in a generation",
    perGeneration,
    [assigned("a", 1, 1), isIn("a", 1, 100), assigned("b", 1, 2)],
    /generation 1 gives t\.0-0 to a and to b/,
  ],
  [
    "an instance that was restarted is the same owner",
    perGeneration,
    [assigned("a", 1, 1, { owner: "i" }), isIn("a", 1, 100), assigned("b", 1, 2, { owner: "i" })],
    undefined,
  ],
  [
    "a group that vanished counts anew",
    perGeneration,
    [assigned("a", 1, 1), isIn("a", 1, 100), assigned("b", 1, 200)],
    undefined,
  ],
  [
    "one that has offsets does not vanish",
    perGeneration,
    [assigned("a", 1, 1), isIn("a", 1, 100), mayVanish(false, 2), assigned("b", 1, 200)],
    /to a and to b/,
  ],
  // One owner at a time.
  [
    "given up, then owned",
    atATime,
    [isIn("a", 1, 100), owns("a", 1), owns("a", 2, []), isIn("b", 3, 100), owns("b", 3)],
    undefined,
  ],
  [
    "owned by two",
    atATime,
    [isIn("a", 1, 100), owns("a", 1), isIn("b", 3, 100), owns("b", 3)],
    /b has t\.0-0, which a still owns/,
  ],
  [
    "owned when the session of the other may be over",
    atATime,
    [isIn("a", 1, 100), owns("a", 1), isIn("b", 101, 200), owns("b", 101)],
    undefined,
  ],
  [
    "owned when the other was put out",
    atATime,
    [isIn("a", 1, 100), owns("a", 1), isOut("a", 2), isIn("b", 3, 100), owns("b", 3)],
    undefined,
  ],
  [
    "a silent member is heard of again, and has what another got",
    atATime,
    [isIn("a", 1, 10), owns("a", 1), isIn("b", 20, 100), owns("b", 20), isIn("a", 30, 100)],
    /a has t\.0-0, which b still owns/,
  ],
  [
    "what a former process of an instance has is its successor's",
    atATime,
    [isIn("a", 1, 100, ["t"], "i"), owns("a", 1, [p], "i"), takesOver("b", "i", 2), isIn("c", 3, 100), owns("c", 3)],
    undefined,
  ],
  // Generations.
  ["generations rise", generations, [assigned("a", 1, 1), isIn("a", 1, 100), assigned("a", 2, 5)], undefined],
  [
    "a generation goes back",
    generations,
    [assigned("a", 2, 1), isIn("a", 1, 100), assigned("b", 1, 5)],
    /generation 1 was told after 2/,
  ],
  [
    "an answer that was on its way",
    generations,
    [assigned("a", 2, 5), isIn("a", 5, 100), assigned("b", 1, 6, { sentMs: 4 })],
    undefined,
  ],
  [
    "a group that vanished begins anew",
    generations,
    [assigned("a", 2, 1), isIn("a", 1, 10), assigned("b", 1, 50)],
    undefined,
  ],
  [
    "one with offsets does not",
    generations,
    [assigned("a", 2, 1), isIn("a", 1, 10), mayVanish(false, 2), assigned("b", 1, 50)],
    /told after 2/,
  ],
  [
    "it vanished before it had offsets again",
    generations,
    [assigned("a", 2, 1), isIn("a", 1, 10), mayVanish(false, 20), assigned("b", 1, 50)],
    undefined,
  ],
  [
    "members of the consumer protocol are each for themselves",
    generations,
    [assigned("a", 2, 1, { isClassic: false }), isIn("a", 1, 100), assigned("b", 1, 5, { isClassic: false })],
    undefined,
  ],
  // Stale members.
  [
    "a commit of the generation",
    stale,
    [assigned("a", 1, 1), isIn("a", 1, 100), accepted("commit", "a", 1, 5)],
    undefined,
  ],
  [
    "a commit of an earlier generation",
    stale,
    [assigned("a", 1, 1), isIn("a", 1, 100), assigned("b", 2, 3), accepted("commit", "a", 1, 5)],
    /though generation 2 had begun/,
  ],
  [
    "a commit that was sent before",
    stale,
    [assigned("a", 1, 1), isIn("a", 1, 100), assigned("b", 2, 6), accepted("commit", "a", 1, 5)],
    undefined,
  ],
  [
    "a commit of who was told to be out",
    stale,
    [assigned("a", 1, 1), isIn("a", 1, 100), isIn("b", 1, 100), isOut("a", 3), accepted("commit", "a", 1, 5)],
    /it had been told that it is out/,
  ],
  [
    "a broker that died may not know that",
    stale,
    [
      assigned("a", 1, 1),
      isIn("a", 1, 100),
      isIn("b", 1, 100),
      isOut("a", 3),
      brokerDied,
      accepted("commit", "a", 1, 5),
    ],
    undefined,
  ],
  [
    "a heartbeat of a former process of an instance",
    stale,
    [
      assigned("a", 1, 1, { owner: "i" }),
      isIn("a", 1, 100),
      assigned("b", 1, 3, { owner: "i" }),
      accepted("heartbeat", "a", 1, 5, { owner: "i" }),
    ],
    /b had taken its place/,
  ],
  [
    "a commit for what another has with a later epoch",
    stale,
    [
      assigned("a", 1, 1, { isClassic: false }),
      isIn("a", 1, 100),
      assigned("b", 2, 3, { isClassic: false }),
      accepted("commit", "a", 1, 5, { isClassic: false }),
    ],
    /had gone to b in 2/,
  ],
  // What is done from outside.
  ["a group without members is deleted", protect, [isIn("a", 1, 10), fromOutside(11, 12)], undefined],
  [
    "a group with members is deleted",
    protect,
    [isIn("a", 1, 100), fromOutside(11, 12)],
    /it was deleted, though members were there/,
  ],
  [
    "offsets of a topic that nobody subscribes to",
    protect,
    [isIn("a", 1, 100, ["u"]), fromOutside(11, 12, "t")],
    undefined,
  ],
  [
    "offsets of a topic that somebody subscribes to",
    protect,
    [isIn("a", 1, 100), fromOutside(11, 12, "t")],
    /members subscribed to t/,
  ],
  // Committed offsets.
  ["what was committed is told", offsets, [...committed("w1", 5), ...read("w1", 5)], undefined],
  ["nothing is told before the first commit", offsets, [...read(undefined, -1)], undefined],
  [
    "nothing is told after a commit",
    offsets,
    [...committed("w1", 5), ...read(undefined, -1)],
    /told is there is none, it must be 5 \(w1\)/,
  ],
  ["another offset is told", offsets, [...committed("w1", 5), ...read("w1", 6)], /with another offset, 6/],
  [
    "an earlier commit is told",
    offsets,
    [...committed("w1", 5), ...committed("w2", 6), ...read("w1", 5)],
    /told is 5 \(w1\), it must be 6 \(w2\)/,
  ],
  [
    "of two at the same time either",
    offsets,
    [sent("w1", 5), sent("w2", 6), settled("w2", "done"), settled("w1", "done"), ...read("w2", 6)],
    undefined,
  ],
  [
    "a commit without an answer may have happened",
    offsets,
    [...committed("w1", 5), sent("w2", 6), settled("w2", "open"), ...read("w2", 6)],
    undefined,
  ],
  ["or not", offsets, [...committed("w1", 5), sent("w2", 6), settled("w2", "open"), ...read("w1", 5)], undefined],
  [
    "once it was told it has happened",
    offsets,
    [...committed("w1", 5), sent("w2", 6), settled("w2", "open"), ...read("w2", 6), brokerDied, ...read("w1", 5)],
    /told is 5 \(w1\)/,
  ],
  [
    "in another process it will not happen any more",
    offsets,
    [sent("w1", 5), brokerDied, ...committed("w2", 6), ...read("w1", 5)],
    /told is 5 \(w1\)/,
  ],
  [
    "a refused commit is told",
    offsets,
    [...committed("w1", 5), sent("w2", 6), settled("w2", "refused"), ...read("w2", 6)],
    /told is 6 \(w2\)/,
  ],
  [
    "a question that was asked before",
    offsets,
    [...committed("w1", 5), asked(), ...committed("w2", 6), told("w1", 5)],
    undefined,
  ],
  [
    "what was deleted is gone",
    offsets,
    [...committed("w1", 5), ...committed("d1", undefined), ...read(undefined, -1)],
    undefined,
  ],
  [
    "what was deleted is told",
    offsets,
    [...committed("w1", 5), ...committed("d1", undefined), ...read("w1", 5)],
    /told is 5/,
  ],
  ["what expired is gone", offsets, [...committed("w1", 5), ...read(undefined, -1, retentionMs)], undefined],
  ["not before its time", offsets, [...committed("w1", 5), ...read(undefined, -1, retentionMs - 1)], /there is none/],
  [
    "and not while somebody reads the topic",
    offsets,
    [isIn("a", 0, 5000), ...committed("w1", 5, 10), ...read(undefined, -1, 2000)],
    /there is none/,
  ],
  [
    "offsets of a former topic of the name",
    offsets,
    [...committed("w1", 5), { kind: "topic dies", topic: "t" }, asked(), told("w1", 5, "t.1-0")],
    /told is 5/,
  ],
  [
    "unless they were on their way when it died",
    offsets,
    [sent("w1", 5), { kind: "topic dies", topic: "t" }, settled("w1", "done"), asked(), told("w1", 5, "t.1-0")],
    undefined,
  ],
  // Records.
  ["everything was processed, some of it twice", records, [processed(0, 5), processed(3, 9), caughtUp(9)], undefined],
  ["a gap", records, [processed(0, 5), processed(6, 9), caughtUp(9)], /nobody processed t\.0-0 from 5/],
  ["the end is missing", records, [processed(0, 5), caughtUp(9)], /from 5/],
  ["what may be skipped", records, [processed(6, 9), skippable(6), caughtUp(9)], undefined],
  // Leaders.
  [
    "what the leader gave",
    leader,
    [led(1, { a: ["t-0"], b: [] }), taken(1, "a", ["t-0"]), taken(1, "b", [])],
    undefined,
  ],
  [
    "something else",
    leader,
    [led(1, { a: ["t-0"], b: [] }), taken(1, "b", ["t-0"])],
    /b got t-0 in generation 1, its leader gave it nothing/,
  ],
  ["either of two tries", leader, [led(1, { a: ["t-0"] }), led(1, { a: ["t-1"] }), taken(1, "a", ["t-0"])], undefined],
]

for (const [name, maker, observations, complaint] of histories) {
  test(`${complaint === undefined ? "good" : "bad"}: ${name}`, () => {
    const history = new History([maker])
    for (const observation of observations) history.observe(observation)
    if (complaint === undefined) assert.deepEqual(history.violations, [])
    else assert.match(history.violations.join("\n"), complaint)
  })
}

test("a group has settled when its members have every partition once, in one generation", () => {
  const member = (name: string, partitions: readonly string[], generation = 3) => ({
    name,
    isSettled: true,
    generation,
    partitions,
  })
  const good: Standing = {
    state: "Stable",
    membersDescribed: 2,
    members: [member("a", ["t-0"]), member("b", ["t-1"])],
    isOneGeneration: true,
    partitions: ["t-0", "t-1"],
  }
  const why = (change: Partial<Standing>) => whyNotSettled({ ...good, ...change }) ?? "settled"
  assert.equal(why({}), "settled")
  assert.match(why({ state: "PreparingRebalance" }), /PreparingRebalance/)
  assert.match(why({ membersDescribed: 3 }), /3 members, 2 are there/)
  assert.match(why({ partitions: ["t-0", "t-1", "t-2"] }), /nobody has t-2/)
  assert.match(why({ members: [member("a", ["t-0"]), member("b", ["t-0", "t-1"])] }), /t-0 is with a and with b/)
  assert.match(why({ members: [member("a", ["t-0"]), member("b", ["t-1"], 4)] }), /generations 3,4/)
  assert.equal(why({ members: [member("a", ["t-0"]), member("b", ["t-1"], 4)], isOneGeneration: false }), "settled")
  assert.match(why({ members: [], membersDescribed: 0 }), /nobody is there, and it is Stable/)
  assert.equal(why({ members: [], membersDescribed: 0, state: "Dead" }), "settled")
})
