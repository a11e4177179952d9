/**
 * The story told by client libraries of Node.
 *
 * Owns which there are, their versions and how they get here; an addon that takes minutes to build is built only with OTTLA_COMPAT_FULL=1.
 */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { nodeRdkafkaAddon } from "../clients/node-rdkafka.js"
import { npmPackages, onPath, repository, run, Skip, tail } from "../work.js"
import type { GroupClient } from "./story.js"

export const membersDirectory = join(repository, "compat/groups/members")

const node = (program: string, cwd: string) => (args: readonly string[]) => ({
  command: process.execPath,
  args: [join(membersDirectory, program), ...args],
  cwd,
})

const purePackages = () => npmPackages("npm", ["kafkajs@2.2.4", "@platformatic/kafka@1.35.0"])

async function confluentAddon(): Promise<string> {
  const name = "@confluentinc/kafka-javascript"
  const directory = await npmPackages("kafka-javascript", [`${name}@1.10.1`])
  const home = join(directory, "node_modules", name)
  if (existsSync(join(home, "build/Release/confluent-kafka-javascript.node"))) return directory
  if (process.env.OTTLA_COMPAT_FULL !== "1") throw new Skip("not built; OTTLA_COMPAT_FULL=1 builds it, in minutes")
  for (const tool of ["gcc", "g++", "make", "python3"]) if (!onPath(tool)) throw new Skip(`${tool} is missing`)
  // npm drops run bits; linked statically it would fetch the sources of its dependencies from elsewhere.
  const script =
    "(cd deps/librdkafka && chmod +x configure lds-gen.py *.sh tests/*.sh) && CKJS_LINKING=dynamic npx --yes node-gyp rebuild"
  const built = await run("sh", ["-c", script], { cwd: home, timeoutMs: 1_800_000 })
  if (built.code !== 0) throw new Skip(`it does not build here: ${tail(built.stderr, 1)}`)
  return directory
}

export const javascriptClients: readonly GroupClient[] = [
  {
    name: "ottla",
    about: "Ottla's own client",
    protocols: ["classic", "classic cooperative", "consumer"],
    prepare: async () => node("ottla.mjs", repository),
  },
  {
    name: "kafkajs",
    about: "kafkajs 2.2.4",
    protocols: ["classic"],
    prepare: async () => node("kafkajs.mjs", await purePackages()),
  },
  {
    name: "platformatic",
    about: "@platformatic/kafka 1.35.0",
    protocols: ["classic", "consumer"],
    deliversLate: true,
    needsCalm: "it misreads the tagged fields of a fetch from a leader of a newer epoch",
    prepare: async () => node("platformatic.mjs", await purePackages()),
  },
  {
    name: "node-rdkafka",
    about: "node-rdkafka 3.6.1",
    protocols: ["classic", "classic cooperative", "consumer"],
    prepare: async () => node("node-rdkafka.mjs", await nodeRdkafkaAddon()),
  },
  {
    name: "confluent-kafka-javascript",
    about: "@confluentinc/kafka-javascript 1.10.1",
    protocols: ["classic", "classic cooperative", "consumer"],
    prepare: async () => node("confluent.mjs", await confluentAddon()),
  },
]
