/**
 * `ottla kafka <tool>`: Kafka's tools by their names, with their flags and lines.
 *
 * Owns which tools there are, and how each begins and ends. They end with 1 where Kafka's do.
 */
import { BrokerError } from "../../client/errors.js"
import { errorByCode } from "../../protocol/errors.js"
import { CommandError } from "../errors.js"
import { runSession, say, type Session } from "../session.js"
import { HelpAsked, OptionError, type Options } from "./options.js"

type Tool = (args: readonly string[]) => Promise<void>

const tools: Readonly<Record<string, () => Promise<Tool>>> = {
  topics: async () => (await import("./topics.js")).topics,
  "console-producer": async () => (await import("./console-producer.js")).consoleProducer,
  "console-consumer": async () => (await import("./console-consumer.js")).consoleConsumer,
  "consumer-groups": async () => (await import("./consumer-groups.js")).consumerGroups,
  configs: async () => (await import("./configs.js")).configs,
  storage: async () => (await import("./storage.js")).storage,
  "server-start": async () => (await import("./server-start.js")).serverStart,
  "get-offsets": async () => (await import("./get-offsets.js")).getOffsets,
  "delete-records": async () => (await import("./delete-records.js")).deleteRecords,
}

export async function runKafkaTool([name = "", ...args]: readonly string[]): Promise<void> {
  const load = tools[name.replace(/^kafka-/, "").replace(/\.sh$/, "")]
  if (load === undefined) {
    say(`there is no tool ${name || "without a name"}; there are ${Object.keys(tools).join(", ")}`)
    process.exitCode = 2
    return
  }
  try {
    await (await load())(args)
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    if (error instanceof HelpAsked) print(error.message)
    else process.stderr.write(`${error.message}\n`)
    process.exitCode = error.exitCode
  }
}

/** A tool that talks to a cluster. What it rejects with was told already, or is told as a line. */
export async function withCluster(
  options: Options,
  run: (session: Session) => Promise<number | undefined>,
): Promise<void> {
  const bootstrapServer = options.value("bootstrap-server")
  if (bootstrapServer === undefined) throw new OptionError("--bootstrap-server must be specified")
  await runSession({ bootstrapServer }, run)
  // Kafka's tools know one code for all that fails.
  if (Number(process.exitCode) > 1) process.exitCode = 1
}

export const print = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

/** A refusal as Kafka's Java classes name it: what scripts look for. */
export function exceptionText(error: Error): string {
  if (!(error instanceof BrokerError)) return error.message
  const name = errorByCode(error.errorCode)?.name ?? "UNKNOWN_SERVER_ERROR"
  const words = (exceptionNames[name] ?? name.replace(/_(ERROR|EXCEPTION)$/, "")).toLowerCase().split("_")
  const type = words.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join("")
  return `org.apache.kafka.common.errors.${type}Exception: ${error.message}`
}

/** Where the class is not named as the code is. */
const exceptionNames: Readonly<Record<string, string>> = {
  TOPIC_ALREADY_EXISTS: "TOPIC_EXISTS",
  NON_EMPTY_GROUP: "GROUP_NOT_EMPTY",
  INVALID_CONFIG: "INVALID_CONFIGURATION",
  INVALID_TOPIC_EXCEPTION: "INVALID_TOPIC",
}
