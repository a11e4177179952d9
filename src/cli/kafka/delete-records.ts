/**
 * `kafka-delete-records.sh`.
 *
 * Owns its flags and lines, and the form of its file.
 */
import { readFileSync } from "node:fs"
import { CommandError } from "../errors.js"
import { readOptions, required } from "./options.js"
import { exceptionText, print, withCluster } from "./tool.js"

export async function deleteRecords(args: readonly string[]): Promise<void> {
  const options = readOptions({ "bootstrap-server": "value", "offset-json-file": "value" }, args)
  const path = required(options, "offset-json-file")
  const wanted = parseOffsets(readText(path))
  await withCluster(options, async ({ admin }) => {
    print("Executing records delete operation")
    const told = await admin.deleteRecords(wanted)
    print("Records delete operation completed:")
    for (const each of told) {
      const name = `${each.topic}-${each.partition}`
      print(
        each.error === undefined
          ? `partition: ${name}\tlow_watermark: ${each.logStartOffset}`
          : `partition: ${name}\terror: ${exceptionText(each.error)}`,
      )
    }
    return undefined
  })
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8")
  } catch (error) {
    throw new CommandError(`${path} cannot be read: ${(error as Error).message}`)
  }
}

/** Errors: CommandError, with the form that is expected. */
export function parseOffsets(text: string): { topic: string; partition: number; before: bigint | "latest" }[] {
  const wrong = (reason: string) =>
    new CommandError(
      `${reason}; the file is {"partitions":[{"topic":"t","partition":0,"offset":1}],"version":1}, where the offset -1 means all records`,
    )
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw wrong((error as Error).message)
  }
  const { partitions, version = 1 } = Object(parsed) as { partitions?: unknown; version?: unknown }
  if (version !== 1) throw wrong(`Not supported version field value ${String(version)}`)
  if (!Array.isArray(partitions)) throw wrong("Missing partitions field")
  const seen = new Set<string>()
  return partitions.map((each: unknown) => {
    const { topic, partition, offset } = Object(each) as Record<string, unknown>
    if (typeof topic !== "string" || !Number.isInteger(partition) || !Number.isInteger(offset) || Number(offset) < -1)
      throw wrong(`${JSON.stringify(each)} is no partition with its offset`)
    const name = `${topic}-${String(partition)}`
    if (seen.has(name)) throw wrong(`Offset json file contains duplicate topic partitions: ${name}`)
    seen.add(name)
    return { topic, partition: Number(partition), before: offset === -1 ? "latest" : BigInt(Number(offset)) }
  })
}
