/**
 * What a log holds after a crash is a prefix of what was appended, with everything that was flushed (S1, S3, S4).
 *
 * Owns the ground truth of one or more logs: batches as appended, and how far they were promised. Fed by the workload that owns the log, not by
 * clients. After a recovery, what was found is the truth.
 */
export interface BatchFact {
  readonly baseOffset: number
  /** Exclusive. */
  readonly nextOffset: number
  /** Stands for the bytes. */
  readonly hash: number
}

interface Truth {
  batches: BatchFact[]
  flushedOffset: number
  deletableBelow: number
}

export class FilesRecoverToPrefix {
  readonly name = "files recover to a prefix"
  readonly #logs = new Map<string, Truth>()

  constructor(readonly report: (what: string) => void) {}

  #log(name: string): Truth {
    let log = this.#logs.get(name)
    if (log === undefined) this.#logs.set(name, (log = { batches: [], flushedOffset: 0, deletableBelow: 0 }))
    return log
  }

  appended(log: string, batch: BatchFact): void {
    this.#log(log).batches.push(batch)
  }

  /** Everything below is on the medium: it was promised. */
  flushed(log: string, offset: number): void {
    const truth = this.#log(log)
    truth.flushedOffset = Math.max(truth.flushedOffset, offset)
  }

  /** Batches from `offset` on were taken back. */
  truncated(log: string, offset: number): void {
    const truth = this.#log(log)
    truth.batches = truth.batches.filter((batch) => batch.baseOffset < offset)
    truth.flushedOffset = Math.min(truth.flushedOffset, offset)
  }

  deletable(log: string, below: number): void {
    const truth = this.#log(log)
    truth.deletableBelow = Math.max(truth.deletableBelow, below)
  }

  /** `found`: all batches of the log in order; the first may begin below `logStartOffset`. */
  recovered(log: string, logStartOffset: number, logEndOffset: number, found: readonly BatchFact[]): void {
    const truth = this.#log(log)
    if (logStartOffset > truth.deletableBelow)
      this.report(`${log} starts at ${logStartOffset}, may at ${truth.deletableBelow}`)
    if (logEndOffset < truth.flushedOffset)
      this.report(`${log} ends at ${logEndOffset}, but was flushed to ${truth.flushedOffset}`)
    const known = new Map(truth.batches.map((batch) => [batch.baseOffset, batch]))
    let expected = logStartOffset
    for (const [index, batch] of found.entries()) {
      if (batch.baseOffset !== expected && !(index === 0 && batch.baseOffset < expected))
        this.report(`${log} has a gap: a batch at ${batch.baseOffset} where ${expected} was to come`)
      const original = known.get(batch.baseOffset)
      if (original === undefined) this.report(`${log} has a batch at ${batch.baseOffset} that nobody appended`)
      else if (original.hash !== batch.hash || original.nextOffset !== batch.nextOffset)
        this.report(`${log} has another batch at ${batch.baseOffset} than was appended`)
      expected = batch.nextOffset
    }
    if (expected !== logEndOffset) this.report(`${log} says it ends at ${logEndOffset}, its batches end at ${expected}`)
    truth.batches = [...found]
    truth.flushedOffset = logEndOffset
    truth.deletableBelow = Math.max(truth.deletableBelow, logStartOffset)
  }
}
