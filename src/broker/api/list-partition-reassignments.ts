/**
 * ListPartitionReassignments: which partitions are on their way to other replicas.
 *
 * Behaviour: what is not on its way is left out, also when it is named. Source: KIP-455.
 */
import { listPartitionReassignments } from "../../protocol/messages/list-partition-reassignments.js"
import { controllerHandler } from "../services.js"

export const listPartitionReassignmentsHandler = controllerHandler(listPartitionReassignments, (services, request) =>
  services.controller.listPartitionReassignments(request),
)
