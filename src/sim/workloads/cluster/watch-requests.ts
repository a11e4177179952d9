/**
 * What brokers ask the active controller, and what it makes of requests that come too late (R9).
 *
 * Owns the comparison of epochs in requests with what was known to be committed before they were sent: of an earlier life of a broker, of an earlier leadership, of an earlier state of a partition nothing is taken; and who
 * is unfenced has read of its registration. Asks no node. Only the leader of the quorum is judged: another one may not know better.
 */
import { Reader } from "../../../base/reader.js"
import { Errors } from "../../../protocol/errors.js"
import type { Api, RequestOf, ResponseOf } from "../../../protocol/message.js"
import { alterPartition } from "../../../protocol/messages/alter-partition.js"
import { assignReplicasToDirs } from "../../../protocol/messages/assign-replicas-to-dirs.js"
import { brokerHeartbeat } from "../../../protocol/messages/broker-heartbeat.js"
import { decodeRequestHeader, decodeResponseHeader } from "../../../protocol/request-header.js"
import type { PartitionStates } from "../../checkers/cluster/partition-states.js"
import type { WireFrame } from "../../wire-tap.js"
import type { ClusterModel } from "./model.js"

export function decodeRequest<A extends Api>(api: A, frame: WireFrame): RequestOf<A> {
  const reader = new Reader(frame.bytes)
  decodeRequestHeader(reader)
  return api.request.read(reader, frame.version) as RequestOf<A>
}

export function decodeResponse<A extends Api>(api: A, frame: WireFrame): ResponseOf<A> {
  const reader = new Reader(frame.bytes)
  decodeResponseHeader(reader, api, frame.version)
  return api.response.read(reader, frame.version) as ResponseOf<A>
}

/** What was too old about a request when it was sent: all of it, or what it says of some partitions. */
interface TooOld {
  readonly whole: string | undefined
  readonly partitions: ReadonlyMap<string, string>
}

const asked = [brokerHeartbeat, alterPartition, assignReplicasToDirs] as const

export class RequestsWatch {
  readonly #tooOld = new WeakMap<WireFrame, TooOld>()
  /** By broker: the life in which it said that it has read of its registration. */
  readonly #caughtUp = new Map<number, number>()

  constructor(
    readonly model: ClusterModel,
    readonly states: PartitionStates,
    /** Name of the machine that leads the quorum. */
    readonly leader: () => string | undefined,
  ) {}

  look(frame: WireFrame): void {
    const api = asked.find(({ key }) => key === frame.api.key)
    if (api === undefined) return
    if (frame.request === undefined) this.#asked(api, frame)
    else if (frame.from === this.leader()) this.#answered(api, frame, frame.request)
  }

  #asked(api: (typeof asked)[number], frame: WireFrame): void {
    const { brokerId, brokerEpoch } = decodeRequest(api, frame)
    const known = this.states.brokerEpochOf(brokerId)
    const isOldLife = known !== undefined && brokerEpoch < known
    const whole = isOldLife ? `of broker ${brokerId} in epoch ${brokerEpoch}, which is in ${known},` : undefined
    const partitions = new Map<string, string>()
    if (api === alterPartition)
      for (const { topicId, partitions: proposals } of decodeRequest(alterPartition, frame).topics)
        for (const { partitionIndex, leaderEpoch, partitionEpoch } of proposals) {
          const key = `${topicId}/${partitionIndex}`
          const state = this.states.epochsOf(key)
          if (state === undefined) continue
          if (leaderEpoch < state.leaderEpoch || partitionEpoch < state.partitionEpoch)
            partitions.set(
              key,
              `about ${key} in epochs ${leaderEpoch} and ${partitionEpoch}, which is in ${state.leaderEpoch} and ${state.partitionEpoch},`,
            )
        }
    if (whole !== undefined || partitions.size > 0) this.#tooOld.set(frame, { whole, partitions })
    if (api !== brokerHeartbeat) return
    const { currentMetadataOffset } = decodeRequest(brokerHeartbeat, frame)
    // Those of earlier lives may come again.
    if (currentMetadataOffset >= brokerEpoch && brokerEpoch > (this.#caughtUp.get(brokerId) ?? -1))
      this.#caughtUp.set(brokerId, brokerEpoch)
  }

  #answered(api: (typeof asked)[number], frame: WireFrame, request: WireFrame): void {
    const tooOld = this.#tooOld.get(request)
    if (tooOld === undefined) return
    const answer = decodeResponse(api, frame)
    if (answer.errorCode !== Errors.NONE) return
    if (tooOld.whole !== undefined) this.#taken(frame, tooOld.whole)
    if (api !== alterPartition) return
    for (const { topicId, partitions } of decodeResponse(alterPartition, frame).topics)
      for (const { partitionIndex, errorCode } of partitions) {
        const what = tooOld.partitions.get(`${topicId}/${partitionIndex}`)
        if (what !== undefined && errorCode === Errors.NONE) this.#taken(frame, what)
      }
  }

  #taken(frame: WireFrame, what: string): void {
    this.model.violated(`what is too old is refused (R9): ${frame.from} takes a ${frame.api.name} ${what} was sent`)
  }

  /** Committed metadata says so. Heartbeats within one machine are on no wire. */
  unfenced(brokerId: number, brokerEpoch: number): void {
    if (this.#caughtUp.get(brokerId) !== brokerEpoch)
      this.model.violated(
        `who is unfenced knows of it (R9): broker ${brokerId} never said that it has read of its registration ${brokerEpoch}`,
      )
  }
}
