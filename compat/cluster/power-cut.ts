/**
 * `npm run compat -- cluster-power-cut --cuts 50`: three nodes on disks that forget; the power of one, two or all of them fails under load.
 *
 * Owns which disks there are. A disk may also die under its node, or fill up.
 */
import { positive } from "../options.js"
import { ForgetfulDisk } from "../power-cut/forgetful-disk.js"
import { nodeCount } from "./cluster.js"
import { diskFaults } from "./disk-faults.js"
import { playRounds } from "./rounds.js"

export async function clusterPowerCut(options: Readonly<Record<string, string>>): Promise<boolean> {
  const plan = {
    name: "cluster-power-cut",
    rounds: positive(options, "cuts", 50),
    faults: diskFaults,
    usual: ["power-one", "power-pair", "power-all"],
    async disks(seed: () => number) {
      const disks: ForgetfulDisk[] = []
      while (disks.length < nodeCount) disks.push(await ForgetfulDisk.create(seed()))
      return disks
    },
  }
  return (await playRounds(plan, options)).isClean
}
