/**
 * Messages between nodes that come once more, later: what a retry leaves behind on a connection that was slow.
 *
 * Owns a bounded memory of such requests, byte for byte, and their second way. They go from a machine that is no node, so that nothing is believed of the node that sent them first; no answer is waited for.
 */
import type { Receiver } from "../../../env/env.js"
import type { SimulatedNode } from "../../node.js"
import type { SeededRandom } from "../../random.js"
import type { WireFrame } from "../../wire-tap.js"
import { controllerPort } from "./model.js"

/** Those to controllers that are meant for one moment, and must do nothing in a later one. */
const replayedApis = [
  "AlterPartition",
  "BrokerHeartbeat",
  "AssignReplicasToDirs",
  "Vote",
  "BeginQuorumEpoch",
  "EndQuorumEpoch",
] as const

/** Of each kind. */
const kept = 16

const deaf: Receiver = {
  buffer: () => Buffer.allocUnsafe(65_536),
  received: () => {},
  ended: () => {},
  closed: () => {},
}

export class Replays {
  readonly #kept = new Map<string, { readonly to: string; readonly frame: Buffer }[]>()

  constructor(
    readonly controllers: readonly SimulatedNode[],
    readonly random: SeededRandom,
  ) {}

  passed(frame: WireFrame): void {
    if (frame.request !== undefined || !(replayedApis as readonly string[]).includes(frame.api.name)) return
    const size = Buffer.alloc(4)
    size.writeInt32BE(frame.bytes.length)
    const one = { to: frame.to, frame: Buffer.concat([size, frame.bytes]) }
    const others = this.#kept.get(frame.api.name)
    if (others === undefined) this.#kept.set(frame.api.name, [one])
    else if (others.length < kept) others.push(one)
    // A sample of all there were: old ones stay a while.
    else if (this.random.chance(0.3)) others[this.random.int(kept)] = one
  }

  /** One of them arrives again, at the node it was for or at another one, which may lead by now. */
  async again(from: SimulatedNode): Promise<void> {
    if (this.#kept.size === 0) return
    const { to, frame } = this.random.pick(this.random.pick([...this.#kept.values()]))
    const host = this.random.chance(0.3)
      ? this.random.pick(this.controllers)
      : this.controllers.find(({ name }) => name === to)
    if (host === undefined) return
    try {
      const connection = await from.env.network.connect({ host: host.address, port: controllerPort })
      connection.receive(deaf)
      connection.send([frame])
      from.env.timers.after(2_000, () => connection.destroy())
    } catch {
      // Nobody there.
    }
  }
}
