/** `npm run compat -- cluster-kill-loop --rounds 500`: three nodes, real clients, a fault in every round: kill -9 unless others are named. */
import { positive } from "../options.js"
import { faults } from "./faults.js"
import { playRounds } from "./rounds.js"

export async function clusterKillLoop(options: Readonly<Record<string, string>>): Promise<boolean> {
  const usual = ["leader", "controller", "pair", "all"]
  const plan = { name: "cluster-kill-loop", rounds: positive(options, "rounds", 500), faults, usual }
  return (await playRounds(plan, options)).isClean
}
