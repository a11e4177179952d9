/**
 * Which partitions a broker leads and is in sync for, beside the image.
 *
 * Owns the sets that decisions about one broker go through, so that none has to look at every partition of the cluster. The invariant: after `follow` they are those of that image,
 * whichever image came before; the cost is that of the difference.
 */
import type { BrokerId, Uuid } from "../base/ids.js"
import { PersistentMap } from "../base/persistent-map.js"
import type { PartitionImage, TopicImage } from "../metadata/image.js"
import { isReassigning, noLeader } from "./partition-change.js"

export interface Place {
  readonly topic: string
  readonly topicId: Uuid
  readonly partition: number
}

type Places = ReadonlySet<Place>
const nowhere: Places = new Set()

interface Roles {
  readonly leads: Set<Place>
  readonly isr: Set<Place>
  readonly elr: Set<Place>
}

export class PartitionIndex {
  #topics: PersistentMap<TopicImage> = PersistentMap.empty()
  readonly #places = new Map<string, Place[]>()
  readonly #roles = new Map<BrokerId, Roles>()
  readonly #leaderless = new Set<Place>()
  readonly #notPreferred = new Set<Place>()
  readonly #reassigning = new Set<Place>()

  /** Brings the sets to what this image says. */
  follow(topics: PersistentMap<TopicImage>): void {
    if (topics === this.#topics) return
    for (const name of topics.changedKeys(this.#topics))
      this.#followTopic(name, this.#topics.get(name), topics.get(name))
    this.#topics = topics
  }

  leads(brokerId: BrokerId): Places {
    return this.#roles.get(brokerId)?.leads ?? nowhere
  }

  inIsr(brokerId: BrokerId): Places {
    return this.#roles.get(brokerId)?.isr ?? nowhere
  }

  inElr(brokerId: BrokerId): Places {
    return this.#roles.get(brokerId)?.elr ?? nowhere
  }

  /** Partitions that nobody leads. */
  get leaderless(): Places {
    return this.#leaderless
  }

  /** Partitions that another than their first replica leads, or nobody. */
  get notPreferred(): Places {
    return this.#notPreferred
  }

  get reassigning(): Places {
    return this.#reassigning
  }

  #followTopic(name: string, before: TopicImage | undefined, after: TopicImage | undefined): void {
    if (before !== undefined && before.topicId !== after?.topicId) {
      const places = this.#places.get(name)!
      for (const [id, partition] of before.partitions.entries()) this.#unlink(places[id]!, partition)
      this.#places.delete(name)
      before = undefined
    }
    if (after === undefined) return
    const places = this.#places.get(name) ?? []
    this.#places.set(name, places)
    after.partitions.forEach((partition, id) => {
      const known = before?.partitions[id]
      if (known === partition) return
      places[id] ??= { topic: name, topicId: after.topicId, partition: id }
      if (known !== undefined) this.#unlink(places[id], known)
      this.#link(places[id], partition)
    })
    // An image from before the topic grew.
    for (let id = after.partitions.length; id < (before?.partitions.length ?? 0); id++)
      this.#unlink(places[id]!, before!.partitions[id]!)
  }

  #rolesOf(brokerId: BrokerId): Roles {
    const known = this.#roles.get(brokerId)
    if (known !== undefined) return known
    const made: Roles = { leads: new Set(), isr: new Set(), elr: new Set() }
    this.#roles.set(brokerId, made)
    return made
  }

  #link(place: Place, partition: PartitionImage): void {
    const { leader } = partition
    if (leader === noLeader) this.#leaderless.add(place)
    else this.#rolesOf(leader).leads.add(place)
    for (const id of partition.isr) this.#rolesOf(id).isr.add(place)
    for (const id of partition.elr) this.#rolesOf(id).elr.add(place)
    if (leader !== partition.replicas[0]) this.#notPreferred.add(place)
    if (isReassigning(partition)) this.#reassigning.add(place)
  }

  #unlink(place: Place, partition: PartitionImage): void {
    const { leader } = partition
    if (leader === noLeader) this.#leaderless.delete(place)
    else this.#rolesOf(leader).leads.delete(place)
    for (const id of partition.isr) this.#rolesOf(id).isr.delete(place)
    for (const id of partition.elr) this.#rolesOf(id).elr.delete(place)
    if (leader !== partition.replicas[0]) this.#notPreferred.delete(place)
    if (isReassigning(partition)) this.#reassigning.delete(place)
  }
}
