/**
 * Asking before something is gone for good.
 *
 * Owns when it is asked: on a terminal, unless --yes. Where nobody can be asked, --yes must be there.
 */
import { createInterface } from "node:readline/promises"
import { CommandError, UsageError } from "./errors.js"

/** Resolves when it may be done. Errors: CommandError where the answer is no, UsageError where nobody can answer. */
export async function confirm(question: string, yes: boolean): Promise<void> {
  if (yes) return
  if (!process.stdin.isTTY || !process.stderr.isTTY)
    throw new UsageError(`${question} Say --yes: nobody can be asked here`)
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  const answer = await lines.question(`${question} [y/N] `)
  lines.close()
  if (!/^y(es)?$/i.test(answer.trim())) throw new CommandError("nothing was done")
}
