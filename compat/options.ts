/** Command-line words and `--name value` options. */
export function parseOptions(args: readonly string[]): { words: string[]; options: Record<string, string> } {
  const words: string[] = []
  const options: Record<string, string> = {}
  for (let i = 0; i < args.length; i++) {
    const argument = args[i]!
    if (!argument.startsWith("--")) words.push(argument)
    else if (argument.includes("=")) {
      options[argument.slice(2, argument.indexOf("="))] = argument.slice(argument.indexOf("=") + 1)
    } else if (args[i + 1] === undefined || args[i + 1]!.startsWith("--")) options[argument.slice(2)] = "true"
    else options[argument.slice(2)] = args[++i]!
  }
  return { words, options }
}

/** Errors: throws when it is given and no positive integer. */
export function positive(options: Readonly<Record<string, string>>, name: string, byDefault: number): number {
  const text = options[name]
  if (text === undefined) return byDefault
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value <= 0) throw new Error(`--${name} ${text} is not a positive integer`)
  return value
}
