/**
 * Requests of clients that only the active controller can answer, sent on to it as they came.
 *
 * Owns which APIs these are, the envelope, and the wait until this broker knows what its client was promised. Source: KIP-590; Kafka's ForwardingManager.
 */
import type { BrokerId } from "../base/ids.js"
import { MalformedError } from "../base/reader.js"
import type { Env } from "../env/env.js"
import { PeerError } from "../net/peer.js"
import { Errors } from "../protocol/errors.js"
import { addRaftVoter } from "../protocol/messages/add-raft-voter.js"
import { alterConfigs } from "../protocol/messages/alter-configs.js"
import { alterPartitionReassignments } from "../protocol/messages/alter-partition-reassignments.js"
import { createPartitions } from "../protocol/messages/create-partitions.js"
import { createTopics } from "../protocol/messages/create-topics.js"
import { deleteTopics } from "../protocol/messages/delete-topics.js"
import { describeQuorum } from "../protocol/messages/describe-quorum.js"
import { electLeaders } from "../protocol/messages/elect-leaders.js"
import { envelope } from "../protocol/messages/envelope.js"
import { incrementalAlterConfigs } from "../protocol/messages/incremental-alter-configs.js"
import { listPartitionReassignments } from "../protocol/messages/list-partition-reassignments.js"
import { removeRaftVoter } from "../protocol/messages/remove-raft-voter.js"
import { unregisterBroker } from "../protocol/messages/unregister-broker.js"
import { updateFeatures } from "../protocol/messages/update-features.js"
import type { ControllerChannel } from "./controller-channel.js"
import { judgeConfigs } from "./judged-configs.js"
import type { PublishedMetadata } from "./published-metadata.js"
import type { Forwarding } from "./request-dispatch.js"

export const forwardedApis = [
  createTopics,
  deleteTopics,
  alterConfigs,
  createPartitions,
  electLeaders,
  incrementalAlterConfigs,
  alterPartitionReassignments,
  listPartitionReassignments,
  describeQuorum,
  updateFeatures,
  unregisterBroker,
  addRaftVoter,
  removeRaftVoter,
] as const

export interface ForwardingOptions {
  readonly env: Env
  readonly nodeId: BrokerId
  readonly channel: Pick<ControllerChannel, "request">
  readonly metadata: PublishedMetadata
  /** Resolves when this broker acts on all metadata it has published. */
  readonly applied: () => Promise<void>
  /** `controller.socket.timeout.ms` */
  readonly timeoutMs: number
}

/** How long an answer waits at most until this broker has the metadata it speaks of. */
export const metadataWaitMs = 2000

export function forwarding(options: ForwardingOptions): Forwarding {
  const { env, nodeId, channel, metadata, applied, timeoutMs } = options
  const forward: Forwarding["forward"] = async (request, connection) => {
    try {
      const { errorCode, responseData, metadataOffset } = await channel.request(
        envelope,
        { requestData: request, requestPrincipal: null, clientHostAddress: addressBytes(connection.remoteAddress) },
        { timeoutMs },
      )
      if (errorCode !== Errors.NONE || responseData === null) return undefined
      // Reliability.md R7: what is answered holds for every later request through this broker.
      await metadata.until((image) => image.offset >= metadataOffset, metadataWaitMs)
      await applied()
      return responseData
    } catch (error) {
      if (!(error instanceof PeerError)) throw error
      env.log.log("warn", "a request could not be sent on to the controller", { reason: error.message })
      return undefined
    }
  }
  return {
    apis: forwardedApis,
    forward: async (request, connection) => {
      const judged = judge(request, nodeId)
      if (judged === undefined) return forward(request, connection)
      const answer = judged.request && (await forward(judged.request, connection))
      return judged.request !== undefined && answer === undefined ? undefined : judged.complete(answer)
    },
  }
}

/** What cannot be read is sent on: the controller refuses it as it refuses all such requests. */
function judge(request: Buffer, nodeId: BrokerId): ReturnType<typeof judgeConfigs> {
  try {
    return judgeConfigs(request, nodeId)
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error
    return undefined
  }
}

/** An IP address as it goes over the wire; of anything else, and of IPv6, as its text. */
function addressBytes(address: string): Buffer {
  const parts = address.split(".").map(Number)
  return parts.length === 4 && parts.every((part) => part >= 0 && part < 256)
    ? Buffer.from(parts)
    : Buffer.from(address)
}
