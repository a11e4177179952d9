// `npm test [-- words]`: builds, then runs every test file whose path holds all the words.
import { spawnSync } from "node:child_process"
import { join, relative } from "node:path"
import { prepare, root, sourceFiles } from "./prepare.mjs"

prepare()
const words = process.argv.slice(2).filter((argument) => !argument.startsWith("--"))
const options = process.argv.slice(2).filter((argument) => argument.startsWith("--"))
const files = sourceFiles(".test.ts")
  .map((file) => relative(root, file))
  .filter((file) => words.every((word) => file.includes(word)))
  .map((file) => join("build", file.replace(/\.ts$/, ".js")))
if (files.length === 0) {
  process.stderr.write(`ottla: no test file matches ${words.join(" ")}\n`)
  process.exit(1)
}
const reporter = process.env.CI || files.length > 1 ? "--test-reporter=dot" : "--test-reporter=spec"
const reporters = [reporter, "--test-reporter-destination=stdout"]
if (reporter.endsWith("dot"))
  reporters.push(
    `--test-reporter=${new URL("./summary-reporter.mjs", import.meta.url)}`,
    "--test-reporter-destination=stdout",
  )
const result = spawnSync(
  process.execPath,
  ["--enable-source-maps", "--test", "--test-concurrency=2", ...reporters, ...options, ...files],
  { cwd: root, stdio: "inherit" },
)
process.exit(result.status ?? 1)
