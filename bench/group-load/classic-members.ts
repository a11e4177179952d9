/**
 * Members of classic groups: they join, are assigned one partition after the other by their leader, and live.
 *
 * Owns the requests of such a member as a client of today makes them. A broker works on one request of a connection at a time, and a join waits for the others of
 * its group: so each member joins by a connection of its own, in waves. A member belongs to no connection, so it lives on any.
 */
import { Writer } from "../../src/base/writer.js"
import type { FileRegion } from "../../src/env/env.js"
import { Errors } from "../../src/protocol/errors.js"
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
} from "../../src/protocol/messages/consumer-protocol.js"
import { heartbeat } from "../../src/protocol/messages/heartbeat.js"
import { joinGroup } from "../../src/protocol/messages/join-group.js"
import { syncGroup } from "../../src/protocol/messages/sync-group.js"
import { BrokerError, type Client } from "../client.js"
import { errorName } from "../error-name.js"
import { connectMany, spread, whenReady } from "./coordinator.js"
import type { HeartbeatTask } from "./tasks.js"

const versions = { joinGroup: 9, syncGroup: 5, heartbeat: 4 } as const
const protocolVersion = 0
const protocolType = "consumer"
const protocolName = "range"
/** The defaults of Kafka's consumer. */
const sessionTimeoutMs = 45_000
const rebalanceTimeoutMs = 300_000
const connectionsPerWave = 2500

export class ClassicMember {
  constructor(
    readonly groupId: string,
    readonly memberId: string,
    readonly generationId: number,
  ) {}

  async beat(client: Client): Promise<void> {
    const { groupId, memberId, generationId } = this
    const { errorCode } = await client.call(heartbeat, versions.heartbeat, { groupId, memberId, generationId })
    if (errorCode !== Errors.NONE) throw new BrokerError(`heartbeat of ${memberId}: ${errorName(errorCode)}`)
  }
}

export async function joinClassicGroups(task: HeartbeatTask): Promise<ClassicMember[]> {
  const { groups, membersPerGroup, port } = task
  const members: ClassicMember[] = []
  const groupsPerWave = Math.floor(connectionsPerWave / membersPerGroup)
  for (let first = 0; first < groups; first += groupsPerWave) {
    const count = Math.min(groupsPerWave, groups - first)
    const clients = await connectMany(port, count * membersPerGroup)
    const joined = clients.map((client, index) =>
      join(client, `group-${first + Math.floor(index / membersPerGroup)}`, task),
    )
    members.push(...(await Promise.all(joined)))
    // Waves may take longer together than a session lasts.
    await spread(clients, members, (client, member) => member.beat(client))
    for (const client of clients) client.close()
  }
  return members
}

async function join(client: Client, groupId: string, { topic, partitions }: HeartbeatTask): Promise<ClassicMember> {
  const subscription = consumerProtocolSubscription.create({ topics: [topic] })
  const metadata = versioned((writer) => consumerProtocolSubscription.encode(writer, subscription, protocolVersion))
  const ask = (memberId: string) =>
    client.call(joinGroup, versions.joinGroup, {
      groupId,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      memberId,
      protocolType,
      protocols: [{ name: protocolName, metadata }],
    })
  const { memberId } = await whenReady(`join of ${groupId}`, () => ask(""), Errors.MEMBER_ID_REQUIRED)
  const joined = await whenReady(`join of ${groupId}`, () => ask(memberId))
  const { generationId } = joined
  const assignments = joined.members.map((member, index) => {
    const own = Array.from({ length: partitions }, (_, partition) => partition).filter(
      (partition) => partition % joined.members.length === index,
    )
    const assignment = consumerProtocolAssignment.create({ assignedPartitions: [{ topic, partitions: own }] })
    return {
      memberId: member.memberId,
      assignment: versioned((writer) => consumerProtocolAssignment.encode(writer, assignment, protocolVersion)),
    }
  })
  const request = { groupId, generationId, memberId, protocolType, protocolName, assignments }
  await whenReady(`sync of ${groupId}`, () => client.call(syncGroup, versions.syncGroup, request))
  return new ClassicMember(groupId, memberId, generationId)
}

function versioned(encode: (writer: Writer<FileRegion>) => void): Buffer {
  const writer = new Writer<FileRegion>()
  writer.int16(protocolVersion)
  encode(writer)
  return writer.finishBuffer()
}
