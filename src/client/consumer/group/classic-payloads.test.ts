import assert from "node:assert/strict"
import { test } from "node:test"
import { classicAssignorNamed } from "../../../assignment/classic-assignors.js"
import { readAssignment, readMember, writeAssignments, writeSubscription } from "./classic-payloads.js"

const range = classicAssignorNamed("range")!
const sticky = classicAssignorNamed("sticky")!
const cooperative = classicAssignorNamed("cooperative-sticky")!
const owned = new Map([["t", [0, 1]]])
const said = { topics: ["t"], rackId: null, owned: new Map(), last: owned, generationId: 5 }
const bytes = (hex: string) => Buffer.from(hex.replaceAll(" ", ""), "hex")
const member = (assignor: typeof range, hex: string) => readMember(assignor, "m", null, bytes(hex))

// The layouts are those of Kafka's ConsumerProtocol, StickyAssignor and CooperativeStickyAssignor.

test("a subscription is of version 3, and the sticky assignors add what they want to know", () => {
  const ends = "00000005 ffff"
  assert.deepEqual(writeSubscription(range, said), bytes(`0003 00000001 0001 74 ffffffff 00000000 ${ends}`))
  assert.deepEqual(
    writeSubscription(cooperative, { ...said, owned, rackId: "r" }),
    bytes("0003 00000001 0001 74 00000004 00000005 00000001 0001 74 00000002 00000000 00000001 00000005 0001 72"),
  )
  const previous = "00000001 0001 74 00000002 00000000 00000001 00000005"
  assert.deepEqual(
    writeSubscription(sticky, said),
    bytes(`0003 00000001 0001 74 00000017 ${previous} 00000000 ${ends}`),
  )
})

test("what a member owns is read from the fields of the version it has, or from the user data", () => {
  const nothing = { memberId: "m", instanceId: null, rackId: null, topics: ["t"], owned: new Map(), generationId: -1 }
  assert.deepEqual(member(range, "0000 00000001 0001 74 ffffffff"), nothing)
  const ownedBytes = "00000001 0001 74 00000002 00000000 00000001"
  assert.deepEqual(member(cooperative, `0001 00000001 0001 74 00000004 00000007 ${ownedBytes}`), {
    ...nothing,
    owned,
    generationId: 7,
  })
  assert.deepEqual(member(cooperative, `0002 00000001 0001 74 00000004 00000007 ${ownedBytes} 00000009`), {
    ...nothing,
    owned,
    generationId: 9,
  })
  assert.deepEqual(member(sticky, `0000 00000001 0001 74 00000017 ${ownedBytes} 00000007`), {
    ...nothing,
    owned,
    generationId: 7,
  })
  assert.deepEqual(member(sticky, `0000 00000001 0001 74 00000013 ${ownedBytes}`), { ...nothing, owned })
  // A later version adds fields at the end.
  assert.deepEqual(member(range, `0009 00000001 0001 74 ffffffff ${ownedBytes} 00000009 ffff 1234`), {
    ...nothing,
    owned,
    generationId: 9,
  })
})

test("a member that cannot be understood subscribes to nothing", () => {
  for (const hex of ["", "00", "0000 7fffffff", "0003 00000001 0001"]) assert.deepEqual(member(range, hex).topics, [])
})

test("an assignment is read as it is written, and an empty one is none", () => {
  const [first] = writeAssignments(new Map([["m", owned]]))
  assert.deepEqual(first!.assignment, bytes("0003 00000001 0001 74 00000002 00000000 00000001 ffffffff"))
  assert.deepEqual(readAssignment(first!.assignment), owned)
  assert.deepEqual(readAssignment(Buffer.alloc(0)), new Map())
  assert.equal(readAssignment(bytes("0003 00000009")), undefined)
})
