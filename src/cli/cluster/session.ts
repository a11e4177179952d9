/**
 * One run of an `ottla cluster` command: what it tells, to people or to machines.
 *
 * Owns the shape of what these commands tell. The way to the cluster and the exit codes are `../session.ts`.
 */
import type { Env } from "../../env/env.js"
import type { Admin } from "../../client/index.js"
import { runSession, type SessionFlags } from "../session.js"

export interface ClusterFlags extends SessionFlags {
  readonly json: boolean
}

export interface Session {
  readonly admin: Admin
  readonly env: Env
  /** One line for whoever watches. */
  say(line: string): void
}

export interface Told {
  /** For machines; schema as documented in the README. */
  readonly data: unknown
  /** For people. */
  readonly text: readonly string[]
  readonly exitCode?: number
}

export const runCommand = (flags: ClusterFlags, command: (session: Session) => Promise<Told>): Promise<void> =>
  runSession(flags, async (session) => {
    const { data, text, exitCode } = await command(session)
    process.stdout.write(flags.json ? `${JSON.stringify(data, null, 2)}\n` : text.map((line) => `${line}\n`).join(""))
    return exitCode
  })
