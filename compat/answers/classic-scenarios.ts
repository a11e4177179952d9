/**
 * Groups of the classic protocol, request by request, in each of their states.
 *
 * Owns what is asked; what the right answer is, Apache Kafka knows.
 */
import { consumerGroupHeartbeat } from "../../src/protocol/messages/consumer-group-heartbeat.js"
import { heartbeat } from "../../src/protocol/messages/heartbeat.js"
import { joinGroup } from "../../src/protocol/messages/join-group.js"
import { leaveGroup } from "../../src/protocol/messages/leave-group.js"
import { syncGroup } from "../../src/protocol/messages/sync-group.js"
import { deletes, describes, identitiesOf, nobody, offsetsOf, otherTopic } from "./offsets.js"
import {
  classicJoin,
  joining,
  type JoinRequest,
  settled,
  soleClassicMember,
  staying,
  subscription,
} from "./requests.js"
import type { Scenario, Session } from "./session.js"

const wrongJoins: Readonly<Record<string, Partial<JoinRequest>>> = {
  "an empty group": { groupId: "" },
  "no protocols": { protocols: [] },
  "no type": { protocolType: "" },
  "another type": { protocolType: "connect" },
  "another protocol": { protocols: [{ name: "roundrobin", metadata: Buffer.alloc(0) }] },
  "a short session": { sessionTimeoutMs: 5_999 },
  "a long session": { sessionTimeoutMs: 1_800_001 },
  "a negative session": { sessionTimeoutMs: -1 },
  "an unknown member": { memberId: "stranger" },
  "an unknown member that is static": { memberId: "stranger", groupInstanceId: "nowhere" },
  "an empty instance": { groupInstanceId: "" },
}

async function joinErrors(session: Session): Promise<void> {
  for (let version = joinGroup.minVersion; version <= joinGroup.maxVersion; version++)
    for (const [name, wrong] of Object.entries(wrongJoins)) {
      if (wrong.groupInstanceId !== undefined && version < 5) continue
      if (["another type", "another protocol", "an empty instance"].includes(name)) continue
      await session.ask(name, joinGroup, version, classicJoin(`g-join-${version}`, "", wrong))
    }
  const groupId = "g-joins"
  const { memberId, generationId } = await soleClassicMember(session, groupId)
  for (let version = joinGroup.minVersion; version <= joinGroup.maxVersion; version++)
    for (const [name, wrong] of Object.entries(wrongJoins)) {
      if (wrong.groupInstanceId !== undefined && (version < 5 || wrong.groupInstanceId === "")) continue
      await session.ask(`to a stable group: ${name}`, joinGroup, version, classicJoin(groupId, "", wrong))
    }
  await others(session, groupId, memberId, generationId)
}

/** Every request that is not a join, right and wrong. */
async function others(session: Session, groupId: string, memberId: string, generationId: number): Promise<void> {
  const who = { groupId, memberId, generationId, groupInstanceId: null }
  const wrongs: Readonly<Record<string, Partial<typeof who> | { readonly groupInstanceId: string }>> = {
    "the member": {},
    "an empty group": { groupId: "" },
    "an unknown group": { groupId: `${groupId}-unknown` },
    "a stranger": { memberId: "stranger" },
    "no member": { memberId: "" },
    "a generation behind": { generationId: generationId - 1 },
    "a generation ahead": { generationId: generationId + 1 },
    "generation -1": { generationId: -1 },
    "an unknown instance": { groupInstanceId: "nowhere" },
  }
  for (const [name, wrong] of Object.entries(wrongs)) {
    for (let version = heartbeat.minVersion; version <= heartbeat.maxVersion; version++) {
      if ("groupInstanceId" in wrong && version < 3) continue
      await session.ask(name, heartbeat, version, { ...who, ...wrong })
    }
    for (let version = syncGroup.minVersion; version <= syncGroup.maxVersion; version++) {
      if ("groupInstanceId" in wrong && version < 3) continue
      // The right one in the right generation waits or changes the group.
      if (name === "the member") continue
      await session.ask(name, syncGroup, version, {
        ...who,
        ...wrong,
        protocolType: version < 5 ? null : "consumer",
        protocolName: version < 5 ? null : "range",
        assignments: [],
      })
    }
  }
  await session.ask("without names", syncGroup, 5, { ...who, protocolType: null, protocolName: null, assignments: [] })
  await session.ask("of another type", syncGroup, 5, {
    ...who,
    protocolType: "connect",
    protocolName: "range",
    assignments: [],
  })
  await session.ask("of another protocol", syncGroup, 5, {
    ...who,
    protocolType: "consumer",
    protocolName: "sticky",
    assignments: [],
  })
  for (let version = leaveGroup.minVersion; version <= leaveGroup.maxVersion; version++)
    for (const leaving of [groupId, "", `${groupId}-unknown`])
      await session.ask(
        `from ${leaving === groupId ? "it" : leaving === "" ? "nothing" : "an unknown group"}`,
        leaveGroup,
        version,
        version < 3
          ? { groupId: leaving, memberId: "stranger", members: [] }
          : {
              groupId: leaving,
              memberId: "",
              members: [
                { memberId: "stranger", groupInstanceId: null },
                { memberId: "", groupInstanceId: "nowhere" },
                { memberId, groupInstanceId: "nowhere" },
                { memberId: "", groupInstanceId: null },
              ],
            },
      )
  await session.ask("nobody", leaveGroup, 5, { groupId, memberId: "", members: [] })
}

async function stateByState(session: Session): Promise<void> {
  const groupId = "g-classic-states"
  session.section("no group")
  await offsetsOf(
    session,
    "g-no-group",
    nobody.filter(({ epoch }) => epoch >= 0),
  )
  await deletes(session, "g-no-group")
  session.section("a group of offsets alone")
  await offsetsOf(session, "g-simple", nobody)
  await deletes(session, "g-simple")
  session.section("completing rebalance")
  const { memberId, generationId } = await soleClassicMember(session, groupId, {}, { upTo: "joined" })
  await offsetsOf(session, groupId, identitiesOf(memberId, generationId))
  await others(session, groupId, memberId, generationId)
  await deletes(session, groupId)
  session.section("stable")
  await session.ask("sync", syncGroup, 4, {
    groupId,
    generationId,
    memberId,
    groupInstanceId: null,
    assignments: [{ memberId, assignment: Buffer.from([0, 9]) }],
  })
  await offsetsOf(session, groupId, identitiesOf(memberId, generationId))
  await deletes(session, groupId)
  session.section("preparing rebalance")
  const second = await session.ask("a second comes", joinGroup, 5, classicJoin(groupId))
  const secondId = session.call(second?.memberId ?? "", "second")
  const parked = session.send(joinGroup, 5, classicJoin(groupId, secondId), "second")
  await session.askUntil(
    "the rebalance is told of",
    heartbeat,
    4,
    { groupId, generationId, memberId, groupInstanceId: null },
    ({ errorCode }) => errorCode !== 0,
  )
  await offsetsOf(session, groupId, identitiesOf(memberId, generationId))
  await others(session, groupId, memberId, generationId)
  await deletes(session, groupId)
  session.section("of two")
  await session.ask("the first rejoins", joinGroup, 5, classicJoin(groupId, memberId))
  await parked
  await describes(session, groupId)
  session.section("empty")
  await session.ask("both", leaveGroup, 5, {
    groupId,
    memberId: "",
    members: [memberId, secondId].map((each) => ({ memberId: each, groupInstanceId: null })),
  })
  await offsetsOf(session, groupId, identitiesOf(memberId, generationId))
  await others(session, groupId, memberId, generationId)
  await deletes(session, groupId)
}

async function otherTypes(session: Session): Promise<void> {
  const groupId = "g-connect"
  const connect = { protocolType: "connect", protocols: [{ name: "sessioned", metadata: Buffer.from("whatever") }] }
  const { memberId, generationId } = await soleClassicMember(session, groupId, connect)
  await offsetsOf(session, groupId, identitiesOf(memberId, generationId))
  await deletes(session, groupId)
  await session.ask("a consumer comes", consumerGroupHeartbeat, 1, joining(groupId, "visitor"))
  await session.ask("a consumer stays", consumerGroupHeartbeat, 1, staying(groupId, "visitor", 3))
  await session.ask("a consumer leaves", consumerGroupHeartbeat, 1, staying(groupId, "visitor", -1))
}

async function staticMembers(session: Session): Promise<void> {
  const groupId = "g-classic-static"
  const instance = { groupInstanceId: "i" }
  const { memberId, generationId } = await soleClassicMember(session, groupId, instance)
  await describes(session, groupId)
  const back = await session.ask("comes back", joinGroup, 9, classicJoin(groupId, "", instance))
  const newId = session.call(back?.memberId ?? "", "replacement")
  const again = await session.ask("comes back in an old version", joinGroup, 5, classicJoin(groupId, "", instance))
  const newest = session.call(again?.memberId ?? "", "second replacement")
  for (const [name, id] of Object.entries({ first: memberId, replacement: newId, newest })) {
    const who = { groupId, generationId, memberId: id, groupInstanceId: "i" }
    await session.ask(`of the ${name}`, heartbeat, 4, who)
    await session.ask(`of the ${name} without instance`, heartbeat, 4, { ...who, groupInstanceId: null })
    if (name !== "newest") await session.ask(`of the ${name}`, joinGroup, 9, classicJoin(groupId, id, instance))
    await session.ask(`of the ${name}`, syncGroup, 5, {
      ...who,
      protocolType: "consumer",
      protocolName: "range",
      assignments: [],
    })
    if (name !== "newest")
      await session.ask(`the ${name}`, leaveGroup, 5, {
        groupId,
        memberId: "",
        members: [{ memberId: id, groupInstanceId: "i" }],
      })
  }
  await offsetsOf(session, groupId, identitiesOf(newest, generationId, "i"))
  await session.ask("by its instance alone", leaveGroup, 5, {
    groupId,
    memberId: "",
    members: [{ memberId: "", groupInstanceId: "i" }],
  })
  await describes(session, groupId)
}

/** Clients of the consumer protocol come to a classic group. */
async function consumerVisitors(session: Session): Promise<void> {
  // Of two partitions each member has one, and the classic member keeps what it has: any assignor comes to the same.
  const toOther = { subscribedTopicNames: [otherTopic] }
  const understood = (name: string) => ({ protocols: [{ name, metadata: subscription([otherTopic]) }] })
  session.section("a stable group is converted")
  const groupId = "g-converted"
  const { memberId, generationId } = await soleClassicMember(session, groupId, understood("range"), { of: otherTopic })
  await session.ask("stays", consumerGroupHeartbeat, 1, staying(groupId, memberId, generationId))
  await session.ask("leaves", consumerGroupHeartbeat, 1, staying(groupId, memberId, -1))
  const joined = await session.ask("joins", consumerGroupHeartbeat, 1, joining(groupId, "visitor", toOther))
  await describes(session, groupId)
  const who = { groupId, generationId, memberId, groupInstanceId: null }
  await session.askUntil("of the classic member", heartbeat, 4, who, ({ errorCode }) => errorCode !== 0)
  await session.ask(
    "of the classic member by the other protocol",
    consumerGroupHeartbeat,
    1,
    staying(groupId, memberId, generationId),
  )
  await offsetsOf(session, groupId, [
    ...identitiesOf(memberId, generationId),
    { name: "the visitor", epoch: joined?.memberEpoch ?? 0, memberId: "visitor" },
  ])
  const again = await session.ask("rejoins", joinGroup, 5, classicJoin(groupId, memberId, understood("range")))
  await session.ask("syncs", syncGroup, 5, {
    ...who,
    generationId: again?.generationId ?? -1,
    protocolType: "consumer",
    protocolName: "range",
    assignments: [],
  })
  await settled(session, groupId, "visitor", joined?.memberEpoch ?? 0, joined?.assignment ?? null)
  await describes(session, groupId)
  await session.ask("the visitor leaves", consumerGroupHeartbeat, 1, staying(groupId, "visitor", -1))
  await describes(session, groupId)
  session.section("an empty group gives way")
  const empty = "g-gives-way"
  const sole = await soleClassicMember(session, empty)
  await session.ask("leaves", leaveGroup, 5, {
    groupId: empty,
    memberId: "",
    members: [{ memberId: sole.memberId, groupInstanceId: null }],
  })
  await session.ask("stays", consumerGroupHeartbeat, 1, staying(empty, "visitor", 3))
  await session.ask("joins", consumerGroupHeartbeat, 1, joining(empty, "visitor"))
  await describes(session, empty)
  session.section("a group that cannot be understood")
  const odd = "g-odd"
  await soleClassicMember(session, odd, { protocols: [{ name: "range", metadata: Buffer.from([7]) }] })
  await session.ask("joins", consumerGroupHeartbeat, 1, joining(odd, "visitor"))
  await describes(session, odd)
  session.section("a group with a strategy of its own")
  const own = "g-own-strategy"
  await soleClassicMember(session, own, understood("mine"), { of: otherTopic })
  await session.ask("joins", consumerGroupHeartbeat, 1, joining(own, "visitor", toOther))
  await describes(session, own)
  session.section("a group that rebalances")
  const busy = "g-busy"
  await soleClassicMember(session, busy, {}, { upTo: "joined" })
  await session.ask("joins", consumerGroupHeartbeat, 1, joining(busy, "visitor"), {
    look: ({ errorCode, memberEpoch }) => ({ errorCode, memberEpoch }),
  })
}

export const classicScenarios: readonly Scenario[] = [
  { name: "joins", run: joinErrors },
  { name: "states", run: stateByState },
  { name: "other types", run: otherTypes },
  { name: "static members", run: staticMembers },
  { name: "consumer visitors", run: consumerVisitors },
]
