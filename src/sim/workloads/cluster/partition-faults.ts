/**
 * Faults that are aimed at the replicas of one partition: at its leader, at a leader and one follower, at all replicas but one, one leader after the other.
 *
 * Owns which machines are struck, in which order and how soon after each other; how one is taken down or cut off is its user's. What the topic's policy does not promise to survive is told before it strikes.
 */
import type { SeededRandom } from "../../random.js"
import type { World } from "../../world.js"
import type { ClusterModel } from "./model.js"
import type { NodeLife } from "./node-life.js"

/** Ends a fault. */
export type End = () => void

/** Who leads what and holds what, as far as committed metadata was seen. */
export interface Places {
  leaderOf(key: string): number
  replicasOf(key: string): readonly number[]
}

export interface Hands {
  readonly lives: readonly NodeLife[]
  takeDown(down: readonly NodeLife[], power: boolean): End
  cut(pairs: readonly (readonly [string, string])[], bothWays: boolean): End
  replaceDisk(life: NodeLife): void
}

interface Struck {
  readonly leader: NodeLife | undefined
  readonly replicas: readonly NodeLife[]
}

export class PartitionFaults {
  constructor(
    readonly model: ClusterModel,
    readonly hands: Hands,
    readonly places: Places,
    readonly random: SeededRandom,
  ) {}

  /** A partition's machines; of one that anybody leads, if there is any. */
  somePartition(): string | undefined {
    const keys = this.model.liveTopics.flatMap(({ topicId, partitions }) =>
      Array.from({ length: partitions }, (_, index) => `${topicId}/${index}`),
    )
    const led = keys.filter((key) => this.places.leaderOf(key) >= 0)
    const from = led.length > 0 ? led : keys
    return from.length === 0 ? undefined : this.random.pick(from)
  }

  struck(key: string): Struck {
    const lifeOf = (id: number) => this.hands.lives.find(({ spec }) => spec.id === id)
    const leader = lifeOf(this.places.leaderOf(key))
    return { leader, replicas: this.places.replicasOf(key).flatMap((id) => lifeOf(id) ?? []) }
  }

  someLeader(): NodeLife | undefined {
    const key = this.somePartition()
    return key === undefined ? undefined : this.struck(key).leader
  }

  /** The leader and one follower do not hear each other; everybody else hears both. */
  leaderFromFollower(): End | undefined {
    const key = this.somePartition()
    if (key === undefined) return undefined
    const { leader, replicas } = this.struck(key)
    const followers = replicas.filter((each) => each !== leader)
    if (leader === undefined || followers.length === 0) return undefined
    const pair: [string, string] = [leader.name, this.random.pick(followers).name]
    return this.hands.cut([this.random.chance(0.5) ? pair : [pair[1], pair[0]]], this.random.chance(0.6))
  }

  /** The leader hears no other node, and clients hear it: what they send to it is nowhere else. */
  leaderFromNodes(): End | undefined {
    const leader = this.someLeader()
    if (leader === undefined) return undefined
    const others = this.hands.lives.filter((each) => each !== leader)
    return this.hands.cut(
      others.map(({ name }): [string, string] => [leader.name, name]),
      true,
    )
  }

  /** Whoever leads the partition goes, then whoever leads it then, and so on; each comes back soon. */
  async oneLeaderAfterAnother(goesOn: () => boolean, world: World): Promise<void> {
    const { random } = this
    const key = this.somePartition()
    if (key === undefined) return
    const ends: Promise<void>[] = []
    const downMsMax = random.magnitude(50, 5_000)
    const gapMsMax = random.magnitude(5, 3_000)
    for (let left = random.between(2, 5); left > 0 && goesOn(); left--) {
      const { leader } = this.struck(key)
      if (leader !== undefined && leader.state !== "down") {
        const end = this.hands.takeDown([leader], random.chance(0.3))
        ends.push(world.sleep(random.between(1, downMsMax)).then(end))
      }
      await world.sleep(random.between(1, gapMsMax))
    }
    await Promise.all(ends)
  }

  /** All replicas but one go, one shortly after the other. */
  allButOne(goesOn: () => boolean, world: World): End | undefined {
    const { random } = this
    const key = this.somePartition()
    const replicas = key === undefined ? [] : this.struck(key).replicas
    if (replicas.length < 2) return undefined
    const going = random.shuffle([...replicas]).slice(1)
    const gapMs = random.magnitude(1, 3_000)
    const power = random.chance(0.4)
    const ends: End[] = []
    let isOver = false
    for (const [at, life] of going.entries())
      world.at(at * gapMs, "goes too", () => {
        if (!isOver && goesOn()) ends.push(this.hands.takeDown([life], power))
      })
    return () => {
      isOver = true
      for (const end of random.shuffle(ends)) end()
    }
  }

  /**
   * All replicas of a partition lose power shortly after each other, and the one that comes back first, alone for a while, has an empty disk. Nothing that two in-sync replicas held is lost by that, if it waits for
   * those who have it.
   */
  emptyDiskFirst(goesOn: () => boolean, world: World): End | undefined {
    const { random } = this
    const key = this.somePartition()
    const going = key === undefined ? [] : random.shuffle([...this.struck(key).replicas])
    const empty = going.findLast(({ spec }) => !spec.isController)
    if (going.length < 2 || empty === undefined) return undefined
    const gapMs = random.magnitude(1, 3_000)
    const ends = new Map<NodeLife, End>()
    let isOver = false
    const order = [...going.filter((each) => each !== empty), empty]
    for (const [at, life] of order.entries())
      world.at(at * gapMs, "goes too", () => {
        if (isOver || !goesOn()) return
        ends.set(life, this.hands.takeDown([life], true))
        if (life !== empty) return
        this.hands.replaceDisk(life)
        world.at(random.between(1, 1_000), "comes back empty", () => {
          ends.get(empty)?.()
          ends.delete(empty)
        })
      })
    return () => {
      isOver = true
      for (const end of ends.values()) end()
    }
  }
}
