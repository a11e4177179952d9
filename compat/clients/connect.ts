/** Kafka Connect, standalone: lines of a file through a topic into another file, over a clean stop and over a kill. */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Check } from "../check.js"
import { WireClient } from "../client.js"
import { kafkaVersion, startKafkaTool } from "../kafka.js"
import { expect, expectEqual, freePort, temporaryDirectory } from "../work.js"

const linesPerStep = 200

const properties = (entries: Readonly<Record<string, string>>) =>
  Object.entries(entries)
    .map(([name, value]) => `${name}=${value}\n`)
    .join("")

export const connectStandalone: Check = {
  name: "connect-standalone",
  about: `Kafka Connect ${kafkaVersion}, file source and sink`,
  async run(context) {
    const topic = context.topic("connect")
    const directory = temporaryDirectory("connect")
    const path = (name: string) => join(directory, name)
    const client = await WireClient.connect(context)
    await client.createTopic(topic, 1)
    client.close()
    const converter = "org.apache.kafka.connect.storage.StringConverter"
    writeFileSync(
      path("worker.properties"),
      properties({
        "bootstrap.servers": context.bootstrap,
        "key.converter": converter,
        "value.converter": converter,
        "offset.storage.file.filename": path("offsets"),
        "offset.flush.interval.ms": "500",
        listeners: `http://127.0.0.1:${await freePort()}`,
        "consumer.session.timeout.ms": "6000",
        "consumer.heartbeat.interval.ms": "1000",
      }),
    )
    writeFileSync(
      path("source.properties"),
      properties({
        name: `${topic}-source`,
        "connector.class": "FileStreamSource",
        "tasks.max": "1",
        file: path("in.txt"),
        topic,
      }),
    )
    writeFileSync(
      path("sink.properties"),
      properties({
        name: `${topic}-sink`,
        "connector.class": "FileStreamSink",
        "tasks.max": "1",
        file: path("out.txt"),
        topics: topic,
      }),
    )
    const start = () =>
      startKafkaTool(
        "connect-standalone",
        ["worker", "source", "sink"].map((name) => path(`${name}.properties`)),
      )
    let written = 0
    const write = () => {
      const lines = Array.from({ length: linesPerStep }, (_, i) => `line ${written + i}\n`)
      appendFileSync(path("in.txt"), lines.join(""))
      written += linesPerStep
    }
    const arrived = () =>
      existsSync(path("out.txt")) ? readFileSync(path("out.txt"), "utf8").split("\n").slice(0, -1) : []
    const everything = () => arrived().at(-1) === `line ${written - 1}`
    const expected = () => Array.from({ length: written }, (_, i) => `line ${i}`)

    write()
    let connect = await start()
    try {
      await connect.until("the first lines arrived", everything)
      write()
      await connect.until("more lines arrived", everything)
      await connect.stop()
      write()
      connect = await start()
      await connect.until("lines written in between arrived", everything)
      expectEqual(arrived(), expected(), "lines after a clean stop, each once")
      // At least once: what was not committed when it was killed comes again.
      write()
      await connect.until("lines before the kill arrived", everything)
      await connect.kill()
      write()
      connect = await start()
      await connect.until("lines after the kill arrived", everything)
      await connect.stop()
    } finally {
      if (connect.isAlive) await connect.kill()
    }
    const lines = arrived()
    expectEqual([...new Set(lines)], expected(), "lines after a kill, by their first arrival")
    expect(lines.length < 2 * written, `${lines.length} lines where ${written} were written`)
    return `${written} lines, ${lines.length - written} of them again after the kill`
  },
}
