import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import { jsonKeys } from "./json-schema.js"
import { RunningBroker } from "./testing/command.js"

/** One real broker, and the command as people and scripts use it. */
const broker = new RunningBroker()
before(() => broker.start("offsets.topic.num.partitions=1"))
after(() => broker.stop())

async function ok(line: string): Promise<string> {
  const { code, out, err } = await broker.shell(line)
  assert.equal(code, 0, `${line}\n${out}${err}`)
  return out
}

async function fails(line: string, code: number, pattern: RegExp): Promise<void> {
  const ran = await broker.shell(line)
  assert.equal(ran.code, code, `${line}\n${ran.out}${ran.err}`)
  assert.match(ran.err, pattern)
}

const rows = async (line: string): Promise<Record<string, unknown>[]> => JSON.parse(await ok(line))
const keysOf = (row: Record<string, unknown> | undefined) => Object.keys(row ?? {})

test("a topic is made, listed, described, changed, trimmed and deleted, and every list has its documented keys", async () => {
  const [made] = await rows("ottla topic create life -p 2 -c retention.ms=7d -o json")
  assert.deepEqual(keysOf(made), jsonKeys["topic create"])
  assert.match(await ok("ottla topic list"), /^NAME +PARTITIONS +REPLICAS\n(.*\n)*life +2 +1\n/)
  assert.deepEqual(keysOf((await rows("ottla topic list --match life -o json"))[0]), jsonKeys["topic list"])
  await ok("seq 10 | ottla produce life -p 0")
  const [altered] = await rows("ottla topic alter life -p 3 -c retention.ms=1d -o json")
  assert.deepEqual(keysOf(altered), jsonKeys["topic alter"])
  const [trimmed] = await rows("ottla topic trim life -p 0 --before -4 --yes -o json")
  assert.deepEqual(keysOf(trimmed), jsonKeys["topic trim"])
  const [life] = await rows("ottla topic describe life -o json")
  assert.deepEqual(keysOf(life), jsonKeys["topic describe"])
  assert.deepEqual(life!.configs, { "retention.ms": "86400000" })
  const partitions = life!.partitions as Record<string, unknown>[]
  assert.deepEqual(keysOf(partitions[0]).sort(), [...jsonKeys["topic describe partition"]].sort())
  assert.deepEqual([partitions.length, partitions[0]!.startOffset, partitions[0]!.endOffset], [3, 6, 10])
  await fails("ottla topic delete life", 2, /Delete life with all records\? Say --yes/)
  const [deleted] = await rows("ottla topic delete life --yes -o json")
  assert.deepEqual(keysOf(deleted), jsonKeys["topic delete"])
  await fails("ottla topic describe life", 3, /there is no topic life/)
})

test("what is only to be told is not done", async () => {
  await ok("ottla topic create dry")
  assert.match(await ok("ottla topic create other --dry-run"), /topic other would be made: 1 partition, 1 replica each/)
  assert.match(
    await ok("ottla topic alter dry -p 4 -c retention.ms=1s --dry-run"),
    /retention\.ms: 604800000 -> 1000\n +partitions: 1 -> 4/,
  )
  assert.match(await ok("ottla topic delete dry --dry-run"), /topic dry would be deleted/)
  assert.equal(await ok("ottla topic list --match dry -o jsonl | sed 's/.*partitions\":\\([0-9]*\\).*/\\1/'"), "1\n")
  assert.equal(await ok("ottla topic list --match other -o name"), "")
})

test("part of it done is told by its exit code, and one that is there already may be no failure", async () => {
  await fails("ottla topic create twice twice2 && ottla topic create twice thrice", 4, /topic twice: .*already exists/)
  assert.match(await ok("ottla topic create twice --if-not-exists"), /topic twice is there already/)
  await fails("ottla topic delete twice nowhere --yes", 4, /there is no topic nowhere/)
  await ok("ottla topic delete twice --yes --if-exists")
})

test("lines become records and records become lines, with keys, headers and formats", async () => {
  await ok("ottla topic create lines -p 1")
  const stored = (await ok("printf 'k1:v1\\nk2:v2\\nk3:\\n' | ottla produce lines -K : -H h=1 --null -o jsonl"))
    .trim()
    .split("\n")
  assert.deepEqual(keysOf(JSON.parse(stored[0]!)), jsonKeys.produce)
  assert.equal(
    await ok("ottla cat lines -f '%p %o %k=%v %h %S\\n'"),
    "0 0 k1=v1 h=1 2\n0 1 k2=v2 h=1 2\n0 2 k3= h=1 -1\n",
  )
  assert.equal(await ok("ottla consume lines -o -2 -n 1"), "v2\n")
  assert.equal(await ok("ottla consume lines -o +1 --end -f '%o '"), "1 2 ")
  assert.deepEqual(keysOf(JSON.parse(await ok("ottla cat lines -f json -n 1"))), jsonKeys.consume)
  assert.equal(
    await ok(
      "printf 'a\\nb' > $DIR/file; ottla produce lines -k whole --file $DIR/file; ottla consume lines -o -1 -e -f '%k %S'",
    ),
    "whole 3",
  )
  assert.equal(await ok("ottla consume lines -o @1h -e | wc -l | tr -d ' '"), "5\n")
})

test("a reader that waits ends with 124 when nothing comes, with 0 when it is stopped, and quietly when nobody listens", async () => {
  await ok("ottla topic create waiting && seq 5000 | ottla produce waiting")
  await fails("ottla consume waiting --timeout 300ms", 124, /nothing came for 300 ms/)
  assert.equal(
    await ok(
      '$NODE dist/ottla.js tail waiting -n 2 > $DIR/out & p=$!; until [ "$(cat $DIR/out | wc -l)" -eq 2 ]; do :; done; kill -TERM $p; wait $p; cat $DIR/out',
    ),
    "4999\n5000\n",
  )
  assert.equal(await ok("set +o pipefail; ottla cat waiting | head -1"), "1\n")
})

test("a member of a group goes on where the group was, and commits what it printed and nothing more", async () => {
  await ok("ottla topic create shared -p 1 && seq 10 | ottla produce shared")
  assert.equal(await ok("ottla consume shared -g readers -o earliest -n 3"), "1\n2\n3\n")
  assert.equal((await rows("ottla group lag readers -o json"))[0]!.lag, 7)
  assert.equal(await ok("ottla consume shared -g readers --end -f '%v '"), "4 5 6 7 8 9 10 ")
  assert.equal(await ok("ottla consume shared -g readers --end"), "")
  await fails("ottla consume shared -g readers -o 5", 2, /Move it with ottla group seek/)
  await fails("ottla consume shared -g readers -p 0", 2, /a group gives its members their partitions/)
})

test("what cannot be produced is told, and nothing else is stored behind it in silence", async () => {
  await fails("echo x | ottla produce nowhere", 3, /there is no topic nowhere/)
  await fails("echo x | ottla produce no/topic", 1, /topic no\/topic: /)
  await ok("ottla topic create small -c max.message.bytes=200")
  await fails(
    "(echo ok; head -c 400 /dev/zero | tr '\\0' x; echo) | ottla produce small",
    4,
    /1 of 2 records were not stored/,
  )
  await fails("echo x | ottla produce small -k a -K :", 2, /say one of them/)
  await fails("echo x | ottla produce small -K :", 1, /a line has no ":"/)
})

test("a group is placed, told, reset, explained and deleted", async () => {
  await ok("ottla topic create read -p 2 && seq 10 | ottla produce read -p 1")
  const [seeked] = await rows("ottla group seek g --topic read --to earliest -o json")
  assert.deepEqual(keysOf(seeked), jsonKeys["group seek"])
  assert.deepEqual(keysOf((await rows("ottla group list -o json"))[0]), jsonKeys["group list"])
  assert.match(await ok("ottla group list --state Empty -o name"), /^g$/m)
  const lag = await rows("ottla group lag g -o json")
  assert.deepEqual(keysOf(lag[0]), jsonKeys["group lag"])
  assert.deepEqual(
    lag.map((row) => row.lag),
    [0, 10],
  )
  assert.match(await ok("ottla group reset g --topic read -p 1 --to 7"), /read-1: 0 -> 7 \(not done\)/)
  assert.deepEqual(
    (await rows("ottla group lag g -o json")).map((row) => row.lag),
    [0, 10],
  )
  assert.match(await ok("ottla group reset g --topic read -p 1 --to 7 --execute"), /read-1: 0 -> 7\n/)
  assert.deepEqual(
    (await rows("ottla group lag g -o json")).map((row) => row.lag),
    [0, 3],
  )
  const [described] = await rows("ottla group describe g -o json")
  assert.deepEqual(keysOf(described), jsonKeys["group describe"])
  assert.match(await ok("ottla group explain g"), /^Group g: Empty, classic protocol/)
  const [deleted] = await rows("ottla group delete g --yes -o json")
  assert.deepEqual(keysOf(deleted), jsonKeys["group delete"])
  for (const verb of ["describe", "lag", "explain", "delete --yes", "seek --to end"])
    await fails(`ottla group ${verb} g`, 3, /there is no group g/)
})

test("settings are told, set and given back", async () => {
  await ok("ottla topic create settings")
  const [set] = await rows("ottla config set topic/settings segment.bytes=64MiB -o json")
  assert.deepEqual(keysOf(set), jsonKeys["config set"])
  const [told] = await rows("ottla config get topic/settings -o json")
  assert.deepEqual(keysOf(told), jsonKeys["config get"])
  assert.equal(told!.value, "67108864")
  await ok("ottla config unset topic/settings segment.bytes")
  assert.match(await ok("ottla config get topic/settings"), /nothing is set for topic\/settings/)
  assert.match(await ok("ottla config get broker/1 node.id"), /node\.id +1 +static-broker/)
  await fails("ottla config get topic/settings no.such", 3, /has no setting no\.such/)
  await fails("ottla config set topic/settings retention.ms=soon", 1, /retention\.ms/)
  await fails("ottla config get settings", 2, /settings is no resource/)
})

test("a small bench tells how much goes through", async () => {
  await ok("ottla topic create bench")
  assert.match(await ok("ottla bench produce bench -n 2000"), /^2000 records in .* records\/s/)
  assert.equal((JSON.parse(await ok("ottla bench consume bench -o json")) as { records: number }).records, 2000)
})

test("a wrong word ends with 2 and is told the right one; a broker that is not there ends with 1", async () => {
  await fails("ottla topik list", 2, /did you mean `topic`/)
  await fails("ottla topic list --outptu json", 2, /did you mean --output/)
  await fails("ottla topic list -b nowhere:port", 2, /nowhere:port/)
  await fails("ottla topic list -b 127.0.0.1:1", 1, /127\.0\.0\.1:1: nobody listens there/)
})

test("every command tells how it is used, with an example", async () => {
  const words = async (path: string): Promise<string[]> =>
    (await ok(`ottla __complete -- ${path} ''`)).trim().split("\n")
  const commands: string[] = []
  for (const noun of ["topic", "group", "config", "cluster", "bench", "server"])
    for (const verb of await words(noun)) if (/^[a-z]/.test(verb)) commands.push(`${noun} ${verb}`)
  assert.ok(commands.length > 25, commands.join())
  commands.push("produce", "consume", "cat", "tail", "dev", "completion")
  const helps = await Promise.all(
    commands.map(async (command) => [command, await ok(`ottla ${command} --help`)] as const),
  )
  for (const [command, help] of helps) assert.match(help, /Examples?:\s[\s\S]*ottla/, command)
})

test("a shell completes words and names of topics", async () => {
  await ok("ottla topic create complete-me")
  assert.equal(await ok("ottla __complete -- topic cr"), "create\n")
  assert.equal(await ok("ottla __complete -- topic describe complete"), "complete-me\n")
  for (const shell of ["bash", "zsh", "fish"]) assert.match(await ok(`ottla completion ${shell}`), /ottla __complete/)
})
