/**
 * The way to the active controller, wherever it is.
 *
 * Owns finding it, asking again after a broken connection or a NOT_CONTROLLER, and the deadline of all this. Where this node is the active controller itself a request takes the
 * same door without a socket. Source: Kafka's NodeToControllerChannelManager.
 */
import type { BrokerId } from "../base/ids.js"
import type { Env, Timer } from "../env/env.js"
import { type ConnectPeer, type Peer, type PeerAddress, PeerError } from "../net/peer.js"
import { Errors } from "../protocol/errors.js"
import type { Api, RequestInputOf, ResponseOf } from "../protocol/message.js"

/** Pause before another try where nothing says that a try would now succeed. */
export const controllerRetryMs = 50

export interface ActiveController {
  /** -1: not known. */
  readonly leaderId: BrokerId
  /** Of its leadership of the quorum. */
  readonly epoch: number
  /** Undefined: not known, or not needed because it is this node. */
  readonly address: PeerAddress | undefined
}

/** What this node answers as the active controller. */
export type LocalController = <A extends Api>(api: A, request: RequestInputOf<A>) => Promise<ResponseOf<A>>

export interface ControllerChannelOptions {
  readonly env: Env
  readonly nodeId: BrokerId
  readonly connect: ConnectPeer
  /** Undefined: this node is no controller. */
  readonly local: LocalController | undefined
}

export class ControllerChannel {
  #active: ActiveController = { leaderId: -1, epoch: -1, address: undefined }
  #peer: Peer | undefined
  #closed = false
  readonly #waiting = new Set<() => void>()

  constructor(private readonly options: ControllerChannelOptions) {}

  /**
   * The quorum has another leader, or none that is known. Also one that led before may have been started anew since: what was asked of its former life is never answered, and its
   * machine, if it lost power, has not said goodbye.
   */
  onLeaderChanged(active: ActiveController): void {
    const { address, epoch } = active
    const isSame = this.#peer?.address.host === address?.host && this.#peer?.address.port === address?.port
    if (!isSame || epoch !== this.#active.epoch) {
      this.#peer?.close()
      this.#peer = undefined
    }
    this.#active = active
    if (active.leaderId !== -1) for (const wake of [...this.#waiting]) wake()
  }

  /**
   * Asks the active controller, and whoever follows it, until one of them answers. What is asked for must bear being done twice: a connection may break after the controller
   * acted.
   *
   * Errors: PeerError, of the last try, once `timeoutMs` is over; `closed` after `close`.
   */
  async request<A extends Api>(
    api: A,
    request: RequestInputOf<A>,
    { timeoutMs }: { readonly timeoutMs: number },
  ): Promise<ResponseOf<A>> {
    const { clock } = this.options.env
    const deadlineMs = clock.monotonicMs() + timeoutMs
    let last: PeerError | undefined
    for (;;) {
      const leftMs = deadlineMs - clock.monotonicMs()
      if (this.#closed) throw new PeerError("closed", "this node stops")
      if (leftMs <= 0) throw last ?? new PeerError("unreachable", "no controller is known")
      const asked = this.#active
      try {
        const response = await this.#ask(api, request, leftMs)
        if (response !== undefined && errorCodeOf(response) !== Errors.NOT_CONTROLLER) return response
        if (response !== undefined)
          last = new PeerError("unreachable", `node ${asked.leaderId} is not the active controller`)
      } catch (error) {
        if (!(error instanceof PeerError)) throw error
        if (error.code === "unsupported" || error.code === "malformed") throw error
        last = error
      }
      if (this.#active === asked || this.#active.leaderId === -1) await this.#change(controllerRetryMs)
    }
  }

  async #ask<A extends Api>(api: A, request: RequestInputOf<A>, timeoutMs: number): Promise<ResponseOf<A> | undefined> {
    const { nodeId, local, connect } = this.options
    const { leaderId, address } = this.#active
    if (leaderId === nodeId && local !== undefined) return local(api, request)
    if (leaderId === -1 || address === undefined) return undefined
    this.#peer ??= connect(address)
    // The memory of the answer is left to the collector: an envelope's content is a view of it.
    return (await this.#peer.request(api, request, { timeoutMs })).response
  }

  /** Resolves when another controller is known, or after a while. */
  #change(ms: number): Promise<void> {
    return new Promise((resolve) => {
      let timer: Timer | undefined
      const wake = () => {
        this.#waiting.delete(wake)
        timer?.cancel()
        resolve()
      }
      timer = this.options.env.timers.after(ms, wake)
      this.#waiting.add(wake)
    })
  }

  close(): void {
    this.#closed = true
    this.#peer?.close()
    for (const wake of [...this.#waiting]) wake()
  }
}

const errorCodeOf = (response: object): number =>
  "errorCode" in response && typeof response.errorCode === "number" ? response.errorCode : Errors.NONE
