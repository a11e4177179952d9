/**
 * AlterPartitionReassignments: other replicas for partitions.
 *
 * Behaviour: answered when the reassignments have begun; partitions fail one by one. Versions: v1+ may forbid another replication factor (KIP-860). Source: KIP-455.
 */
import { alterPartitionReassignments } from "../../protocol/messages/alter-partition-reassignments.js"
import { controllerHandler } from "../services.js"

export const alterPartitionReassignmentsHandler = controllerHandler(alterPartitionReassignments, (services, request) =>
  services.controller.alterPartitionReassignments(request),
)
