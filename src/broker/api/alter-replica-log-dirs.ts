/**
 * AlterReplicaLogDirs: moves a replica to another directory of this broker.
 *
 * Behaviour: answered when the move is accepted; the copy is made beside the running replica and takes its place when it has caught up. A directory that is not ours is
 * LOG_DIR_NOT_FOUND; the directory where the replica is already needs nothing. Source: KIP-113. Versions: alike.
 */
import { alterReplicaLogDirs } from "../../protocol/messages/alter-replica-log-dirs.js"
import { handler } from "../services.js"

export const alterReplicaLogDirsHandler = handler(alterReplicaLogDirs, async (services, request) => {
  const byTopic = new Map<string, { partitionIndex: number; errorCode: number }[]>()
  for (const { path, topics } of request.dirs) {
    for (const { name, partitions } of topics) {
      const answers = byTopic.get(name) ?? []
      byTopic.set(name, answers)
      for (const partitionIndex of partitions) {
        answers.push({ partitionIndex, errorCode: await services.replicas.moveToDirectory(name, partitionIndex, path) })
      }
    }
  }
  return { results: [...byTopic].map(([topicName, partitions]) => ({ topicName, partitions })) }
})
