/**
 * Rounds of faults on three nodes under load.
 *
 * Owns the sequence: every few rounds the load ends, everything is read and judged, the nodes stop and their files are compared; then it goes on with a new topic.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { positive } from "../options.js"
import { SeededRandom } from "../random.js"
import type { ForgetfulDisk } from "../power-cut/forgetful-disk.js"
import { temporaryDirectory } from "../work.js"
import { Cluster, nodeCount } from "./cluster.js"
import { drawFault, type Fault } from "./faults.js"
import { summary } from "./gaps.js"
import { openNetwork, parseNetworkChoice } from "./network.js"
import { compareReplicas } from "./replicas.js"
import { type FaultReport, LoadedTopic, type RunReport } from "./run.js"

type Options = Readonly<Record<string, string>>

export interface RoundsPlan {
  /** What it is called by. */
  readonly name: string
  readonly rounds: number
  readonly faults: readonly Fault[]
  /** Drawn from when `--faults` says nothing. */
  readonly usual: readonly string[]
  readonly disks?: (seed: () => number) => Promise<readonly ForgetfulDisk[]>
}

const firstPort = 32_100
/** Of rounds, unless less is asked for: what was begun is ended and judged. */
const secondsMax = 24 * 3600

export interface RoundsResult {
  /** Nothing was lost, nothing else was wrong. */
  readonly isClean: boolean
  /** Of every round, with those that a journal had before. */
  readonly reports: readonly FaultReport[]
}

/** Errors: `Skip` where the clients are not to be had; a round that does not end. */
export async function playRounds(plan: RoundsPlan, options: Options): Promise<RoundsResult> {
  const say = (text: string): void => void process.stdout.write(`${plan.name}: ${text}\n`)
  const { rounds } = plan
  const roundsPerTopic = positive(options, "rounds-per-topic", 20)
  const partitions = positive(options, "partitions", 6)
  const seed = positive(options, "seed", Date.now() % 1_000_000_007)
  const wanted = chooseFaults(plan, options.faults)
  const { journal, evidence } = options
  const endMs = Date.now() + 1000 * positive(options, "seconds", secondsMax)
  const goesOn = () => reports.length < rounds && Date.now() < endMs
  const random = new SeededRandom(seed)
  const network = await openNetwork(
    parseNetworkChoice(options.network),
    nodeCount,
    positive(options, "base-port", firstPort),
  )
  const disks = (await plan.disks?.(() => random.int(2 ** 31))) ?? []
  const home = options["data-directory"] ?? temporaryDirectory("cluster")
  const directories = Array.from(
    { length: nodeCount },
    (_, index) => disks[index]?.directory ?? join(home, `node-${index + 1}`),
  )
  say(`${rounds} rounds of ${wanted.map(({ name }) => name).join(" ")}, ${network.kind}, seed ${seed}`)

  const hasStaleLeaders = wanted.some(({ leavesStaleLeaders }) => leavesStaleLeaders)
  const cluster = new Cluster({ network, directories, settings: { "offsets.topic.num.partitions": "3" } })
  const reports: FaultReport[] = []
  let [acknowledged, failed, isClean] = [0, 0, true]
  for (let topicNumber = 1; goesOn() && isClean; topicNumber++) {
    await cluster.start()
    const loaded = await LoadedTopic.start(cluster, `topic-${topicNumber}`, partitions, hasStaleLeaders)
    const before = reports.length
    let ended: RunReport
    try {
      for (let round = 0; round < roundsPerTopic && goesOn(); round++) {
        const report = await loaded.suffer(drawFault(wanted, random), random, disks)
        reports.push(report)
        if (journal !== undefined)
          appendFileSync(journal, `${JSON.stringify({ ...report, seed, round: reports.length })}\n`)
      }
      ended = await loaded.finish(topicNumber === 1 ? random : undefined)
      await cluster.stop()
    } catch (error) {
      say(`round ${reports.length + 1} did not end, --seed ${seed}`)
      if (evidence !== undefined) leaveEvidence(join(evidence, loaded.topic), loaded)
      throw error
    }
    const files = compareReplicas(
      cluster.nodes.map(({ directory }) => directory),
      Array.from({ length: partitions }, (_, partition) => `${loaded.topic}-${partition}`),
    )
    acknowledged += ended.acknowledged
    failed += ended.failed
    isClean = ended.violations.length === 0 && files.differences.length === 0
    say(
      `${reports.length} rounds, ${acknowledged} acknowledged, ${failed} failed, ${ended.violations.length} violations, ` +
        `${files.differences.length} differences in ${(files.bytes / 2 ** 20).toFixed(1)} MiB of ${files.partitions} partitions`,
    )
    for (const text of [...ended.violations, ...files.differences]) say(`  ${text}`)
    const isSlow = reports.slice(before).some(({ gapMs }) => gapMs > positive(options, "evidence-above-ms", 60_000))
    if (evidence !== undefined && (!isClean || isSlow)) leaveEvidence(join(evidence, loaded.topic), loaded)
  }
  await network.close()
  const all = journal === undefined ? reports : readJournal(journal)
  for (const name of new Set(all.map(({ fault }) => fault))) {
    const gaps = all.filter(({ fault }) => fault === name).map(({ gapMs }) => gapMs)
    say(`gap in acknowledgements, ${name}: ${summary(gaps)}`)
  }
  say(
    `${reports.length} rounds, ${acknowledged} acknowledged, ${failed} failed, ` +
      `${isClean ? "0 lost, 0 violations" : `NOT CLEAN: --seed ${seed} --rounds ${reports.length}`}, seed ${seed}`,
  )
  return { isClean, reports: all }
}

function chooseFaults({ faults, usual }: RoundsPlan, asked: string | undefined): Fault[] {
  const names = asked?.split(",") ?? usual
  for (const name of names)
    if (!faults.some((fault) => fault.name === name))
      throw new Error(`no fault ${name}; there are ${faults.map((fault) => fault.name).join(" ")}`)
  return faults.filter(({ name }) => names.includes(name))
}

/** What the nodes printed, and everything that was recorded, a line each. */
function leaveEvidence(directory: string, { cluster, recorder }: LoadedTopic): void {
  mkdirSync(directory, { recursive: true })
  for (const { id, output } of cluster.nodes) writeFileSync(join(directory, `node-${id}.log`), output)
  const lines = recorder.inOrder().map((event) => JSON.stringify(event))
  writeFileSync(join(directory, "recorded.jsonl"), lines.join("\n"))
}

/** What earlier runs left is counted too. */
function readJournal(path: string): FaultReport[] {
  if (!existsSync(path)) return []
  return readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as FaultReport)
}
