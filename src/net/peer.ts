/**
 * Another node, as whoever sends it requests sees it.
 *
 * Owns the contract between those who ask (quorum, broker's life, replication, forwarding) and the connection that carries it (`peer-connection.ts`). One request fails or
 * succeeds alone; when and whether to ask again is the asker's decision.
 */
import type { Api, RequestInputOf, ResponseOf } from "../protocol/message.js"

export interface PeerAddress {
  readonly host: string
  readonly port: number
}

/**
 * `refused`: nobody listens there, so the process is gone though its machine lives. `unreachable`: no connection for another reason. `closed`: the connection ended before the
 * answer, which may mean that the process is gone: ask again to find out. `timed out`: no answer in time; whether the peer acted is not known. `unsupported`: the peer does not
 * offer this API. `malformed`: what came back is no answer.
 */
export type PeerErrorCode = "refused" | "unreachable" | "closed" | "timed out" | "unsupported" | "malformed"

export class PeerError extends Error {
  override name = "PeerError"
  constructor(
    readonly code: PeerErrorCode,
    message: string,
  ) {
    super(message)
  }
}

export interface PeerAnswer<A extends Api> {
  readonly response: ResponseOf<A>
  readonly version: number
  /** Bytes and records of the response are views of memory that is reused after this. Call it once, when nothing refers to them any more. */
  release(): void
}

export interface Peer {
  readonly address: PeerAddress
  /**
   * Sends one request in the highest version both sides have, connecting first where there is no connection. Several may be on their way; the peer answers them in order.
   * Rejects with PeerError only. A request that times out ends the connection, and with it all others on their way.
   */
  request<A extends Api>(
    api: A,
    request: RequestInputOf<A>,
    options: { readonly timeoutMs: number },
  ): Promise<PeerAnswer<A>>
  /** Ends the connection. Requests on their way, and later ones, are rejected as `closed`. */
  close(): void
}

/** Makes the peer of an address. Connections are not shared: each asker has its own, so that a large answer to one does not hold up another. */
export type ConnectPeer = (address: PeerAddress) => Peer
