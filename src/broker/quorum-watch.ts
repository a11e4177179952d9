/**
 * Whether the quorum can still decide anything, for a node that stops and waits for its decision.
 *
 * Owns how it is found out: nobody listens any more where most of its voters were. Whoever is only slow, or elects, listens. Says nothing of who leads.
 */
import type { BrokerId } from "../base/ids.js"
import type { Env } from "../env/env.js"
import type { PeerAddress } from "../net/peer.js"
import { probe } from "./controller/probe.js"

/** Between two looks; after as many of them in a row without a majority the quorum is gone. */
export const quorumLookMs = 150
const looks = 2

export interface QuorumWatchOptions {
  readonly env: Env
  readonly nodeId: BrokerId
  readonly voters: () => readonly ({ readonly id: BrokerId } & PeerAddress)[]
}

/** Resolves once the quorum is gone, or `isOver` says that nobody wants to know any more. */
export async function quorumGone({ env, nodeId, voters }: QuorumWatchOptions, isOver: () => boolean): Promise<void> {
  for (let without = 0; without < looks && !isOver(); ) {
    await new Promise<void>((resolve) => env.timers.after(quorumLookMs, resolve))
    const all = voters()
    const found = await Promise.all(
      all.map(async ({ id, host, port }) => id === nodeId || (await probe(env, { host, port })) !== "refused"),
    )
    const listening = found.filter(Boolean).length
    without = listening < Math.floor(all.length / 2) + 1 ? without + 1 : 0
  }
}
