/**
 * The story told by client libraries of Python.
 *
 * Owns their versions; the virtual environment is the one of clients/kafka-python.ts.
 */
import { join } from "node:path"
import { pythonWith } from "../clients/kafka-python.js"
import { membersDirectory } from "./javascript.js"
import type { GroupClient } from "./story.js"

const python = (program: string, command: string) => (args: readonly string[]) => ({
  command,
  args: ["-u", join(membersDirectory, program), ...args],
  env: { PYTHONDONTWRITEBYTECODE: "1" },
})

export const pythonClients: readonly GroupClient[] = [
  {
    name: "kafka-python",
    about: "kafka-python 2.2.15",
    protocols: ["classic"],
    prepare: async () => python("kafka_python.py", await pythonWith("kafka", "kafka-python==2.2.15")),
  },
  {
    name: "confluent-kafka-python",
    about: "confluent-kafka 2.16.1",
    protocols: ["classic", "classic cooperative", "consumer"],
    prepare: async () =>
      python("confluent_kafka_python.py", await pythonWith("confluent_kafka", "confluent-kafka==2.16.1")),
  },
]
