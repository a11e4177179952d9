/**
 * The connection to a broker, as it is seen by whoever traces the client.
 *
 * Owns what is told of each request. Everything else is `PeerConnection`'s.
 */
import type { PeerAddress, PeerAnswer } from "../net/peer.js"
import { PeerConnection, type PeerConnectionOptions } from "../net/peer-connection.js"
import type { Api, RequestInputOf } from "../protocol/message.js"
import type { Observed, RequestEvent } from "./observer.js"

export class BrokerConnection extends PeerConnection {
  constructor(
    address: PeerAddress,
    private readonly connectionOptions: PeerConnectionOptions,
    private readonly observed: Observed<RequestEvent>,
  ) {
    super(address, connectionOptions)
  }

  override request<A extends Api>(
    api: A,
    request: RequestInputOf<A>,
    options: { readonly timeoutMs: number },
  ): Promise<PeerAnswer<A>> {
    const asked = super.request(api, request, options)
    return this.observed.hasSubscribers ? this.#observe(api, asked) : asked
  }

  override post<A extends Api>(
    api: A,
    request: RequestInputOf<A>,
    options: { readonly timeoutMs: number; readonly ended: () => void },
  ): Promise<void> {
    const posted = super.post(api, request, options)
    return this.observed.hasSubscribers ? this.#observe(api, posted) : posted
  }

  async #observe<T>({ name }: Api, asked: Promise<T>): Promise<T> {
    const { clock } = this.connectionOptions.env
    const startMs = clock.monotonicMs()
    const tell = (error: Error | undefined) => {
      const { host, port } = this.address
      const durationMs = clock.monotonicMs() - startMs
      this.observed.publish({ api: name, address: `${host}:${port}`, durationMs, error })
    }
    try {
      const answer = await asked
      tell(undefined)
      return answer
    } catch (error) {
      tell(error instanceof Error ? error : new Error(String(error)))
      throw error
    }
  }
}
