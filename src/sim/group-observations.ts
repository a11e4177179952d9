/**
 * What members and administrators of groups saw, for the checkers of groups.
 *
 * Owns the kinds. A member here is one process of a client; two processes with one instance id are two members. Times are of the world, in ms: members of different machines are compared.
 * Partitions are named with the life of their topic (`topic0.2-1`): a topic made again is another topic.
 */
interface InGroup {
  readonly group: string
  readonly member: string
  readonly atMs: number
}

export type GroupObservation =
  /** The broker answered it: until `untilMs` it cannot have been put out of the group, unless it gave up itself. */
  | (InGroup & {
      readonly kind: "in group"
      readonly owner: string
      readonly topics: readonly string[]
      readonly untilMs: number
    })
  /** It has left, or was told that it is no member any more. */
  | (InGroup & { readonly kind: "out of group"; readonly wasTold: boolean })
  /** It asks for the place of its instance: what other processes of it had is nobody's business any more. */
  | (InGroup & { readonly kind: "takes over"; readonly owner: string })
  /** What it reads from now on, in place of what it read before. `owner` is the instance where there is one. */
  | (InGroup & { readonly kind: "owns"; readonly owner: string; readonly partitions: readonly string[] })
  /**
   * The log has this assignment. `isClassic`: of a group that only speaks the classic protocol, where all members are of one generation; else the generation is the epoch
   * of the member.
   */
  | (InGroup & {
      readonly kind: "assigned"
      readonly owner: string
      readonly isClassic: boolean
      readonly generation: number
      readonly partitions: readonly string[]
      readonly sentMs: number
      readonly untilMs: number
    })
  /** A heartbeat or a commit was accepted that was sent at `sentMs`. */
  | (InGroup & {
      readonly kind: "accepted"
      readonly what: "heartbeat" | "commit"
      readonly owner: string
      readonly isClassic: boolean
      readonly generation: number
      readonly partitions: readonly string[]
      readonly sentMs: number
    })
  /** The leader of a classic group hands in an assignment, by instance id or member id, partitions by name. */
  | {
      readonly kind: "led"
      readonly group: string
      readonly generation: number
      readonly assignment: readonly { readonly member: string; readonly partitions: readonly string[] }[]
    }
  /** What a member of a classic group was told to be its assignment. */
  | {
      readonly kind: "taken"
      readonly group: string
      readonly generation: number
      readonly member: string
      readonly partitions: readonly string[]
    }
  /** Epoch of a group, as described. */
  | {
      readonly kind: "group epoch"
      readonly group: string
      readonly epoch: number
      readonly sentMs: number
      readonly atMs: number
    }
  /** Done to a group from outside, and accepted: only where nobody is in it, or where nobody subscribes to the topic. */
  | {
      readonly kind: "done from outside"
      readonly group: string
      readonly what: string
      readonly topic: string | undefined
      readonly sentMs: number
      readonly atMs: number
    }
  /** From now on the group may be removed as soon as it has no members, and begin anew with its generations; or it has offsets that keep it. */
  | {
      readonly kind: "group may vanish"
      readonly group: string
      readonly isPossible: boolean
      readonly atMs: number
    }

  /** A commit, or (`offset` undefined) a deletion, is sent. `write` names it, and is stored with the offset. */
  | {
      readonly kind: "offset sent"
      readonly write: string
      readonly group: string
      readonly partition: string
      /** Where it is addressed by a name that another topic may have by the time it arrives: the partition by that name. */
      readonly byName: string | undefined
      readonly offset: number | undefined
      readonly wallMs: number
    }
  | {
      readonly kind: "offset settled"
      readonly write: string
      readonly group: string
      readonly partition: string
      /** Open: it may have happened, or may still happen. */
      readonly outcome: "done" | "refused" | "open"
      readonly atMs: number
      readonly wallMs: number
    }
  /** A fetch of offsets is sent; `fetch` names it. */
  | { readonly kind: "offsets asked"; readonly fetch: string }
  | {
      readonly kind: "offset read"
      readonly fetch: string
      readonly group: string
      readonly partition: string
      readonly byName: string | undefined
      readonly topic: string
      /** What was stored with the offset; undefined: there is none. */
      readonly write: string | undefined
      readonly offset: number
      readonly atMs: number
      /** The latest that the broker's wall clock ever said. */
      readonly wallMsMax: number
    }
  /** Deletion of the topic is about to be asked for. */
  | { readonly kind: "topic dies"; readonly topic: string }
  /** The broker is another process: what was sent before has happened or never will. */
  | { readonly kind: "broker died" }

  /** Records from `from` to `to` (exclusive) were handed to the application. */
  | {
      readonly kind: "processed"
      readonly group: string
      readonly partition: string
      readonly from: number
      readonly to: number
    }
  /** Somebody asked for records below to be skipped. */
  | { readonly kind: "skippable"; readonly group: string; readonly partition: string; readonly below: number }
  /** The group has caught up. */
  | { readonly kind: "caught up"; readonly group: string; readonly partition: string; readonly to: number }
