/**
 * What brokers hold while the controller decides: the other half of the truth, against which decisions are judged.
 *
 * Owns, for each partition, how many records are committed and how many each replica holds. The rules of a leader are followed to the letter: it commits what its whole ISR has, and only
 * while the ISR is not below the minimum. The invariant that all this is for: whoever is elected cleanly holds every committed record.
 */
import assert from "node:assert/strict"
import type { BrokerId } from "../../base/ids.js"
import type { MetadataImage, PartitionImage } from "../../metadata/image.js"
import type { MetadataRecord } from "../../metadata/records.js"
import { hasDirectory, isActive, machineOf } from "../controller-view.js"
import { noLeader, replicaDirectory } from "../partition-change.js"
import type { ClusterTest } from "./cluster-test.js"

interface Held {
  committed: number
  /** Records of each replica from the start of the log without a gap. */
  readonly records: Map<BrokerId, number>
  /** Who led in which epoch. */
  readonly leaders: Map<number, BrokerId>
}

interface Where {
  readonly topic: string
  readonly partition: number
  readonly state: PartitionImage
  readonly held: Held
}

export class ClusterModel {
  readonly #held = new Map<string, Held>()
  /** Processes that run, whatever the controller believes. */
  readonly running = new Set<BrokerId>()
  /** Elections that gave up committed records, which must be possible and must be rare. */
  uncleanElections = 0

  constructor(readonly t: ClusterTest) {
    t.onRecord = (before, after, record) => this.#check(before, after, record)
  }

  held(topic: string, partition: number): Held {
    const key = `${topic}:${partition}`
    let held = this.#held.get(key)
    if (held === undefined) {
      held = { committed: 0, records: new Map(), leaders: new Map() }
      this.#held.set(key, held)
    }
    return held
  }

  *partitions(): IterableIterator<Where> {
    for (const { name, partitions } of this.t.image.topics.values())
      for (const [partition, state] of partitions.entries())
        yield { topic: name, partition, state, held: this.held(name, partition) }
  }

  minimum(topic: string, { replicas }: PartitionImage): number {
    return Math.min(this.t.settings.get(topic)!.minInsyncReplicas!, replicas.length)
  }

  /** A leader appends, its followers fetch, and if all goes well it commits. */
  write(topic: string, partition: number, followers: (brokerId: BrokerId) => boolean): void {
    const { leader, isr, replicas } = this.t.partition(topic, partition)
    const held = this.held(topic, partition)
    if (leader === noLeader || !this.running.has(leader)) return
    const end = (held.records.get(leader) ?? 0) + 1
    held.records.set(leader, end)
    for (const id of replicas) if (this.isFollowing(topic, partition, id) && followers(id)) held.records.set(id, end)
    const slowest = Math.min(...isr.map((id) => held.records.get(id) ?? 0))
    if (isr.length >= this.minimum(topic, this.t.partition(topic, partition)))
      held.committed = Math.max(held.committed, slowest)
  }

  /** Whether a replica can fetch: its process runs and the directory it is in works. */
  isFollowing(topic: string, partition: number, brokerId: BrokerId): boolean {
    const state = this.t.partition(topic, partition)
    const directory = state.directories[state.replicas.indexOf(brokerId)]
    const broker = this.t.image.brokers.get(brokerId)
    return this.running.has(brokerId) && broker?.logDirs.includes(directory ?? "") === true
  }

  /** The process ends. What a policy weaker than `flush` counted may be gone. */
  crash(brokerId: BrokerId, isClean: boolean, below: (count: number) => number): void {
    this.running.delete(brokerId)
    if (isClean) return
    for (const each of this.partitions())
      if (!this.t.settings.get(each.topic)!.survivesCrash)
        this.lose(each, brokerId, below((each.held.records.get(brokerId) ?? 0) + 1))
  }

  /** The directory comes back empty. */
  wipe(brokerId: BrokerId, directoryId: string): void {
    for (const each of this.partitions())
      if (each.state.directories[each.state.replicas.indexOf(brokerId)] === directoryId) this.lose(each, brokerId, 0)
  }

  /**
   * A replica has only so many records left. As many members of ISR and ELR as the minimum says may lose theirs, less one (KIP-966); with more, or without ELR, nothing is promised.
   */
  lose({ topic, state, held }: Where, brokerId: BrokerId, records: number): void {
    held.records.set(brokerId, Math.min(records, held.records.get(brokerId) ?? 0))
    const members = [...state.isr, ...state.elr]
    if (!members.includes(brokerId)) return
    const lost = members.filter((id) => (held.records.get(id) ?? 0) < held.committed).length
    if (lost > 0 && (!this.t.view.elrEnabled || lost >= Math.min(this.minimum(topic, state), members.length)))
      held.committed = 0
  }

  #check(before: MetadataImage, after: MetadataImage, record: MetadataRecord): void {
    if (record.type !== "PartitionChangeRecord" && record.type !== "PartitionRecord") return
    const name = after.topicNames.get(record.value.topicId)!
    const { partitionId } = record.value
    const state = after.topics.get(name)!.partitions[partitionId]!
    const old = before.topics.get(name)?.partitions[partitionId]
    this.#checkShape(after, state)
    if (old !== undefined) this.#checkStep(name, partitionId, old, state)
    if (state.leader !== noLeader && state.leader !== old?.leader) {
      assert.ok(isActive(after, state.leader), "who leads is neither fenced nor on its way out")
      assert.ok(hasDirectory(after, state.leader, replicaDirectory(state, state.leader)), "its directory is there")
    }
    const { leaders } = this.held(name, partitionId)
    // One leader per epoch (Raft's own rule, for partitions: KIP-101).
    const known = leaders.get(state.leaderEpoch)
    assert.ok(
      known === undefined || known === state.leader,
      `two leaders of epoch ${state.leaderEpoch}: ${known}, ${state.leader}`,
    )
    leaders.set(state.leaderEpoch, state.leader)
  }

  #checkShape(image: MetadataImage, { replicas, isr, elr, leader, directories, ...rest }: PartitionImage): void {
    for (const ids of [replicas, isr, elr, rest.addingReplicas, rest.removingReplicas])
      assert.equal(new Set(ids).size, ids.length, "a broker is named twice")
    for (const id of [...isr, ...elr, ...rest.addingReplicas, ...rest.removingReplicas, ...rest.lastKnownElr])
      assert.ok(replicas.includes(id) || rest.lastKnownElr.includes(id), `${id} is no replica`)
    assert.equal(directories.length, replicas.length)
    assert.ok(leader === noLeader || isr.includes(leader), "the leader is in the ISR")
    assert.deepEqual(
      isr.filter((id) => elr.includes(id)),
      [],
      "nobody is in ISR and ELR",
    )
    const staying = replicas.filter((id) => !rest.removingReplicas.includes(id))
    const machines = staying.flatMap((id) => {
      const broker = image.brokers.get(id)
      return broker === undefined ? [] : [machineOf(broker)]
    })
    assert.equal(new Set(machines).size, machines.length, "two replicas are on one machine")
  }

  #checkStep(topic: string, partition: number, old: PartitionImage, state: PartitionImage): void {
    const held = this.held(topic, partition)
    assert.equal(state.partitionEpoch, old.partitionEpoch + 1)
    assert.ok(state.leaderEpoch >= old.leaderEpoch, "leader epochs never go back")
    if (state.leader === old.leader) return
    assert.ok(state.leaderEpoch > old.leaderEpoch, "another leader has another epoch")
    if (state.leader === noLeader) return
    const records = held.records.get(state.leader) ?? 0
    const isUnclean =
      state.leaderRecoveryState === 1 &&
      state.isr.length === 1 &&
      !old.isr.includes(state.leader) &&
      !old.elr.includes(state.leader)
    if (!isUnclean) {
      // A process that is gone leads nothing; when it comes back it is looked at anew.
      if (!this.running.has(state.leader)) return
      assert.ok(
        records >= held.committed,
        `${state.leader} leads with ${records} records, ${held.committed} are committed`,
      )
      return
    }
    const { uncleanLeaderElectionEnable } = this.t.settings.get(topic)!
    assert.ok(
      uncleanLeaderElectionEnable || old.lastKnownElr.includes(state.leader) || this.askedUnclean,
      "nobody allowed an unclean election",
    )
    if (records < held.committed) this.uncleanElections++
    held.committed = Math.min(held.committed, records)
  }

  /** An administrator asks for unclean elections. */
  askedUnclean = false
}
