/**
 * The offset for a time is that of the first record at or after it, exact to the record (L9).
 *
 * Owns the comparison of one answer with all records of a partition, both taken while nothing was deleted or appended in between.
 */
export interface TimestampedRecord {
  readonly offset: number
  readonly timestamp: number
}

export const noOffset = -1

/** What ListOffsets must answer for `timestamp`; records are in the order of their offsets. */
export function offsetForTime(records: readonly TimestampedRecord[], timestamp: number): TimestampedRecord {
  return records.find((record) => record.timestamp >= timestamp) ?? { offset: noOffset, timestamp: -1 }
}

/** What it must answer for the largest timestamp: the first record that has it. */
export function offsetOfMaxTimestamp(records: readonly TimestampedRecord[]): TimestampedRecord {
  let best: TimestampedRecord = { offset: noOffset, timestamp: -1 }
  for (const record of records) if (record.timestamp > best.timestamp) best = record
  return best
}

export class TimestampsAreExact {
  readonly name = "offsets for times are exact"

  constructor(readonly report: (what: string) => void) {}

  answered(partition: string, asked: string, expected: TimestampedRecord, got: TimestampedRecord): void {
    if (got.offset !== expected.offset || got.timestamp !== expected.timestamp)
      this.report(
        `${partition}: ${asked} is at ${got.offset} (time ${got.timestamp}), the records say ${expected.offset} (time ${expected.timestamp})`,
      )
  }
}
