/**
 * Retention removes only what the topic's settings no longer ask to keep (M1).
 *
 * Owns the rule for one partition whose log start is above what was deleted by request: each record below it had expired by the latest time the
 * broker ever thought it was, or what is left is as large as the bound.
 */
export interface RetentionFacts {
  readonly partition: string
  readonly logStartOffset: number
  /** Below it deletion was asked for. */
  readonly deletedBelow: number
  readonly retentionMs: number
  readonly retentionBytes: number
  /** Latest wall time of the broker so far. */
  readonly wallMsMax: number
  readonly remainingBytes: number
}

export class RetentionKeepsEnough {
  readonly name = "retention keeps what it must"

  constructor(readonly report: (what: string) => void) {}

  /** `timestampOf`: of acknowledged records, by offset. */
  judge(facts: RetentionFacts, timestampOf: ReadonlyMap<number, number>): void {
    const { partition, logStartOffset, deletedBelow, retentionMs, retentionBytes } = facts
    if (logStartOffset <= deletedBelow) return
    if (retentionBytes >= 0 && facts.remainingBytes >= retentionBytes) return
    for (const [offset, timestamp] of timestampOf) {
      if (offset < deletedBelow || offset >= logStartOffset) continue
      if (retentionMs >= 0 && facts.wallMsMax - timestamp > retentionMs) continue
      this.report(`${partition}: the log starts at ${logStartOffset}, but offset ${offset} had not expired`)
      return
    }
  }
}
