/**
 * Elections and in-sync replicas as the committed metadata records tell them: one leader in an epoch, from those who hold everything (L4, L6).
 *
 * Owns the state of each partition after each committed record, by rules of its own: it shares no code with the controller. Unclean elections are not expected.
 */
import type { MetadataRecord } from "../../../metadata/records.js"

interface State {
  replicas: readonly number[]
  isr: readonly number[]
  elr: readonly number[]
  leader: number
  leaderEpoch: number
  partitionEpoch: number
  /** Of each replica, as far as it is told. */
  directories: readonly string[]
}

export interface PartitionRules {
  /** Replicas that must be in sync for anything to be committed, as long as the topic has so many. */
  minInsyncReplicas(topicId: string): number
  /** What was acknowledged may be gone, so that nobody is left who has it all. */
  mayBeUnclean(topicId: string): boolean
}

export class PartitionStates {
  readonly #states = new Map<string, State>()
  readonly #fenced = new Set<number>()
  readonly #topics = new Map<string, string>()
  readonly #brokerEpochs = new Map<number, number>()

  constructor(
    readonly report: (what: string) => void,
    readonly rules: PartitionRules,
    /** Somebody leads in a new epoch. */
    readonly onLeader: (topicId: string, partition: number, leaderEpoch: number, leaderId: number) => void = () => {},
    readonly onUnfenced: (brokerId: number, brokerEpoch: number) => void = () => {},
  ) {}

  leaderOf(key: string): number {
    return this.#states.get(key)?.leader ?? -1
  }

  replicasOf(key: string): readonly number[] {
    return this.#states.get(key)?.replicas ?? []
  }

  isrOf(key: string): readonly number[] {
    return this.#states.get(key)?.isr ?? []
  }

  /** In all of its replicas. */
  isInSync(brokerId: number): boolean {
    for (const { replicas, isr } of this.#states.values())
      if (replicas.includes(brokerId) && !isr.includes(brokerId)) return false
    return true
  }

  epochsOf(key: string): { readonly leaderEpoch: number; readonly partitionEpoch: number } | undefined {
    return this.#states.get(key)
  }

  brokerEpochOf(brokerId: number): number | undefined {
    return this.#brokerEpochs.get(brokerId)
  }

  nameOf(topicId: string): string | undefined {
    return this.#topics.get(topicId)
  }

  committed(record: MetadataRecord): void {
    switch (record.type) {
      case "TopicRecord":
        this.#topics.set(record.value.topicId, record.value.name)
        break
      case "RemoveTopicRecord":
        this.#topics.delete(record.value.topicId)
        for (const key of this.#states.keys()) if (key.startsWith(`${record.value.topicId}/`)) this.#states.delete(key)
        break
      case "PartitionRecord": {
        const { topicId, partitionId, eligibleLeaderReplicas, ...rest } = record.value
        const state = { ...rest, elr: eligibleLeaderReplicas ?? [] }
        this.#states.set(`${topicId}/${partitionId}`, state)
        this.#judge(`${topicId}/${partitionId}`, state)
        this.onLeader(topicId, partitionId, rest.leaderEpoch, rest.leader)
        break
      }
      case "PartitionChangeRecord":
        this.#change(record.value)
        break
      case "RegisterBrokerRecord":
        this.#setFenced(record.value.brokerId, record.value.fenced)
        this.#brokerEpochs.set(record.value.brokerId, record.value.brokerEpoch)
        if (record.value.fenced) this.#leadsNothing(record.value.brokerId)
        break
      case "BrokerRegistrationChangeRecord":
        if (record.value.fenced !== 0) this.#setFenced(record.value.brokerId, record.value.fenced > 0)
        if (record.value.fenced > 0) this.#leadsNothing(record.value.brokerId)
        if (record.value.fenced < 0) this.onUnfenced(record.value.brokerId, record.value.brokerEpoch)
        if (record.value.logDirs.length > 0) this.#leadsNothingElsewhere(record.value.brokerId, record.value.logDirs)
        break
      case "ClearElrRecord":
        for (const [key, state] of this.#states)
          if (record.value.topicName === "" || this.#topics.get(topicOf(key)) === record.value.topicName) state.elr = []
        break
      default:
    }
  }

  #setFenced(brokerId: number, isFenced: boolean): void {
    if (isFenced) this.#fenced.add(brokerId)
    else this.#fenced.delete(brokerId)
  }

  #leadsNothing(brokerId: number): void {
    for (const [key, { leader }] of this.#states)
      if (leader === brokerId) this.report(`L6: ${this.#show(key)}: ${brokerId} is fenced, and leads`)
  }

  /** Directories of a broker are gone, and with them what it led there. */
  #leadsNothingElsewhere(brokerId: number, left: readonly string[]): void {
    for (const [key, { leader, replicas, directories }] of this.#states) {
      const directory = directories[replicas.indexOf(brokerId)]
      if (leader !== brokerId || directory === undefined || reserved.includes(directory) || left.includes(directory))
        continue
      this.report(`L6: ${this.#show(key)}: ${brokerId} leads from a directory that it has no more`)
    }
  }

  #change(change: Extract<MetadataRecord, { type: "PartitionChangeRecord" }>["value"]): void {
    const key = `${change.topicId}/${change.partitionId}`
    const before = this.#states.get(key)
    if (before === undefined) {
      this.report(`L4: a change of ${key}, which there is not`)
      return
    }
    const state: State = {
      replicas: change.replicas ?? before.replicas,
      isr: change.isr ?? before.isr,
      elr: change.eligibleLeaderReplicas ?? before.elr,
      leader: change.leader === -2 ? before.leader : change.leader,
      leaderEpoch: before.leaderEpoch + (change.leader === -2 ? 0 : 1),
      partitionEpoch: before.partitionEpoch + 1,
      directories: change.directories ?? before.directories,
    }
    this.#states.set(key, state)
    const mayBeUnclean = this.rules.mayBeUnclean(change.topicId)
    const isNew = state.leader >= 0 && state.leader !== before.leader
    // Who has just been taken in, on the word of the leader, may lead at once: at the end of a reassignment, or where that leader hands over and stays in sync.
    const isTakenIn = change.replicas !== null || state.isr.includes(before.leader)
    if (isNew && !isTakenIn && !mayBeUnclean && ![...before.isr, ...before.elr].includes(state.leader))
      this.report(
        `L6: ${this.#show(key)}: ${state.leader} is elected, in sync were ${before.isr.join()}, eligible ${before.elr.join()}`,
      )
    if (isNew && this.#fenced.has(state.leader))
      this.report(`L6: ${this.#show(key)}: ${state.leader} is elected, and it is fenced`)
    const joining = state.isr.find((id) => !before.isr.includes(id) && this.#fenced.has(id))
    if (joining !== undefined) this.report(`L6: ${this.#show(key)}: ${joining} comes in sync, and it is fenced`)
    if (change.leaderRecoveryState > 0 && !mayBeUnclean)
      this.report(`L6: ${this.#show(key)}: the election of ${state.leader} is unclean`)
    this.#judge(key, state)
    if (change.leader !== -2) this.onLeader(change.topicId, change.partitionId, state.leaderEpoch, state.leader)
  }

  #judge(key: string, { replicas, isr, elr, leader }: State): void {
    const name = this.#show(key)
    if (new Set(replicas).size !== replicas.length) this.report(`L6: ${name}: replicas ${replicas.join()}`)
    if (new Set(isr).size !== isr.length || isr.some((each) => !replicas.includes(each)))
      this.report(`L6: ${name}: in sync ${isr.join()} of replicas ${replicas.join()}`)
    if (elr.some((each) => isr.includes(each) || !replicas.includes(each)))
      this.report(`L6: ${name}: eligible ${elr.join()}, in sync ${isr.join()}, replicas ${replicas.join()}`)
    const enough = Math.min(replicas.length, this.rules.minInsyncReplicas(topicOf(key)))
    if (elr.length > 0 && isr.length >= enough)
      this.report(`L6: ${name}: eligible ${elr.join()} though enough are in sync: ${isr.join()}`)
    if (leader >= 0 && !isr.includes(leader)) this.report(`L6: ${name}: ${leader} leads, in sync are ${isr.join()}`)
  }

  #show(key: string): string {
    return `${this.#topics.get(topicOf(key)) ?? topicOf(key)}-${key.slice(key.indexOf("/") + 1)}`
  }
}

/** Not told yet, given up, or to be told. */
const reserved: readonly string[] = ["AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAQ", "AAAAAAAAAAAAAAAAAAAAAg"]

const topicOf = (key: string): string => key.slice(0, key.indexOf("/"))
