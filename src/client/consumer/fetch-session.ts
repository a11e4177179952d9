/**
 * The reader's side of an incremental fetch session with one broker: what it has been told, so that only changes are told again.
 *
 * Owns what a request must say. Source: KIP-227. A broker that makes no session, or forgets it, is told everything each time.
 */
import { Errors } from "../../protocol/errors.js"
import { initialSessionEpoch, nextSessionEpoch } from "../../protocol/session-epochs.js"

export interface Terms {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  readonly fetchOffset: number
  readonly currentLeaderEpoch: number
  readonly lastFetchedEpoch: number
}

export interface Asked {
  readonly sessionId: number
  readonly sessionEpoch: number
  readonly named: readonly Terms[]
  readonly forgotten: readonly Terms[]
}

const newSession = 0

export class FetchSession {
  #id = newSession
  #epoch = initialSessionEpoch
  #told = new Map<string, Terms>()

  /** What to say so that the broker looks at `wanted`, and at nothing else. */
  ask(wanted: readonly Terms[]): Asked {
    const before = this.#told
    this.#told = new Map(wanted.map((terms) => [keyOf(terms), terms]))
    const sessionId = this.#id
    const sessionEpoch = this.#epoch
    if (sessionEpoch === initialSessionEpoch) return { sessionId, sessionEpoch, named: wanted, forgotten: [] }
    const named = wanted.filter((terms) => !isSame(before.get(keyOf(terms)), terms))
    const forgotten = [...before].flatMap(([key, terms]) => {
      const now = this.#told.get(key)
      return now === undefined || now.topicId !== terms.topicId ? [terms] : []
    })
    return { sessionId, sessionEpoch, named, forgotten }
  }

  /** False: the broker does not know the session any more, and the request must be made again. */
  answered(errorCode: number, sessionId: number): boolean {
    if (errorCode !== Errors.NONE) {
      // Whatever it is, the next one begins anew.
      this.lost()
      return false
    }
    if (sessionId === newSession) this.lost()
    else {
      this.#id = sessionId
      this.#epoch = nextSessionEpoch(this.#epoch)
    }
    return true
  }

  /** What the broker has heard is not known. */
  lost(): void {
    this.#id = newSession
    this.#epoch = initialSessionEpoch
    this.#told.clear()
  }
}

const keyOf = ({ topic, partition }: Terms): string => `${topic}/${partition}`
const isSame = (a: Terms | undefined, b: Terms): boolean =>
  a !== undefined &&
  a.topicId === b.topicId &&
  a.fetchOffset === b.fetchOffset &&
  a.currentLeaderEpoch === b.currentLeaderEpoch &&
  a.lastFetchedEpoch === b.lastFetchedEpoch
