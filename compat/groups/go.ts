/**
 * The story told by client libraries of Go: one program, the library being its first argument.
 *
 * Owns their versions and how the program is built.
 */
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { onPath, run, runOk, Skip, tail, workDirectory } from "../work.js"
import { membersDirectory } from "./javascript.js"
import type { GroupClient } from "./story.js"

const modules = {
  "github.com/twmb/franz-go": "v1.22.2",
  "github.com/IBM/sarama": "v1.61.1",
  "github.com/segmentio/kafka-go": "v0.4.51",
}

async function buildProgram(): Promise<string> {
  if (!onPath("go")) throw new Skip("go is missing")
  const home = join(workDirectory, "go-member")
  const sources = join(membersDirectory, "go")
  mkdirSync(home, { recursive: true })
  for (const file of readdirSync(sources)) copyFileSync(join(sources, file), join(home, file))
  const requirements = Object.entries(modules).map(([module, version]) => `require ${module} ${version}\n`)
  writeFileSync(join(home, "go.mod"), `module compat/member\n\ngo 1.25.0\n\n${requirements.join("")}`)
  const options = { cwd: home, timeoutMs: 300_000 }
  const tidied = await run("go", ["mod", "tidy"], options)
  if (tidied.code !== 0) throw new Skip(`go could not fetch the clients: ${tail(tidied.stderr, 1)}`)
  const program = join(home, "member")
  await runOk("go", ["build", "-o", program, "."], options)
  return program
}

const withClient = (name: string) => async () => {
  const command = await buildProgram()
  return (args: readonly string[]) => ({ command, args: [name, ...args] })
}

export const goClients: readonly GroupClient[] = [
  {
    name: "franz-go",
    about: `franz-go ${modules["github.com/twmb/franz-go"]}`,
    protocols: ["classic", "classic cooperative", "consumer"],
    prepare: withClient("franz-go"),
  },
  {
    name: "sarama",
    about: `sarama ${modules["github.com/IBM/sarama"]}`,
    protocols: ["classic"],
    prepare: withClient("sarama"),
  },
  {
    name: "kafka-go",
    about: `segmentio/kafka-go ${modules["github.com/segmentio/kafka-go"]}`,
    protocols: ["classic"],
    prepare: withClient("kafka-go"),
  },
]
