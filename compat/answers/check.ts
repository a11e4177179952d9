/**
 * The check `group-answers`: the same requests to groups, sent to Ottla and to Apache Kafka, must be answered alike in every field.
 *
 * Owns the two brokers and the verdict. What is asked is in the scenarios, what may differ and why in `differences.ts`.
 */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { findCoordinator } from "../../src/protocol/messages/find-coordinator.js"
import { listGroups } from "../../src/protocol/messages/list-groups.js"
import { BrokerProcess } from "../broker-process.js"
import type { Check } from "../check.js"
import { type Address, WireClient } from "../client.js"
import { KafkaProcess, kafkaVersion } from "../kafka.js"
import { freePort, temporaryDirectory } from "../work.js"
import { classicScenarios } from "./classic-scenarios.js"
import { consumerScenarios } from "./consumer-scenarios.js"
import { differences } from "./differences.js"
import { otherTopic, topic } from "./offsets.js"
import { type Scenario, Session, type Step } from "./session.js"

const scenarios: readonly Scenario[] = [
  ...consumerScenarios.map(({ name, run }) => ({ name: `consumer group, ${name}`, run })),
  ...classicScenarios.map(({ name, run }) => ({ name: `classic group, ${name}`, run })),
]

const settings = {
  "offsets.topic.replication.factor": "1",
  "offsets.topic.num.partitions": "4",
  "group.initial.rebalance.delay.ms": "0",
}

const shownMax = 40
const coordinatorMs = 60_000

async function prepare(address: Address): Promise<void> {
  const client = await WireClient.connect(address)
  try {
    await client.createTopic(topic, 3)
    await client.createTopic(otherTopic, 2)
    const deadlineMs = Date.now() + coordinatorMs
    for (;;) {
      const found = await client.request(findCoordinator, 4, { key: "", coordinatorKeys: ["g"] })
      const listed = await client.request(listGroups, 4, { statesFilter: [], typesFilter: [] })
      if (found.coordinators[0]!.errorCode === 0 && listed.errorCode === 0) return
      if (Date.now() > deadlineMs) throw new Error("no coordinator came to be")
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  } finally {
    client.close()
  }
}

async function transcript(address: Address, { name, run }: Scenario): Promise<readonly Step[]> {
  const session = new Session(address)
  session.section(name)
  const named = { section: session.section.bind(session) }
  session.section = (part) => named.section(`${name}, ${part}`)
  try {
    await run(session)
  } finally {
    session.close()
  }
  return session.steps
}

interface Difference {
  readonly label: string
  readonly ottla: string
  readonly kafka: string
}

function compare(ottla: readonly Step[], kafka: readonly Step[]): Difference[] {
  const found: Difference[] = []
  for (let index = 0; index < Math.max(ottla.length, kafka.length); index++) {
    const [own, other] = [ottla[index], kafka[index]]
    if (own?.label !== other?.label) {
      found.push({ label: `${other?.label}`, ottla: `went on with ${own?.label}`, kafka: "was asked this" })
      break
    }
    if (own!.answer !== other!.answer) found.push({ label: own!.label, ottla: own!.answer, kafka: other!.answer })
  }
  return found
}

export const groupAnswers: Check = {
  name: "group-answers",
  about: `Apache Kafka ${kafkaVersion}, the same requests`,
  needsBroker: false,
  async run() {
    const directory = temporaryDirectory("answers")
    const [own, other] = [join(directory, "ottla"), join(directory, "kafka")]
    mkdirSync(own)
    mkdirSync(other)
    const kafka = await KafkaProcess.start(other, settings)
    const ottla = await BrokerProcess.start({ port: await freePort(), dataDirectory: own, settings })
    const addresses = [ottla, kafka].map(({ port }) => ({ host: "127.0.0.1", port }))
    const unexplained: Difference[] = []
    const explained = new Set<string>()
    let asked = 0
    try {
      await Promise.all(addresses.map(prepare))
      for (const scenario of scenarios) {
        const [steps, theirs] = await Promise.all(addresses.map((address) => transcript(address, scenario)))
        asked += theirs!.length
        for (const difference of compare(steps!, theirs!)) {
          const known = differences.find(({ matches }) => matches(difference))
          if (known === undefined) unexplained.push(difference)
          else explained.add(known.reason)
        }
      }
    } finally {
      await Promise.all([ottla.kill(), kafka.kill()])
    }
    if (unexplained.length > 0) {
      const shown = unexplained.slice(0, Number(process.env.OTTLA_ANSWERS_SHOWN ?? shownMax))
      throw new Error(
        `${unexplained.length} of ${asked} answers differ\n${shown.map(({ label, ottla: a, kafka: b }) => `${label}\n  ottla ${a}\n  kafka ${b}`).join("\n")}`,
      )
    }
    return `${asked} answers compared, ${explained.size} known kinds of difference`
  },
}
