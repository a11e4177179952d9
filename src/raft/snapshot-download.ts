/**
 * Reading a snapshot from the leader, piece by piece.
 *
 * Owns one download at a time and what becomes of it: whole and verified it takes the place of the log, else it is given up, and the next fetch says what is wanted then. Source: KIP-630.
 */
import type { BrokerId } from "../base/ids.js"
import type { Env, File } from "../env/env.js"
import { type Peer, PeerError } from "../net/peer.js"
import { Errors } from "../protocol/errors.js"
import { fetchSnapshot } from "../protocol/messages/fetch-snapshot.js"
import { isShortage } from "../storage/shortage.js"
import type { RaftCore } from "./core.js"
import type { RaftLog } from "./raft-log.js"
import { snapshotBytesMax, type SnapshotContent, snapshotFileName, type SnapshotId } from "./snapshot-file.js"
import { fetchSnapshotRequest, type Sender } from "./wire.js"

/** Bytes of one piece: small enough that each comes well within the fetch timeout. */
export const pieceBytesMax = 1024 * 1024

export interface DownloadOptions {
  readonly sender: () => Sender
  readonly fetchPeer: <T>(leaderId: BrokerId, use: (peer: Peer) => Promise<T>) => Promise<T>
  readonly timeoutMs: number
  readonly onInstalled: (values: readonly Buffer[], id: SnapshotId) => void
  /** The rules were told something: does what they want. */
  readonly onChange: () => void
  /** The disk failed. */
  readonly onFailed: (error: unknown) => void
}

export class SnapshotDownload {
  #latest = 0
  #previous: Promise<void> = Promise.resolve()

  constructor(
    private readonly env: Env,
    private readonly log: RaftLog,
    private readonly core: RaftCore,
    private readonly options: DownloadOptions,
  ) {}

  begin(id: SnapshotId): void {
    const number = ++this.#latest
    const { leaderId, epoch } = this.core
    const isWanted = () =>
      number === this.#latest && this.core.isBusy && this.core.epoch === epoch && this.core.leaderId === leaderId
    this.env.log.log("info", "the metadata log is too far behind: reading a snapshot", {
      snapshot: snapshotFileName(id),
      leader: leaderId,
    })
    // One after the other: they would write the same file.
    this.#previous = this.#previous
      .then(() => this.#run(id, leaderId, epoch, isWanted))
      .catch((error: unknown) => this.options.onFailed(error))
  }

  async #run(id: SnapshotId, leaderId: BrokerId, epoch: number, isWanted: () => boolean): Promise<void> {
    let content: SnapshotContent | undefined
    try {
      content = isWanted() ? await this.#download(id, leaderId, epoch, isWanted) : undefined
    } catch (error) {
      if (!(error instanceof PeerError) && !isShortage(error)) throw error
      this.env.log.log("info", "reading a snapshot came to nothing", { reason: error.message })
    }
    if (!isWanted()) return this.log.snapshots.abandon(id)
    if (content === undefined) {
      await this.log.snapshots.abandon(id)
      if (isWanted()) this.core.onSnapshotDone(false, this.env.clock.monotonicMs())
      this.options.onChange()
      return
    }
    this.core.onSnapshotInstalling()
    await this.log.install(id, content.controls, content.timestampMs)
    this.core.onSnapshotDone(true, this.env.clock.monotonicMs())
    this.options.onInstalled(content.values, id)
  }

  /** Its content once it is whole, in its `.part`, and on the medium; undefined where it could not be had. */
  async #download(
    id: SnapshotId,
    leaderId: BrokerId,
    epoch: number,
    isWanted: () => boolean,
  ): Promise<SnapshotContent | undefined> {
    const file = await this.log.snapshots.begin(id)
    try {
      if (!(await this.#copy(file, id, leaderId, epoch, isWanted))) return undefined
      await file.sync()
    } finally {
      await file.close()
    }
    return this.log.snapshots.readPart(id)
  }

  async #copy(
    file: File,
    id: SnapshotId,
    leaderId: BrokerId,
    epoch: number,
    isWanted: () => boolean,
  ): Promise<boolean> {
    let position = 0
    for (;;) {
      const piece = await this.#piece(id, position, leaderId, epoch)
      if (piece === undefined || !isWanted()) return false
      await file.write([piece.bytes], position)
      if (!isWanted()) return false
      position += piece.bytes.length
      this.core.onSnapshotProgress(this.env.clock.monotonicMs())
      if (position === piece.size) return true
    }
  }

  /** Undefined: the leader does not have it any more, or is none. */
  async #piece(
    id: SnapshotId,
    position: number,
    leaderId: BrokerId,
    epoch: number,
  ): Promise<{ bytes: Buffer; size: number } | undefined> {
    const request = fetchSnapshotRequest(id, position, epoch, pieceBytesMax, this.options.sender())
    const { response, release } = await this.options.fetchPeer(leaderId, (peer) =>
      peer.request(fetchSnapshot, request, { timeoutMs: this.options.timeoutMs }),
    )
    try {
      const partition = response.topics[0]?.partitions[0]
      if (response.errorCode !== Errors.NONE || partition === undefined || partition.errorCode !== Errors.NONE)
        return undefined
      const { size, snapshotId, unalignedRecords } = partition
      const isNext =
        snapshotId.endOffset === id.endOffset && snapshotId.epoch === id.epoch && partition.position === position
      if (
        !isNext ||
        unalignedRecords.length === 0 ||
        size > snapshotBytesMax ||
        position + unalignedRecords.length > size
      )
        throw new PeerError("malformed", `node ${leaderId} sent another piece of a snapshot than was asked for`)
      return { bytes: Buffer.from(unalignedRecords), size }
    } finally {
      release()
    }
  }
}
