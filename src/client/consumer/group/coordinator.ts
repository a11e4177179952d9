/**
 * The broker that coordinates a group, and two connections to it.
 *
 * Owns who it is, as long as that holds. Two connections, because brokers answer in order and a join is answered late: what is committed meanwhile must not wait behind it.
 * Invariant: after `close` nothing is on its way.
 */
import type { Env } from "../../../env/env.js"
import { type Peer, type PeerAddress, PeerError } from "../../../net/peer.js"
import { Errors, errorByCode } from "../../../protocol/errors.js"
import type { Api, RequestInputOf, ResponseOf } from "../../../protocol/message.js"
import { findCoordinator } from "../../../protocol/messages/find-coordinator.js"
import type { Cluster } from "../../cluster.js"
import { ClosedError, ConnectionError, GroupError } from "../../errors.js"

/** What a request is about decides behind which others it waits. */
export type Lane = "membership" | "offsets"

const groupKeyType = 0

export class Coordinator {
  #address: PeerAddress | undefined
  #finding: Promise<PeerAddress> | undefined
  readonly #peers = new Map<Lane, Peer>()
  #isClosed = false

  constructor(
    private readonly env: Env,
    private readonly cluster: Cluster,
    private readonly groupId: string,
  ) {}

  /**
   * Asks the coordinator; `take` sees the answer before its memory is used again.
   * Errors: ConnectionError (ask again later), GroupError (never will be answered), ClosedError.
   */
  async ask<A extends Api, T>(
    lane: Lane,
    api: A,
    request: RequestInputOf<A>,
    timeoutMs: number,
    take: (response: ResponseOf<A>) => T,
  ): Promise<T> {
    const address = this.#address ?? (await this.#find())
    if (this.#isClosed) throw new ClosedError("the consumer")
    try {
      const { response, release } = await this.#peer(lane, address).request(api, request, { timeoutMs })
      try {
        return take(response)
      } finally {
        release()
      }
    } catch (error) {
      if (!(error instanceof PeerError)) throw error
      if (error.code === "unsupported")
        throw new GroupError(Errors.UNSUPPORTED_VERSION, `group ${this.groupId}`, error.message)
      // What waits on the other connection waits for nobody.
      if (address === this.#address) for (const peer of this.#peers.values()) peer.close()
      if (address === this.#address) this.#peers.clear()
      this.moved(address)
      throw new ConnectionError(`group ${this.groupId}: ${error.message}`, error)
    }
  }

  /** It has said, or shown, that it is the coordinator no more. */
  moved(address = this.#address): void {
    if (address !== this.#address) return
    this.#address = undefined
  }

  #peer(lane: Lane, address: PeerAddress): Peer {
    const known = this.#peers.get(lane)
    if (known !== undefined && known.address.host === address.host && known.address.port === address.port) return known
    known?.close()
    const peer = this.cluster.connect(address)
    this.#peers.set(lane, peer)
    return peer
  }

  #find(): Promise<PeerAddress> {
    this.#finding ??= this.#lookUp().finally(() => {
      this.#finding = undefined
    })
    return this.#finding
  }

  async #lookUp(): Promise<PeerAddress> {
    if (this.#isClosed) throw new ClosedError("the consumer")
    const { coordinators } = await this.cluster.askAny(findCoordinator, {
      key: "",
      keyType: groupKeyType,
      coordinatorKeys: [this.groupId],
    })
    const { errorCode, errorMessage, host, port } = coordinators[0] ?? {
      errorCode: Errors.COORDINATOR_NOT_AVAILABLE,
      errorMessage: null,
      host: "",
      port: 0,
    }
    if (errorCode !== Errors.NONE) {
      const what = `group ${this.groupId}: its coordinator is not known`
      if (errorByCode(errorCode)?.retriable !== true) throw new GroupError(errorCode, what, errorMessage)
      this.env.log.log("debug", what, { groupId: this.groupId, errorCode })
      throw new ConnectionError(`${what}: ${errorByCode(errorCode)?.message}`)
    }
    this.#address = { host, port }
    return this.#address
  }

  close(): void {
    this.#isClosed = true
    for (const peer of this.#peers.values()) peer.close()
  }
}
