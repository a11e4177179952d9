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
import type { MetadataLog } from "../raft/metadata-log.js"
import type { ReplicaManager } from "../replication/replica-manager.js"
import type { ConfigView } from "./config-view.js"
import type { ControllerChannel } from "./controller-channel.js"
import type { DoubtfulLeaders } from "./doubtful-leaders.js"
import type { FetchSessions } from "./fetch-sessions.js"
import type { InternalTopicCreation } from "./internal-topic-creation.js"
import type { MetadataController } from "./metadata-controller.js"
import type { ProducerIds } from "./producer-ids.js"
import type { TopicCreation } from "./topic-creation.js"

/** What every node has, whatever its roles. */
export interface NodeServices {
  readonly env: Env
  readonly nodeId: BrokerId
  readonly clusterId: string
  readonly limits: Limits
  readonly configs: ConfigView
  /** The committed metadata. */
  image(): MetadataImage
  /** Of the quorum, as this node knows it. */
  kraftVersion(): number
}

/** What the APIs of the controllers' listeners work with. */
export interface ControllerServices extends NodeServices {
  readonly controller: MetadataController
  readonly quorum: MetadataLog
  /** Answers a request that came in an envelope, as if it had come by itself. */
  answerEmbedded(request: Buffer, connection: RequestConnection): Promise<Buffer | undefined>
}

/** What the APIs of the brokers' listeners work with. */
export interface Services extends NodeServices {
  readonly channel: ControllerChannel
  readonly topics: TopicCreation
  readonly replicas: ReplicaManager
  readonly groups: GroupCoordinator
  readonly internalTopics: InternalTopicCreation
  readonly fetchSessions: FetchSessions
  readonly producerIds: ProducerIds
  readonly doubtfulLeaders: DoubtfulLeaders
  /** Whether others may lead by now what this broker takes itself to lead. */
  isCutOff(): boolean
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

/** What a handler may know of the connection a request came through. */
export type RequestConnection = Pick<ServerConnection, "state" | "onClosed" | "remoteAddress">

export interface RequestContext {
  readonly version: number
  readonly clientId: string | null
  readonly connection: RequestConnection
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

export interface ApiHandler<A extends Api = Api, S extends NodeServices = Services> {
  readonly api: A
  handle(services: S, request: RequestOf<A>, context: RequestContext): Handled<A>
}

export const handler = <A extends Api>(api: A, handle: ApiHandler<A>["handle"]): ApiHandler =>
  ({ api, handle }) as unknown as ApiHandler

/** For an API that both brokers and controllers answer. */
export const nodeHandler = <A extends Api>(
  api: A,
  handle: ApiHandler<A, NodeServices>["handle"],
): ApiHandler<Api, NodeServices> => ({ api, handle }) as unknown as ApiHandler<Api, NodeServices>

/** For an API that controllers answer; a client's request comes to them through any broker. */
export const controllerHandler = <A extends Api>(
  api: A,
  handle: ApiHandler<A, ControllerServices>["handle"],
): ApiHandler<Api, ControllerServices> => ({ api, handle }) as unknown as ApiHandler<Api, ControllerServices>

/** How a client reaches a broker: the endpoint of the listener it came through, or none if the broker has no such listener. */
export function endpointFor(image: MetadataImage, brokerId: BrokerId, listenerName: string): Endpoint | undefined {
  return image.brokers.get(brokerId)?.endPoints.find(({ name }) => name === listenerName)
}
