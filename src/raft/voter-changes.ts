/**
 * Changes of the voter set, one at a time (KIP-853).
 *
 * Owns which change may begin and when it is answered. A change is a record: it counts as soon as it is in the log, and is answered when it is committed, by a majority of the new
 * voters. Nothing begins before the leader has committed in its own epoch and the change before is committed: two sets in use then differ by one voter, so any two majorities meet.
 */
import { type BrokerId, type Offset, type Uuid, zeroUuid } from "../base/ids.js"
import type { Env, Timer } from "../env/env.js"
import { type ConnectPeer, type PeerAddress, PeerError } from "../net/peer.js"
import { Errors } from "../protocol/errors.js"
import type { RequestOf, ResponseInputOf } from "../protocol/message.js"
import type { addRaftVoter } from "../protocol/messages/add-raft-voter.js"
import { apiVersions } from "../protocol/messages/api-versions.js"
import type { removeRaftVoter } from "../protocol/messages/remove-raft-voter.js"
import type { updateRaftVoter } from "../protocol/messages/update-raft-voter.js"
import type { RaftCore } from "./core.js"
import type { VoterHistory } from "./voter-history.js"
import { type ReplicaKey, supportedKRaftVersions, type Voter, VoterSet } from "./voter-set.js"

type Change = { readonly errorCode: number; readonly errorMessage: string | null; readonly throttleTimeMs: number }

export interface VoterChangesOptions {
  readonly env: Env
  readonly core: RaftCore
  readonly history: VoterHistory
  readonly options: {
    readonly nodeId: BrokerId
    readonly directoryId: Uuid
    readonly clusterId: Uuid
    readonly listenerName: string
    readonly connect: ConnectPeer
    readonly timing: { readonly requestTimeoutMs: number }
  }
  /** With the kraft.version that begins there, where one does. Undefined: the log takes nothing now. */
  readonly append: (voters: VoterSet, kraftVersion?: number) => { readonly nextOffset: Offset } | undefined
  /** Where this node is reached as a controller. */
  readonly ownEndpoint: () => PeerAddress | undefined
  readonly resign: () => void
}

/** An observer that is to become a voter has had everything no longer ago than this. */
export const caughtUpMsMax = 3_600_000
/** Whose disk is to be written down must have fetched no longer ago than this. */
export const heardMsMax = 2_000

const done: Change = { errorCode: Errors.NONE, errorMessage: null, throttleTimeMs: 0 }
const refused = (errorCode: number, errorMessage: string): Change => ({ errorCode, errorMessage, throttleTimeMs: 0 })

interface Pending {
  /** Infinity while the new voter is being asked. */
  nextOffset: Offset
  readonly settle: (change: Change) => void
}

export class VoterChanges {
  #pending: Pending | undefined

  constructor(private readonly parts: VoterChangesOptions) {}

  async add(request: RequestOf<typeof addRaftVoter>): Promise<ResponseInputOf<typeof addRaftVoter>> {
    const { core, env, options } = this.parts
    const problem = this.#problem(request.clusterId)
    if (problem !== undefined) return problem
    const key: ReplicaKey = { id: request.voterId, directoryId: request.voterDirectoryId }
    const endpoints = request.listeners.map(({ name, host, port }) => ({ name, host, port }))
    const endpoint = this.#endpointIn(endpoints)
    if (key.id < 0 || key.directoryId === zeroUuid || endpoint === undefined)
      return refused(
        Errors.INVALID_REQUEST,
        `A new voter has an id, a directory id, and an endpoint for ${options.listenerName}.`,
      )
    if (core.voters.get(key.id) !== undefined)
      return refused(Errors.DUPLICATE_VOTER, `Node ${key.id} is a voter already; the voters are ${core.voters}.`)
    return this.#run(
      Math.min(request.timeoutMs, options.timing.requestTimeoutMs),
      async (isPending) => {
        const versions = await this.#supportedVersions(endpoint)
        if (!isPending()) return undefined
        if (versions === undefined) return refused(Errors.REQUEST_TIMED_OUT, `Node ${key.id} does not answer.`)
        const { kraftVersion } = this.parts.history.latest
        if (versions.minKRaftVersion > kraftVersion || versions.maxKRaftVersion < kraftVersion)
          return refused(Errors.INVALID_REQUEST, `Node ${key.id} does not support kraft.version ${kraftVersion}.`)
        const nowMs = env.clock.monotonicMs()
        const progress = core.leaderState?.progressOf(key)
        // It would be counted at once, and commits would wait for it.
        if (progress === undefined || progress.lastCaughtUpMs < 0 || progress.lastFetchMs < nowMs - caughtUpMsMax)
          return refused(Errors.REQUEST_TIMED_OUT, `Node ${key.id} does not have the whole metadata log yet.`)
        return core.voters.with({ ...key, endpoints, ...versions })
      },
      request.ackWhenCommitted,
    )
  }

  async remove(request: RequestOf<typeof removeRaftVoter>): Promise<ResponseInputOf<typeof removeRaftVoter>> {
    const { core, options } = this.parts
    const problem = this.#problem(request.clusterId)
    if (problem !== undefined) return problem
    const voter = core.voters.get(request.voterId)
    if (voter === undefined || voter.directoryId !== request.voterDirectoryId)
      return refused(
        Errors.VOTER_NOT_FOUND,
        `Node ${request.voterId} with directory ${request.voterDirectoryId} is no voter; the voters are ${core.voters}.`,
      )
    if (core.voters.size === 1) return refused(Errors.INVALID_REQUEST, "The last voter cannot be removed.")
    const change = await this.#run(options.timing.requestTimeoutMs, async () => core.voters.without(voter.id), true)
    // A leader commits its own removal without counting itself, and then has no business leading (§4.2.2 of the Raft thesis).
    if (change.errorCode === Errors.NONE && voter.id === options.nodeId) this.parts.resign()
    return change
  }

  /**
   * To kraft.version 1: the voters of the configuration are in the log from here on, each known by its disk. A majority is the same before and after, so nothing else changes. All must be
   * there: the id of a disk is what its node says when it fetches.
   */
  async upgrade(): Promise<Change> {
    const { core, env, options, ownEndpoint } = this.parts
    const problem = this.#problem(null, 0)
    if (problem !== undefined) return problem
    return this.#run(
      options.timing.requestTimeoutMs,
      async (isPending) => {
        const voters: Voter[] = []
        for (const voter of core.voters.voters) {
          const isSelf = voter.id === options.nodeId
          const own = ownEndpoint()
          const endpoints = isSelf && own !== undefined ? [{ name: options.listenerName, ...own }] : voter.endpoints
          const endpoint = this.#endpointIn(endpoints)
          if (endpoint === undefined || endpoint.port <= 0)
            return refused(
              Errors.INVALID_UPDATE_VERSION,
              `Node ${voter.id} has no listener ${options.listenerName} at which other controllers could reach it.`,
            )
          const versions = isSelf ? supportedKRaftVersions : await this.#supportedVersions(endpoint)
          if (!isPending()) return undefined
          const progress = core.leaderState?.progressOf(voter)
          const directoryId = isSelf ? options.directoryId : progress?.directoryId
          const isHeard = isSelf || (progress?.lastFetchMs ?? -1) >= env.clock.monotonicMs() - heardMsMax
          if (versions === undefined || !isHeard || directoryId === undefined || directoryId === zeroUuid)
            return refused(Errors.INVALID_UPDATE_VERSION, `Voter ${voter.id} is not there, and its disk is not known.`)
          if (versions.maxKRaftVersion < 1)
            return refused(Errors.INVALID_UPDATE_VERSION, `Voter ${voter.id} does not support kraft.version 1.`)
          voters.push({ id: voter.id, directoryId, endpoints, ...versions })
        }
        return new VoterSet(voters)
      },
      true,
      1,
    )
  }

  /** Answered at once: the voter does not wait for it. */
  async update(request: RequestOf<typeof updateRaftVoter>): Promise<ResponseInputOf<typeof updateRaftVoter>> {
    const { core, append } = this.parts
    const answer = (errorCode: number) => ({ throttleTimeMs: 0, errorCode })
    if (request.clusterId !== null && request.clusterId !== this.parts.options.clusterId)
      return answer(Errors.INCONSISTENT_CLUSTER_ID)
    const leader = core.leaderOnlyProblem(request.currentLeaderEpoch)
    if (leader !== Errors.NONE) return answer(leader)
    const problem = this.#problem(request.clusterId)
    if (problem !== undefined) return answer(problem.errorCode)
    const { minSupportedVersion: min, maxSupportedVersion: max } = request.kRaftVersionFeature
    const endpoints = request.listeners.map(({ name, host, port }) => ({ name, host, port }))
    const { kraftVersion } = this.parts.history.latest
    if (request.voterDirectoryId === zeroUuid || this.#endpointIn(endpoints) === undefined || min < 0 || max < min)
      return answer(Errors.INVALID_REQUEST)
    if (min > kraftVersion || max < kraftVersion) return answer(Errors.INVALID_REQUEST)
    const voter = core.voters.get(request.voterId)
    if (voter === undefined || voter.directoryId !== request.voterDirectoryId) return answer(Errors.VOTER_NOT_FOUND)
    const updated: Voter = { ...voter, endpoints, minKRaftVersion: min, maxKRaftVersion: max }
    return answer(append(core.voters.updated(updated)) === undefined ? Errors.REQUEST_TIMED_OUT : Errors.NONE)
  }

  /** Everything below is committed. */
  onCommitted(highWatermark: Offset): void {
    if (this.#pending !== undefined && highWatermark >= this.#pending.nextOffset) this.#pending.settle(done)
  }

  onResigned(): void {
    this.#pending?.settle(refused(Errors.NOT_LEADER_OR_FOLLOWER, "The leader changed meanwhile."))
  }

  /** Why no change may begin now. */
  #problem(clusterId: string | null, versionNeeded: 0 | 1 = 1): Change | undefined {
    const { core, history, options } = this.parts
    if (clusterId !== null && clusterId !== options.clusterId)
      return refused(Errors.INCONSISTENT_CLUSTER_ID, `The cluster's id is ${options.clusterId}.`)
    const leader = core.leaderOnlyProblem(core.epoch)
    if (leader !== Errors.NONE) return refused(leader, "This node does not lead the metadata quorum.")
    const { kraftVersion, offset } = history.latest
    if (kraftVersion < versionNeeded)
      return refused(Errors.UNSUPPORTED_VERSION, `The voters are configured: kraft.version is ${kraftVersion}.`)
    if (this.#pending !== undefined)
      return refused(Errors.REQUEST_TIMED_OUT, "Another change of the voters is on its way.")
    // An older leader's change may still come to count, or not, as long as nothing of this epoch is committed.
    if (core.highWatermark <= (core.leaderState?.epochStartOffset ?? Number.POSITIVE_INFINITY))
      return refused(Errors.REQUEST_TIMED_OUT, "The leader has committed nothing yet.")
    if (offset >= core.highWatermark)
      return refused(Errors.REQUEST_TIMED_OUT, "The last change of the voters is not committed yet.")
    return undefined
  }

  #run(
    timeoutMs: number,
    decide: (isPending: () => boolean) => Promise<VoterSet | Change | undefined>,
    ackWhenCommitted: boolean,
    newKRaftVersion?: number,
  ): Promise<Change> {
    return new Promise((resolve, reject) => {
      let timer: Timer | undefined
      const pending: Pending = {
        nextOffset: Number.POSITIVE_INFINITY,
        settle: (change) => {
          if (this.#pending !== pending) return
          this.#pending = undefined
          timer?.cancel()
          resolve(change)
        },
      }
      this.#pending = pending
      timer = this.parts.env.timers.after(Math.max(1, timeoutMs), () =>
        pending.settle(refused(Errors.REQUEST_TIMED_OUT, "The change is not committed yet.")),
      )
      const isPending = () => this.#pending === pending
      decide(isPending).then((decided) => {
        if (!isPending() || decided === undefined) return
        if ("errorCode" in decided) return pending.settle(decided)
        const appended = this.parts.append(decided, newKRaftVersion)
        if (appended === undefined)
          return pending.settle(refused(Errors.REQUEST_TIMED_OUT, "The metadata log takes no records now."))
        pending.nextOffset = appended.nextOffset
        if (!ackWhenCommitted) pending.settle(done)
        else this.onCommitted(this.parts.core.highWatermark)
      }, reject)
    })
  }

  #endpointIn<E extends PeerAddress & { readonly name: string }>(endpoints: readonly E[]): E | undefined {
    const wanted = this.parts.options.listenerName.toUpperCase()
    return endpoints.find(({ name }) => name.toUpperCase() === wanted)
  }

  /** What the new voter says of itself; undefined: it does not answer. */
  async #supportedVersions(
    address: PeerAddress,
  ): Promise<{ minKRaftVersion: number; maxKRaftVersion: number } | undefined> {
    const { connect, timing } = this.parts.options
    const peer = connect({ host: address.host, port: address.port })
    try {
      const { response, release } = await peer.request(
        apiVersions,
        { clientSoftwareName: "ottla", clientSoftwareVersion: "1" },
        { timeoutMs: timing.requestTimeoutMs },
      )
      const range = response.supportedFeatures.find(({ name }) => name === "kraft.version")
      release()
      // One that says nothing of it is one of ours: it supports what we do.
      return range === undefined
        ? { ...supportedKRaftVersions }
        : { minKRaftVersion: range.minVersion, maxKRaftVersion: range.maxVersion }
    } catch (error) {
      if (!(error instanceof PeerError)) throw error
      return undefined
    } finally {
      peer.close()
    }
  }
}
