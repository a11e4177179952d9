/**
 * The way of proposed in-sync sets to the controller.
 *
 * Owns which proposals wait, the one request that is on its way, and when it is sent again. A proposal is decided by the metadata that comes back, not by the answer; the answer
 * only says whether to ask again. Source: KIP-497; Kafka's AlterPartitionManager.
 */
import type { Env, Timer } from "../env/env.js"
import { Errors, type ErrorCode } from "../protocol/errors.js"
import type { RequestInputOf, ResponseOf } from "../protocol/message.js"
import type { alterPartition } from "../protocol/messages/alter-partition.js"
import type { Partition } from "./partition.js"

export type AlterPartition = (
  request: RequestInputOf<typeof alterPartition>,
) => Promise<ResponseOf<typeof alterPartition>>

/** Pause before a request that failed as a whole is sent again. */
export const isrRetryMs = 50
/** Proposals of one request; the others go with the next one. */
export const isrProposalsMax = 10_000

export interface IsrChangesOptions {
  readonly env: Env
  readonly brokerId: number
  readonly brokerEpoch: () => number
  readonly alterPartition: AlterPartition
}

interface Proposal {
  readonly partition: Partition
  readonly leaderEpoch: number
  readonly partitionEpoch: number
}

export class IsrChanges {
  #waiting: Partition[] = []
  #isAsking = false
  #isComing = false
  #retry: Timer | undefined
  #stopped = false

  constructor(private readonly options: IsrChangesOptions) {}

  /** The proposals of one turn go together. */
  propose(partition: Partition): void {
    this.#waiting.push(partition)
    if (this.#isComing || this.#isAsking || this.#retry !== undefined || this.#stopped) return
    this.#isComing = true
    this.options.env.timers.soon(() => {
      this.#isComing = false
      void this.#ask()
    })
  }

  stop(): void {
    this.#stopped = true
    this.#retry?.cancel()
  }

  async #ask(): Promise<void> {
    if (this.#stopped || this.#isAsking) return
    const proposals = this.#take()
    if (proposals.length === 0) return
    this.#isAsking = true
    const again = await this.options.alterPartition(this.#request(proposals)).then(
      (response) => this.#conclude(proposals, response),
      (error: unknown) => {
        this.options.env.log.log("debug", "the controller could not be asked for another in-sync set", {
          error: String(error),
        })
        return proposals
      },
    )
    this.#isAsking = false
    if (this.#stopped) return
    if (again.length === 0) return this.#ask()
    for (const { partition } of again) this.#waiting.push(partition)
    this.#retry = this.options.env.timers.after(isrRetryMs, () => {
      this.#retry = undefined
      void this.#ask()
    })
  }

  /** Those that still stand; metadata that came meanwhile has decided the others. */
  #take(): Proposal[] {
    const unique = new Set(this.#waiting)
    const proposals: Proposal[] = []
    this.#waiting = []
    for (const partition of unique) {
      if (partition.leadership?.proposedIsr === undefined) continue
      if (proposals.length >= isrProposalsMax) this.#waiting.push(partition)
      else {
        const { leaderEpoch, partitionEpoch } = partition.state
        proposals.push({ partition, leaderEpoch, partitionEpoch })
      }
    }
    return proposals
  }

  #request(proposals: readonly Proposal[]): RequestInputOf<typeof alterPartition> {
    const { brokerId } = this.options
    const brokerEpoch = this.options.brokerEpoch()
    const byTopic = groupByTopic(proposals)
    return {
      brokerId,
      brokerEpoch,
      topics: [...byTopic].map(([topicId, partitions]) => ({
        topicId,
        partitions: partitions.map(({ partition, leaderEpoch, partitionEpoch }) => {
          const leadership = partition.leadership!
          return {
            partitionIndex: partition.partition,
            leaderEpoch,
            newIsr: [],
            newIsrWithEpochs: leadership.isrWithEpochs(leadership.proposedIsr!, brokerEpoch),
            // A leader that serves has recovered whatever there was to recover.
            leaderRecoveryState: 0,
            partitionEpoch,
          }
        }),
      })),
    }
  }

  /** Which proposals are to be made again. */
  #conclude(proposals: readonly Proposal[], response: ResponseOf<typeof alterPartition>): Proposal[] {
    if (response.errorCode !== Errors.NONE) return [...proposals]
    const answers = new Map(
      response.topics.flatMap(({ topicId, partitions }) =>
        partitions.map((answer) => [`${topicId}:${answer.partitionIndex}`, answer] as const),
      ),
    )
    return proposals.filter((proposal) => {
      const { partition } = proposal
      const answer = answers.get(`${partition.topicId}:${partition.partition}`)
      if (answer === undefined) return true
      const fate = fateOf(answer.errorCode as ErrorCode, answer.partitionEpoch === proposal.partitionEpoch)
      if (fate === "refused" && stands(proposal))
        partition.leadership!.proposalRefused(this.options.env.clock.monotonicMs())
      if (fate !== "decided" && answer.errorCode !== Errors.NONE)
        this.options.env.log.log("info", "the controller did not take a proposed in-sync set", {
          partition: partition.name,
          errorCode: answer.errorCode,
        })
      return fate === "ask again"
    })
  }
}

const stands = ({ partition, leaderEpoch, partitionEpoch }: Proposal): boolean =>
  partition.leadership?.leaderEpoch === leaderEpoch && partition.state.partitionEpoch === partitionEpoch

/**
 * What becomes of a proposal. `decided`: taken, or this broker knows too little to say; newer metadata will tell, and until it comes both sets count. `refused`: the
 * controller says that our epochs are right and that it did not take it, so no controller ever did or will.
 */
function fateOf(errorCode: ErrorCode, isUnchanged: boolean): "decided" | "refused" | "ask again" {
  switch (errorCode) {
    case Errors.NONE:
      // What was asked for is what there was: no metadata will come.
      return isUnchanged ? "refused" : "decided"
    case Errors.INELIGIBLE_REPLICA:
    case Errors.OPERATION_NOT_ATTEMPTED:
      return "refused"
    case Errors.UNKNOWN_TOPIC_OR_PARTITION:
    case Errors.UNKNOWN_TOPIC_ID:
    case Errors.FENCED_LEADER_EPOCH:
    case Errors.INVALID_UPDATE_VERSION:
    case Errors.INVALID_REQUEST:
    case Errors.NEW_LEADER_ELECTED:
      return "decided"
    default:
      return "ask again"
  }
}

function groupByTopic(proposals: readonly Proposal[]): Map<string, Proposal[]> {
  const byTopic = new Map<string, Proposal[]>()
  for (const proposal of proposals) {
    const { topicId } = proposal.partition
    const group = byTopic.get(topicId)
    if (group === undefined) byTopic.set(topicId, [proposal])
    else group.push(proposal)
  }
  return byTopic
}
