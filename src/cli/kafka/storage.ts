/**
 * `kafka-storage.sh`: the id of a new cluster, what lies in log directories, and making them a cluster's.
 *
 * Owns its flags and lines. Ottla needs no format step; it is for those who want to say the cluster's id. What is written is what a first start would write.
 */
import { readFileSync } from "node:fs"
import { loadServerConfig, type ServerConfig } from "../../config/server-config.js"
import type { Env } from "../../env/env.js"
import { createNodeEnv } from "../../env/node/index.js"
import { writeFirstVoters } from "../../raft/first-voters.js"
import {
  decodeMetaProperties,
  encodeMetaProperties,
  metaPropertiesFile,
  readDurableFile,
  replaceFile,
} from "../../storage/checkpoint-files.js"
import { isFormatted, lockDirectory, promisedDirectoryId } from "../../storage/directory-identity.js"
import { CommandError } from "../errors.js"
import { OptionError, type Options, readOptions, required } from "./options.js"
import { print } from "./tool.js"

const spec = {
  config: "value",
  "cluster-id": "value",
  "ignore-formatted": "flag",
  standalone: "flag",
  "initial-controllers": "value",
  "no-initial-controllers": "flag",
} as const
const short = {
  c: "config",
  t: "cluster-id",
  g: "ignore-formatted",
  s: "standalone",
  I: "initial-controllers",
  N: "no-initial-controllers",
}

const uuid = /^[A-Za-z0-9_-]{22}$/

export async function storage([action = "", ...args]: readonly string[]): Promise<void> {
  const options = readOptions(spec, args, short)
  const env = createNodeEnv({ json: false })
  if (action === "random-uuid") print(env.random.uuid())
  else if (action === "info") await info(env, readConfig(options))
  else if (action === "format") await format(env, readConfig(options), options)
  else throw new OptionError("usage: kafka-storage {info,format,random-uuid} ...")
}

function readConfig(options: Options): ServerConfig {
  const path = required(options, "config")
  let properties: string
  try {
    properties = readFileSync(path, "utf8")
  } catch (error) {
    throw new CommandError(`${path} cannot be read: ${(error as Error).message}`)
  }
  const { config, errors } = loadServerConfig({ properties, overrides: {} })
  if (config === undefined || errors.length > 0) throw new CommandError(errors.join("\n"))
  return config
}

async function info(env: Env, config: ServerConfig): Promise<void> {
  const problems: string[] = []
  const found: string[] = []
  let metadata: string | undefined
  for (const path of config.logDirs) {
    if ((await env.disk.stat(path)) === undefined) {
      problems.push(`${path} does not exist`)
      continue
    }
    found.push(path)
    const bytes = await readDurableFile(env.disk, path, metaPropertiesFile)
    const properties = bytes === undefined ? undefined : decodeMetaProperties(bytes)
    if (properties === undefined) problems.push(`${path} is not formatted.`)
    else
      metadata ??= `{cluster.id=${properties.clusterId}, directory.id=${properties.directoryId}, node.id=${properties.nodeId}, version=1}`
  }
  const indented = (lines: readonly string[]) => lines.map((line) => `  ${line}`).join("\n")
  if (found.length > 0) print(`Found log director${found.length === 1 ? "y" : "ies"}:\n${indented(found)}\n`)
  if (metadata !== undefined) print(`Found metadata: ${metadata}\n`)
  if (problems.length === 0) return
  print(`Found problem${problems.length === 1 ? "" : "s"}:\n${indented(problems)}\n`)
  process.exitCode = 1
}

async function format(env: Env, config: ServerConfig, options: Options): Promise<void> {
  const clusterId = options.value("cluster-id")
  if (clusterId === undefined || !uuid.test(clusterId))
    throw new OptionError(
      "argument --cluster-id/-t is required: 22 letters, as kafka-storage.sh random-uuid prints them",
    )
  const isNew = await Promise.all(config.logDirs.map(async (path) => !(await isFormatted(env, path))))
  const fresh = config.logDirs.filter((_, index) => isNew[index])
  const old = config.logDirs.find((_, index) => !isNew[index])
  if (old !== undefined && !options.has("ignore-formatted"))
    throw new CommandError(
      `Log directory ${old} is already formatted. Use --ignore-formatted to ignore this directory and format the others.`,
    )
  const initial = initialControllers(options.value("initial-controllers"))
  checkQuorum(config, options, initial)
  if (fresh.length === 0) return print("All of the log directories are already formatted.")
  const home = config.logDirs.find((path) => path === config.string("metadata.log.dir")) ?? config.logDirs[0]!
  for (const path of fresh) {
    const isHome = path === home
    const lock = await lockDirectory(env, path)
    try {
      const own = isHome ? initial.find(({ id }) => id === config.nodeId) : undefined
      const directoryId = own?.directoryId ?? (await promisedDirectoryId(env, path))
      const voters = options.has("standalone") ? standalone(config, directoryId) : initial
      // As on a first start: who votes, then that the directory belongs to a cluster.
      if (isHome && voters.length > 0) await writeFirstVoters(env, path, voters)
      const properties = { clusterId, nodeId: config.nodeId, directoryId }
      await replaceFile(env.disk, path, metaPropertiesFile, encodeMetaProperties(properties))
      print(`Formatting ${isHome ? "metadata" : "data"} directory ${path}.`)
    } finally {
      await lock.release()
    }
  }
}

type FirstVoter = Parameters<typeof writeFirstVoters>[2][number]

/** `1@host:9093:<id of its directory>`, several with commas. Errors: OptionError. */
export function initialControllers(text: string | undefined, name = "CONTROLLER"): FirstVoter[] {
  if (text === undefined) return []
  return text.split(",").map((part) => {
    const match = /^(\d{1,9})@(?:\[([^\]]+)\]|([^:]+)):(\d{1,5}):([A-Za-z0-9_-]{22})$/.exec(part.trim())
    if (match === null)
      throw new OptionError(`--initial-controllers ${part}: write it as id@host:port:directory-id, several with commas`)
    const [, id, bracketed, host, port, directoryId] = match
    return {
      id: Number(id),
      directoryId: directoryId!,
      endpoints: [{ name, host: bracketed ?? host!, port: Number(port) }],
    }
  })
}

/** A sole voter, which others may join later. */
function standalone(config: ServerConfig, directoryId: string): FirstVoter[] {
  const name = config.listeners.controllerListenerNames[0] ?? "CONTROLLER"
  const server = config.quorum.bootstrapServers[0]
  // Without servers it is its own quorum anyway.
  return server === undefined ? [] : [{ id: config.nodeId, directoryId, endpoints: [{ name, ...server }] }]
}

/** Errors: OptionError, where a formatted node would not know who votes. */
function checkQuorum(config: ServerConfig, options: Options, initial: readonly FirstVoter[]): void {
  if (!config.isController) return
  const { voters, bootstrapServers } = config.quorum
  const ways = ["standalone", "initial-controllers", "no-initial-controllers"].filter((way) => options.has(way))
  if (ways.length > 1) throw new OptionError(`give only one of ${ways.map((way) => `--${way}`).join(", ")}`)
  if (initial.length > 0 && !initial.some(({ id }) => id === config.nodeId))
    throw new OptionError(`--initial-controllers does not name node ${config.nodeId}, which is a controller`)
  if (voters.length > 1 && ways.length === 0)
    throw new OptionError(
      "controller.quorum.voters names several: start the nodes without a format, and they form the cluster by themselves; or say --initial-controllers id@host:port:directory-id,...",
    )
  if (bootstrapServers.length > 0 && ways.length === 0)
    throw new OptionError(
      "Because controller.quorum.voters is not set on this controller, you must specify one of the following: --standalone, --initial-controllers, or --no-initial-controllers; or start the nodes without a format, and they form the cluster by themselves",
    )
}
