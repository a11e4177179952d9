import assert from "node:assert/strict"
import { execFile, type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, before, test } from "node:test"
import { promisify } from "node:util"
import { transformSync } from "esbuild"

/** The README's programs and commands against a broker of `npm start`, on ports of its own. */
const run = promisify(execFile)
const readme = readFileSync("README.md", "utf8")
const data = mkdtempSync(join(tmpdir(), "ottla-readme-"))
/** In the checkout, where the package knows itself by name. */
const programs = join("build", "readme")
let broker: ChildProcess
let readyLine = ""
let ports: readonly [kafka: string, http: string]

const blocksOf = (language: string, text = readme): string[] =>
  [...text.matchAll(new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``, "g"))].map((match) => match[1]!)
const section = (title: string): string => readme.split(/^## /m).find((part) => part.startsWith(`${title}\n`)) ?? ""
const withPorts = (text: string): string => text.replaceAll(":9092", `:${ports[0]}`).replaceAll(":8082", `:${ports[1]}`)

before(async () => {
  const settings = ["listeners=PLAINTEXT://127.0.0.1:0", "ottla.http.listeners=http://127.0.0.1:0", `log.dirs=${data}`]
  broker = spawn(process.execPath, ["scripts/start.mjs", ...settings.flatMap((setting) => ["--set", setting])], {
    stdio: ["ignore", "pipe", "ignore"],
  })
  while (!readyLine.includes("\n")) readyLine += String((await once(broker.stdout!, "data"))[0])
  const [kafka, http] = [...readyLine.matchAll(/127\.0\.0\.1:(\d+)/g)].map((match) => match[1]!)
  ports = [kafka!, http!]
  rmSync(programs, { recursive: true, force: true })
  mkdirSync(programs, { recursive: true })
})
after(async () => {
  const closed = once(broker, "close")
  broker.kill("SIGTERM")
  await closed
  rmSync(data, { recursive: true, force: true })
  rmSync(programs, { recursive: true, force: true })
})

test("the broker says that it is ready as the README says", () => {
  const promised = /^ottla is ready: .*$/m.exec(readme)![0]
  assert.equal(readyLine.trim().replace(data, "data"), withPorts(promised))
})

test("every program of the README compiles, runs, and prints what it says it prints", async () => {
  const texts = blocksOf("ts")
  assert.ok(texts.length >= 8)
  for (const [index, text] of texts.entries()) writeFileSync(join(programs, `${index}.ts`), text)
  const config = join(programs, "tsconfig.json")
  const paths = Object.fromEntries(
    Object.entries({ client: "client", testing: "testing", "compat/kafkajs": "kafkajs" }).map(([entry, folder]) => [
      `ottla/${entry}`,
      [`../../src/${folder}/index.ts`],
    ]),
  )
  const compilerOptions = { rootDir: "../..", incremental: false, tsBuildInfoFile: null, paths }
  writeFileSync(config, JSON.stringify({ extends: "../../tsconfig.json", compilerOptions, include: ["*.ts"] }))
  await run(process.execPath, ["node_modules/typescript/bin/tsc", "-p", config]).catch(({ stdout }) =>
    assert.fail(stdout),
  )
  for (const [index, text] of texts.entries()) {
    const file = join(programs, `${index}.js`)
    writeFileSync(file, transformSync(withPorts(text), { loader: "ts", target: "node20.19" }).code)
    const { stdout } = await run(process.execPath, [file], { timeout: 60_000 })
    const lines = stdout.split("\n")
    for (const [, promised] of text.matchAll(/\/\/ prints: (.*)$/gm))
      assert.ok(lines.includes(promised!), `program ${index + 1} does not print ${promised}, but\n${stdout}`)
  }
})

test("curl stores a record, reads it as a group, and commits it", async () => {
  const script = blocksOf("sh", section("First records"))[0]!
  const { stdout } = await run("sh", ["-euc", withPorts(script).replace(/^curl -sS/gm, "curl -sSf -w '\\n'")])
  const answers = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
  assert.equal(answers.length, 5)
  const [made, stored, subscribed, polled, committed] = answers
  assert.deepEqual([made.topic, made.partitions], ["clicks", 3])
  assert.equal(subscribed.group, "counters")
  const { timestamp, ...place } = stored
  assert.deepEqual(polled.messages, [{ ...place, timestamp, key: "ann", valueJson: { page: "/tea" }, headers: [] }])
  assert.deepEqual(committed.offsets, { clicks: { [stored.partition]: 1 } })
})

test("the README's table of commands is that of the command", async () => {
  const { stdout } = await run(process.execPath, ["dist/ottla.js", "--help"])
  const rows = section("Command line")
    .split("\n")
    .filter((line) => line.startsWith("| `"))
  const commands = [...stdout.matchAll(/^ {2}ottla ([a-z]+)(?: ([a-z|-]+) \.\.\.| ([a-z]+) \.\.\.)?/gm)]
  assert.ok(commands.length >= 10)
  for (const [, noun, verbs, verb] of commands) {
    const row = rows.find((line) => line.includes(`\`ottla ${noun}\``))
    assert.ok(row !== undefined, `ottla ${noun} is not in the table`)
    for (const each of (verbs ?? verb)?.split("|") ?? [])
      assert.ok(row.includes(`\`${each}\``), `ottla ${noun} ${each} is not in the table`)
  }
  const exitCodes = /Exit codes: .*$/m.exec(stdout)![0]
  assert.ok(readme.includes(exitCodes))
})

test("what the README says of metrics, documentation and paths is served", async () => {
  const base = `http://127.0.0.1:${ports[1]}`
  for (const path of ["/docs", "/healthz", "/readyz"]) assert.equal((await fetch(base + path)).status, 200, path)
  const metrics = await (await fetch(`${base}/metrics`)).text()
  for (const [name] of readFileSync("dashboards/ottla.json", "utf8").matchAll(/ottla_group_lag_\w+/g))
    assert.ok(metrics.includes(name), name)
  const { paths } = (await (await fetch(`${base}/openapi.json`)).json()) as { paths: Record<string, object> }
  for (const [, path] of section("HTTP API").matchAll(/(?:GET|POST) (\/[\w{}/]+)`/g))
    assert.ok(path === "/metrics" || path! in paths, path)
})
