// `npm run check`: everything a change must pass.
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { prepare, root } from "./prepare.mjs"

prepare()
const bin = (name) => join(root, "node_modules", ".bin", name)
const simulationSeconds = process.env.OTTLA_CHECK_SIMULATION_SECONDS ?? "60"
const fuzzSeconds = process.env.OTTLA_CHECK_FUZZ_SECONDS ?? "20"
const steps = [
  ["types", bin("tsc"), ["--noEmit"]],
  ["lint", bin("biome"), ["lint", "--error-on-warnings", "src", "bench", "compat", "scripts"]],
  ["format", bin("biome"), ["format", "src", "bench", "compat"]],
  ["tests", process.execPath, ["scripts/test.mjs"]],
  ["simulation", process.execPath, ["build/src/cli/simulate.js", "--seconds", simulationSeconds]],
  ["fuzz", process.execPath, ["build/src/cli/fuzz.js", "--seconds", fuzzSeconds]],
]
let failed = 0
for (const [name, command, args] of steps) {
  const started = Date.now()
  process.stderr.write(`\ncheck: ${name}\n`)
  const result = spawnSync(command, args, { cwd: root, stdio: "inherit" })
  const verdict = result.status === 0 ? "ok" : "FAILED"
  process.stderr.write(`check: ${name} ${verdict} (${((Date.now() - started) / 1000).toFixed(1)} s)\n`)
  if (result.status !== 0) failed += 1
}
process.exit(failed === 0 ? 0 : 1)
