/** kcat, librdkafka's command-line tool, as the distribution packages it. */
import type { Check } from "../check.js"
import { expect, expectEqual, onPath, run, runOk, Skip } from "../work.js"

const recordCount = 1000

interface KcatRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly key: string
  readonly payload: string
  readonly headers?: readonly string[]
}

const jsonLines = <T>(text: string): T[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as T)

export const kcat: Check = {
  name: "kcat",
  about: "kcat on PATH",
  async run({ bootstrap, topic, leadersMove }) {
    if (!onPath("kcat")) throw new Skip("kcat is not on PATH")
    const kcat = (args: readonly string[], input = "") => runOk("kcat", ["-b", bootstrap, ...args], { input })
    const version = /librdkafka ([0-9.]+)/.exec((await run("kcat", ["-V"])).stdout)?.[1]

    const created = topic("kcat")
    const lines = Array.from({ length: recordCount }, (_, i) => `key-${i}:value-${i}`)
    for (const codec of ["none", "gzip", "snappy", "lz4", "zstd"]) {
      for (const acks of codec === "none" && !leadersMove ? ["all", "1"] : ["all"]) {
        // Created by its first metadata request.
        const name = `${created}-${codec}-${acks}`
        const produce = ["-P", "-t", name, "-p", "0", "-K:", "-z", codec, "-H", `codec=${codec}`]
        const promise = acks === "all" ? "enable.idempotence=true" : "acks=1"
        await kcat([...produce, "-X", promise], `${lines.join("\n")}\n`)
        const consume = ["-C", "-t", name, "-p", "0", "-o", "beginning", "-e", "-q", "-J"]
        const records = jsonLines<KcatRecord>(await kcat(consume))
        expectEqual(
          records.map(({ key, payload }) => `${key}:${payload}`),
          lines,
          `${name}: records`,
        )
        expectEqual(
          records.map(({ offset }) => offset),
          lines.map((_, i) => i),
          `${name}: offsets`,
        )
        expect(
          records.every(({ headers }) => headers?.[0] === "codec" && headers[1] === codec),
          `${name}: headers`,
        )
      }
    }

    const name = `${created}-none-all`
    expectEqual(
      await kcat(["-C", "-t", name, "-p", "0", "-o", "990", "-c", "2", "-q"]),
      "value-990\nvalue-991\n",
      "from 990",
    )
    expectEqual(
      await kcat(["-C", "-t", name, "-p", "0", "-o", "-3", "-e", "-q"]),
      "value-997\nvalue-998\nvalue-999\n",
      "last three",
    )
    const offsetAt = async (timestamp: number) => {
      const answer = await kcat(["-Q", "-t", `${name}:0:${timestamp}`])
      return Number(/offset (-?\d+)/.exec(answer)?.[1])
    }
    expectEqual(await offsetAt(0), 0, "offset of the beginning of time")
    expectEqual(await offsetAt(-1), recordCount, "latest offset")
    expectEqual(await offsetAt(-2), 0, "earliest offset")
    expect([-1, recordCount].includes(await offsetAt(Date.now() + 3_600_000)), "offset of an hour from now")

    interface Metadata {
      readonly brokers: readonly { readonly name: string }[]
      readonly topics: readonly {
        readonly topic: string
        readonly partitions: readonly { readonly leader: number }[]
      }[]
    }
    const metadata = JSON.parse(await kcat(["-L", "-J"])) as Metadata
    expect(
      metadata.brokers.some((broker) => broker.name === bootstrap),
      `metadata names ${JSON.stringify(metadata.brokers)}`,
    )
    expect(
      metadata.topics.some((one) => one.topic === name && one.partitions.every(({ leader }) => leader >= 0)),
      "metadata lists the topic with a leader",
    )
    return `librdkafka ${version}`
  },
}
