/**
 * Why a command ends with something else than 0.
 *
 * Owns the exit codes and the errors that carry them. What brokers and connections say comes as errors of the client; these are the command's own.
 */

/** What `$?` is. Programs rely on these. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, notFound: 3, partial: 4, timedOut: 124 } as const

/** It was refused, or failed. The message is for whoever typed the command, and says what to do. */
export class CommandError extends Error {
  override name = "CommandError"
  constructor(
    message: string,
    readonly exitCode: number = exitCodes.failed,
  ) {
    super(message)
  }
}

/** A wrong argument. */
export class UsageError extends CommandError {
  override name = "UsageError"
  constructor(message: string) {
    super(message, exitCodes.usage)
  }
}

/** What was named is not there. */
export class NotFoundError extends CommandError {
  override name = "NotFoundError"
  constructor(message: string) {
    super(message, exitCodes.notFound)
  }
}
