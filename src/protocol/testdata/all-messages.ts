import type { Message } from "../message.js"
import * as controlRecords from "../messages/control-records.js"
import { consumerProtocolAssignment, consumerProtocolSubscription } from "../messages/consumer-protocol.js"
import { groupRecords } from "../messages/group-records.js"
import { requestHeader, responseHeader } from "../messages/headers.js"
import { apis, ottlaApis } from "../messages/index.js"
import { metadataRecords } from "../messages/metadata-records.js"
import { producerSnapshot } from "../messages/producer-snapshot.js"

/** Every message that is declared and that Kafka has too, of whatever kind. */
export const kafkaMessages: readonly Message[] = [
  ...apis.flatMap((api) => [api.request, api.response]),
  ...metadataRecords,
  ...groupRecords.flatMap(({ key, value }) => [key, value]),
  ...Object.values(controlRecords),
  consumerProtocolSubscription,
  consumerProtocolAssignment,
  producerSnapshot,
  requestHeader,
  responseHeader,
]

/** Every message that is declared. */
export const allMessages: readonly Message[] = [
  ...kafkaMessages,
  ...ottlaApis.flatMap((api) => [api.request, api.response]),
]
