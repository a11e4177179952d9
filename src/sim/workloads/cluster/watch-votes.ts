/**
 * Votes for leaders of the quorum, as they go over the wires (R1, R6).
 *
 * Owns telling the checker of elections who votes for whom, and what the voter's disk knows of it at that moment. Asks no node.
 */
import { beginQuorumEpoch } from "../../../protocol/messages/begin-quorum-epoch.js"
import { vote } from "../../../protocol/messages/vote.js"
import { parseQuorumState, quorumStateFile } from "../../../raft/quorum-state.js"
import type { QuorumElections } from "../../checkers/cluster/quorum-elections.js"
import type { DiskLogs } from "../../disk-logs.js"
import type { WireFrame } from "../../wire-tap.js"
import type { NodeLife } from "./node-life.js"
import { decodeRequest, decodeResponse } from "./watch-requests.js"

export class VotesWatch {
  constructor(
    readonly elections: QuorumElections,
    readonly disks: ReadonlyMap<string, DiskLogs>,
    readonly lives: ReadonlyMap<string, NodeLife>,
  ) {}

  /** From a node. */
  vote(frame: WireFrame): void {
    const asked = decodeRequest(vote, frame.request ?? frame).topics[0]?.partitions[0]
    if (asked === undefined) return
    const { replicaId, replicaEpoch, preVote } = asked
    if (frame.request === undefined) {
      // Who asks for votes has its own.
      if (!preVote) this.elections.votes(replicaId, replicaEpoch, replicaId, this.#medium(frame.from))
      return
    }
    const answer = decodeResponse(vote, frame).topics[0]?.partitions[0]
    if (answer === undefined) return
    this.elections.leads(answer.leaderEpoch, answer.leaderId)
    const voterId = this.lives.get(frame.from)!.spec.id
    if (answer.voteGranted && !preVote) this.elections.votes(voterId, replicaEpoch, replicaId, this.#medium(frame.from))
  }

  begin(frame: WireFrame): void {
    for (const { partitions } of decodeRequest(beginQuorumEpoch, frame).topics)
      for (const { leaderEpoch, leaderId } of partitions) this.elections.leads(leaderEpoch, leaderId)
  }

  #medium(name: string) {
    const bytes = this.disks.get(name)!.durableMetadataFile(quorumStateFile)
    return bytes === undefined ? undefined : parseQuorumState(bytes.toString("utf8"))?.election
  }
}
