/**
 * `kafka-server-start.sh`.
 *
 * Owns its flags. The start is that of `ottla server start`.
 */
import { spawn } from "node:child_process"
import { startServer } from "../server-start.js"
import { OptionError } from "./options.js"

const usage = "USAGE: kafka-server-start.sh [-daemon] server.properties [--override property=value]* [--insecure]"

export async function serverStart(args: readonly string[]): Promise<void> {
  if (args.includes("-daemon")) return startInBackground(args.filter((arg) => arg !== "-daemon"))
  const { config, set, insecure } = parseArguments(args)
  await startServer({ config, set, insecure, brokers: 1, log: "text" })
}

/** Errors: OptionError, which says how it is used. */
export function parseArguments(args: readonly string[]): { config: string; set: string[]; insecure: boolean } {
  let config: string | undefined
  const set: string[] = []
  let insecure = false
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!
    if (arg === "--insecure") insecure = true
    else if (arg === "--override") {
      const setting = args[++at]
      if (setting === undefined) throw new OptionError(usage)
      set.push(setting)
    } else if (arg.startsWith("-") || config !== undefined) throw new OptionError(usage)
    else config = arg
  }
  if (config === undefined) throw new OptionError(usage)
  return { config, set, insecure }
}

function startInBackground(args: readonly string[]): void {
  parseArguments(args)
  const child = spawn(process.execPath, [process.argv[1]!, "kafka", "server-start", ...args], {
    detached: true,
    stdio: "ignore",
  })
  child.unref()
}
