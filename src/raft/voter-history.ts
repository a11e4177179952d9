/**
 * Which voters the log names, and from where on.
 *
 * Owns the voter sets and kraft versions in log and snapshot, by offset. The newest one counts, committed or not (KIP-853; §4.1 of the Raft thesis), so that what is cut off takes its
 * voters with it. A log that names none has those of the configuration.
 */
import type { Offset } from "../base/ids.js"
import { Reader } from "../base/reader.js"
import { kRaftVersionRecord, votersRecord } from "../protocol/messages/control-records.js"
import { controlRecordKey, controlRecordType, controlRecordTypes } from "../protocol/record-batch.js"
import { type Voter, VoterSet } from "./voter-set.js"

export interface VotersAt {
  readonly voters: VoterSet
  /** 0: voters come from configuration. */
  readonly kraftVersion: number
  /** Of the record that says so; -1: the configuration, or the snapshot that a format left. */
  readonly offset: Offset
}

/** A control record, as logs and snapshots hold it. */
export interface ControlRecord {
  readonly key: Buffer | null
  readonly value: Buffer | null
}

export class VoterHistory {
  #entries: VotersAt[]

  constructor(configured: VoterSet) {
    this.#entries = [{ voters: configured, kraftVersion: 0, offset: -1 }]
  }

  get latest(): VotersAt {
    return this.#entries.at(-1)!
  }

  /** As a snapshot up to `endOffset` must hold it. */
  before(endOffset: Offset): VotersAt {
    return this.#entries.findLast(({ offset }) => offset < endOffset) ?? this.#entries[0]!
  }

  /** Takes in a record of a control batch; true if it says something of voters. */
  replay(record: ControlRecord, offset: Offset): boolean {
    const type = controlRecordType(record.key)
    if (record.value === null) return false
    if (type === controlRecordTypes.kraftVersion) {
      const { kRaftVersion } = kRaftVersionRecord.read(new Reader(record.value), 0)
      this.#entries.push({ ...this.latest, kraftVersion: kRaftVersion, offset })
      return true
    }
    if (type !== controlRecordTypes.kraftVoters) return false
    this.#entries.push({ ...this.latest, voters: decodeVoters(record.value), offset })
    return true
  }

  /** The log now ends at `endOffset`. True: other voters count. */
  truncateTo(endOffset: Offset): boolean {
    const before = this.#entries.length
    while (this.#entries.length > 1 && this.#entries.at(-1)!.offset >= endOffset) this.#entries.pop()
    return this.#entries.length !== before
  }

  /** The log now begins with a snapshot that ends at `endOffset`, which holds these control records. */
  startAt(endOffset: Offset, records: readonly ControlRecord[]): void {
    this.#entries = [this.#entries[0]!]
    for (const record of records) this.replay(record, endOffset - 1)
  }

  /** Nothing before a snapshot up to `endOffset` will be asked for any more. */
  forgetBefore(endOffset: Offset): void {
    const kept = this.before(endOffset)
    this.#entries = this.#entries.filter((each) => each === kept || each.offset >= endOffset || each.offset === -1)
  }
}

function decodeVoters(value: Buffer): VoterSet {
  const { voters } = votersRecord.read(new Reader(value), 0)
  return new VoterSet(
    voters.map(({ voterId, voterDirectoryId, endpoints, kRaftVersionFeature }) => ({
      id: voterId,
      directoryId: voterDirectoryId,
      endpoints: endpoints.map(({ name, host, port }) => ({ name, host, port })),
      minKRaftVersion: kRaftVersionFeature.minSupportedVersion,
      maxKRaftVersion: kRaftVersionFeature.maxSupportedVersion,
    })),
  )
}

export const kraftVersionControlRecord = (kRaftVersion: number): { key: Buffer; value: Buffer } => ({
  key: controlRecordKey(controlRecordTypes.kraftVersion),
  value: kRaftVersionRecord.encodeToBuffer({ version: 0, kRaftVersion }, 0),
})

export const votersControlRecord = ({ voters }: VoterSet): { key: Buffer; value: Buffer } => ({
  key: controlRecordKey(controlRecordTypes.kraftVoters),
  value: votersRecord.encodeToBuffer({ version: 0, voters: voters.map(voterToWire) }, 0),
})

const voterToWire = ({ id, directoryId, endpoints, minKRaftVersion, maxKRaftVersion }: Voter) => ({
  voterId: id,
  voterDirectoryId: directoryId,
  endpoints,
  kRaftVersionFeature: { minSupportedVersion: minKRaftVersion, maxSupportedVersion: maxKRaftVersion },
})
