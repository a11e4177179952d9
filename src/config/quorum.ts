/**
 * Who keeps the metadata: `controller.quorum.voters`, `controller.quorum.bootstrap.servers` and the roles around them.
 *
 * Owns their grammar and the rules between them and `process.roles`, `node.id`, `listeners`. Source: Kafka's QuorumConfig, KafkaConfig.validateValues; KIP-595, KIP-853.
 */
import type { Listeners } from "./listeners.js"

export interface QuorumServer {
  readonly host: string
  readonly port: number
}

export interface QuorumVoter extends QuorumServer {
  readonly id: number
}

export interface QuorumConfig {
  /** The static voters, by id. Empty: a node that is controller and broker is its own quorum, others ask the bootstrap servers. */
  readonly voters: readonly QuorumVoter[]
  readonly bootstrapServers: readonly QuorumServer[]
}

export interface QuorumSettings {
  readonly nodeId: number
  readonly roles: readonly string[]
  readonly voters: readonly string[]
  readonly bootstrapServers: readonly string[]
  readonly autoJoin: boolean
  readonly listeners: Listeners
}

const serverPattern = /^(?:\[([0-9a-fA-F:.%]+)\]|([^:[\]/\s@]+)):(\d{1,5})$/

/** Everything wrong goes to `errors` as a sentence that names the setting; the result is usable only if none was added. */
export function resolveQuorum(settings: QuorumSettings, errors: string[]): QuorumConfig {
  const before = errors.length
  const voters = readVoters(settings.voters, errors)
  const bootstrapServers = settings.bootstrapServers.flatMap((text) => {
    const server = readServer(text)
    if (server === undefined)
      errors.push(`controller.quorum.bootstrap.servers: ${text} is not host:port, for example 127.0.0.1:9093`)
    return server ?? []
  })
  if (errors.length === before) checkRoles(settings, voters, bootstrapServers, errors)
  return { voters, bootstrapServers }
}

function readServer(text: string): QuorumServer | undefined {
  const match = serverPattern.exec(text)
  const port = Number(match?.[3])
  return match === null || port > 65535 ? undefined : { host: match[1] ?? match[2]!, port }
}

function readVoters(texts: readonly string[], errors: string[]): QuorumVoter[] {
  const voters: QuorumVoter[] = []
  for (const text of texts) {
    const at = text.indexOf("@")
    const server = readServer(text.slice(at + 1))
    if (!/^\d{1,9}$/.test(text.slice(0, Math.max(0, at))) || server === undefined) {
      errors.push(`controller.quorum.voters: ${text} is not id@host:port, for example 1@127.0.0.1:9093`)
      continue
    }
    const voter = { id: Number(text.slice(0, at)), ...server }
    if (voters.some(({ id }) => id === voter.id)) errors.push(`controller.quorum.voters: ${voter.id} is there twice`)
    else if (voters.some(({ host, port }) => host === voter.host && port === voter.port))
      errors.push(`controller.quorum.voters: ${voter.host}:${voter.port} is the address of two voters`)
    else voters.push(voter)
  }
  return voters.sort((a, b) => a.id - b.id)
}

function checkRoles(
  settings: QuorumSettings,
  voters: readonly QuorumVoter[],
  bootstrapServers: readonly QuorumServer[],
  errors: string[],
): void {
  const { nodeId, roles, listeners } = settings
  const ids = voters.map(({ id }) => id).join(", ")
  const isVoter = voters.some(({ id }) => id === nodeId)
  const controllerListeners = listeners.listeners.filter(({ name }) => listeners.controllerListenerNames.includes(name))
  if (!roles.includes("controller")) {
    if (isVoter)
      errors.push(
        `controller.quorum.voters names node ${nodeId} as a voter, and process.roles=${roles.join(",")} does not hold controller; add the role or remove the voter`,
      )
    if (voters.length === 0 && bootstrapServers.length === 0)
      errors.push(
        "controller.quorum.voters: a node that is no controller must be told where they are; set it, or controller.quorum.bootstrap.servers",
      )
    return
  }
  if (settings.autoJoin && voters.length > 0)
    errors.push(
      "controller.quorum.auto.join.enable: controller.quorum.voters says who votes, and nobody joins; remove it and set controller.quorum.bootstrap.servers, or set this to false",
    )
  if (voters.length > 0 && !isVoter)
    errors.push(
      `controller.quorum.voters names ${ids} and not this node (node.id=${nodeId}), whose process.roles hold controller`,
    )
  if (!roles.includes("broker") && controllerListeners.length < listeners.listeners.length)
    errors.push(
      `listeners: a node that is a controller only has controller listeners only (controller.listener.names=${listeners.controllerListenerNames.join(",")})`,
    )
  const hasPeers = voters.length > 1 || bootstrapServers.length > 0 || !roles.includes("broker")
  if (hasPeers && controllerListeners.length === 0)
    errors.push(
      `listeners: other nodes must reach this controller; add one of controller.listener.names, for example ${listeners.controllerListenerNames[0] ?? "CONTROLLER"}://127.0.0.1:${voters.find(({ id }) => id === nodeId)?.port ?? 9093}`,
    )
}
