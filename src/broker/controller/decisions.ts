/**
 * Decisions on their way through the metadata log.
 *
 * Owns how a decision sees the head, how its records are appended, and what a refusal by the log means to whoever asked. Knows no API and no rule.
 */
import type { BrokerId } from "../../base/ids.js"
import { ControllerView, type TopicSettingsOf } from "../../controller/controller-view.js"
import { type Failure, failure } from "../../controller/outcome.js"
import { PartitionIndex } from "../../controller/partition-index.js"
import type { Clock } from "../../env/env.js"
import type { MetadataImage } from "../../metadata/image.js"
import type { MetadataRecord } from "../../metadata/records.js"
import { Errors, type ErrorCode } from "../../protocol/errors.js"
import type { Refusal, StateMachine } from "../../rsm/state-machine.js"

export interface Decided<T> {
  readonly records: readonly MetadataRecord[]
  readonly response: T
}

export interface Refused {
  readonly refused: Failure
}

/**
 * Records of one batch. A decision about a broker may have many times more; it is then written in several, as by Kafka. Each holds by itself: what says that the broker is fenced or unfenced
 * comes with the last or the first of them, and whoever finds it cut short decides again on what is there.
 */
export const recordsPerBatchMax = 10_000

const refusalError: Record<Refusal, ErrorCode> = {
  "not-leader": Errors.NOT_CONTROLLER,
  "lost-leadership": Errors.NOT_CONTROLLER,
  "too-many-pending": Errors.REQUEST_TIMED_OUT,
}

const noChanges = "The metadata log takes no changes at the moment."

const isRefusal = (result: unknown): result is Refusal => typeof result === "string" && result in refusalError

export const isRefused = <T extends object>(result: T | Refused): result is Refused => "refused" in result

export interface DecisionsOptions {
  readonly clock: Clock
  readonly machine: StateMachine<MetadataImage, MetadataRecord>
  readonly topicSettings: TopicSettingsOf
  /** Brokers that shall lead only where nobody else can. */
  readonly demoted: () => ReadonlySet<BrokerId>
  /** Brokers whose disk hangs. */
  readonly stuck: () => ReadonlySet<BrokerId>
}

export class Decisions {
  #index = new PartitionIndex()
  #isActive = false

  constructor(private readonly options: DecisionsOptions) {}

  get isActive(): boolean {
    return this.#isActive
  }

  /** What is decided on: everything appended, whether committed or not. */
  get head(): MetadataImage {
    return this.options.machine.head
  }

  /** The sets of the index are those of this view until the next one is made. */
  view(image: MetadataImage): ControllerView {
    const { topicSettings, demoted, stuck } = this.options
    return new ControllerView(image, this.#index, topicSettings, demoted(), stuck())
  }

  begin(): void {
    this.#isActive = true
  }

  /** Only the active controller needs an index. */
  end(): void {
    this.#isActive = false
    this.#index = new PartitionIndex()
  }

  /** One atomic batch. The decision is made, and its records are appended, before this returns. */
  async submit<T extends object>(
    decide: (image: MetadataImage, nextOffset: number) => Decided<T>,
  ): Promise<T | Refused> {
    // Also what would change nothing: another controller may know better.
    if (!this.#isActive) return { refused: failure(Errors.NOT_CONTROLLER, noChanges).failure }
    const result = await this.options.machine.submit(decide, this.options.clock.wallMs())
    if (isRefusal(result)) return { refused: failure(refusalError[result], noChanges).failure }
    return result as T
  }

  /** As `submit`, in as many batches as it takes, one behind the other with nothing in between. Resolves when the last is committed. */
  async submitParts<T extends object>(
    decide: (view: ControllerView, nextOffset: number) => Decided<T>,
  ): Promise<T | Refused> {
    let rest: readonly MetadataRecord[] = []
    const parts: Promise<object>[] = []
    const first = this.submit((image, nextOffset) => {
      const { records, response } = decide(this.view(image), nextOffset)
      rest = records.slice(recordsPerBatchMax)
      return { records: rest.length === 0 ? records : records.slice(0, recordsPerBatchMax), response }
    })
    while (rest.length > 0) {
      const records = rest.slice(0, recordsPerBatchMax)
      rest = rest.slice(recordsPerBatchMax)
      parts.push(this.submit(() => ({ records, response: {} })))
    }
    const refused = (await Promise.all(parts)).find(isRefused)
    return refused ?? first
  }
}
