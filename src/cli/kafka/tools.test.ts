import assert from "node:assert/strict"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { after, before, test } from "node:test"
import { RunningBroker, runProgram } from "../testing/command.js"

/** The scripts as people call them; what they print was compared with Apache Kafka 4.3's. */
const broker = new RunningBroker()
before(() => broker.start("offsets.topic.num.partitions=1"))
after(() => broker.stop())

const bin = (tool: string) => join(process.cwd(), "bin", "kafka", `kafka-${tool}.sh`)
const run = (tool: string, line: string, input = "") =>
  runProgram(bin(tool), ["--bootstrap-server", broker.bootstrap, ...line.split(" ").filter((word) => word !== "")], {
    input,
  })

async function prints(tool: string, line: string, expected: string | RegExp, input = ""): Promise<void> {
  const { code, out, err } = await run(tool, line, input)
  assert.equal(code, 0, `${tool} ${line}\n${out}${err}`)
  if (typeof expected === "string") assert.equal(out, expected)
  else assert.match(out, expected)
}

async function fails(tool: string, line: string, pattern: RegExp): Promise<void> {
  const { code, out, err } = await run(tool, line)
  assert.equal(code, 1, `${tool} ${line}`)
  assert.match(out + err, pattern)
}

test("kafka-topics makes, tells, grows and deletes topics", async () => {
  await prints(
    "topics",
    "--create --topic kt --partitions 2 --replication-factor 1 --config retention.ms=1000000",
    "Created topic kt.\n",
  )
  await fails(
    "topics",
    "--create --topic kt",
    /^Error while executing topic command : Topic 'kt' already exists\.\nERROR org\.apache\.kafka\.common\.errors\.TopicExistsException/,
  )
  await prints("topics", "--create --topic kt --if-not-exists", "")
  await prints("topics", "--list", /^kt$/m)
  await prints(
    "topics",
    "--describe --topic kt",
    /^Topic: kt\tTopicId: .{22}\tPartitionCount: 2\tReplicationFactor: 1\tConfigs: .*retention\.ms=1000000\n\tTopic: kt\tPartition: 0\tLeader: 1\tReplicas: 1\tIsr: 1\tElr: \tLastKnownElr: \n/,
  )
  await prints("topics", "--describe --under-replicated-partitions", "")
  await prints("topics", "--alter --topic kt --partitions 3", "")
  await fails(
    "topics",
    "--alter --topic kt --partitions 1",
    /The topic kt currently has 3 partition\(s\); 1 would not be an increase\./,
  )
  await prints("topics", "--create --topic gone", "Created topic gone.\n")
  await prints("topics", "--delete --topic gone", "")
  await fails("topics", "--delete --topic gone", /Topic 'gone' does not exist as expected/)
  await prints("topics", "--delete --topic gone --if-exists", "")
  await fails("topics", "--list --create", /Command must include exactly one action/)
})

test("records go in and come out through the consoles", async () => {
  await prints("topics", "--create --topic con --partitions 1", "Created topic con.\n")
  await prints(
    "console-producer",
    "--topic con --property parse.key=true --property key.separator=:",
    "",
    "k1:v1\nk2:v2\n",
  )
  const consumed = await run(
    "console-consumer",
    "--topic con --from-beginning --max-messages 2 --property print.key=true --property print.offset=true",
  )
  assert.deepEqual([consumed.code, consumed.out], [0, "Offset:0\tk1\tv1\nOffset:1\tk2\tv2\n"])
  assert.match(consumed.err, /^Processed a total of 2 messages\n$/)
  const waited = await run("console-consumer", "--topic con --partition 0 --offset 1 --timeout-ms 300")
  assert.deepEqual([waited.code, waited.out], [0, "v2\n"])
  assert.match(waited.err, /TimeoutException\nProcessed a total of 1 messages/)
  await fails("console-producer", "--topic con --property parse.key", /Invalid property 'parse\.key'/)
  await prints("get-offsets", "--topic con", "con:0:2\n")
  await prints("get-offsets", "--topic-partitions con:0 --time -2", "con:0:0\n")
  await fails("get-offsets", "--topic nope", /Could not match any topic-partitions/)
  const file = join(broker.directory, "offsets.json")
  writeFileSync(file, '{"partitions":[{"topic":"con","partition":0,"offset":1}],"version":1}')
  await prints(
    "delete-records",
    `--offset-json-file ${file}`,
    "Executing records delete operation\nRecords delete operation completed:\npartition: con-0\tlow_watermark: 1\n",
  )
})

test("kafka-consumer-groups tells, resets and deletes", async () => {
  await prints("topics", "--create --topic cg --partitions 1", "Created topic cg.\n")
  await prints("console-producer", "--topic cg", "", "a\nb\nc\n")
  await broker.run(["group", "seek", "g", "--topic", "cg", "--to", "1"])
  await prints("consumer-groups", "--list", "g\n")
  await prints("consumer-groups", "--list --state", /^GROUP +STATE +\ng +Empty +\n$/)
  await prints(
    "consumer-groups",
    "--describe --group g",
    /^\nGROUP +TOPIC +PARTITION +CURRENT-OFFSET +LOG-END-OFFSET +LAG .*\ng +cg +0 +1 +3 +2 +- +- +-\n$/,
  )
  await prints("consumer-groups", "--describe --group g --state", /g +127\.0\.0\.1:\d+ +\(1\) +- +Empty +0\n$/)
  await prints(
    "consumer-groups",
    "--describe --group nope",
    /^\nError: Executing consumer group command failed due to org\.apache\.kafka\.common\.errors\.GroupIdNotFoundException/,
  )
  await prints("consumer-groups", "--reset-offsets --group g --topic cg --to-latest --dry-run", /\ng +cg +0 +3\n$/)
  await prints("consumer-groups", "--reset-offsets --group g --topic cg:0 --shift-by 1 --execute", /\ng +cg +0 +2\n$/)
  await prints("consumer-groups", "--reset-offsets --group g --all-topics --to-current", /\ng +cg +0 +2\n$/)
  await prints(
    "consumer-groups",
    "--delete-offsets --group g --topic cg",
    /^Request succeeded for deleting offsets from group g\.\n\nTOPIC +PARTITION +STATUS +\ncg +0 +Successful +\n$/,
  )
  await broker.run(["group", "seek", "h", "--topic", "cg", "--to", "1"])
  await prints("consumer-groups", "--delete --group h", "Deletion of requested consumer groups ('h') was successful.\n")
  await prints(
    "consumer-groups",
    "--delete --group h",
    /\* Group 'h' could not be deleted due to: org\.apache\.kafka\.common\.errors\.GroupIdNotFoundException/,
  )
})

test("the console reads as a member of a group, and leaves its offsets behind", async () => {
  await prints("topics", "--create --topic member --partitions 1", "Created topic member.\n")
  await prints("console-producer", "--topic member", "", "a\nb\nc\n")
  await prints("console-consumer", "--topic member --group m --from-beginning --max-messages 2", "a\nb\n")
  await prints("consumer-groups", "--describe --group m", /\nm +member +0 +2 +3 +1 /)
  await prints("console-consumer", "--topic member --group m --max-messages 1", "c\n")
  await fails("console-consumer", "--topic member --group m --partition 0", /cannot be specified together/)
})

test("kafka-configs tells and changes settings", async () => {
  await prints("topics", "--create --topic conf", "Created topic conf.\n")
  await prints(
    "configs",
    "--alter --entity-type topics --entity-name conf --add-config retention.ms=5000,cleanup.policy=[compact,delete]",
    "Completed updating config for topic conf.\n",
  )
  await prints(
    "configs",
    "--describe --topic conf",
    /^Dynamic configs for topic conf are:\n {2}cleanup\.policy=compact,delete sensitive=false synonyms=\{DYNAMIC_TOPIC_CONFIG:cleanup\.policy=compact,delete, .*\n {2}retention\.ms=5000 /,
  )
  await prints(
    "configs",
    "--alter --topic conf --delete-config cleanup.policy,retention.ms",
    "Completed updating config for topic conf.\n",
  )
  await prints("configs", "--describe --topic conf", "Dynamic configs for topic conf are:\n")
  await prints(
    "configs",
    "--alter --entity-type brokers --entity-default --add-config log.cleaner.threads=2",
    "Completed updating default config for brokers in the cluster.\n",
  )
  await prints(
    "configs",
    "--describe --entity-type brokers --entity-default",
    /log\.cleaner\.threads=2 sensitive=false synonyms=\{DYNAMIC_DEFAULT_BROKER_CONFIG:log\.cleaner\.threads=2/,
  )
  await fails("configs", "--alter --topic nope --add-config retention.ms=1", /UnknownTopicOrPartitionException/)
})

test("a directory that was formatted starts as the cluster that was said", async () => {
  const { out } = await runProgram(bin("storage"), ["random-uuid"])
  const clusterId = out.trim()
  assert.match(clusterId, /^[A-Za-z0-9_-]{22}$/)
  const [config, data] = [join(broker.directory, "server.properties"), join(broker.directory, "formatted")]
  writeFileSync(
    config,
    `process.roles=broker,controller\nnode.id=7\nlisteners=PLAINTEXT://127.0.0.1:0\nlog.dirs=${data}\n`,
  )
  const storage = (...args: string[]) => runProgram(bin("storage"), [...args, "-c", config])
  assert.match((await storage("info")).out, /Found problem:\n.*formatted does not exist/)
  assert.match((await storage("format")).err, /--cluster-id\/-t is required/)
  assert.equal((await storage("format", "-t", clusterId)).out, `Formatting metadata directory ${data}.\n`)
  assert.match((await storage("format", "-t", clusterId)).err, /is already formatted\. Use --ignore-formatted/)
  assert.equal(
    (await storage("format", "-t", clusterId, "--ignore-formatted")).out,
    "All of the log directories are already formatted.\n",
  )
  assert.match(
    (await storage("info")).out,
    new RegExp(`Found metadata: \\{cluster\\.id=${clusterId}, directory\\.id=.{22}, node\\.id=7, version=1\\}`),
  )
  // The script is the process: a signal to it is one to the broker.
  const line = `"${bin("server-start")}" ${config} > $DIR/start & p=$!; until grep -q ready $DIR/start; do :; done; kill -TERM $p; wait $p; cat $DIR/start`
  const started = await broker.shell(line)
  assert.equal(started.code, 0, started.err)
  assert.match(started.out, /^ottla is ready: node 7 at /)
})
