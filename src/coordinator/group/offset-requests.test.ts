import assert from "node:assert/strict"
import { test } from "node:test"
import { zeroUuid } from "../../base/ids.js"
import { Errors } from "../../protocol/errors.js"
import type { ShardContext } from "./contract.js"
import { type FetchGroupResponse, OffsetRequests } from "./offset-requests.js"
import { OffsetStore } from "./offset-store.js"

const former = "AAAAAAAAAAAAAAAAAAAAAQ"
const present = "AAAAAAAAAAAAAAAAAAAAAg"

test("offsets of a topic that is gone are not told as those of its successor, whether it is named or all are asked for", () => {
  const store = new OffsetStore()
  const commit = (partition: number, topicId: string) =>
    store.replay({
      type: "OffsetCommit",
      key: { group: "g", topic: "t", partition },
      value: { offset: 7, leaderEpoch: -1, metadata: "", commitTimestamp: 1, expireTimestamp: -1, topicId },
    })
  commit(0, former)
  commit(1, present)
  commit(2, zeroUuid)
  const image = { topics: new Map([["t", { topicId: present }]]) }
  const requests = new OffsetRequests({ image: () => image } as unknown as ShardContext, store, () => undefined)
  const offsets = (topics: Parameters<OffsetRequests["fetch"]>[0]["topics"]) => {
    let answer: FetchGroupResponse | undefined
    const request = { groupId: "g", memberId: null, memberEpoch: -1, topics }
    requests.fetch(request, (response) => (answer = response)).onWritten?.(Errors.NONE)
    return answer!.topics.flatMap(({ partitions }) =>
      partitions.map(({ partitionIndex, committedOffset }) => [partitionIndex, committedOffset]),
    )
  }
  assert.deepEqual(offsets(null), [
    [1, 7],
    [2, 7],
  ])
  assert.deepEqual(offsets([{ name: "t", topicId: present, partitionIndexes: [0, 1, 2] }]), [
    [0, -1],
    [1, 7],
    [2, 7],
  ])
})
