// Installs and builds what is missing, says what it does, and costs a few milliseconds when nothing is.
// Plain JavaScript without dependencies: it runs before anything is installed.
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
const buildDir = join(root, "build")
const stampFile = join(buildDir, ".stamp")
const sourceRoots = ["src", "bench", "compat", "examples"]

const say = (line) => process.stderr.write(`ottla: ${line}\n`)

export function sourceFiles(extension = ".ts") {
  const found = []
  const walk = (dir) => {
    for (const entry of readdirSync(dir, { withFileTypes: true })) {
      if (entry.name.startsWith(".") || entry.name === "node_modules") continue
      const path = join(dir, entry.name)
      if (entry.isDirectory()) walk(path)
      else if (entry.name.endsWith(extension)) found.push(path)
    }
  }
  for (const name of sourceRoots) if (existsSync(join(root, name))) walk(join(root, name))
  return found.sort()
}

function install() {
  const lock = join(root, "package-lock.json")
  const installed = join(root, "node_modules", ".ottla-lock")
  const wanted = readFileSync(lock, "utf8")
  if (existsSync(installed) && readFileSync(installed, "utf8") === wanted) return
  say("installing dependencies (first time, or package-lock.json changed) ...")
  const npm = process.platform === "win32" ? "npm.cmd" : "npm"
  const result = spawnSync(npm, ["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  })
  if (result.status !== 0) {
    say("npm ci failed: see above. Is the npm registry reachable?")
    process.exit(1)
  }
  writeFileSync(installed, wanted)
}

function stamp() {
  return [join(root, "package-lock.json"), fileURLToPath(import.meta.url), ...sourceFiles(), ...sourceFiles(".cts")]
    .map((file) => {
      const stat = statSync(file)
      return `${relative(root, file)} ${stat.size} ${stat.mtimeMs}`
    })
    .join("\n")
}

function build() {
  const now = stamp()
  if (existsSync(stampFile) && readFileSync(stampFile, "utf8") === now) return
  const started = process.hrtime.bigint()
  const { buildSync } = createRequire(join(root, "package.json"))("esbuild")
  for (const name of sourceRoots) rmSync(join(buildDir, name), { recursive: true, force: true })
  mkdirSync(buildDir, { recursive: true })
  const common = { format: "esm", platform: "node", target: "node20.19", logLevel: "warning" }
  // One output file per source file, tests included: what tests and tools run.
  buildSync({ ...common, entryPoints: sourceFiles(), outdir: buildDir, outbase: root, sourcemap: "linked" })
  // The command, and what programs import, as few files, since every module costs start-up time.
  rmSync(join(root, "dist"), { recursive: true, force: true })
  buildSync({
    ...common,
    entryPoints: {
      main: join(root, "src/cli/main.ts"),
      "server-worker": join(root, "src/cli/server-worker.ts"),
      client: join(root, "src/client/index.ts"),
      kafkajs: join(root, "src/kafkajs/index.ts"),
      testing: join(root, "src/testing/index.ts"),
    },
    outdir: join(root, "dist"),
    outExtension: { ".js": ".mjs" },
    bundle: true,
    splitting: true,
    packages: "external",
    chunkNames: "chunk-[hash]",
    legalComments: "none",
    sourcemap: false,
  })
  buildSync({
    ...common,
    format: "cjs",
    entryPoints: { ottla: join(root, "src/cli/launch.cts") },
    outdir: join(root, "dist"),
  })
  writeFileSync(join(root, "dist", "package.json"), '{ "type": "commonjs" }\n')
  writeFileSync(stampFile, now)
  say(`built in ${Number((process.hrtime.bigint() - started) / 1000000n)} ms`)
}

export function prepare() {
  install()
  build()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) prepare()
