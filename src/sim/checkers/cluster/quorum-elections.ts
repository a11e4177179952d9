/**
 * In an epoch of the quorum one node leads and every voter votes once, and a vote is on the medium before it is told (R1, R6).
 *
 * Owns who led and who voted for whom, by epoch, over all lives of all nodes.
 */
export interface VoteOnMedium {
  readonly leaderEpoch: number
  readonly leaderId: number
  readonly votedId: number
}

export class QuorumElections {
  readonly #leaders = new Map<number, number>()
  readonly #votes = new Map<string, number>()
  leaderId = -1
  leaderEpoch = -1

  constructor(readonly report: (what: string) => void) {}

  /** Somebody says who leads in an epoch. -1 says nothing. */
  leads(epoch: number, leaderId: number): void {
    if (leaderId < 0 || epoch < 0) return
    const known = this.#leaders.get(epoch)
    if (known === undefined) this.#leaders.set(epoch, leaderId)
    else if (known !== leaderId) this.report(`R1: quorum epoch ${epoch} is led by ${known} and by ${leaderId}`)
    if (epoch > this.leaderEpoch) {
      this.leaderEpoch = epoch
      this.leaderId = leaderId
    }
  }

  /** A voter tells that it votes for a candidate; `medium` is what its disk holds for sure at that moment. */
  votes(voterId: number, epoch: number, candidateId: number, medium: VoteOnMedium | undefined): void {
    const key = `${voterId} in ${epoch}`
    const known = this.#votes.get(key)
    if (known === undefined) this.#votes.set(key, candidateId)
    else if (known !== candidateId) this.report(`R1: ${key} votes for ${known} and for ${candidateId}`)
    if (medium === undefined || medium.leaderEpoch < epoch)
      this.report(
        `R6: ${voterId} votes for ${candidateId} in ${epoch}, and its disk knows of epoch ${medium?.leaderEpoch ?? "none"}`,
      )
    else if (medium.leaderEpoch === epoch && medium.leaderId < 0 && medium.votedId !== candidateId)
      this.report(`R6: ${voterId} votes for ${candidateId} in ${epoch}, and its disk says for ${medium.votedId}`)
  }
}
