/**
 * What the handlers of the APIs work with.
 *
 * Owns the list of parts of a running broker and nothing of their behaviour. A handler gets this, a request and its context, and returns a response.
 */
import type { BrokerId } from "../base/ids.js"
import type { GroupCoordinator } from "../coordinator/group/group-coordinator.js"
import type { Env } from "../env/env.js"
import type { Endpoint, MetadataImage } from "../metadata/image.js"
import type { InboundFrame, ServerConnection } from "../net/server-connection.js"
import type { Api, RequestOf, ResponseInputOf } from "../protocol/message.js"
import type { ReplicaManager } from "../replication/replica-manager.js"
import type { ConfigView } from "./config-view.js"
import type { FetchSessions } from "./fetch-sessions.js"
import type { InternalTopicCreation } from "./internal-topic-creation.js"
import type { MetadataController } from "./metadata-controller.js"
import type { ProducerIds } from "./producer-ids.js"

export interface Services {
  readonly env: Env
  readonly nodeId: BrokerId
  readonly clusterId: string
  readonly limits: Limits
  readonly controller: MetadataController
  readonly replicas: ReplicaManager
  readonly configs: ConfigView
  readonly groups: GroupCoordinator
  readonly internalTopics: InternalTopicCreation
  readonly fetchSessions: FetchSessions
  readonly producerIds: ProducerIds
  /** The committed metadata. */
  image(): MetadataImage
}

/** Settings that do not change while the broker runs, looked up once. */
export interface Limits {
  /** `fetch.max.bytes` */
  readonly fetchBytesMax: number
  /** `max.request.partition.size.limit` */
  readonly describedPartitionsMax: number
  readonly autoCreateTopicsEnable: boolean
  readonly deleteTopicEnable: boolean
}

export interface RequestContext {
  readonly version: number
  readonly clientId: string | null
  readonly connection: ServerConnection
  /** The listener the request came through, by whose name brokers are told to the client. */
  readonly listenerName: string
  /** Memory of the request. Kept until the reply unless the handler takes it over with `keepFrame`. */
  readonly frame: InboundFrame
  /** The handler releases the frame itself. */
  keepFrame(): void
  /** Runs when the reply has been handed to the kernel, or never will be. */
  onSent(run: () => void): void
  readonly nowMs: number
}

/** "none": no answer at all (acks=0). "close": end the connection. */
export type ResponseOrEnd<A extends Api> = ResponseInputOf<A> | "none" | "close"

export type Handled<A extends Api> =
  | ResponseOrEnd<A>
  | Promise<ResponseOrEnd<A>>
  /** Everything that must precede the connection's next request has happened; the answer follows. */
  | { readonly accepted: true; readonly reply: Promise<ResponseOrEnd<A>> }

export interface ApiHandler<A extends Api = Api> {
  readonly api: A
  handle(services: Services, request: RequestOf<A>, context: RequestContext): Handled<A>
}

export const handler = <A extends Api>(api: A, handle: ApiHandler<A>["handle"]): ApiHandler =>
  ({ api, handle }) as unknown as ApiHandler

/** How a client reaches a broker: the endpoint of the listener it came through, or none if the broker has no such listener. */
export function endpointFor(image: MetadataImage, brokerId: BrokerId, listenerName: string): Endpoint | undefined {
  return image.brokers.get(brokerId)?.endPoints.find(({ name }) => name === listenerName)
}
