/**
 * A classic group and its clients for tests, one line per step.
 *
 * Owns clients that remember what they were told (member id, generation) and say it in the next request, unless the test says otherwise. Invariant: requests pass through their bytes, in
 * memory that is overwritten as soon as the broker may recycle it.
 */
import assert from "node:assert/strict"
import { Reader } from "../../../../base/reader.js"
import type { Fields } from "../../../../protocol/field.js"
import { errorByCode, type ErrorName } from "../../../../protocol/errors.js"
import type { Message, RequestInputOf } from "../../../../protocol/message.js"
import { heartbeat } from "../../../../protocol/messages/heartbeat.js"
import { joinGroup } from "../../../../protocol/messages/join-group.js"
import { leaveGroup } from "../../../../protocol/messages/leave-group.js"
import { syncGroup } from "../../../../protocol/messages/sync-group.js"
import type { GroupRecord } from "../../group-records.js"
import { type Asked, GroupHarness, type HarnessOptions } from "../../testing/group-harness.js"
import type { ClassicGroup } from "../classic-group.js"
import type { JoinResponse, SyncResponse } from "../classic-member.js"
import { ClassicProtocol, type HeartbeatResponse } from "../classic-protocol.js"
import type { LeaveResponse } from "../leave.js"

export const groupId = "orders"

export interface JoinOptions {
  readonly version?: number
  readonly memberId?: string
  readonly instanceId?: string | null
  readonly protocolType?: string
  /** Names with what is said for them. */
  readonly protocols?: Readonly<Record<string, string | Buffer>>
  readonly sessionTimeoutMs?: number
  readonly rebalanceTimeoutMs?: number
  readonly reason?: string
  readonly groupId?: string
}

export interface IdentityOptions {
  readonly memberId?: string
  readonly instanceId?: string | null
  readonly generation?: number
  readonly groupId?: string
}

interface Client {
  readonly name: string
  memberId: string
  generation: number
  ids: number
  options: JoinOptions
}

const recycledByte = 0xdb
export const sessionTimeoutMs = 45_000
export const rebalanceTimeoutMs = 60_000
/** An empty group waits for more members no longer than the rebalance timeout. */
const initialWaitsMax = 25

export class GroupTest {
  readonly harness: GroupHarness<ClassicProtocol>
  readonly #clients = new Map<string, Client>()

  constructor(options: HarnessOptions = {}) {
    this.harness = new GroupHarness((context, groups) => new ClassicProtocol(context, groups), {
      recordText: groupMetadataText,
      ...options,
    })
  }

  /** Members that joined together and synced: the group is stable. */
  static stable(
    names: readonly string[],
    options: HarnessOptions = {},
    join: (name: string) => JoinOptions = () => ({}),
  ) {
    const group = new GroupTest(options)
    for (const name of names) group.enter(name, join(name))
    for (let waits = 0; group.state === "PreparingRebalance" && waits < initialWaitsMax; waits++)
      group.advance(group.harness.settings.initialRebalanceDelayMs)
    group.syncAll(names)
    assert.equal(group.state, "Stable")
    return group
  }

  get group(): ClassicGroup {
    return this.harness.groups.get(groupId) as ClassicGroup
  }

  get state() {
    return this.group.state
  }

  client(name: string): Client {
    let client = this.#clients.get(name)
    if (client === undefined) {
      client = { name, memberId: "", generation: -1, ids: 0, options: {} }
      this.#clients.set(name, client)
    }
    return client
  }

  memberId(name: string): string {
    return this.client(name).memberId
  }

  /** The process starts anew: it knows nothing of what it was. */
  restart(name: string): void {
    const client = this.client(name)
    client.memberId = ""
    client.generation = -1
  }

  /** Joins as its client library does: again, with the id, if it is told to. */
  enter(name: string, options: JoinOptions = {}): Asked<JoinResponse> {
    const asked = this.join(name, options)
    return asked.isAnswered && errorName(asked.answer) === "MEMBER_ID_REQUIRED" ? this.join(name, options) : asked
  }

  /** What is not said is as in the client's last join. */
  join(name: string, options: JoinOptions = {}): Asked<JoinResponse> {
    const client = this.client(name)
    client.options = { ...client.options, ...options }
    const { version = 9, protocols = { range: `topics of ${name}` }, instanceId = null } = client.options
    const memberId = options.memberId ?? client.memberId
    const { memberId: _, ...kept } = client.options
    client.options = kept
    const input: RequestInputOf<typeof joinGroup> = {
      groupId: options.groupId ?? groupId,
      sessionTimeoutMs: client.options.sessionTimeoutMs ?? sessionTimeoutMs,
      ...(version >= 1 ? { rebalanceTimeoutMs: client.options.rebalanceTimeoutMs ?? rebalanceTimeoutMs } : {}),
      memberId,
      ...(version >= 5 ? { groupInstanceId: instanceId } : {}),
      protocolType: client.options.protocolType ?? "consumer",
      protocols: Object.entries(protocols).map(([protocol, metadata]) => ({
        name: protocol,
        metadata: typeof metadata === "string" ? Buffer.from(metadata) : metadata,
      })),
      ...(options.reason === undefined ? {} : { reason: options.reason }),
    }
    const info = { clientId: `client-${name}`, clientHost: "/127.0.0.1", version }
    const as = memberId === "" ? "" : " as a member"
    const label = `${name} joins${as} with ${Object.keys(protocols).join(", ")}${instanceId === null ? "" : `, instance ${instanceId}`}`
    return this.#ask(
      joinGroup.request,
      input,
      version,
      label,
      joinText,
      (request, respond: (r: JoinResponse) => void, now) =>
        this.harness.protocol.join(
          request,
          info,
          (response) => {
            // Whatever is answered can travel in the version it was asked in.
            joinGroup.response.encodeToBuffer(response, version)
            if (response.memberId !== "" && memberId !== response.memberId) this.#gotId(client, response.memberId)
            if (response.generationId !== undefined && response.generationId >= 0)
              client.generation = response.generationId
            respond(response)
          },
          now,
        ),
    )
  }

  #gotId(client: Client, memberId: string): void {
    client.memberId = memberId
    client.ids++
    this.harness.trace.name(memberId, client.ids === 1 ? client.name : `${client.name}#${client.ids}`)
  }

  sync(
    name: string,
    assignments: Readonly<Record<string, string>> = {},
    options: IdentityOptions & { protocolType?: string; protocolName?: string } = {},
  ): Asked<SyncResponse> {
    const client = this.client(name)
    const input: RequestInputOf<typeof syncGroup> = {
      ...this.#identity(client, options),
      protocolType: options.protocolType ?? null,
      protocolName: options.protocolName ?? null,
      assignments: Object.entries(assignments).map(([member, assignment]) => ({
        memberId: this.#clients.get(member)?.memberId ?? member,
        assignment: Buffer.from(assignment),
      })),
    }
    const shares = Object.entries(assignments).map(([member, assignment]) => `${member}=${assignment}`)
    const label = `${name} syncs${shares.length === 0 ? "" : ` and hands in ${shares.join(", ")}`}`
    return this.#ask(syncGroup.request, input, 5, label, syncText, (request, respond: (r: SyncResponse) => void, now) =>
      this.harness.protocol.sync(request, respond, now),
    )
  }

  /** The leader hands in an assignment for everybody, and everybody asks for it. */
  syncAll(names: readonly string[]): void {
    const leader = names.find((name) => this.group.isLeader(this.memberId(name)))
    assert.ok(leader !== undefined, "none of the members leads")
    for (const name of names) if (name !== leader) this.sync(name)
    this.sync(leader, Object.fromEntries(names.map((name) => [name, `share of ${name}`])))
  }

  heartbeat(name: string, options: IdentityOptions = {}): ErrorName {
    return errorName(this.heartbeatAsked(name, options).answer)
  }

  heartbeatAsked(name: string, options: IdentityOptions = {}): Asked<HeartbeatResponse> {
    const input: RequestInputOf<typeof heartbeat> = this.#identity(this.client(name), options)
    return this.#ask(
      heartbeat.request,
      input,
      4,
      `${name} sends a heartbeat`,
      errorName,
      (request, respond: (r: HeartbeatResponse) => void, now) => this.harness.protocol.heartbeat(request, respond, now),
    )
  }

  leave(names: string | readonly string[], options: IdentityOptions = {}): Asked<LeaveResponse> {
    const leaving = typeof names === "string" ? [names] : names
    return this.leaveAs(
      leaving.map((name) => ({
        memberId: options.memberId ?? this.memberId(name),
        groupInstanceId: options.instanceId ?? null,
      })),
      `${leaving.join(", ")} ${leaving.length === 1 ? "leaves" : "leave"}`,
      options.groupId,
      leaving.join(", "),
    )
  }

  leaveAs(
    members: readonly {
      readonly memberId: string
      readonly groupInstanceId: string | null
      readonly reason?: string
    }[],
    label = "administrator removes members",
    group = groupId,
    who = "administrator",
  ): Asked<LeaveResponse> {
    return this.#ask(
      leaveGroup.request,
      { groupId: group, memberId: "", members },
      5,
      label,
      leaveText,
      (request, respond: (r: LeaveResponse) => void, now) => this.harness.protocol.leave(request, respond, now),
      who,
    )
  }

  commit(name: string, options: IdentityOptions = {}): ErrorName {
    const client = this.client(name)
    const error = this.harness.protocol.checkCommit(
      this.group,
      {
        memberId: options.memberId ?? client.memberId,
        groupInstanceId: options.instanceId ?? null,
        generationIdOrMemberEpoch: options.generation ?? client.generation,
        version: 9,
      },
      this.harness.now(),
    )
    this.harness.trace.step(`${name} commits offsets`)
    this.harness.trace.happened(`${name} <- ${errorByCode(error)!.name}`)
    return errorByCode(error)!.name
  }

  advance(ms: number): void {
    this.harness.advance(ms)
  }

  /** Time passes, and these are heard of in it. */
  advanceWithHeartbeats(ms: number, names: readonly string[], everyMs = 5000): void {
    for (let passed = 0; passed < ms; passed += everyMs) {
      this.advance(Math.min(everyMs, ms - passed))
      for (const name of names) this.heartbeat(name)
    }
  }

  #identity(client: Client, options: IdentityOptions) {
    return {
      groupId: options.groupId ?? groupId,
      generationId: options.generation ?? client.generation,
      memberId: options.memberId ?? client.memberId,
      groupInstanceId: options.instanceId === undefined ? (client.options.instanceId ?? null) : options.instanceId,
    }
  }

  #ask<F extends Fields, Response>(
    message: Message<F>,
    input: Parameters<Message<F>["encode"]>[1],
    version: number,
    label: string,
    text: (response: Response) => string,
    decide: (
      request: ReturnType<Message<F>["decode"]>,
      respond: (response: Response) => void,
      now: ReturnType<GroupHarness<ClassicProtocol>["now"]>,
    ) => ReturnType<ClassicProtocol["heartbeat"]>,
    who?: string,
  ): Asked<Response> {
    const frame = message.encodeToBuffer(input, version)
    const request = message.decode(new Reader(frame), version)
    const asked = this.harness.ask<Response>(label, (respond, now) => decide(request, respond, now), text, who)
    frame.fill(recycledByte)
    return asked
  }
}

export const errorName = ({ errorCode }: { readonly errorCode: number }): ErrorName => errorByCode(errorCode)!.name

export const assignmentText = ({ assignment }: SyncResponse): string => Buffer.from(assignment).toString()

function joinText(response: JoinResponse): string {
  if (response.errorCode !== 0) {
    return response.errorCode === 79 ? `MEMBER_ID_REQUIRED: it is ${response.memberId}` : errorName(response)
  }
  const members = response.members.map(({ memberId, metadata }) => `${memberId} (${Buffer.from(metadata)})`)
  return [
    `generation ${response.generationId}, protocol ${response.protocolName}, leader ${response.leader}`,
    ...(members.length === 0 ? [] : [`members ${members.join(", ")}`]),
    ...(response.skipAssignment ? ["skip the assignment"] : []),
  ].join("; ")
}

const syncText = (response: SyncResponse): string =>
  response.errorCode === 0 ? `assignment: ${assignmentText(response) || "nothing"}` : errorName(response)

const leaveText = (response: LeaveResponse): string =>
  [
    ...(response.errorCode === 0 ? [] : [errorName(response)]),
    ...response.members.map((member) => `${member.memberId || member.groupInstanceId} ${errorName(member)}`),
  ].join(", ")

function groupMetadataText(record: GroupRecord): string {
  if (record.type !== "GroupMetadata" || record.value === null) return `${record.type} removed`
  const { generation, protocol, leader, members } = record.value
  if (members.length === 0) return `GroupMetadata: generation ${generation}, no members`
  const shares = members.map(
    ({ memberId, assignment }) => `${memberId}=${assignment.length === 0 ? "nothing" : assignment}`,
  )
  return `GroupMetadata: generation ${generation}, protocol ${protocol}, leader ${leader}; ${shares.join(", ")}`
}
