/**
 * Waiting for what a test wants to see, and saying what there is instead when it does not come.
 *
 * Owns the looks, their pace and the words of a time-out. With a manual clock time passes while it waits. Unknown topics and brokers that are down are waited for.
 */
import { ClientError, TimeoutError } from "../client/errors.js"
import { type GroupState, lookAtGroup } from "./group-look.js"
import type { Observer, TopicState } from "./observer.js"
import type { WorldTime } from "./cluster.js"
import { type Duration, durationMs } from "./duration.js"

export interface UntilOptions {
  /** Default: 10 s, by the broker's clock. */
  readonly timeoutMs?: Duration
}

interface Look<T> {
  look(): Promise<T>
  isThere(found: T): boolean
  describe(found: T): string
  /** What `look` throws is not waited out. */
  readonly isFinal?: boolean
}

const describe = (found: unknown): string => `It was ${String(found)}`

const defaultTimeoutMs = 10_000
const lookIntervalMs = 5

export class Until {
  constructor(
    private readonly observer: Observer,
    private readonly time: WorldTime,
    private readonly nowMs: () => number,
  ) {}

  /** The group has committed all but `lag` records, in sum, of every partition of the topics it has committed for. Errors: TimeoutError with lag, assignments and end offsets. */
  groupLag(groupId: string, lag = 0, options: UntilOptions = {}): Promise<GroupState> {
    return this.#until(`group ${groupId} has a lag of ${lag} at most`, options, {
      look: () => lookAtGroup(this.observer, groupId),
      isThere: (group) => group.offsets.length > 0 && lagOf(group) <= lag,
      describe: groupText,
    })
  }

  /** The group is stable with so many members, each of which knows its assignment. */
  groupStable(groupId: string, members?: number, options: UntilOptions = {}): Promise<GroupState> {
    const what = members === undefined ? "" : ` with ${members} member${members === 1 ? "" : "s"}`
    return this.#until(`group ${groupId} is stable${what}`, options, {
      look: () => lookAtGroup(this.observer, groupId),
      isThere: (group) => group.state === "Stable" && (members ?? group.members.length) === group.members.length,
      describe: groupText,
    })
  }

  /** The topic holds so many records, or more. */
  records(topic: string, count: number, options: UntilOptions = {}): Promise<TopicState> {
    return this.#until(`topic ${topic} holds ${count} records`, options, {
      look: async () => (await this.observer.topics(topic))[0]!,
      isThere: (state) => countOf(state) >= count,
      describe: topicText,
    })
  }

  /** Whatever else: `look` is called again and again until it gives something other than undefined and false. What it throws ends the waiting. */
  async is<T>(what: string, look: () => Promise<T> | T, options: UntilOptions = {}): Promise<NonNullable<T>> {
    const isThere = (found: T): boolean => found !== undefined && found !== null && found !== false
    const found = await this.#until(what, options, { look: async () => look(), isThere, describe, isFinal: true })
    return found as NonNullable<T>
  }

  async #until<T>(
    what: string,
    options: UntilOptions,
    { look, isThere, describe, isFinal = false }: Look<T>,
  ): Promise<T> {
    const timeoutMs = durationMs(options.timeoutMs ?? defaultTimeoutMs)
    const endMs = this.nowMs() + timeoutMs
    let last = "nothing was seen yet"
    for (;;) {
      try {
        const found = await look()
        if (isThere(found)) return found
        last = describe(found)
      } catch (error) {
        // Not there yet, or its broker is not.
        if (isFinal || !(error instanceof ClientError)) throw error
        last = error.message
      }
      if (this.nowMs() >= endMs) throw new TimeoutError(`not within ${timeoutMs} ms: ${what}. ${last}`)
      await this.time.sleep(lookIntervalMs)
    }
  }
}

const lagOf = ({ offsets }: GroupState): number => offsets.reduce((sum, { lag }) => sum + lag, 0)
const countOf = ({ partitions }: TopicState): number =>
  partitions.reduce((sum, { startOffset, endOffset }) => sum + Number(endOffset - startOffset), 0)

function groupText(group: GroupState): string {
  const lines = [
    `Group ${group.groupId} is ${group.state}, its lag is ${group.offsets.length > 0 ? lagOf(group) : "unknown: it has committed nothing"}`,
  ]
  for (const { memberId, clientId, assignment } of group.members) {
    const parts = assignment.map(({ topic, partitions }) => `${topic} [${partitions.join(", ")}]`)
    lines.push(`  member ${memberId} (client ${clientId}): ${parts.join(", ") || "nothing assigned"}`)
  }
  if (group.members.length === 0) lines.push("  no members")
  for (const { topic, partition, committed, endOffset, lag } of group.offsets)
    lines.push(`  ${topic}-${partition}: committed ${committed}, end ${endOffset}, lag ${lag}`)
  return lines.join("\n")
}

function topicText(state: TopicState): string {
  const lines = [`Topic ${state.name} holds ${countOf(state)} records`]
  for (const { partition, leader, startOffset, endOffset } of state.partitions)
    lines.push(
      `  ${state.name}-${partition}: from ${startOffset} to ${endOffset}, leader ${leader < 0 ? "none" : leader}`,
    )
  return lines.join("\n")
}
