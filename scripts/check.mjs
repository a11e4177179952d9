// `npm run check [-- steps]`: everything a change must pass, or the steps named.
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { prepare, root } from "./prepare.mjs"

prepare()
const bin = (name) => join(root, "node_modules", ".bin", name)
const simulationSeconds = process.env.OTTLA_CHECK_SIMULATION_SECONDS ?? "60"
const fuzzSeconds = process.env.OTTLA_CHECK_FUZZ_SECONDS ?? "20"
const steps = [
  ["types", bin("tsc"), ["--noEmit"]],
  ["lint", bin("biome"), ["lint", "--error-on-warnings", "src", "bench", "compat", "examples", "scripts"]],
  ["format", bin("biome"), ["format", "src", "bench", "compat", "examples"]],
  ["package", process.execPath, ["scripts/check-package.mjs"]],
  ["tests", process.execPath, ["scripts/test.mjs"]],
  ["simulation", process.execPath, ["build/src/cli/simulate.js", "--seconds", simulationSeconds]],
  ["fuzz", process.execPath, ["build/src/cli/fuzz.js", "--seconds", fuzzSeconds]],
]
const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !steps.some(([step]) => step === name))
if (unknown.length > 0) {
  process.stderr.write(`check: no step ${unknown.join(", ")}; there are ${steps.map(([step]) => step).join(", ")}\n`)
  process.exit(2)
}
let failed = 0
for (const [name, command, args] of steps) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  const started = Date.now()
  process.stderr.write(`\ncheck: ${name}\n`)
  const result = spawnSync(command, args, { cwd: root, stdio: "inherit" })
  const verdict = result.status === 0 ? "ok" : "FAILED"
  process.stderr.write(`check: ${name} ${verdict} (${((Date.now() - started) / 1000).toFixed(1)} s)\n`)
  if (result.status !== 0) failed += 1
}
process.exit(failed === 0 ? 0 : 1)
