/**
 * `npm run compat -- librdkafka-suite`: librdkafka's own test suite as a judge.
 *
 * Owns building the suite (it rides in an npm package), running one test per process, and the list of tests known to pass, which only
 * grows: a listed test that fails is a failure, one that newly passes is named so that it can be added (`--update` adds it).
 */
import { spawnSync } from "node:child_process"
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { BrokerProcess } from "../broker-process.js"
import { kafkaScripts, kafkaVersion } from "../kafka.js"
import { positive } from "../options.js"
import {
  expect,
  freePort,
  onPath,
  repository,
  run,
  runOk,
  Skip,
  tail,
  temporaryDirectory,
  workDirectory,
} from "../work.js"

const npmPackage = "@confluentinc/kafka-javascript@1.10.1"

interface Group {
  readonly name: string
  readonly tests: readonly string[]
  readonly settings?: Readonly<Record<string, string>>
  /** Runs when `--tests` names it: it subscribes or commits, which takes a group coordinator. */
  readonly onlyNamed?: boolean
}

/** Seen on Apache Kafka with `debug=protocol`: the first two send no group request, the third only looks for a coordinator by the way. */
const groups: readonly Group[] = [
  {
    name: "core",
    tests:
      "0001 0002 0003 0005 0007 0008 0012 0013 0017 0021 0031 0035 0036 0038 0039 0041 0053 0057 0063 0065 0092 0110 0123".split(
        " ",
      ),
  },
  { name: "topics", tests: "0011 0044 0048 0054 0086 0114".split(" ") },
  { name: "touching groups", tests: "0015 0034 0059 0070 0073".split(" ") },
  { name: "needing groups", tests: "0014 0022 0060 0067 0085 0112 0127".split(" "), onlyNamed: true },
  {
    name: "auto-create off",
    tests: ["0107", "0111"],
    settings: { "auto.create.topics.enable": "false" },
    onlyNamed: true,
  },
]

const brokerSettings = {
  "num.partitions": "4",
  "offsets.topic.replication.factor": "1",
  "transaction.state.log.replication.factor": "1",
  "transaction.state.log.min.isr": "1",
  "group.initial.rebalance.delay.ms": "0",
}

/** Topics that these create with three replicas take the broker's default instead: there is one broker. */
const threeReplicaTests = ["0098", "0101", "0103", "0107", "0111", "0126", "0135", "0142"]

const passingFile = join(repository, "compat/librdkafka/passing.txt")

function readPassing(): Set<string> {
  const lines = readFileSync(passingFile, "utf8").split("\n")
  return new Set(lines.map((line) => line.replace(/#.*/, "").trim()).filter((line) => line !== ""))
}

/** The folder with the test runner, built if it is not there. Errors: `Skip`. */
async function build(): Promise<string> {
  const home = join(workDirectory, "librdkafka-suite")
  const root = join(home, "deps/librdkafka")
  const tests = join(root, "tests")
  if (existsSync(join(tests, "test-runner"))) return tests
  for (const tool of ["npm", "tar", "gcc", "g++", "make", "python3"])
    if (!onPath(tool)) throw new Skip(`${tool} is missing`)
  if (!existsSync("/usr/include/rapidjson"))
    throw new Skip("rapidjson-dev is missing, without which tests skip themselves silently")
  process.stdout.write("librdkafka-suite: building (about two minutes)\n")
  mkdirSync(home, { recursive: true })
  const packed = await run("npm", ["pack", npmPackage, "--silent", "--pack-destination", home], { timeoutMs: 300_000 })
  if (packed.code !== 0) throw new Skip(`npm could not fetch ${npmPackage}: ${tail(packed.stderr, 1)}`)
  await runOk("tar", ["xzf", join(home, packed.stdout.trim().split("\n").at(-1)!), "--strip-components=1", "-C", home])
  // npm drops run bits.
  const scripts = readdirSync(tests).filter((name) => name.endsWith(".sh"))
  for (const file of ["configure", "lds-gen.py", ...scripts.map((name) => join("tests", name))])
    chmodSync(join(root, file), 0o755)
  for (const name of readdirSync(tests).filter((one) => threeReplicaTests.some((test) => one.startsWith(`${test}-`)))) {
    const path = join(tests, name)
    writeFileSync(path, readFileSync(path, "utf8").replaceAll(", 3, 5000)", ", -1, 5000)"))
  }
  const long = { cwd: root, timeoutMs: 1_200_000 }
  await runOk("./configure", [], long)
  await runOk("make", ["libs"], long)
  await runOk("make", ["-C", "tests", "build"], long)
  return tests
}

type Verdict = "passed" | "skipped itself" | "failed"

interface Context {
  readonly directory: string
  readonly bootstrap: string
  readonly scripts: string | undefined
  readonly logs: string
  readonly timeoutMs: number
}

async function runTest(
  test: string,
  { directory, bootstrap, scripts, logs, timeoutMs }: Context,
): Promise<{ verdict: Verdict; note: string }> {
  const config = join(logs, `${test}.conf`)
  writeFileSync(
    config,
    `bootstrap.servers=${bootstrap}\ntest.topic.random=true\nbroker.address.family=v4\ntest.timeout.multiplier=2\n`,
  )
  // Never with -Q, which skips sub-tests and prints PASSED; the version by environment, since -V ends in an invalid free.
  const environment = {
    TESTS: test,
    RDKAFKA_TEST_CONF: config,
    KAFKA_VERSION: kafkaVersion,
    LD_LIBRARY_PATH: "../src:../src-cpp",
    BROKERS: bootstrap,
    ...(scripts === undefined ? {} : { KAFKA_PATH: scripts }),
  }
  try {
    const result = await run("./test-runner", ["-p1"], { cwd: directory, env: environment, timeoutMs })
    const output = result.stdout + result.stderr
    const log = join(logs, `${test}.log`)
    writeFileSync(log, output)
    const passed = result.code === 0 && /Test \w+ PASSED/.test(output) && /ALL TESTS PASSED/.test(output)
    if (passed) return { verdict: "passed", note: "" }
    if (result.code === 0 && /SKIPPED/.test(output)) return { verdict: "skipped itself", note: "" }
    const cause = /(?:TEST FAILURE|### Test)[\s\S]{0,600}/.exec(output.replaceAll(colors, ""))?.[0] ?? tail(output, 3)
    return { verdict: "failed", note: `${log}: ${cause.replaceAll(/\s+/g, " ").slice(0, 300)}` }
  } catch (error) {
    return { verdict: "failed", note: (error as Error).message.slice(0, 200) }
  }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the suite colours its output
const colors = /\u001b\[[0-9;]*m/g

export async function librdkafkaSuite(options: Readonly<Record<string, string>>): Promise<boolean> {
  const directory = await build()
  const java = spawnSync("java", ["-version"], { stdio: "ignore" }).status === 0
  const scripts = java ? await kafkaScripts().catch(() => undefined) : undefined
  const passing = readPassing()
  const wanted = options.tests?.split(",")
  const logs = options.logs ?? join(workDirectory, "librdkafka-logs")
  mkdirSync(logs, { recursive: true })
  const counts: Record<Verdict, number> = { passed: 0, failed: 0, "skipped itself": 0 }
  const [regressed, fresh]: [string[], string[]] = [[], []]
  for (const { name, tests, settings, onlyNamed = false } of groups) {
    const selected = tests.filter((test) => (wanted === undefined ? !onlyNamed : wanted.includes(test)))
    if (selected.length === 0) continue
    let broker: BrokerProcess | undefined
    if (options.bootstrap === undefined) {
      const start = { port: await freePort(), dataDirectory: temporaryDirectory("librdkafka") }
      broker = await BrokerProcess.start({ ...start, settings: { ...brokerSettings, ...settings } })
    }
    const bootstrap = broker?.bootstrap ?? options.bootstrap
    expect(bootstrap !== undefined, "no broker to test")
    for (const test of selected) {
      const startedMs = Date.now()
      const context = { directory, bootstrap, scripts, logs, timeoutMs: 1000 * positive(options, "seconds", 240) }
      const { verdict, note } = await runTest(test, context)
      counts[verdict] += 1
      if (verdict === "failed" && passing.has(test)) regressed.push(test)
      if (verdict === "passed" && !passing.has(test)) fresh.push(test)
      const listed = passing.has(test) ? "" : "  (not listed)"
      process.stdout.write(
        `${name.padEnd(16)} ${test}  ${verdict.padEnd(14)} ${((Date.now() - startedMs) / 1000).toFixed(1).padStart(6)} s${listed}${note && `  ${note}`}\n`,
      )
      if (broker !== undefined && !broker.isAlive) throw new Error(`the broker died in ${test}:\n${broker.output}`)
    }
    await broker?.stop()
  }
  if (fresh.length > 0) {
    process.stdout.write(`newly passing: ${fresh.join(" ")}\n`)
    if (options.update === "true") {
      const kept = readFileSync(passingFile, "utf8").trimEnd()
      writeFileSync(passingFile, `${kept}\n${fresh.join("\n")}\n`)
    }
  }
  process.stdout.write(
    `${counts.passed} passed, ${counts.failed} failed (${regressed.length} of them listed as passing${regressed.length > 0 ? `: ${regressed.join(" ")}` : ""}), ${counts["skipped itself"]} skipped themselves\n`,
  )
  return regressed.length === 0
}
