/**
 * Telling the controller where the replicas lie (KIP-858).
 *
 * Owns which assignments are news, and that they are told until they are taken. Where a log lies is the log manager's decision. With several directories the broker chooses, and
 * says so; a replica that is lost is said to be so before it begins anew.
 */
import type { BrokerId } from "../base/ids.js"
import type { Env, Timer } from "../env/env.js"
import { type DirectoryAssignment, lostDirectory, type PartitionImage } from "../metadata/image.js"
import type { LogManager } from "../storage/log-manager.js"
import type { Partition } from "./partition.js"
import type { ReplicaLogs } from "./replica-logs.js"

/** Pause before another try. */
export const assignmentRetryMs = 1000

export interface DirectoryAssignmentsOptions {
  readonly env: Env
  readonly nodeId: BrokerId
  readonly logs: LogManager
  /** False: the controller did not take them. */
  readonly assign: (assignments: readonly DirectoryAssignment[]) => undefined | Promise<boolean>
  /** As the newest image has it. */
  readonly stateOf: (partition: Partition) => PartitionImage | undefined
  readonly hosted: () => readonly Partition[]
}

export class DirectoryAssignments {
  #retry: Timer | undefined
  #stopped = false

  constructor(
    private readonly options: DirectoryAssignmentsOptions,
    private readonly replicaLogs: ReplicaLogs,
  ) {}

  report(partitions: readonly Partition[]): void {
    const assignments = partitions.flatMap((partition) => this.#assignment(partition))
    if (assignments.length === 0) return
    void this.options.assign(assignments)?.then((isTaken) => {
      if (!isTaken) this.#reportLater()
    })
  }

  #reportLater(): void {
    if (this.#stopped || this.#retry !== undefined) return
    this.#retry = this.options.env.timers.after(assignmentRetryMs, () => {
      this.#retry = undefined
      this.report(this.options.hosted())
    })
  }

  #assignment(hosted: Partition): DirectoryAssignment[] {
    const { nodeId, logs, stateOf } = this.options
    const { topicId, partition, log } = hosted
    const state = stateOf(hosted)
    if (state === undefined) return []
    const isLost = this.replicaLogs.isDamaged(log) && this.replicaLogs.isKeptByOthers(state)
    if (log.offlineReason !== undefined && !isLost) return []
    const directoryId = isLost ? lostDirectory : logs.directoryOf(log).directoryId
    return state.directories[state.replicas.indexOf(nodeId)] === directoryId
      ? []
      : [{ topicId, partition, directoryId }]
  }

  stop(): void {
    this.#stopped = true
    this.#retry?.cancel()
  }
}
