/**
 * One run of a command that talks to a cluster: from its flags to an exit code.
 *
 * Owns the client's life, what goes to stdout (data) and to stderr (everything else), and which error is which exit code.
 */
import { type Admin, Client } from "../client/index.js"
import { isNotFound } from "../client/admin/routing.js"
import { ClientError, ConfigError, TimeoutError } from "../client/errors.js"
import type { Env } from "../env/env.js"
import { createNodeEnv } from "../env/node/index.js"
import { CommandError, exitCodes } from "./errors.js"

export interface SessionFlags {
  readonly bootstrapServer: string
}

export interface Session {
  readonly client: Client
  readonly admin: Admin
  readonly env: Env
  /** One line for whoever watches. */
  say(line: string): void
}

/** How long a request of a command is tried. */
export const commandTimeoutMs = 15_000
/** Timers do not keep the process alive, a command that waits does. */
const keepAliveMs = 2 ** 30

/** Runs a command; what it returns is the exit code, 0 if nothing. Never rejects for what a user can cause. */
export async function runSession(
  flags: SessionFlags,
  command: (session: Session) => Promise<number | undefined>,
): Promise<void> {
  const alive = setInterval(() => {}, keepAliveMs)
  let client: Client | undefined
  try {
    client = new Client({ bootstrap: flags.bootstrapServer, clientId: "ottla-cli", allowAutoTopicCreation: false })
    const admin = client.admin({ timeoutMs: commandTimeoutMs })
    process.exitCode = (await command({ client, admin, env: createNodeEnv({ json: false }), say })) ?? exitCodes.ok
  } catch (error) {
    const code = exitCodeOf(error)
    if (code === undefined) throw error
    say((error as Error).message)
    process.exitCode = code
  } finally {
    clearInterval(alive)
    await client?.close()
  }
}

export const say = (line: string): void => {
  process.stderr.write(`ottla: ${line}\n`)
}

/** Undefined: a fault of the command. */
export function exitCodeOf(error: unknown): number | undefined {
  if (error instanceof CommandError) return error.exitCode
  if (error instanceof TimeoutError) return exitCodes.timedOut
  if (error instanceof ConfigError) return exitCodes.usage
  if (isNotFound(error)) return exitCodes.notFound
  return error instanceof ClientError ? exitCodes.failed : undefined
}
