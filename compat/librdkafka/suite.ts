/**
 * `npm run compat -- librdkafka-suite`: librdkafka's own test suite as a judge.
 *
 * Owns building the suite (it rides in an npm package), running one test per process, and the list of tests known to pass, which only
 * grows: a listed test that fails is a failure, one that newly passes is named so that it can be added (`--update` adds it). What does not
 * pass is explained in explained.txt, beside Apache Kafka's own result (`--against kafka`).
 */
import { spawnSync } from "node:child_process"
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { BrokerProcess } from "../broker-process.js"
import { MovingCluster } from "../cluster/moving-cluster.js"
import { parseAddress, WireClient } from "../client.js"
import { KafkaProcess, kafkaScripts, kafkaVersion } from "../kafka.js"
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
  /** Of every member and of what the tests expect. */
  readonly groupProtocol?: "classic" | "consumer"
  readonly settings?: Readonly<Record<string, string>>
  /** The suite's word for a broker that is set up in another way: tests of other scenarios skip themselves. */
  readonly scenario?: string
  /** Three nodes. */
  readonly place?: "cluster"
}

const words = (text: string): readonly string[] => text.trim().split(/\s+/)

const groupTests = words(`
  0018 0019 0020 0026 0030 0033 0040 0045 0045:do_test_subscribe_many_updates 0050 0051 0056 0061 0061:without 0089 0091 0099 0102 0118 0122 0130 0132 0140`)

const groups: readonly Group[] = [
  {
    name: "core",
    tests: words(`
      0001 0002 0003 0005 0007 0008 0012 0013 0014 0015 0017 0021 0022 0029 0031 0034 0035 0036 0038 0039 0041 0053 0057 0060
      0063 0064 0065 0067 0070 0073 0082 0083 0092 0110 0123 0127`),
  },
  { name: "topics", tests: words("0011 0042 0044 0048 0054 0055 0059 0069 0084 0085 0086 0093 0112 0114 0125 0137") },
  { name: "tools", tests: words("0052 0077") },
  {
    name: "auto-create-off",
    tests: words("0045 0107 0111"),
    settings: { "auto.create.topics.enable": "false" },
    scenario: "noautocreate",
  },
  { name: "groups-classic", tests: groupTests, groupProtocol: "classic" },
  { name: "groups-consumer", tests: groupTests, groupProtocol: "consumer" },
  ...(["classic", "consumer"] as const).map((groupProtocol) => ({
    name: `cooperative-${groupProtocol}`,
    tests: ["0113"],
    groupProtocol,
    // It counts assignments: members that come together have to be taken together.
    settings: { "group.initial.rebalance.delay.ms": "300" },
  })),
  {
    name: "admin",
    // Whole, it ends at the first thing that is not there; a part after the colon is one of its own.
    tests: [
      "0081",
      ...words(`
      CreateTopics DeleteTopics CreatePartitions AlterConfigs IncrementalAlterConfigs DescribeConfigs DeleteRecords ListOffsets DescribeTopics
      DescribeCluster DeleteGroups ListConsumerGroups DescribeConsumerGroups DeleteConsumerGroupOffsets AlterConsumerGroupOffsets
      ListConsumerGroupOffsets`).map((part) => `0081:do_test_${part}`),
    ],
  },
]

/** What they test with several brokers they test only there. Topics that they create with three replicas have them. */
const clusterGroups: readonly Group[] = [
  {
    name: "cluster",
    tests: words("0001 0002 0005 0008 0012 0014 0017 0021 0038 0040 0064 0081:do_test_CreateTopics 0101 0102 0112"),
    settings: { "replica.selector.class": "org.apache.kafka.common.replica.RackAwareReplicaSelector" },
    place: "cluster",
  },
  {
    name: "cluster-auto-create-off",
    tests: words("0107 0111"),
    settings: { "auto.create.topics.enable": "false" },
    scenario: "noautocreate",
    place: "cluster",
  },
]

/** What the lists call it. */
const idOf = ({ groupProtocol, scenario, place }: Group, test: string): string =>
  [test, groupProtocol === "consumer" ? groupProtocol : undefined, scenario, place].filter(Boolean).join("/")

const brokerSettings = {
  "num.partitions": "4",
  "offsets.topic.replication.factor": "1",
  "transaction.state.log.replication.factor": "1",
  "transaction.state.log.min.isr": "1",
  "group.initial.rebalance.delay.ms": "0",
}

/** Without an authorizer its own tests of access control skip themselves. */
const kafkaSettings = {
  "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
  "allow.everyone.if.no.acl.found": "true",
  "super.users": "User:ANONYMOUS",
}

/** Topics that these create with three replicas take the broker's default instead: there is one broker. */
const threeReplicaTests = ["0098", "0101", "0103", "0107", "0111", "0126", "0135", "0142"]

const passingFile = join(repository, "compat/librdkafka/passing.txt")

const explainedFile = join(repository, "compat/librdkafka/explained.txt")

const linesOf = (file: string): string[] =>
  readFileSync(file, "utf8")
    .split("\n")
    .map((line) => line.replace(/#.*/, "").trim())
    .filter((line) => line !== "")

const readPassing = (): Set<string> => new Set(linesOf(passingFile))

/** By test what Apache Kafka's result is, and why ours is not a pass. */
function readExplained(): Map<string, { readonly onKafka: string; readonly why: string }> {
  const parsed = linesOf(explainedFile).map((line) => {
    const [id, onKafka, ...why] = line.split(/\s+/)
    return [id!, { onKafka: onKafka!, why: why.join(" ") }] as const
  })
  return new Map(parsed)
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
    writeFileSync(
      path,
      readFileSync(path, "utf8")
        .replaceAll(", 3, 5000)", ", -1, 5000)")
        .replaceAll(".c_str(), 1, 3)", ".c_str(), 1, -1)"),
    )
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
  readonly group: Group
}

async function runTest(
  test: string,
  { directory, bootstrap, scripts, logs, timeoutMs, group }: Context,
): Promise<{ verdict: Verdict; note: string }> {
  const [number, part] = test.split(":") as [string, string | undefined]
  const name = idOf(group, test).replaceAll(/[/:]/g, "-")
  const config = join(logs, `${name}.conf`)
  writeFileSync(
    config,
    `bootstrap.servers=${bootstrap}\ntest.topic.random=true\nbroker.address.family=v4\ntest.timeout.multiplier=2\n`,
  )
  // Never with -Q, which skips sub-tests and prints PASSED; the version by environment, since -V ends in an invalid free.
  const environment = {
    TESTS: number,
    ...(part === undefined ? {} : { SUBTESTS: part }),
    RDKAFKA_TEST_CONF: config,
    KAFKA_VERSION: kafkaVersion,
    LD_LIBRARY_PATH: "../src:../src-cpp",
    BROKERS: bootstrap,
    TEST_CONSUMER_GROUP_PROTOCOL: group.groupProtocol ?? "classic",
    TEST_SCENARIO: group.scenario ?? "default",
    ...(scripts === undefined ? {} : { KAFKA_PATH: scripts }),
  }
  try {
    const result = await run("./test-runner", ["-p1"], { cwd: directory, env: environment, timeoutMs })
    const output = result.stdout + result.stderr
    const log = join(logs, `${name}.log`)
    writeFileSync(log, output)
    // A part that is called by a wrong name would pass by doing nothing.
    if (part !== undefined && !new RegExp(`${part}.*: PASS \\(|FAIL`).test(output))
      throw new Error(`there is no part ${part}`)
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

/** Tests that take the first answer of a coordinator for its last word, on Apache Kafka too, want one that is awake: all its partitions. */
const groupsThatWakeIt = Array.from({ length: 300 }, (_, i) => `awake-${i}`)

async function startBroker(
  isOttla: boolean,
  { settings = {}, place }: Group,
): Promise<BrokerProcess | KafkaProcess | MovingCluster> {
  const dataDirectory = join(temporaryDirectory("librdkafka"), "data")
  mkdirSync(dataDirectory)
  const all = { ...brokerSettings, ...settings }
  if (place === "cluster" && !isOttla) throw new Skip("Apache Kafka is one broker here")
  const broker = isOttla
    ? place === "cluster"
      ? await MovingCluster.start(dataDirectory, all)
      : await BrokerProcess.start({ port: await freePort(), dataDirectory, settings: all })
    : await KafkaProcess.start(dataDirectory, { ...kafkaSettings, ...all })
  const client = await WireClient.connect(parseAddress(broker.bootstrap))
  for (const group of groupsThatWakeIt) await client.coordinates(group)
  client.close()
  return broker
}

export async function librdkafkaSuite(options: Readonly<Record<string, string>>): Promise<boolean> {
  const directory = await build()
  const java = spawnSync("java", ["-version"], { stdio: "ignore" }).status === 0
  const scripts = java ? await kafkaScripts().catch(() => undefined) : undefined
  const passing = readPassing()
  const explained = readExplained()
  const wanted = options.tests?.split(",")
  const only = options.groups?.split(",")
  const isOttla = options.against !== "kafka"
  const everyGroup = isOttla && options.bootstrap === undefined ? [...groups, ...clusterGroups] : groups
  const unknown = only?.filter((name) => !everyGroup.some((group) => group.name === name)) ?? []
  if (unknown.length > 0)
    throw new Error(`no group ${unknown.join(" ")}; there are ${everyGroup.map(({ name }) => name)}`)
  const logs = options.logs ?? join(workDirectory, "librdkafka-logs")
  mkdirSync(logs, { recursive: true })
  const counts: Record<Verdict, number> = { passed: 0, failed: 0, "skipped itself": 0 }
  const [regressed, fresh]: [string[], string[]] = [[], []]
  for (const group of everyGroup.filter(({ name }) => only?.includes(name) ?? true)) {
    const selected = group.tests.filter((test) => wanted?.includes(test) ?? true)
    if (selected.length === 0) continue
    const broker = options.bootstrap === undefined ? await startBroker(isOttla, group) : undefined
    const bootstrap = broker?.bootstrap ?? options.bootstrap
    expect(bootstrap !== undefined, "no broker to test")
    for (const test of selected) {
      const startedMs = Date.now()
      const id = idOf(group, test)
      const { verdict, note } = await runTest(test, {
        ...{ directory, bootstrap, scripts, logs, group },
        timeoutMs: 1000 * positive(options, "seconds", 600),
      })
      counts[verdict] += 1
      if (verdict === "failed" && passing.has(id)) regressed.push(id)
      if (verdict === "passed" && !passing.has(id)) fresh.push(id)
      const reason = explained.get(id)
      const listed = passing.has(id)
        ? ""
        : reason === undefined
          ? "  (not listed)"
          : `  (Apache Kafka: ${reason.onKafka}; ${reason.why})`
      process.stdout.write(
        `${group.name.padEnd(20)} ${test.padEnd(4)}  ${verdict.padEnd(14)} ${((Date.now() - startedMs) / 1000).toFixed(1).padStart(6)} s${listed}${note && `  ${note}`}\n`,
      )
      if (broker !== undefined && !broker.isAlive) throw new Error(`the broker died in ${test}:\n${broker.output}`)
    }
    await broker?.stop()
  }
  if (fresh.length > 0) {
    process.stdout.write(`newly passing: ${fresh.join(" ")}\n`)
    if (isOttla && options.update === "true") {
      const kept = readFileSync(passingFile, "utf8").trimEnd()
      writeFileSync(passingFile, `${kept}\n${fresh.join("\n")}\n`)
    }
  }
  process.stdout.write(
    `${counts.passed} passed, ${counts.failed} failed (${regressed.length} of them listed as passing${regressed.length > 0 ? `: ${regressed.join(" ")}` : ""}), ${counts["skipped itself"]} skipped themselves\n`,
  )
  return regressed.length === 0
}
