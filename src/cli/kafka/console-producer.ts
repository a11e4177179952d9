/**
 * `kafka-console-producer.sh`.
 *
 * Owns its flags, and how a line becomes a record.
 */
import type { ProducerRecord } from "../../client/index.js"
import { Client } from "../../client/index.js"
import { compressionOption } from "../../client/options.js"
import { prepareCompression } from "../../protocol/compression/compression.js"
import { CommandError, exitCodes } from "../errors.js"
import { linesOf } from "../records/lines.js"
import { OptionError, propertiesOf, readOptions, required } from "./options.js"
import { exceptionText, withCluster } from "./tool.js"

const spec = {
  "bootstrap-server": "value",
  topic: "value",
  property: "values",
  "reader-property": "values",
  "producer-property": "values",
  "command-property": "values",
  "compression-codec": "value",
  "request-required-acks": "value",
  sync: "flag",
} as const

/** Records on their way at once. */
const unstoredMax = 10_000

export async function consoleProducer(args: readonly string[]): Promise<void> {
  const options = readOptions(spec, args)
  const topic = required(options, "topic")
  const recordOf = lineReader(propertiesOf(options, "property", "reader-property"), topic)
  const settings = propertiesOf(options, "producer-property", "command-property")
  const compression = compressionOption(options.value("compression-codec") ?? settings.get("compression.type"))
  const acks = options.value("request-required-acks") ?? settings.get("acks") ?? "all"
  if (acks !== "all" && acks !== "-1" && acks !== "1")
    throw new OptionError(`acks ${acks}: there are all, which is -1, and 1`)
  await withCluster(options, async ({ say }) => {
    await prepareCompression()
    const client = new Client({ bootstrap: options.value("bootstrap-server")!, clientId: "console-producer" })
    const producer = client.producer({ acks: acks === "1" ? 1 : "all", compression })
    let failed = 0
    let underWay = 0
    let room: (() => void) | undefined
    let number = 0
    try {
      for await (const line of linesOf(process.stdin)) {
        const record = recordOf(line, ++number)
        underWay++
        const sent = producer.send(record).then(
          () => {
            underWay--
            room?.()
          },
          (error: Error) => {
            failed++
            say(`Error when sending message to topic ${topic}: ${exceptionText(error)}`)
            underWay--
            room?.()
          },
        )
        if (options.has("sync")) await sent
        while (underWay >= unstoredMax)
          await new Promise<void>((resolve) => {
            room = resolve
          })
      }
      await producer.flush()
    } finally {
      await client.close()
    }
    return failed > 0 ? exitCodes.failed : exitCodes.ok
  })
}

/** By the properties of Kafka's LineMessageReader. Errors of the reader: CommandError, with the number of the line. */
export function lineReader(
  properties: ReadonlyMap<string, string>,
  topic: string,
): (line: Buffer, number: number) => ProducerRecord {
  const isSet = (name: string) => properties.get(name)?.trim().toLowerCase() === "true"
  const [parsesKey, parsesHeaders, ignoresErrors] = [isSet("parse.key"), isSet("parse.headers"), isSet("ignore.error")]
  const keySeparator = properties.get("key.separator") ?? "\t"
  const headersDelimiter = properties.get("headers.delimiter") ?? "\t"
  const headersSeparator = properties.get("headers.separator") ?? ","
  const headerSeparator = properties.get("headers.key.separator") ?? ":"
  const nullMarker = properties.get("null.marker")
  const bytes = (part: Buffer) => (nullMarker !== undefined && part.toString() === nullMarker ? null : part)
  const parted = (line: Buffer, separator: string, what: string, number: number): [Buffer | undefined, Buffer] => {
    const at = line.indexOf(separator)
    if (at >= 0) return [line.subarray(0, at), line.subarray(at + Buffer.byteLength(separator))]
    if (ignoresErrors) return [undefined, line]
    throw new CommandError(
      `org.apache.kafka.common.KafkaException: No ${what} found on line number ${number}: '${line.toString()}'`,
    )
  }
  return (line, number) => {
    const [headerBytes, afterHeaders] = parsesHeaders
      ? parted(line, headersDelimiter, "headers delimiter", number)
      : [undefined, line]
    const [key, value] = parsesKey
      ? parted(afterHeaders, keySeparator, "key separator", number)
      : [undefined, afterHeaders]
    const headers = (headerBytes?.toString().split(headersSeparator) ?? []).map((pair) => {
      const at = pair.indexOf(headerSeparator)
      if (at < 0 && !ignoresErrors)
        throw new CommandError(
          `org.apache.kafka.common.KafkaException: No header key separator found in pair '${pair}' on line number ${number}`,
        )
      return at < 0
        ? { key: pair, value: null }
        : { key: pair.slice(0, at), value: pair.slice(at + headerSeparator.length) }
    })
    return {
      topic,
      value: bytes(value),
      ...(key === undefined ? {} : { key: bytes(key) }),
      ...(headerBytes === undefined ? {} : { headers }),
    }
  }
}
