/**
 * Faults of one machine's disk and clock that end by themselves.
 *
 * Owns what each means for the simulated machine; when one strikes whom is with `faults.ts`.
 */
import type { SimulatedNode } from "../../node.js"
import type { SeededRandom } from "../../random.js"
import type { ClusterOptionsDrawn, FaultClass } from "./options.js"
import type { End } from "./partition-faults.js"

export const capacityBytes = 1 << 30
const dayMs = 86_400_000

export function beginOnMachine(
  what: FaultClass,
  { disk, clock }: SimulatedNode,
  options: ClusterOptionsDrawn,
  random: SeededRandom,
): End | undefined {
  switch (what) {
    case "slow disk": {
      disk.options.slowChance = random.pick([1, 0.1])
      disk.options.slowFactor = options.slowDiskFactor
      return () => {
        disk.options.slowChance = 0
      }
    }
    case "full disk":
      disk.options.capacityBytes = disk.usedBytes + random.magnitude(1, 65_536)
      return () => {
        disk.options.capacityBytes = capacityBytes
      }
    case "failed sync":
      disk.options.syncErrorChance = options.diskErrorChance
      return () => {
        disk.options.syncErrorChance = 0
      }
    case "failed directory": {
      // The last of several; the metadata log lies in the first, and without that there is no node.
      const last = `/data${options.directories - 1}/`
      const logs = disk.paths().filter((path) => path.startsWith(last) && path.endsWith(".log"))
      if (options.directories < 2 || logs.length === 0) return undefined
      disk.failNextSync(random.pick(logs))
      disk.failNextSync(last.slice(0, -1))
      return () => {}
    }
    case "failed write":
      disk.options.writeErrorChance = options.diskErrorChance / 10
      return () => {
        disk.options.writeErrorChance = 0
      }
    case "failed read":
      disk.options.readErrorChance = options.diskErrorChance / 10
      return () => {
        disk.options.readErrorChance = 0
      }
    case "clock jump":
      clock.jump(random.between(-dayMs, dayMs))
      return () => {}
    case "clock drift":
      clock.setDrift(random.between(-50_000, 50_000))
      return () => clock.setDrift(0)
    default:
      return undefined
  }
}
