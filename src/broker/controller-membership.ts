/**
 * The standing of this node among the controllers: registered in the metadata, and a voter where it is one, with the address it has now.
 *
 * Owns when the active controller is told (ControllerRegistration, UpdateRaftVoter, and with `controller.quorum.auto.join.enable` AddRaftVoter and RemoveRaftVoter). Decides nothing: what is said
 * is looked at again until the metadata says so too. Source: KIP-919, KIP-853; Kafka's ControllerRegistrationManager.
 */
import type { BrokerId, Uuid } from "../base/ids.js"
import type { Env, Timer } from "../env/env.js"
import type { Endpoint, MetadataImage } from "../metadata/image.js"
import { type ConnectPeer, PeerError } from "../net/peer.js"
import { errorByCode, Errors } from "../protocol/errors.js"
import { addRaftVoter } from "../protocol/messages/add-raft-voter.js"
import { controllerRegistration } from "../protocol/messages/controller-registration.js"
import { removeRaftVoter } from "../protocol/messages/remove-raft-voter.js"
import { updateRaftVoter } from "../protocol/messages/update-raft-voter.js"
import type { VoterSet } from "../raft/voter-set.js"
import { type ActiveController, ControllerChannel, type LocalController } from "./controller-channel.js"
import { supportedFeatures } from "./features.js"

/** Between two looks at what the metadata says of this node. */
export const membershipCheckMs = 1000
/** How long one request may take. A new voter is counted only once it has caught up. */
const requestTimeoutMs = 5000
/** After a refusal, doubled with each further one up to the second: two nodes with one id must not fill the log with their registrations. */
const refusedPauseMs = 1000
const refusedPauseMaxMs = 60_000
/** Of `metadata.version` (3.7-IV0). Older ones cannot hold a controller's registration. */
const registrationMetadataVersion = 15

export interface ControllerMembershipOptions {
  readonly env: Env
  readonly nodeId: BrokerId
  readonly directoryId: Uuid
  readonly incarnationId: Uuid
  readonly clusterId: string
  readonly connect: ConnectPeer
  readonly local: LocalController
  readonly endpoints: () => readonly Endpoint[]
  readonly image: () => MetadataImage
  readonly quorum: { readonly voters: VoterSet; readonly kraftVersion: number; readonly epoch: number }
  /** Ids in `controller.quorum.voters`. */
  readonly configuredVoters: readonly BrokerId[]
  /** `controller.quorum.auto.join.enable` */
  readonly autoJoin: boolean
}

export class ControllerMembership {
  readonly #channel: ControllerChannel
  #isLeaderKnown = false
  #timer: Timer | undefined
  #busy = false
  #stopped = false
  #refusals = 0
  /** Of this life. */
  #registrations = 0
  #registeredMs = 0
  #notBeforeMs = Number.NEGATIVE_INFINITY
  #told = ""
  #toldVoters = ""

  constructor(private readonly options: ControllerMembershipOptions) {
    const { env, nodeId, connect, local } = options
    this.#channel = new ControllerChannel({ env, nodeId, connect, local })
  }

  start(): void {
    this.#schedule()
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
    this.#channel.close()
  }

  onLeaderChanged(active: ActiveController): void {
    this.#channel.onLeaderChanged(active)
    this.#isLeaderKnown = active.leaderId !== -1
  }

  #schedule(): void {
    if (this.#stopped) return
    this.#timer = this.options.env.timers.after(membershipCheckMs, () => {
      this.#schedule()
      void this.#look()
    })
  }

  async #look(): Promise<void> {
    const { env } = this.options
    if (this.#busy || !this.#isLeaderKnown || env.clock.monotonicMs() < this.#notBeforeMs) return
    this.#busy = true
    try {
      const refused = (await this.#register()) ?? (await this.#vote())
      this.#refusals = refused === undefined ? 0 : this.#refusals + 1
      if (refused === undefined) return
      this.#notBeforeMs = env.clock.monotonicMs() + this.#pauseMs(this.#refusals)
      if (!this.#stopped) this.#tell("warn", refused)
    } catch (error) {
      if (!(error instanceof PeerError)) throw error
      // Whoever leads next is asked again.
    } finally {
      this.#busy = false
    }
  }

  #pauseMs(times: number): number {
    return Math.min(refusedPauseMaxMs, refusedPauseMs * 2 ** Math.min(10, times - 1))
  }

  /** The metadata is to hold where this life of the controller is and what it knows. Returns why it was refused. */
  async #register(): Promise<string | undefined> {
    const { env, nodeId, incarnationId, image, endpoints } = this.options
    if ((image().features.get("metadata.version") ?? 0) < registrationMetadataVersion) return undefined
    const known = image().carried.get(`controller:${nodeId}`)
    if (known?.type === "RegisterControllerRecord" && known.value.incarnationId === incarnationId) return undefined
    // Somebody has registered after this life did: a late request of the last one, or, if it goes on, a second process with this id.
    if (this.#registrations > 0 && env.clock.monotonicMs() < this.#registeredMs + this.#pauseMs(this.#registrations))
      return undefined
    if (this.#registrations > 1)
      this.#tell(
        "warn",
        `another process registers as controller ${nodeId}: is there a second one with node.id=${nodeId}?`,
      )
    const { errorCode, errorMessage } = await this.#channel.request(
      controllerRegistration,
      {
        controllerId: nodeId,
        incarnationId,
        zkMigrationReady: false,
        listeners: endpoints().map((endpoint) => ({ ...endpoint })),
        features: supportedFeatures.map((feature) => ({ ...feature })),
      },
      { timeoutMs: requestTimeoutMs },
    )
    if (errorCode === Errors.NONE) {
      this.#registrations += 1
      this.#registeredMs = env.clock.monotonicMs()
    }
    return problem("the registration of this controller was refused", errorCode, errorMessage)
  }

  async #vote(): Promise<string | undefined> {
    const { nodeId, directoryId, quorum, autoJoin } = this.options
    if (quorum.kraftVersion < 1) return undefined
    this.#compareVoters()
    const voter = quorum.voters.get(nodeId)
    if (voter?.directoryId === directoryId) return this.#updateVoter(voter.endpoints)
    if (voter !== undefined)
      return autoJoin ? this.#removeStale(voter.directoryId) : this.#explainStale(voter.directoryId)
    if (autoJoin) return this.#join()
    this.#tell(
      "info",
      `this controller follows the quorum and does not vote in it. To make it a voter: \`${this.#addCommand()}\`, or set controller.quorum.auto.join.enable=true`,
    )
    return undefined
  }

  /** Since the first start the quorum says who votes, and a setting that says otherwise is not heard. */
  #compareVoters(): void {
    const { env, configuredVoters, quorum } = this.options
    const voters = [...quorum.voters.ids].sort((a, b) => a - b).join()
    const configured = [...configuredVoters].sort((a, b) => a - b).join()
    if (configured === "" || voters === this.#toldVoters || voters === configured) return
    this.#toldVoters = voters
    env.log.log("warn", "controller.quorum.voters is not who votes: the quorum's own voters count", {
      configured,
      voters,
    })
  }

  /** A voter that was moved says where it is now. */
  async #updateVoter(
    recorded: readonly { readonly name: string; readonly host: string; readonly port: number }[],
  ): Promise<string | undefined> {
    const { nodeId, directoryId, clusterId, quorum } = this.options
    const listeners = this.#listeners()
    const isSame = listeners.every((own) =>
      recorded.some(
        ({ name, host, port }) => name.toUpperCase() === own.name && host === own.host && port === own.port,
      ),
    )
    if (isSame) return undefined
    const range = supportedFeatures.find(({ name }) => name === "kraft.version")!
    const { errorCode } = await this.#channel.request(
      updateRaftVoter,
      {
        clusterId,
        currentLeaderEpoch: quorum.epoch,
        voterId: nodeId,
        voterDirectoryId: directoryId,
        listeners,
        kRaftVersionFeature: {
          minSupportedVersion: range.minSupportedVersion,
          maxSupportedVersion: range.maxSupportedVersion,
        },
      },
      { timeoutMs: requestTimeoutMs },
    )
    return problem("the new address of this voter was refused", errorCode, null)
  }

  async #join(): Promise<string | undefined> {
    const { nodeId, directoryId, clusterId } = this.options
    const { errorCode, errorMessage } = await this.#channel.request(
      addRaftVoter,
      {
        clusterId,
        timeoutMs: requestTimeoutMs,
        voterId: nodeId,
        voterDirectoryId: directoryId,
        listeners: this.#listeners(),
        // It may be this node's own acknowledgement that commits it.
        ackWhenCommitted: false,
      },
      { timeoutMs: requestTimeoutMs },
    )
    if (errorCode === Errors.NONE) this.#tell("info", "this controller has joined the voters of the quorum")
    return errorCode === Errors.DUPLICATE_VOTER
      ? undefined
      : problem("this controller may not join the voters yet", errorCode, errorMessage)
  }

  /** The disk this node voted with is gone: what it promised is forgotten, so the voter of that disk must go before another comes. */
  async #removeStale(voterDirectoryId: Uuid): Promise<string | undefined> {
    const { nodeId, clusterId } = this.options
    const { errorCode, errorMessage } = await this.#channel.request(
      removeRaftVoter,
      { clusterId, voterId: nodeId, voterDirectoryId },
      { timeoutMs: requestTimeoutMs },
    )
    return errorCode === Errors.VOTER_NOT_FOUND
      ? undefined
      : problem("the voter of this node's former disk could not be removed", errorCode, errorMessage)
  }

  #explainStale(voterDirectoryId: Uuid): undefined {
    const { nodeId, directoryId } = this.options
    this.#tell(
      "warn",
      `node ${nodeId} votes with the directory ${voterDirectoryId}, and this disk is ${directoryId}: a new disk has none of its votes and does not vote. If the old disk is lost, run \`ottla cluster remove-controller ${nodeId} --directory ${voterDirectoryId}\`, then \`${this.#addCommand()}\``,
    )
    return undefined
  }

  #addCommand(): string {
    const [own] = this.#listeners()
    return `ottla cluster add-controller ${this.options.nodeId}${own === undefined ? "" : ` --at ${own.name}://${own.host}:${own.port}`}`
  }

  #listeners() {
    return this.options.endpoints().map(({ name, host, port }) => ({ name, host, port }))
  }

  /** Each thing once, until something else is to be told. */
  #tell(level: "info" | "warn", message: string): void {
    if (this.#told === message) return
    this.#told = message
    this.options.env.log.log(level, message)
  }
}

const problem = (what: string, errorCode: number, message: string | null): string | undefined =>
  errorCode === Errors.NONE ? undefined : `${what}: ${message ?? errorByCode(errorCode)?.name ?? `error ${errorCode}`}`
