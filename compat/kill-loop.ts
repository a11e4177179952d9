/**
 * `npm run compat -- kill-loop --rounds 200`: kill -9 under load, restart, read everything back.
 *
 * Owns the rounds. Every acknowledged record has to be at its offset exactly once, in order, without gaps; checked after each kill from
 * where the last check ended, and from the beginning after the last.
 */
import { BrokerProcess } from "./broker-process.js"
import { isClean, VerifiedUpTo } from "./ledger.js"
import { createLedgers, Load, verifyAll } from "./load.js"
import { positive } from "./options.js"
import { SeededRandom } from "./random.js"
import { freePort, temporaryDirectory } from "./work.js"

const topic = "kill-loop"

export async function killLoop(options: Readonly<Record<string, string>>): Promise<boolean> {
  const rounds = positive(options, "rounds", 200)
  const seed = positive(options, "seed", Date.now() % 1_000_000_007)
  const partitions = positive(options, "partitions", 6)
  const loadMs = positive(options, "load-ms", 700)
  const random = new SeededRandom(seed)
  const address = { host: "127.0.0.1", port: await freePort() }
  const start = { port: address.port, dataDirectory: options["data-directory"] ?? temporaryDirectory("kill-loop") }
  process.stdout.write(`kill-loop: ${rounds} rounds, ${partitions} partitions, seed ${seed}\n`)

  let broker = await BrokerProcess.start(start)
  const ledgers = await createLedgers(address, topic, partitions, positive(options, "value-bytes", 120))
  const upTo = ledgers.map(() => new VerifiedUpTo())
  const acknowledged = () => ledgers.reduce((sum, ledger) => sum + ledger.acknowledgedRecords, 0)
  const startedMs = Date.now()
  let slowestStartMs = 0
  let errorAnswers = 0
  for (let round = 1; round <= rounds; round++) {
    const load = await Load.start(address, ledgers, { topic, batchesInFlight: 5, recordsPerBatchMax: 20 })
    await new Promise((resolve) => setTimeout(resolve, 20 + random.int(loadMs)))
    if (!broker.isAlive) throw new Error(`round ${round}: the broker died by itself:\n${broker.output}`)
    await broker.kill()
    await load.finish()
    errorAnswers += load.errorAnswers
    const restartedMs = Date.now()
    broker = await BrokerProcess.start(start)
    slowestStartMs = Math.max(slowestStartMs, Date.now() - restartedMs)
    const findings = await verifyAll(address, topic, ledgers, upTo)
    if (!isClean(findings)) {
      const { examples, ...counts } = findings
      process.stdout.write(`kill-loop: round ${round} FAILED: ${JSON.stringify(counts)}\n  ${examples.join("\n  ")}\n`)
      process.stdout.write(`kill-loop: replay with --seed ${seed} --rounds ${round}\n`)
      return false
    }
    if (round % 10 === 0) process.stdout.write(`kill-loop: ${round} rounds, ${acknowledged()} acknowledged\n`)
  }
  // Idempotent batches that were open at the last kill go out once more, so that every sequence number is accounted for.
  await (await Load.start(address, ledgers, { topic, batchesInFlight: 1, recordsPerBatchMax: 1 })).finish()
  const fresh = ledgers.map(() => new VerifiedUpTo())
  const findings = await verifyAll(address, topic, ledgers, fresh)
  await broker.stop()
  const seconds = ((Date.now() - startedMs) / 1000).toFixed(0)
  process.stdout.write(
    `${rounds} rounds, ${acknowledged()} acknowledged, ${findings.lost} lost, ${findings.reordered} reordered, ` +
      `${findings.gaps} gaps, ${findings.foreign} foreign, ${errorAnswers} error answers, slowest start ${slowestStartMs} ms, ${seconds} s\n`,
  )
  for (const example of findings.examples) process.stdout.write(`  ${example}\n`)
  return isClean(findings)
}
