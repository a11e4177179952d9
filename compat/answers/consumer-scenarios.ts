/**
 * Groups of the consumer protocol (KIP-848), request by request.
 *
 * Owns what is asked; what the right answer is, Apache Kafka knows.
 */
import { heartbeat } from "../../src/protocol/messages/heartbeat.js"
import { consumerGroupHeartbeat } from "../../src/protocol/messages/consumer-group-heartbeat.js"
import { joinGroup } from "../../src/protocol/messages/join-group.js"
import { leaveGroup } from "../../src/protocol/messages/leave-group.js"
import { syncGroup } from "../../src/protocol/messages/sync-group.js"
import { deletes, describes, identitiesOf, nobody, offsetsOf, otherTopic, topic, topicIdOf } from "./offsets.js"
import { type Beat, classicJoin, joining, settled, soleConsumerMember, staying, subscription } from "./requests.js"
import type { Scenario, Session } from "./session.js"

/** What no group is needed for. */
const wrongJoins: Readonly<Record<string, Partial<Beat>>> = {
  "an empty group": { groupId: "" },
  "a blank group": { groupId: "  " },
  "an empty member id": { memberId: "" },
  "a blank member id": { memberId: "  " },
  "an empty instance": { instanceId: "" },
  "a blank instance": { instanceId: "  " },
  "an empty rack": { rackId: "" },
  "no rebalance timeout": { rebalanceTimeoutMs: -1 },
  "a rebalance timeout of zero": { rebalanceTimeoutMs: 0, subscribedTopicNames: null },
  "a negative rebalance timeout": { rebalanceTimeoutMs: -7, subscribedTopicNames: null },
  "no subscription": { subscribedTopicNames: null },
  "no partitions": { topicPartitions: null },
  "an unknown assignor": { serverAssignor: "sticky" },
  "an empty assignor": { serverAssignor: "" },
  "epoch 5": { memberEpoch: 5 },
  "epoch -1": { memberEpoch: -1 },
  "epoch -2": { memberEpoch: -2 },
  "epoch -2 of an instance": { memberEpoch: -2, instanceId: "i" },
  "epoch -3": { memberEpoch: -3 },
}

const versions = [0, 1]

async function invalid(session: Session): Promise<void> {
  const topicId = await topicIdOf(session, topic)
  const owned = { topicPartitions: [{ topicId, partitions: [0] }] }
  for (const version of versions)
    for (const [name, wrong] of Object.entries({ ...wrongJoins, "partitions of its own": owned })) {
      // Without a member id version 0 joins, and the group is no longer unknown to the next.
      const groupId = `g-invalid-${version}-${name.replaceAll(" ", "-")}`
      const answer = await session.ask(name, consumerGroupHeartbeat, version, joining(groupId, "m", wrong))
      if (answer?.errorCode === 0) await describes(session, groupId)
    }
}

async function invalidExpressions(session: Session): Promise<void> {
  const expressions: Readonly<Record<string, string>> = {
    "an open bracket": "[a-",
    "an open group": "(a",
    "a lone star": "*",
    "a look-ahead": "a(?=b)",
    "a back reference": "(a)\\1",
    "an empty one": "",
    "one that matches nothing": "no-such-.*",
    "one that matches part of a name": "nswer",
    "one with a named class": "[[:alpha:]-]+",
    "one with a flag": "(?i)ANSWERS",
    "a count above a thousand": "a{1001}",
  }
  for (const [name, subscribedTopicRegex] of Object.entries(expressions)) {
    const groupId = `g-regex-${name.replaceAll(" ", "-")}`
    const answer = await session.ask(
      name,
      consumerGroupHeartbeat,
      1,
      joining(groupId, "m", { subscribedTopicNames: null, subscribedTopicRegex }),
      {
        look: ({ errorCode, errorMessage, memberEpoch }) => ({
          errorCode,
          // Which engine found what is its own affair.
          message: errorMessage?.split(": ")[0],
          memberEpoch,
        }),
      },
    )
    if (answer?.errorCode !== 0) continue
    await settled(session, groupId, "m", answer.memberEpoch, answer.assignment)
    await describes(session, groupId)
  }
}

async function epochs(session: Session): Promise<void> {
  const groupId = "g-epochs"
  const memberId = session.call("member-that-joins", "member")
  const epoch = await soleConsumerMember(session, groupId, memberId)
  const topicId = await topicIdOf(session, topic)
  const all = [{ topicId, partitions: [0, 1, 2] }]
  const beats: Readonly<Record<string, Beat>> = {
    "nothing new": staying(groupId, memberId, epoch),
    "all it owns": staying(groupId, memberId, epoch, { topicPartitions: all }),
    "all fields": staying(groupId, memberId, epoch, {
      topicPartitions: all,
      rebalanceTimeoutMs: 60_000,
      subscribedTopicNames: [topic],
    }),
    "less than it owns": staying(groupId, memberId, epoch, { topicPartitions: [{ topicId, partitions: [1] }] }),
    "more than it owns": staying(groupId, memberId, epoch, { topicPartitions: [{ topicId, partitions: [0, 99] }] }),
    "an epoch ahead": staying(groupId, memberId, epoch + 1),
    "an epoch behind": staying(groupId, memberId, epoch - 1),
    "an epoch behind, owning nothing": staying(groupId, memberId, epoch - 1, { topicPartitions: [] }),
    "an epoch behind, owning all": staying(groupId, memberId, epoch - 1, { topicPartitions: all }),
    "a stranger": staying(groupId, "stranger", epoch),
    "a stranger leaves": staying(groupId, "stranger", -1),
    "a stranger leaves as an instance": staying(groupId, "stranger", -2, { instanceId: "nowhere" }),
    "an instance nobody is": staying(groupId, memberId, epoch, { instanceId: "nowhere" }),
    "an unknown assignor": staying(groupId, memberId, epoch, { serverAssignor: "none" }),
    "a bad expression": staying(groupId, memberId, epoch, { subscribedTopicRegex: "(" }),
    "an empty rack": staying(groupId, memberId, epoch, { rackId: "" }),
    "epoch -3": staying(groupId, memberId, -3),
    "an empty member id": staying(groupId, "", epoch),
    "an empty member id, leaving": staying(groupId, "", -1),
  }
  for (const version of versions)
    for (const [name, beat] of Object.entries(beats)) {
      if (version === 0 && beat.subscribedTopicRegex !== undefined) continue
      await session.ask(name, consumerGroupHeartbeat, version, beat)
    }
  await describes(session, groupId)
  await session.ask("starts over", consumerGroupHeartbeat, 1, joining(groupId, memberId))
  await session.ask(
    "starts over with partitions",
    consumerGroupHeartbeat,
    1,
    joining(groupId, memberId, { topicPartitions: all }),
  )
  const other = await session.ask(
    "other topics",
    consumerGroupHeartbeat,
    1,
    staying(groupId, memberId, epoch, {
      subscribedTopicNames: [otherTopic],
      topicPartitions: all,
      rebalanceTimeoutMs: 60_000,
    }),
  )
  const later = await settled(session, groupId, memberId, other?.memberEpoch ?? epoch, other?.assignment ?? null)
  await describes(session, groupId)
  await session.ask(
    "no topics",
    consumerGroupHeartbeat,
    1,
    staying(groupId, memberId, later, { subscribedTopicNames: [], topicPartitions: [], rebalanceTimeoutMs: 60_000 }),
  )
  const none = await settled(session, groupId, memberId, later, null)
  await describes(session, groupId)
  await session.ask(
    "range from now on",
    consumerGroupHeartbeat,
    1,
    staying(groupId, memberId, none, { serverAssignor: "range" }),
  )
  await session.ask("leaves", consumerGroupHeartbeat, 1, staying(groupId, memberId, -1))
  await session.ask("leaves again", consumerGroupHeartbeat, 1, staying(groupId, memberId, -1))
  await session.ask("of a group without members", consumerGroupHeartbeat, 1, staying(groupId, memberId, none))
  await describes(session, groupId)
}

async function memberIdOfTheBroker(session: Session): Promise<void> {
  const groupId = "g-broker-ids"
  const joined = await session.ask("joins without an id", consumerGroupHeartbeat, 0, joining(groupId, ""))
  const memberId = session.call(joined?.memberId ?? "", "member")
  const epoch = await settled(session, groupId, memberId, joined?.memberEpoch ?? 0, joined?.assignment ?? null)
  await session.ask("nothing new", consumerGroupHeartbeat, 0, staying(groupId, memberId, epoch))
  await describes(session, groupId)
  await session.ask("leaves", consumerGroupHeartbeat, 0, staying(groupId, memberId, -1))
}

async function staticMembers(session: Session): Promise<void> {
  const groupId = "g-static"
  const instanceId = "i-1"
  const epoch = await soleConsumerMember(session, groupId, "first", { instanceId, rackId: "r-1" })
  await describes(session, groupId)
  const beats: Readonly<Record<string, Beat>> = {
    "another joins under the instance": joining(groupId, "second", { instanceId }),
    "the member without its instance": staying(groupId, "first", epoch),
    "another with the instance": staying(groupId, "second", epoch, { instanceId }),
    "another leaves with the instance": staying(groupId, "second", -1, { instanceId }),
    "another leaves for a while": staying(groupId, "second", -2, { instanceId }),
    "leaves for a while without instance": staying(groupId, "first", -2),
    "leaves for a while": staying(groupId, "first", -2, { instanceId }),
    "leaves for a while again": staying(groupId, "first", -2, { instanceId }),
    "after it left for a while": staying(groupId, "first", epoch, { instanceId }),
  }
  for (const [name, beat] of Object.entries(beats)) await session.ask(name, consumerGroupHeartbeat, 1, beat)
  await describes(session, groupId)
  await offsetsOf(session, groupId, identitiesOf("first", epoch, instanceId))
  const back = await session.ask(
    "comes back as another",
    consumerGroupHeartbeat,
    1,
    joining(groupId, "second", { instanceId }),
  )
  await session.ask(
    "the first is heard of again",
    consumerGroupHeartbeat,
    1,
    staying(groupId, "first", epoch, { instanceId }),
  )
  await session.ask("the first, without its instance", consumerGroupHeartbeat, 1, staying(groupId, "first", epoch))
  await settled(session, groupId, "second", back?.memberEpoch ?? 0, back?.assignment ?? null)
  await describes(session, groupId)
  await session.ask("leaves for good", consumerGroupHeartbeat, 1, staying(groupId, "second", -1, { instanceId }))
  await describes(session, groupId)
}

async function twoMembers(session: Session): Promise<void> {
  const groupId = "g-two"
  const epoch = await soleConsumerMember(session, groupId, "a")
  const joined = await session.ask("the second joins", consumerGroupHeartbeat, 1, joining(groupId, "b"))
  const topicId = await topicIdOf(session, topic)
  const all = [{ topicId, partitions: [0, 1, 2] }]
  const told = await session.askUntil(
    "the first is told to let go",
    consumerGroupHeartbeat,
    1,
    staying(groupId, "a", epoch, { topicPartitions: all, rebalanceTimeoutMs: 60_000 }),
    ({ assignment }) => assignment !== null,
  )
  await offsetsOf(session, groupId, [
    ...identitiesOf("a", epoch),
    { name: "the second", epoch: joined?.memberEpoch ?? 0, memberId: "b" },
  ])
  await session.ask(
    "the first does not listen",
    consumerGroupHeartbeat,
    1,
    staying(groupId, "a", epoch, { topicPartitions: all, rebalanceTimeoutMs: 60_000 }),
  )
  const epochOfA = await settled(session, groupId, "a", epoch, told?.assignment ?? null)
  const epochOfB = await settled(session, groupId, "b", joined?.memberEpoch ?? 0, joined?.assignment ?? null)
  await session.ask("the second", consumerGroupHeartbeat, 1, staying(groupId, "b", epochOfB, { topicPartitions: [] }))
  await describes(session, groupId)
  await session.ask("the first leaves", consumerGroupHeartbeat, 1, staying(groupId, "a", -1))
  await settled(session, groupId, "b", epochOfB, null)
  await offsetsOf(session, groupId, identitiesOf("a", epochOfA))
}

async function offsetsInEachState(session: Session): Promise<void> {
  const groupId = "g-consumer-offsets"
  session.section("stable consumer group")
  const epoch = await soleConsumerMember(session, groupId, "m")
  await offsetsOf(session, groupId, identitiesOf("m", epoch))
  await deletes(session, groupId)
  session.section("empty consumer group")
  await session.ask("leaves", consumerGroupHeartbeat, 1, staying(groupId, "m", -1))
  await offsetsOf(session, groupId, nobody)
  await deletes(session, groupId)
}

/** Clients of the classic protocol come to a group of the other. */
async function classicVisitors(session: Session): Promise<void> {
  const groupId = "g-visited"
  const epoch = await soleConsumerMember(session, groupId, "m")
  const who = { groupId, generationId: epoch, memberId: "m", groupInstanceId: null }
  for (let version = heartbeat.minVersion; version <= heartbeat.maxVersion; version++) {
    await session.ask("of the consumer member", heartbeat, version, who)
    await session.ask("of a stranger", heartbeat, version, { ...who, memberId: "stranger" })
  }
  const named = { protocolType: "consumer", protocolName: "range", assignments: [] }
  for (let version = syncGroup.minVersion; version <= syncGroup.maxVersion; version++) {
    await session.ask("of the consumer member", syncGroup, version, {
      ...who,
      ...(version >= 5 ? named : { assignments: [] }),
    })
    await session.ask("of a stranger", syncGroup, version, {
      ...who,
      memberId: "stranger",
      ...(version >= 5 ? named : { assignments: [] }),
    })
  }
  for (let version = joinGroup.minVersion; version <= joinGroup.maxVersion; version++) {
    await session.ask("as the consumer member", joinGroup, version, classicJoin(groupId, "m"))
    await session.ask("as a stranger", joinGroup, version, classicJoin(groupId, "stranger"))
    await session.ask("of another type", joinGroup, version, classicJoin(groupId, "", { protocolType: "connect" }))
    await session.ask("of no type", joinGroup, version, classicJoin(groupId, "", { protocolType: "" }))
    await session.ask("without protocols", joinGroup, version, classicJoin(groupId, "", { protocols: [] }))
    await session.ask(
      "that makes no sense",
      joinGroup,
      version,
      classicJoin(groupId, "", { protocols: [{ name: "range", metadata: Buffer.from([0, 1, 9]) }] }),
    )
    await session.ask(
      "that says nothing",
      joinGroup,
      version,
      classicJoin(groupId, "", { protocols: [{ name: "range", metadata: Buffer.alloc(0) }] }),
    )
    await session.ask("of a short session", joinGroup, version, classicJoin(groupId, "", { sessionTimeoutMs: 10 }))
  }
  for (let version = leaveGroup.minVersion; version <= leaveGroup.maxVersion; version++)
    await session.ask(
      "a stranger",
      leaveGroup,
      version,
      version < 3
        ? { groupId, memberId: "stranger", members: [] }
        : {
            groupId,
            memberId: "",
            members: [
              { memberId: "stranger", groupInstanceId: null },
              { memberId: "", groupInstanceId: "nowhere" },
            ],
          },
    )
  await describes(session, groupId)
  const first = await session.ask("a new member", joinGroup, 5, classicJoin(groupId))
  const memberId = session.call(first?.memberId ?? "", "classic member")
  const joined = await session.ask("with its id", joinGroup, 5, classicJoin(groupId, memberId))
  const asClassic = { groupId, generationId: joined?.generationId ?? -1, memberId, groupInstanceId: null }
  await session.ask("of the classic member", heartbeat, 4, asClassic)
  await session.ask("of the classic member, wrong generation", heartbeat, 4, { ...asClassic, generationId: 77 })
  await session.ask("of another protocol", syncGroup, 5, { ...asClassic, ...named, protocolName: "roundrobin" })
  await session.ask("of another type", syncGroup, 5, { ...asClassic, ...named, protocolType: "connect" })
  await session.ask("of a wrong generation", syncGroup, 5, { ...asClassic, ...named, generationId: 77 })
  await session.ask("of the classic member", syncGroup, 5, { ...asClassic, ...named })
  await describes(session, groupId)
  await offsetsOf(session, groupId, identitiesOf(memberId, asClassic.generationId))
  await session.ask("the consumer member", leaveGroup, 5, {
    groupId,
    memberId: "",
    members: [{ memberId: "m", groupInstanceId: null }],
  })
  await describes(session, groupId)
  await session.ask("the classic member", leaveGroup, 5, {
    groupId,
    memberId: "",
    members: [{ memberId, groupInstanceId: null }],
  })
  await describes(session, groupId)
}

/** A classic client comes to a group that had members of the other protocol. */
async function emptiedAndTakenOver(session: Session): Promise<void> {
  const groupId = "g-taken-over"
  await soleConsumerMember(session, groupId, "m")
  await session.ask("leaves", consumerGroupHeartbeat, 1, staying(groupId, "m", -1))
  await session.ask("unknown classic member", joinGroup, 5, classicJoin(groupId, "stranger"))
  await session.ask(
    "a static classic member",
    joinGroup,
    5,
    classicJoin(groupId, "", { groupInstanceId: "i", protocols: [{ name: "range", metadata: subscription([topic]) }] }),
    { look: ({ errorCode, generationId, protocolName }) => ({ errorCode, generationId, protocolName }) },
  )
  await describes(session, groupId)
}

export const consumerScenarios: readonly Scenario[] = [
  { name: "invalid heartbeats", run: invalid },
  { name: "expressions", run: invalidExpressions },
  { name: "epochs", run: epochs },
  { name: "ids of the broker", run: memberIdOfTheBroker },
  { name: "static members", run: staticMembers },
  { name: "two members", run: twoMembers },
  { name: "offsets", run: offsetsInEachState },
  { name: "classic visitors", run: classicVisitors },
  { name: "taken over", run: emptiedAndTakenOver },
]
