/** Kafka Streams' own word count, at least once: stopped, and started elsewhere, it goes on from its changelog. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { buildBatch } from "../../src/protocol/record-batch.js"
import type { Check } from "../check.js"
import { WireClient } from "../client.js"
import { kafkaVersion, startKafkaTool } from "../kafka.js"
import { temporaryDirectory } from "../work.js"

/** The demonstration's, which it does not let one choose. */
const inputTopic = "streams-plaintext-input"
const outputTopic = "streams-wordcount-output"
const partitions = 2
const linesPerStep = 300

export const streamsWordCount: Check = {
  name: "streams-word-count",
  about: `Kafka Streams ${kafkaVersion}, at least once`,
  async run(context) {
    // The topics may hold what earlier runs left: words and the application are this run's alone.
    const application = context.topic("word-count").toLowerCase()
    const directory = temporaryDirectory("streams")
    const client = await WireClient.connect(context)
    // It splits at everything but letters, digits and underscores.
    const suffix = application.replaceAll("-", "_")
    const words = ["all", "streams", "lead", "to", "kafka"].map((word) => `${word}_${suffix}`)
    const expected = new Map<string, number>()
    let written = 0
    const write = async () => {
      for (let partition = 0; partition < partitions; partition++) {
        const records = Array.from({ length: linesPerStep / partitions }, () => {
          const line = words.slice(0, 1 + (written++ % words.length))
          for (const word of line) expected.set(word, (expected.get(word) ?? 0) + 1)
          return { value: Buffer.from(line.join(" ")) }
        })
        const batch = buildBatch({ records, timestamp: Date.now() })
        await client.produceToLeader(inputTopic, partition, batch)
      }
    }
    const counts = async () => {
      const found = new Map<string, number>()
      for (let partition = 0; partition < partitions; partition++) {
        for await (const { key, value } of client.readPartition(outputTopic, partition))
          if (expected.has(String(key))) found.set(String(key), Number(value!.readBigInt64BE(0)))
      }
      return [...found].sort()
    }
    const isCounted = async () => JSON.stringify(await counts()) === JSON.stringify([...expected].sort())
    const start = (life: string) => {
      const state = join(directory, life)
      mkdirSync(state)
      const config = join(directory, `${life}.properties`)
      writeFileSync(
        config,
        `bootstrap.servers=${context.bootstrap}
application.id=${application}
state.dir=${state}
commit.interval.ms=500
num.stream.threads=2
session.timeout.ms=6000
heartbeat.interval.ms=1000
`,
      )
      return startKafkaTool("streams-wordcount", [config])
    }
    await client.createTopic(inputTopic, partitions)
    await client.createTopic(outputTopic, partitions)
    await write()
    let streams = await start("first")
    try {
      await streams.until("the first words are counted", isCounted)
      await write()
      await streams.until("more words are counted", isCounted)
      await streams.stop()
      await write()
      // An empty state directory: what was counted before is in the changelog topic only.
      streams = await start("second")
      await streams.until("words written in between are counted", isCounted)
      await streams.stop()
    } finally {
      if (streams.isAlive) await streams.kill()
      client.close()
    }
    return `${[...expected.values()].reduce((sum, count) => sum + count, 0)} words`
  },
}
