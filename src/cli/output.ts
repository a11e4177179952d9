/**
 * What a command prints: a table for people, JSON for programs, names for pipes.
 *
 * Owns the forms (`-o`), how what became of several items is told, and the exit code that follows from it. Data goes to stdout, the rest to stderr.
 */
import { BrokerError, type ClientError } from "../client/errors.js"
import { isNotFound } from "../client/admin/routing.js"
import { exitCodes } from "./errors.js"
import type { OutputForm } from "./forms.js"
import { table } from "./text.js"

export interface Column<Row> {
  readonly head: string
  of(row: Row): string
}

export interface Listing<Row> {
  readonly rows: readonly Row[]
  readonly columns: readonly Column<Row>[]
  nameOf(row: Row): string
  /** For people, where there are no rows. */
  readonly none: string
}

/** JSON has no large integers: offsets are numbers, and those above 2^53 would be texts. */
const plain = (_key: string, value: unknown): unknown =>
  typeof value === "bigint" ? (value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : String(value)) : value

export const jsonText = (value: unknown, indent?: number): string => JSON.stringify(value, plain, indent)

/** Lines in one of the forms. */
export function listingLines<Row>({ rows, columns, nameOf, none }: Listing<Row>, form: OutputForm): string[] {
  switch (form) {
    case "json":
      return [jsonText(rows, 2)]
    case "jsonl":
      return rows.map((row) => jsonText(row))
    case "name":
      return rows.map(nameOf)
    case "table":
      if (rows.length === 0) return none === "" ? [] : [none]
      return table(
        columns.map(({ head }) => head),
        rows.map((row) => columns.map(({ of }) => of(row))),
      )
  }
}

export function printLines(lines: readonly string[]): void {
  if (lines.length > 0) process.stdout.write(`${lines.join("\n")}\n`)
}

export const printListing = <Row>(listing: Listing<Row>, form: OutputForm): void =>
  printLines(listingLines(listing, form))

/** One of several items that a command changed, or was to change. */
export interface Change {
  readonly name: string
  /** For people, of one that was done. */
  readonly done: string
  /** For programs, beside the name and the error. */
  readonly data?: object
  readonly error?: ClientError | undefined
}

/** Of one item: `error` is Kafka's name of it, or null. */
export const changeData = ({ name, data, error }: Change): object => ({
  name,
  ...data,
  error: error?.code ?? null,
  message: error?.message ?? null,
})

/** Tells of each item what became of it; refusals go to stderr. Returns the exit code. */
export function tellChanges(changes: readonly Change[], form: OutputForm, say: (line: string) => void): number {
  for (const { error } of changes) if (error !== undefined) say(error.message)
  const done = changes.filter(({ error }) => error === undefined)
  if (form === "json") printLines([jsonText(changes.map(changeData), 2)])
  else if (form === "jsonl") printLines(changes.map((each) => jsonText(changeData(each))))
  else printLines(done.map((each) => (form === "name" ? each.name : each.done)))
  return exitCodeOfAll(changes.map(({ error }) => error))
}

/** Some done and some not: partial. None done: not found where that is all there was to say. */
export function exitCodeOfAll(errors: readonly (ClientError | undefined)[]): number {
  const failed = errors.filter((error) => error !== undefined)
  if (failed.length === 0) return exitCodes.ok
  if (failed.length < errors.length) return exitCodes.partial
  return failed.every((error) => error instanceof BrokerError && isNotFound(error))
    ? exitCodes.notFound
    : exitCodes.failed
}
