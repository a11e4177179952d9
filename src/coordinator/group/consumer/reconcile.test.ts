import assert from "node:assert/strict"
import { test } from "node:test"
import type { Assignment } from "../../../assignment/assignor.js"
import { type MemberPosition, type MemberState, memberStates } from "./consumer-member.js"
import type { OwnedPartitions } from "./owned-partitions.js"
import { reconcile } from "./reconcile.js"

const { stable, unrevokedPartitions: unrevoked, unreleasedPartitions: unreleased, unknown } = memberStates

/** "1@3 2@4": partitions of topic t with the epochs in which they were given. */
function owned(text: string): OwnedPartitions {
  if (text === "") return new Map()
  return new Map([["t", new Map(text.split(" ").map((each) => each.split("@").map(Number) as [number, number]))]])
}

const partitions = (text: string): readonly number[] => (text === "" ? [] : text.split(" ").map(Number))

const ownedText = (held: OwnedPartitions): string =>
  [...(held.get("t") ?? [])]
    .sort(([a], [b]) => a - b)
    .map(([partition, epoch]) => `${partition}@${epoch}`)
    .join(" ")

interface Row {
  readonly rule: string
  /** state, epoch, assigned, to be let go of */
  readonly is: readonly [MemberState, number, string, string?]
  /** epoch and partitions */
  readonly target: readonly [number, string]
  /** What the member says it has; null: nothing is said. */
  readonly reported: string | null
  readonly taken?: string
  readonly isUnsubscribed?: boolean
  readonly hasSubscriptionChanged?: boolean
  /** state, epoch, assigned, to be let go of; "same" */
  readonly becomes: readonly [MemberState, number, string, string?] | "same"
}

const rows: readonly Row[] = [
  {
    rule: "a new member is given what is free",
    is: [stable, 0, ""],
    target: [3, "0 1"],
    reported: "",
    becomes: [stable, 3, "0@3 1@3"],
  },
  {
    rule: "a new member waits for what others have",
    is: [stable, 0, ""],
    target: [3, "0 1"],
    reported: "",
    taken: "1",
    becomes: [unreleased, 3, "0@3"],
  },
  {
    rule: "a new member without a target is stable at once",
    is: [stable, 0, ""],
    target: [3, ""],
    reported: "",
    becomes: [stable, 3, ""],
  },
  {
    rule: "a stable member at the target's epoch stays",
    is: [stable, 3, "0@2"],
    target: [3, "0"],
    reported: null,
    becomes: "same",
  },
  {
    rule: "a member whose target did not change gets its epoch, and its partitions keep theirs",
    is: [stable, 3, "0@2"],
    target: [4, "0"],
    reported: null,
    becomes: [stable, 4, "0@2"],
  },
  {
    rule: "what is to go is told first, in the old epoch, and nothing is added meanwhile",
    is: [stable, 3, "0@2 1@2"],
    target: [4, "1 2"],
    reported: "0 1",
    becomes: [unrevoked, 3, "1@2", "0@2"],
  },
  {
    rule: "who does not say what it has is taken to have all of it",
    is: [stable, 3, "0@2 1@2"],
    target: [4, "1"],
    reported: null,
    becomes: [unrevoked, 3, "1@2", "0@2"],
  },
  {
    rule: "what the member does not have is not asked back",
    is: [stable, 3, "0@2 1@2"],
    target: [4, "1 2"],
    reported: "1",
    becomes: [stable, 4, "1@2 2@4"],
  },
  {
    rule: "until it has let go of all of it the member stays where it is",
    is: [unrevoked, 3, "1@2", "0@2"],
    target: [4, "1 2"],
    reported: "0 1",
    becomes: "same",
  },
  {
    rule: "silence is no letting go",
    is: [unrevoked, 3, "1@2", "0@2"],
    target: [4, "1 2"],
    reported: null,
    becomes: "same",
  },
  {
    rule: "who has let go moves to the target's epoch",
    is: [unrevoked, 3, "1@2", "0@2"],
    target: [4, "1 2"],
    reported: "1",
    becomes: [stable, 4, "1@2 2@4"],
  },
  {
    rule: "who has let go waits for what others have",
    is: [unrevoked, 3, "1@2", "0@2"],
    target: [4, "1 2"],
    reported: "1",
    taken: "2",
    becomes: [unreleased, 4, "1@2"],
  },
  {
    rule: "a newer target can take more away as soon as the first is gone",
    is: [unrevoked, 3, "1@2 2@3", "0@2"],
    target: [5, "1"],
    reported: "1 2",
    becomes: [unrevoked, 3, "1@2", "2@3"],
  },
  {
    rule: "what was taken away and let go of can be given again, as new",
    is: [unrevoked, 3, "1@2", "0@2"],
    target: [5, "0 1"],
    reported: "1",
    becomes: [stable, 5, "0@5 1@2"],
  },
  {
    rule: "what was taken away but not let go of is not given again in the same round",
    is: [unrevoked, 3, "1@2", "0@2"],
    target: [5, "0 1"],
    reported: "0 1",
    becomes: "same",
  },
  {
    rule: "who waits gets what became free",
    is: [unreleased, 4, "1@2"],
    target: [4, "1 2 3"],
    reported: null,
    taken: "3",
    becomes: [unreleased, 4, "1@2 2@4"],
  },
  {
    rule: "who waits is stable when it has all",
    is: [unreleased, 4, "1@2 2@4"],
    target: [4, "1 2 3"],
    reported: null,
    becomes: [stable, 4, "1@2 2@4 3@4"],
  },
  {
    rule: "who waits, and finds nothing free, stays",
    is: [unreleased, 4, "1@2"],
    target: [4, "1 2"],
    reported: null,
    taken: "2",
    becomes: "same",
  },
  {
    rule: "who waits follows a newer target",
    is: [unreleased, 4, "1@2"],
    target: [5, "2"],
    reported: "1",
    taken: "2",
    becomes: [unrevoked, 4, "", "1@2"],
  },
  {
    rule: "who waits for what nobody wants to give it any more is stable",
    is: [unreleased, 4, "1@2"],
    target: [5, "1"],
    reported: null,
    becomes: [stable, 5, "1@2"],
  },
  {
    rule: "topics that are not subscribed to any more go before there is another target",
    is: [stable, 4, "0@2 1@2"],
    target: [4, "0 1"],
    reported: "0 1",
    isUnsubscribed: true,
    hasSubscriptionChanged: true,
    becomes: [unrevoked, 4, "", "0@2 1@2"],
  },
  {
    rule: "of topics that are not subscribed to nothing is given",
    is: [stable, 0, ""],
    target: [4, "0 1"],
    reported: "",
    isUnsubscribed: true,
    becomes: [stable, 4, ""],
  },
  {
    rule: "another change adds to what is to go",
    is: [unrevoked, 4, "1@2", "0@2"],
    target: [5, "1"],
    reported: "0 1",
    isUnsubscribed: true,
    hasSubscriptionChanged: true,
    becomes: [unrevoked, 4, "", "0@2 1@2"],
  },
  {
    rule: "in a state of a later version who has nothing begins again",
    is: [unknown, 4, ""],
    target: [5, "0"],
    reported: "",
    becomes: [stable, 5, "0@5"],
  },
]

for (const row of rows) {
  test(row.rule, () => {
    const [state, memberEpoch, assigned, pending = ""] = row.is
    const position: MemberPosition = {
      state,
      memberEpoch,
      previousMemberEpoch: memberEpoch - 1,
      assigned: owned(assigned),
      pendingRevocation: owned(pending),
    }
    const wanted = partitions(row.target[1])
    const target: Assignment = wanted.length === 0 ? new Map() : new Map([["t", wanted]])
    const taken = new Set(partitions(row.taken ?? ""))
    const next = reconcile({
      position,
      targetEpoch: row.target[0],
      target,
      reported: row.reported === null ? null : [{ topicId: "t", partitions: partitions(row.reported) }],
      isSubscribedTo: () => row.isUnsubscribed !== true,
      hasSubscriptionChanged: row.hasSubscriptionChanged === true,
      isTaken: (_, partition) => taken.has(partition),
    })
    if (row.becomes === "same") assert.equal(next, position)
    else {
      const [stateThen, epochThen, assignedThen, pendingThen = ""] = row.becomes
      assert.deepEqual(
        [next.state, next.memberEpoch, ownedText(next.assigned), ownedText(next.pendingRevocation)],
        [stateThen, epochThen, assignedThen, pendingThen],
      )
      assert.equal(next.previousMemberEpoch, epochThen === memberEpoch ? memberEpoch - 1 : memberEpoch)
    }
  })
}
