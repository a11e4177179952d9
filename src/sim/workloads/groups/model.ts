/**
 * What the clients of the groups workload know together: topics, groups, offsets on their way, and the history they are judged by.
 *
 * Owns the names under which the history knows partitions and writes of offsets.
 */
import { CommittedOffsetsSurvive } from "../../checkers/committed-offsets-survive.js"
import { EveryRecordProcessed } from "../../checkers/every-record-processed.js"
import { GenerationsNeverGoBack } from "../../checkers/generations-never-go-back.js"
import { LeaderAssigns } from "../../checkers/leader-assigns.js"
import { MembersProtectTheirGroup } from "../../checkers/members-protect-their-group.js"
import { OneOwnerAtATime } from "../../checkers/one-owner-at-a-time.js"
import { OneOwnerPerGeneration } from "../../checkers/one-owner-per-generation.js"
import { StaleMembersRefused } from "../../checkers/stale-members-refused.js"
import { History } from "../../history.js"
import type { SimulatedNode } from "../../node.js"
import type { SeededRandom } from "../../random.js"
import type { World } from "../../world.js"
import { hasDiskErrors } from "../lives/faults.js"
import { LivesModel } from "../lives/lives-model.js"
import type { GroupOptions, GroupsOptionsDrawn } from "./options.js"

const minuteMs = 60_000

/** One topic under one id. */
export class GroupTopic {
  /** False from the moment its deletion is asked for. */
  isLive = true

  constructor(
    readonly name: string,
    readonly topicId: string,
    /** How many topics there were before it. */
    readonly life: number,
    public partitions: number,
  ) {}

  partitionName(index: number): string {
    return `${this.name}.${this.life}-${index}`
  }
}

/** A commit, a reset or a deletion of one offset. */
export interface OffsetWrite {
  readonly write: string
  readonly group: string
  readonly partition: string
  /** Of the group when it was sent. */
  readonly removals: number
  readonly offset: number | undefined
}

/** What may remove a group, or the last of its offsets. */
interface Removals {
  count: number
  open: number
}

export class GroupsModel extends LivesModel {
  readonly history: History
  readonly counts = {
    lives: 0,
    kills: 0,
    powerCuts: 0,
    cleanStops: 0,
    fatal: 0,
    failedStarts: 0,
    records: 0,
    topics: 0,
    deletedTopics: 0,
    members: 0,
    joins: 0,
    assignments: 0,
    leaves: 0,
    crashes: 0,
    stalls: 0,
    doubles: 0,
    fenced: 0,
    lost: 0,
    commits: 0,
    refusedCommits: 0,
    fetchedOffsets: 0,
    processed: 0,
    resets: 0,
    deletedOffsets: 0,
    deletedGroups: 0,
    descriptions: 0,
  }
  /** By slot of the options: the topic that has its name now. */
  readonly topics: (GroupTopic | undefined)[] = []
  readonly everyTopic: GroupTopic[] = []
  readonly #removals = new Map<string, Removals>()
  #nextWrite = 0
  wallMsMin = 0

  constructor(
    world: World,
    override readonly options: GroupsOptionsDrawn,
    broker: SimulatedNode,
    random: SeededRandom,
  ) {
    super(world, options, broker, random)
    const forgetsMembers = options.fullChance > 0 || options.openFilesChance > 0 || hasDiskErrors(options)
    this.history = new History(
      [
        (report) => new OneOwnerPerGeneration(report),
        (report) => new OneOwnerAtATime(report),
        (report) => new LeaderAssigns(report),
        (report) => new GenerationsNeverGoBack(report),
        (report) => new StaleMembersRefused(report, forgetsMembers),
        (report) => new MembersProtectTheirGroup(report),
        (report) => new CommittedOffsetsSurvive(report, options.retentionMinutes * minuteMs),
        (report) => new EveryRecordProcessed(report),
      ],
      (observation) => world.trace.remark(world.scheduler.nowNs, () => JSON.stringify(observation)),
    )
  }

  get nowMs(): number {
    return this.world.nowMs
  }

  topicById(topicId: string): GroupTopic | undefined {
    return this.everyTopic.find((topic) => topic.topicId === topicId)
  }

  liveTopic(name: string): GroupTopic | undefined {
    return this.topics.find((topic) => topic?.isLive === true && topic.name === name)
  }

  get liveTopics(): GroupTopic[] {
    return this.topics.flatMap((topic) => (topic?.isLive ? [topic] : []))
  }

  isClassicOnly({ flavour }: GroupOptions): boolean {
    return flavour === "eager" || flavour === "cooperative"
  }

  #removalsOf(group: string): Removals {
    let removals = this.#removals.get(group)
    if (removals === undefined) this.#removals.set(group, (removals = { count: 0, open: 0 }))
    return removals
  }

  /** Something is asked for after which the group may be gone, or without offsets; returns what to call when it is answered for good. */
  removalSent(group: string): () => void {
    const removals = this.#removalsOf(group)
    const { life } = this
    removals.count += 1
    removals.open += 1
    this.history.observe({ kind: "group may vanish", group, isPossible: true, atMs: this.nowMs })
    return () => {
      if (life === this.life) removals.open -= 1
      removals.count += 1
    }
  }

  offsetSent(
    group: string,
    topic: GroupTopic,
    index: number,
    offset: number | undefined,
    isByName: boolean,
  ): OffsetWrite {
    const write = `w${this.#nextWrite++}`
    const partition = topic.partitionName(index)
    const byName = isByName ? `${topic.name}-${index}` : undefined
    const wallMs = this.broker.clock.wallMs()
    this.history.observe({ kind: "offset sent", write, group, partition, byName, offset, wallMs })
    return { write, group, partition, removals: this.#removalsOf(group).count, offset }
  }

  offsetSettled(
    { write, group, partition, removals, offset }: OffsetWrite,
    outcome: "done" | "refused" | "open",
  ): void {
    this.noteWallTime()
    const wallMs = this.broker.clock.wallMs()
    this.history.observe({ kind: "offset settled", write, group, partition, outcome, atMs: this.nowMs, wallMs })
    const { count, open } = this.#removalsOf(group)
    // An empty group of one protocol gives way to one of the other, with numbers of its own.
    const isMixed = this.options.groups.some(({ name, flavour }) => name === group && flavour === "mixed")
    const stays = !isMixed && outcome === "done" && offset !== undefined && count === removals && open === 0
    if (stays && this.options.retentionMinutes > 1)
      this.history.observe({ kind: "group may vanish", group, isPossible: false, atMs: this.nowMs })
  }

  brokerDied(): void {
    for (const removals of this.#removals.values()) removals.open = 0
    this.history.observe({ kind: "broker died" })
  }
}
