/**
 * One engine for state that is a log: decisions return records, replay is the only mutator.
 *
 * Owns the two images, head (everything appended) and committed (everything below the high watermark), and who waits for a commit. A decision sees the
 * head, so two in flight cannot contradict each other; readers see the committed image only. What another leader appended and what this one did are kept
 * alike, so leading begins and ends without reading anything again. When a log loses its end the head falls back to the image there, because images are immutable.
 */
import type { Offset } from "../base/ids.js"

/** What a decision returns: records to append as one batch, and the response once they are committed. */
export interface Decision<R, Response> {
  readonly records: readonly R[]
  readonly response: Response
}

/** The log under a state machine. Appends become visible to `committedTo` in order. */
export interface ReplicatedLog<R> {
  /**
   * Appends the records as one atomic batch and returns their offsets (`nextOffset` exclusive), or undefined if this node may not
   * append now (it does not lead, or its log has failed).
   */
  append(records: readonly R[], nowMs: number): { baseOffset: Offset; nextOffset: Offset; epoch: number } | undefined
}

export interface StateMachineOptions<Image, R> {
  readonly initial: Image
  /** The image after all records of a batch. */
  readonly replay: (image: Image, records: readonly R[], baseOffset: Offset, epoch: number) => Image
  /** Told of every new committed image, in order. Runs inside the commit: it must not block. */
  readonly onCommitted: (image: Image) => void
  /** Decisions appended and not yet committed. Above it new ones are refused. */
  readonly pendingMax: number
}

/** Why a decision has no response: nothing it wanted has happened. */
export type Refusal = "not-leader" | "too-many-pending" | "lost-leadership"

/** A batch that is appended and not committed, and the image once it is. */
interface Pending<Image> {
  readonly nextOffset: Offset
  readonly image: Image
  /** Undefined: nobody here waits for it. */
  settle: ((refusal: Refusal | undefined) => void) | undefined
}

export class StateMachine<Image, R> {
  #head: Image
  #committed: Image
  #nextOffset: Offset = 0
  readonly #pending: Pending<Image>[] = []

  constructor(
    private readonly log: ReplicatedLog<R>,
    private readonly options: StateMachineOptions<Image, R>,
  ) {
    this.#head = options.initial
    this.#committed = options.initial
  }

  get committed(): Image {
    return this.#committed
  }

  get head(): Image {
    return this.#head
  }

  /** Starts from a snapshot: `image` is the result of everything below `nextOffset`, and what was known before does not count. */
  load(image: Image, nextOffset: Offset): void {
    const forgotten = this.#pending.splice(0)
    this.#head = image
    this.#committed = image
    this.#nextOffset = nextOffset
    for (const { settle } of forgotten) settle?.("lost-leadership")
  }

  /** Another leader's batch is in the log of this node. It counts for readers once `committedTo` passes it. */
  replicated(records: readonly R[], baseOffset: Offset, nextOffset: Offset, epoch: number): void {
    this.#takeIn(records, baseOffset, nextOffset, epoch)
    this.#pending.push({ nextOffset, image: this.#head, settle: undefined })
  }

  #takeIn(records: readonly R[], baseOffset: Offset, nextOffset: Offset, epoch: number): void {
    this.#head = this.options.replay(this.#head, records, baseOffset, epoch)
    this.#nextOffset = nextOffset
  }

  /**
   * Decides on the newest state, appends what the decision returns, and resolves with its response once that is committed; at once if there is
   * nothing to append, and nothing pending that the response may rest on.
   */
  submit<Response>(
    decide: (image: Image, nextOffset: Offset) => Decision<R, Response>,
    nowMs: number,
  ): Promise<Response | Refusal> {
    return new Promise((resolve) => this.perform(decide, nowMs, resolve))
  }

  /** As `submit`, but tells `settle`, once: before it returns where there is nothing to wait for, else within the commit, which it must not block. */
  perform<Response>(
    decide: (image: Image, nextOffset: Offset) => Decision<R, Response>,
    nowMs: number,
    settle: (result: Response | Refusal) => void,
  ): void {
    if (this.#pending.length >= this.options.pendingMax) {
      settle("too-many-pending")
      return
    }
    const { records, response } = decide(this.#head, this.#nextOffset)
    if (records.length > 0) {
      const appended = this.log.append(records, nowMs)
      if (appended === undefined) {
        settle("not-leader")
        return
      }
      this.#takeIn(records, appended.baseOffset, appended.nextOffset, appended.epoch)
    } else if (this.#pending.length === 0) {
      settle(response)
      return
    }
    this.#pending.push({
      nextOffset: this.#nextOffset,
      image: this.#head,
      settle: (refusal) => settle(refusal ?? response),
    })
  }

  /** Everything below `highWatermark` is committed. */
  committedTo(highWatermark: Offset): void {
    let done = 0
    while (done < this.#pending.length && this.#pending[done]!.nextOffset <= highWatermark) done++
    if (done === 0) return
    const settled = this.#pending.splice(0, done)
    this.#committed = settled.at(-1)!.image
    this.options.onCommitted(this.#committed)
    for (const { settle } of settled) settle?.(undefined)
  }

  /** This node does not lead any more. What it appended may still be committed, but whoever waits cannot be told so. */
  resigned(): void {
    const waiting = this.#pending.map(({ settle }) => settle)
    for (const pending of this.#pending) pending.settle = undefined
    for (const settle of waiting) settle?.("lost-leadership")
  }

  /** The log ends at `nextOffset`: what was appended there or later has not happened. */
  truncatedTo(nextOffset: Offset): void {
    let kept = this.#pending.length
    while (kept > 0 && this.#pending[kept - 1]!.nextOffset > nextOffset) kept--
    const lost = this.#pending.splice(kept)
    this.#head = this.#pending.at(-1)?.image ?? this.#committed
    this.#nextOffset = nextOffset
    for (const { settle } of lost) settle?.("lost-leadership")
  }

  /** Nothing that is pending will be finished: the head falls back to what is committed. `nextOffset` is where the log now ends. */
  lostLeadership(nextOffset: Offset): void {
    const lost = this.#pending.splice(0)
    this.#head = this.#committed
    this.#nextOffset = nextOffset
    for (const { settle } of lost) settle?.("lost-leadership")
  }
}
