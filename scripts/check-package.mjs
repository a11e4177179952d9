// What a stranger gets: packs, unpacks beside the dependencies, and uses every entry as a program in TypeScript would.
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { root } from "./prepare.mjs"

/** A program for each entry; it must compile against the shipped types with libraries checked, and run. */
const programs = {
  client: `
import { Client, json, string, topic, type RecordMetadata } from "ottla/client"
interface Order { id: number }
const orders = topic("orders", { key: string, value: json<Order>() })
export async function use(): Promise<RecordMetadata> {
  await using client = new Client({ bootstrap: "127.0.0.1:9092" })
  const stored = await orders.send(client.producer(), { key: "k", value: { id: 1 } })
  for await (const { value } of orders.read(client.consumer({ topics: ["orders"], from: "earliest" })))
    if (value?.id === 1) break
  return stored
}
const client = new Client()
await client.close()
`,
}

programs["compat/kafkajs"] = `
import { CompressionTypes, Kafka, logLevel, type EachMessagePayload, type Message } from "ottla/compat/kafkajs"
const kafka = new Kafka({ clientId: "my-app", brokers: ["localhost:9092"], logLevel: logLevel.NOTHING })
export async function use(messages: Message[]): Promise<void> {
  const producer = kafka.producer()
  await producer.connect()
  await producer.send({ topic: "t", compression: CompressionTypes.GZIP, messages })
  const consumer = kafka.consumer({ groupId: "g" })
  await consumer.subscribe({ topics: ["t", /^u/], fromBeginning: true })
  await consumer.run({ eachMessage: async ({ topic, message }: EachMessagePayload) => console.log(topic, message.value?.toString()) })
}
`

programs.testing = `
import assert from "node:assert/strict"
import { createBroker, simulate, type Broker, type SimulatedWorld } from "ottla/testing"
async function placesOne(broker: Broker): Promise<void> {
  await broker.client().producer().send({ topic: "orders", value: "one" })
  assert.deepEqual((await broker.records("orders")).map(({ value }) => String(value)), ["one"])
}
await using broker = await createBroker({ topics: { orders: { partitions: 3 } }, clock: "manual" })
broker.faults.on({ api: "Produce", nth: 1 }, { error: "NOT_LEADER_OR_FOLLOWER" })
const placed = placesOne(broker)
await broker.clock.advance("1 min")
await placed
const { seeds } = await simulate({ seed: 7, topics: { orders: 1 } }, (world: SimulatedWorld) => placesOne(world.broker))
assert.equal(seeds, 1)
`

const run = (command, args, cwd) =>
  execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] })
const problems = []
const folder = mkdtempSync(join(tmpdir(), "ottla-package-"))
try {
  const [{ filename, files, size, unpackedSize }] = JSON.parse(
    run("npm", ["pack", "--json", "--loglevel=error", "--pack-destination", folder], root),
  )
  const { name, version, dependencies, exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
  run("tar", ["xzf", join(folder, filename)], folder)
  const modules = join(folder, "node_modules")
  mkdirSync(modules)
  symlinkSync(join(folder, "package"), join(modules, name))
  // Only what the package says it needs, and what types say Node is.
  for (const needed of [...Object.keys(dependencies), "@types/node", "undici-types"]) {
    mkdirSync(join(modules, needed, ".."), { recursive: true })
    symlinkSync(join(root, "node_modules", needed), join(modules, needed))
  }
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }\n')
  const compilerOptions = {
    target: "ES2022",
    lib: ["ES2023"],
    module: "NodeNext",
    strict: true,
    skipLibCheck: false,
    exactOptionalPropertyTypes: true,
    types: ["node"],
  }
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }))
  for (const [entry, { types, default: file }] of Object.entries(exports).filter(
    ([entry]) => entry !== "./package.json",
  )) {
    for (const path of [types, file])
      if (!existsSync(join(folder, "package", path))) problems.push(`${entry}: ${path} is not in the package`)
    const program = programs[entry.slice(2)]
    if (program === undefined) problems.push(`${entry}: no program in scripts/check-package.mjs uses it`)
    else writeFileSync(join(folder, `${entry.slice(2).replaceAll("/", "-")}.ts`), program)
  }
  for (const { path } of files)
    if (/\.test\.|testing\/|node_modules/.test(path) && !path.startsWith("dist/types/testing/"))
      problems.push(`${path} does not belong in the package`)
  if (problems.length === 0) {
    run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", folder], root)
    for (const entry of Object.keys(programs)) run(process.execPath, [`${entry.replaceAll("/", "-")}.js`], folder)
    const said = run(process.execPath, [join(modules, name, "dist", "ottla.js"), "--version"], folder)
    if (!said.includes(version)) problems.push(`ottla --version says ${said.trim()}, not ${version}`)
  }
  process.stdout.write(
    `package: ${files.length} files, ${Math.round(size / 1024)} KiB packed, ${Math.round(unpackedSize / 1024)} KiB unpacked\n`,
  )
} catch (error) {
  problems.push(`${error.message}\n${error.stdout ?? ""}`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
for (const problem of problems) process.stderr.write(`package: ${problem}\n`)
process.exit(problems.length === 0 ? 0 : 1)
