/**
 * What the command line of the benchmark says.
 *
 * Owns names of options and their defaults; knows nothing of what they do. A wrong option is a `UsageError` with a sentence.
 */
export class UsageError extends Error {
  override name = "UsageError"
}

export interface Options {
  /** Rows or groups to run; empty: all of them. */
  readonly names: readonly string[]
  /** Pairs of runs; every figure is the median of them. */
  readonly runs: number
  readonly quick: boolean
  /** Folder with Apache Kafka's jars in `libs/`; "none": Ottla alone; undefined: fetch the jars. */
  readonly peer: string | undefined
  /** Path of rdkafka_performance; "typescript": our own; undefined: build the former, or else take the latter. */
  readonly generator: string | undefined
  /** Where brokers keep their data during a run. */
  readonly data: string | undefined
  /** Said beside the figures of this run. */
  readonly note: string | undefined
}

export const usage = `npm run bench [-- names...] [--runs N] [--quick] [--peer DIR|none] [--generator PATH|typescript] [--data DIR] [--note TEXT]`

const runsDefault = 5
const runsQuick = 3

export function parseOptions(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Options {
  const names: string[] = []
  const given = new Map<string, string>()
  let quick = false
  for (let index = 0; index < args.length; index++) {
    const argument = args[index]!
    if (argument === "--quick") quick = true
    else if (["--runs", "--peer", "--generator", "--data", "--note"].includes(argument)) {
      const value = args[++index]
      if (value === undefined) throw new UsageError(`${argument} wants a value`)
      given.set(argument, value)
    } else if (argument.startsWith("-")) throw new UsageError(`there is no option ${argument}`)
    else names.push(argument)
  }
  const runs = Number(given.get("--runs") ?? (quick ? runsQuick : runsDefault))
  if (!Number.isInteger(runs) || runs < 1)
    throw new UsageError(`--runs wants a whole number, not ${given.get("--runs")}`)
  return {
    names,
    runs,
    quick,
    peer: given.get("--peer") ?? environment.OTTLA_KAFKA,
    generator: given.get("--generator") ?? environment.OTTLA_RDKAFKA_PERFORMANCE,
    data: given.get("--data"),
    note: given.get("--note"),
  }
}
