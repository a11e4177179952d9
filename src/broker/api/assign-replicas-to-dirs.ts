/**
 * AssignReplicasToDirs: in which directories a broker holds its replicas.
 *
 * Behaviour: a replica that was made anew because its directory is gone leaves ISR and ELR. Controllers only. Source: KIP-858.
 */
import { assignReplicasToDirs } from "../../protocol/messages/assign-replicas-to-dirs.js"
import { controllerHandler } from "../services.js"

export const assignReplicasToDirsHandler = controllerHandler(assignReplicasToDirs, (services, request) =>
  services.controller.assignReplicasToDirs(request),
)
