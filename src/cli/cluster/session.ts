/**
 * One run of an `ottla cluster` command: from its flags to an exit code.
 *
 * Owns the connection's life, what goes to stdout (data) and to stderr (everything else), and the exit codes: 0 done, 1 refused, failed or unhealthy, 2 a wrong argument, 3 what was named is not there.
 */
import { createNodeEnv } from "../../env/node/index.js"
import type { PeerAddress } from "../../net/peer.js"
import { ClusterAdmin, ClusterError } from "./cluster-admin.js"
import type { Progress } from "./moves.js"

export interface ClusterFlags {
  readonly bootstrapServer: string
  readonly json: boolean
}

export interface Session extends Progress {
  readonly admin: ClusterAdmin
}

export interface Told {
  /** For machines; schema as documented in the README. */
  readonly data: unknown
  /** For people. */
  readonly text: readonly string[]
  readonly exitCode?: number
}

const exitFailed = 1
const exitUsage = 2

/** A wrong argument. */
export class UsageError extends Error {
  override name = "UsageError"
}

export const notFound = 3

export async function runCommand(flags: ClusterFlags, command: (session: Session) => Promise<Told>): Promise<void> {
  const say = (line: string) => process.stderr.write(`ottla: ${line}\n`)
  let admin: ClusterAdmin | undefined
  try {
    const addresses = parseServers(flags.bootstrapServer)
    const env = createNodeEnv({ json: false })
    admin = new ClusterAdmin(env, addresses)
    const { data, text, exitCode } = await command({ admin, env, say })
    process.stdout.write(flags.json ? `${JSON.stringify(data, null, 2)}\n` : text.map((line) => `${line}\n`).join(""))
    process.exitCode = exitCode ?? 0
  } catch (error) {
    if (!(error instanceof ClusterError || error instanceof UsageError)) throw error
    say(error.message)
    process.exitCode = error instanceof UsageError ? exitUsage : exitFailed
  } finally {
    admin?.close()
  }
}

export function parseServers(text: string): PeerAddress[] {
  return text.split(",").map((server) => {
    const match = /^\s*(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})\s*$/.exec(server)
    const port = Number(match?.[3])
    if (match === null || port < 1 || port > 65535)
      throw new UsageError(`--bootstrap-server ${server}: write it as host:port, e.g. 127.0.0.1:9092`)
    return { host: match[1] ?? match[2]!, port }
  })
}
