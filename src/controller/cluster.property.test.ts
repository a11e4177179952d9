import assert from "node:assert/strict"
import { test } from "node:test"
import type { BrokerId } from "../base/ids.js"
import { emptyImage, type MetadataImage } from "../metadata/image.js"
import { decodeRecord, encodeRecord } from "../metadata/records.js"
import { replay } from "../metadata/replay.js"
import { snapshotRecords } from "../metadata/snapshot.js"
import { assignReplicasToDirs as assignApi } from "../protocol/messages/assign-replicas-to-dirs.js"
import { seededInt } from "../protocol/testdata/random.js"
import { assignReplicasToDirs } from "./directories.js"
import { balanceLeaders, electLeaders, electUncleanLeaders, everyPartition } from "./elections.js"
import { clearElr } from "./elr-clearing.js"
import { isReservedDirectory } from "./controller-view.js"
import { noLeader } from "./partition-change.js"
import { PartitionIndex, type Place } from "./partition-index.js"
import { ClusterModel } from "./testing/cluster-model.js"
import { ClusterTest, idOf } from "./testing/cluster-test.js"
import { createTopics } from "./topics.js"

const brokers: readonly BrokerId[] = [1, 2, 3, 4, 5]
/** 1 and 2 share a machine. */
const machines: ReadonlyMap<BrokerId, string> = new Map([
  [1, "a"],
  [2, "a"],
  [3, "b"],
])

class History {
  readonly t: ClusterTest
  readonly model: ClusterModel
  readonly #below: (count: number) => number
  /** Directories of each broker; 5 has two. */
  readonly #directories = new Map<BrokerId, string[]>()
  readonly #cleanEpochs = new Map<BrokerId, number>()
  #ids = 0

  constructor(
    seed: number,
    readonly elr: boolean,
  ) {
    this.#below = seededInt(seed)
    this.t = new ClusterTest({ elr })
    this.model = new ClusterModel(this.t)
    for (const id of brokers) {
      this.#directories.set(
        id,
        Array.from({ length: id === 5 ? 2 : 1 }, () => this.#newId("dir")),
      )
      this.boot(id)
    }
    for (const name of ["a", "b", "c"]) this.createTopic(name)
  }

  #newId = (kind: string): string => idOf(kind, ++this.#ids)
  #pick = <T>(of: readonly T[]): T => of[this.#below(of.length)]!
  #chance = (percent: number): boolean => this.#below(100) < percent

  createTopic(name: string): void {
    this.t.settings.set(name, {
      minInsyncReplicas: 1 + this.#below(2),
      uncleanLeaderElectionEnable: this.#chance(25),
      survivesCrash: this.#chance(60),
    })
    const { records, results } = createTopics(
      this.t.image,
      [{ name, numPartitions: 2, replicationFactor: 3, assignments: [], configs: [] }],
      {
        numPartitions: 1,
        replicationFactor: 3,
        configProblem: () => undefined,
        newUuid: () => this.#newId("topic"),
        randomInt: this.#below,
      },
    )
    assert.ok("ok" in results[0]!)
    this.t.apply(records)
  }

  /** A process starts, registers, says where its replicas are, and serves. */
  boot(brokerId: BrokerId): void {
    const logDirs = this.#directories.get(brokerId)!
    const result = this.t.register(brokerId, {
      logDirs,
      machineId: machines.get(brokerId) ?? null,
      previousBrokerEpoch: this.#cleanEpochs.get(brokerId) ?? -1,
      incarnationId: this.#newId("life"),
    })
    assert.ok("ok" in result, JSON.stringify(result))
    this.#cleanEpochs.delete(brokerId)
    this.model.running.add(brokerId)
    if (this.#chance(50)) this.assignDirectories(brokerId)
    this.t.heartbeat(brokerId)
    this.assignDirectories(brokerId)
  }

  /** Replicas of which the controller does not know a directory, or one that is no more, are made anew in one that is there. */
  assignDirectories(brokerId: BrokerId): void {
    const { logDirs } = this.t.image.brokers.get(brokerId)!
    if (logDirs.length === 0) return
    for (const each of this.model.partitions()) {
      const { state, topic, partition } = each
      const slot = state.replicas.indexOf(brokerId)
      const directory = state.directories[slot]
      if (slot === -1 || logDirs.includes(directory!)) continue
      // A directory that failed may come back: nothing is made anew while it is away.
      if (this.#offline.has(directory!)) continue
      if (!isReservedDirectory(directory!)) this.model.lose(each, brokerId, 0)
      const { records } = assignReplicasToDirs(
        this.t.view,
        assignApi.request.create({
          brokerId,
          brokerEpoch: this.t.epochOf(brokerId),
          directories: [
            {
              id: this.#pick(logDirs),
              topics: [
                { topicId: this.t.image.topics.get(topic)!.topicId, partitions: [{ partitionIndex: partition }] },
              ],
            },
          ],
        }),
      )
      this.t.apply(records)
    }
  }

  readonly #offline = new Set<string>()

  restart(brokerId: BrokerId): void {
    if (this.model.running.has(brokerId)) {
      if (this.#chance(40)) {
        // As a broker that stops: heartbeats until it may go.
        this.t.heartbeat(brokerId, { wantShutDown: true })
        if (this.#chance(80)) {
          this.t.heartbeat(brokerId, { wantShutDown: true }, { shutdownOffset: 0, lowestActiveOffset: 1 })
          this.#cleanEpochs.set(brokerId, this.t.epochOf(brokerId))
        }
      }
      this.model.crash(brokerId, this.#cleanEpochs.has(brokerId), this.#below)
      return
    }
    // Its session is over, or a probe found nobody; sometimes it is back before either.
    if (this.#chance(70)) this.t.fence(brokerId)
    const directories = this.#directories.get(brokerId)!
    directories.forEach((directory, slot) => {
      const isWiped = this.#chance(8)
      if (isWiped) {
        this.model.wipe(brokerId, directory)
        directories[slot] = this.#newId("dir")
      }
      this.#offline.delete(directory)
    })
    this.boot(brokerId)
  }

  /** A leader looks at its followers and asks for the ISR they make. */
  alterIsr(topic: string, partition: number, isHeal = false): void {
    const { leader, replicas } = this.t.partition(topic, partition)
    if (leader === noLeader || !this.model.running.has(leader)) return
    const held = this.model.held(topic, partition)
    const isr = replicas.filter((id) => {
      if (id === leader) return true
      if (!this.t.view.isActive(id) || !this.model.isFollowing(topic, partition, id)) return false
      if (!isHeal && this.#chance(25)) return false
      // To join it must have caught up.
      held.records.set(id, held.records.get(leader) ?? 0)
      return true
    })
    assert.ok([0, 108].includes(this.t.alterIsr(topic, isr, { partition })))
  }

  #somewhere(): [string, number] {
    const { topic, partition } = this.#pick([...this.model.partitions()])
    return [topic, partition]
  }

  step(): void {
    const [topic, partition] = this.#somewhere()
    const { t, model } = this
    const brokerId = this.#pick(brokers)
    switch (this.#below(13)) {
      case 0:
      case 1:
      case 2:
        model.write(topic, partition, () => this.#chance(80))
        return
      case 3:
      case 4:
        this.alterIsr(topic, partition)
        return
      case 5:
      case 6:
        this.restart(brokerId)
        return
      case 7: {
        if (!model.running.has(brokerId)) t.fence(brokerId)
        return
      }
      case 8: {
        const wanted = [...brokers].sort(() => this.#below(3) - 1).slice(0, 1 + this.#below(3))
        const { errorCode } = t.reassign(topic, this.#chance(25) ? null : wanted, { partition })
        assert.ok([0, 39, 85].includes(errorCode), `reassignment: ${errorCode}`)
        return
      }
      case 9: {
        if (!model.running.has(brokerId) || t.image.brokers.get(brokerId)!.fenced) return
        const failed = this.#pick(this.#directories.get(brokerId)!)
        if (this.#directories.get(brokerId)!.length === 1) return
        this.#offline.add(failed)
        t.heartbeat(brokerId, { offlineLogDirs: [failed] })
        for (const each of model.partitions()) {
          const isThere = each.state.directories[each.state.replicas.indexOf(brokerId)] === failed
          if (isThere && !t.settings.get(each.topic)!.survivesCrash)
            model.lose(each, brokerId, this.#below((each.held.records.get(brokerId) ?? 0) + 1))
        }
        return
      }
      case 10: {
        t.apply(balanceLeaders(t.view).records)
        t.apply(electUncleanLeaders(t.view).records)
        return
      }
      case 11: {
        if (this.#chance(50)) t.demoted.delete(brokerId)
        else t.demoted.add(brokerId)
        if (t.image.brokers.get(brokerId)?.fenced === false && model.running.has(brokerId)) t.heartbeat(brokerId)
        return
      }
      case 12: {
        const minInsyncReplicas = 1 + this.#below(3)
        t.settings.set(topic, { ...t.settings.get(topic), minInsyncReplicas })
        if (this.elr) t.apply(clearElr(t.image, this.#chance(20) ? "all" : new Set([topic])))
        return
      }
    }
  }

  /** Faults stop: everybody comes back with what it has, and every reassignment ends. */
  heal(): void {
    const { t, model } = this
    t.demoted.clear()
    for (const id of brokers) {
      if (!model.running.has(id) || t.image.brokers.get(id)!.inControlledShutdown || this.#offline.size > 0) {
        if (model.running.has(id)) model.crash(id, false, this.#below)
        t.fence(id)
        for (const directory of this.#directories.get(id)!) this.#offline.delete(directory)
        this.boot(id)
      } else if (t.image.brokers.get(id)!.fenced) t.heartbeat(id)
      this.assignDirectories(id)
    }
    model.askedUnclean = true
    t.apply(electLeaders(t.view, everyPartition(t.view), { unclean: true }).records)
    for (let round = 0; round < 2; round++)
      for (const { topic, partition } of [...model.partitions()]) this.alterIsr(topic, partition, true)
    for (const { state, topic, partition } of model.partitions()) {
      assert.ok(state.leader !== noLeader, `${topic}-${partition} has no leader: ${t.state(topic, partition)}`)
      assert.deepEqual([...state.addingReplicas, ...state.removingReplicas], [], t.state(topic, partition))
      assert.deepEqual([...state.isr].sort(), [...state.replicas].sort())
    }
  }
}

const comparable = ({ offset: _offset, ...image }: MetadataImage) => ({
  ...image,
  topics: new Map(image.topics),
  topicNames: new Map(image.topicNames),
  configs: new Map(image.configs),
  carried: new Map(image.carried),
})

const names = (places: Iterable<Place>): string[] =>
  [...places].map(({ topic, partition }) => `${topic}-${partition}`).sort()

function checkIndex(index: PartitionIndex, image: MetadataImage): void {
  const fresh = new PartitionIndex()
  fresh.follow(image.topics)
  index.follow(image.topics)
  for (const id of brokers) {
    assert.deepEqual(names(index.leads(id)), names(fresh.leads(id)))
    assert.deepEqual(names(index.inIsr(id)), names(fresh.inIsr(id)))
    assert.deepEqual(names(index.inElr(id)), names(fresh.inElr(id)))
  }
  assert.deepEqual(names(index.leaderless), names(fresh.leaderless))
  assert.deepEqual(names(index.notPreferred), names(fresh.notPreferred))
  assert.deepEqual(names(index.reassigning), names(fresh.reassigning))
}

for (const elr of [true, false]) {
  test(`whatever happens to brokers, who leads has what is committed, ${elr ? "with" : "without"} eligible leader replicas`, () => {
    let losses = 0
    for (let seed = 1; seed <= 300; seed++) {
      try {
        const history = new History(seed, elr)
        const { t } = history
        const snapshotAt = 20 + (seed % 60)
        let copy: MetadataImage | undefined
        let earlier = t.image
        for (let step = 0; step < 100; step++) {
          history.step()
          if (step === snapshotAt)
            copy = [...snapshotRecords(t.image)]
              .map((record) => decodeRecord(encodeRecord(record)))
              .reduce((image, record) => replay(image, record, t.image.offset, 1), emptyImage)
          const tail = copy === undefined || step <= snapshotAt ? [] : t.log.slice(copy.offset + 1)
          if (copy !== undefined)
            copy = tail.reduce((image, record) => replay(image, record, image.offset + 1, 1), copy)
          // The head falls back and comes forward again.
          if (step % 10 === 0) {
            checkIndex(t.index, earlier)
            earlier = t.image
          }
          if (step % 10 === 5) checkIndex(t.index, t.image)
        }
        assert.deepEqual(comparable(copy!), comparable(t.image))
        history.heal()
        losses += history.model.uncleanElections
      } catch (error) {
        throw new Error(`seed ${seed}: ${error instanceof Error ? error.stack : String(error)}`, { cause: error })
      }
    }
    // The test would notice nothing if nothing could be lost.
    assert.ok(losses > 0)
  })
}
