/**
 * `npm run compat -- power-cut --cuts 20`: the power fails under load, on a real file system.
 *
 * Owns the rounds. What was acknowledged before a cut has to be there after it, exactly once, in order: the same ledger as the kill loop.
 */
import { mkdirSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { BrokerProcess } from "../broker-process.js"
import { isClean, VerifiedUpTo } from "../ledger.js"
import { createLedgers, Load, verifyAll } from "../load.js"
import { positive } from "../options.js"
import { SeededRandom } from "../random.js"
import { freePort } from "../work.js"
import { ForgetfulDisk } from "./forgetful-disk.js"

const topic = "power-cut"

export async function powerCut(options: Readonly<Record<string, string>>): Promise<boolean> {
  const cuts = positive(options, "cuts", 20)
  const seed = positive(options, "seed", Date.now() % 1_000_000_007)
  const loadMs = positive(options, "load-ms", 1200)
  const random = new SeededRandom(seed)
  const disk = await ForgetfulDisk.create(random.int(2 ** 31))
  process.stdout.write(`power-cut: ${cuts} cuts, seed ${seed}\n`)
  const address = { host: "127.0.0.1", port: await freePort() }
  const start = { port: address.port, dataDirectory: join(disk.directory, "logs") }
  mkdirSync(start.dataDirectory)
  // `--settings name=value,name=value`: to see a weaker flush policy lose, for instance.
  const settings = Object.fromEntries(
    (options.settings ?? "")
      .split(",")
      .filter(Boolean)
      .map((one) => one.split("=")),
  )

  let broker = await BrokerProcess.start({ ...start, settings })
  const ledgers = await createLedgers(address, topic, positive(options, "partitions", 4), 200)
  const upTo = ledgers.map(() => new VerifiedUpTo())
  const acknowledged = () => ledgers.reduce((sum, ledger) => sum + ledger.acknowledgedRecords, 0)
  let findings = await verifyAll(address, topic, ledgers, upTo)
  for (let cut = 1; cut <= cuts; cut++) {
    const load = await Load.start(address, ledgers, { topic, batchesInFlight: 5, recordsPerBatchMax: 20 })
    await new Promise((resolve) => setTimeout(resolve, 20 + random.int(loadMs)))
    await disk.cut()
    await broker.kill()
    await load.finish()
    await disk.restart(random.int(2 ** 31))
    broker = await BrokerProcess.start({ ...start, settings })
    findings = await verifyAll(address, topic, ledgers, upTo)
    if (!isClean(findings)) break
    const lostAndFound = readdirSync(join(disk.directory, "lost+found")).length
    process.stdout.write(`power-cut: cut ${cut}, ${acknowledged()} acknowledged, ${lostAndFound} in lost+found\n`)
  }
  if (isClean(findings)) {
    await (await Load.start(address, ledgers, { topic, batchesInFlight: 1, recordsPerBatchMax: 1 })).finish()
    const fresh = ledgers.map(() => new VerifiedUpTo())
    findings = await verifyAll(address, topic, ledgers, fresh)
  }
  await broker.stop()
  process.stdout.write(
    `${cuts} cuts, ${acknowledged()} acknowledged, ${findings.lost} lost, ${findings.reordered} reordered, ` +
      `${findings.gaps} gaps, ${findings.foreign} foreign, seed ${seed}\n`,
  )
  for (const example of findings.examples) process.stdout.write(`  ${example}\n`)
  return isClean(findings)
}
