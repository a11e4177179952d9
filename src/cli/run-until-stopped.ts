/**
 * From a signal to a clean stop.
 *
 * Owns signals and exit codes of whatever runs in the foreground: 0 stopped as asked, 1 not cleanly; a second signal ends it at once.
 */
import type { Env } from "../env/env.js"

/** How long a clean stop may take before the second way out: the next start recovers. */
const stopTimeoutMs = 60_000

/** `stopAll` resolves with whether it was clean. */
export function runUntilStopped(env: Env, stopAll: () => Promise<boolean>): void {
  const stopping = new AbortController()
  const stop = (signal: string) => {
    if (stopping.signal.aborted) process.exit(1)
    stopping.abort()
    env.log.log("info", "stopping", { signal })
    setTimeout(() => process.exit(1), stopTimeoutMs).unref()
    stopAll().then(
      (clean) => process.exit(clean ? 0 : 1),
      (error: unknown) => {
        process.stderr.write(
          `ottla: the stop was not clean: ${error instanceof Error ? error.message : String(error)}\n`,
        )
        process.exit(1)
      },
    )
  }
  process.on("SIGINT", stop)
  process.on("SIGTERM", stop)
}
