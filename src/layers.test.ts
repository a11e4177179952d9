import assert from "node:assert/strict"
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative, sep } from "node:path"
import { test } from "node:test"
import { layers, sameRowImports } from "./layers.js"

const sourceRoot = join(process.cwd(), "src")
const level = new Map(layers.flatMap((row, index) => row.map((folder) => [folder, layers.length - index] as const)))

function files(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name)
    return entry.isDirectory() ? files(path) : entry.name.endsWith(".ts") ? [path] : []
  })
}

const sources = files(sourceRoot).map((path) => ({
  path: relative(sourceRoot, path).split(sep).join("/"),
  text: readFileSync(path, "utf8"),
}))
const isTest = (path: string) =>
  path.endsWith(".test.ts") || path.includes("/testing/") || path.endsWith(".conformance.ts")

/** Comments and string contents say words such as "setTimeout" without calling anything. */
function code(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[^:"'`])\/\/.*$/gm, "$1")
}

function imports(text: string): string[] {
  return [...text.matchAll(/(?:from\s+|import\s*\(?\s*)["']([^"']+)["']/g)].map((match) => match[1]!)
}

test("every folder of src is a layer", () => {
  const folders = new Set(
    sources
      .map(({ path }) => path)
      .filter((path) => path.includes("/"))
      .map((path) => path.split("/")[0]!),
  )
  assert.deepEqual(
    [...folders].filter((folder) => !level.has(folder)),
    [],
  )
})

/** Those that give the real world to what users import. */
const composingFiles = ["client/index.ts", "kafkajs/index.ts", "testing/real-world.ts"]

test("a file imports its own folder or a folder below", () => {
  const violations: string[] = []
  for (const { path, text } of sources) {
    const from = path.split("/")[0]!
    if (!level.has(from) || isTest(path)) continue
    for (const specifier of imports(text)) {
      if (!specifier.startsWith(".")) continue
      const target = relative(sourceRoot, join(sourceRoot, dirname(path), specifier))
        .split(sep)
        .join("/")
      const to = target.split("/")[0]!
      if (to === from || !target.includes("/")) continue
      if (sameRowImports.some((allowed) => allowed.from === from && allowed.to === to)) continue
      if ((level.get(to) ?? Number.POSITIVE_INFINITY) >= level.get(from)!) violations.push(`${path} imports ${target}`)
      const composes = from === "cli" || composingFiles.includes(path)
      if (to === "env" && target.startsWith("env/node/") && !composes) violations.push(`${path} imports ${target}`)
    }
  }
  assert.deepEqual(violations, [])
})

/** What reaches the outside world, and the folders that may: the real environment, and the command that composes it. */
const outside: { pattern: RegExp; name: string }[] = [
  { pattern: /\bDate\.now\b/, name: "Date.now" },
  { pattern: /\bnew Date\(\s*\)/, name: "new Date()" },
  { pattern: /\bperformance\.(now|timeOrigin)\b/, name: "performance.now" },
  { pattern: /\bprocess\.(hrtime|env|exit|on|nextTick)\b/, name: "process.hrtime, env, exit, on, nextTick" },
  { pattern: /\bset(Timeout|Interval|Immediate)\b/, name: "timers" },
  { pattern: /\bMath\.random\b/, name: "Math.random" },
  { pattern: /\b(randomBytes|randomUUID|randomFillSync|randomFill|crypto\.randomInt)\b/, name: "crypto.random*" },
  { pattern: /\b(WeakRef|FinalizationRegistry)\b/, name: "WeakRef, FinalizationRegistry" },
  {
    pattern:
      /["']node:(fs|fs\/promises|net|tls|http|https|http2|dgram|dns|child_process|cluster|worker_threads|timers|timers\/promises|perf_hooks|readline|os)["']/,
    name: "node: modules of the outside world",
  },
  { pattern: /\b(fetch|queueMicrotaskLater)\s*\(\s*["'`]http/, name: "fetch" },
  { pattern: /\b(gzip|gunzip|deflate|inflate|zstdCompress|zstdDecompress)\s*\(/, name: "asynchronous zlib" },
]

/** Single exceptions, each with its reason. */
const allowedOutside: readonly { path: string; name: string; reason: string }[] = [
  { path: "sim/drain.ts", name: "timers", reason: "promises of a simulated event drain only in a turn of their own" },
  ...["timers", "performance.now"].map((name) => ({
    path: "testing/world-globals.ts",
    name,
    reason: "it puts the world's own in their place, and calls none of them",
  })),
  ...["timers", "Date.now", "performance.now", "process.hrtime, env, exit, on, nextTick"].map((name) => ({
    path: "testing/real-world.ts",
    name,
    reason: "real time drives a broker in a test's process, and OTTLA_SEED names a seed",
  })),
]

test("only env/node and the command line touch clock, timers, randomness, files and sockets", () => {
  const violations: string[] = []
  for (const { path, text } of sources) {
    if (path.startsWith("env/node/") || path.startsWith("cli/") || isTest(path)) continue
    const body = code(text)
    for (const { pattern, name } of outside) {
      if (allowedOutside.some((allowed) => allowed.path === path && allowed.name === name)) continue
      if (pattern.test(body)) violations.push(`${path}: ${name}`)
    }
  }
  assert.deepEqual(violations, [])
})

test("the ban would find each of the calls it names", () => {
  const samples = [
    "Date.now()",
    "new Date()",
    "setTimeout(f, 1)",
    "Math.random()",
    'from "node:fs"',
    'from "node:net"',
    "crypto.randomBytes(4)",
  ]
  for (const sample of samples)
    assert.ok(
      outside.some(({ pattern }) => pattern.test(sample)),
      sample,
    )
})
