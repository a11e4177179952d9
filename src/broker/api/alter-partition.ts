/**
 * AlterPartition: a leader proposes another in-sync set.
 *
 * Behaviour: partitions succeed or fail one by one; NEW_LEADER_ELECTED where the change happened and took the leadership from the sender. Controllers only. Source: KIP-497, 841, 903.
 */
import { alterPartition } from "../../protocol/messages/alter-partition.js"
import { controllerHandler } from "../services.js"

export const alterPartitionHandler = controllerHandler(alterPartition, (services, request) =>
  services.controller.alterPartition(request),
)
