/**
 * The gate of a node's listener: every connection of a client has faults in between.
 *
 * Owns who is exempt (the harness's own questions, and what brokers ask each other) and which environment a held-up request waits in.
 */
import type { Connection } from "../env/env.js"
import type { Gate, Member, TestCluster, WorldTime } from "./cluster.js"
import { FaultConnection } from "./fault-connection.js"
import type { Faults } from "./faults.js"

export function faultGate(faults: Faults, time: WorldTime, exempt: () => ReadonlySet<string>): Gate {
  return {
    admit(member: Member, connection: Connection): Connection {
      if (exempt().has(connection.remoteAddress)) return connection
      const { incarnation } = member.machine
      const { timers } = time.envOf(member.machine)
      const guarded: Connection = new FaultConnection(connection, {
        timers,
        isDead: () => !incarnation.alive,
        meet: (request) => (faults.isEmpty ? undefined : faults.meet({ ...request, broker: member.id })),
        onClosed: () => member.port?.forget(connection),
      })
      return guarded
    },
  }
}

/** Who asks on the harness's behalf, and the nodes themselves. */
export const exemptFrom = ({ members, observer }: TestCluster): ReadonlySet<string> =>
  new Set([observer.address, ...members.map(({ machine }) => machine.address)])
