/**
 * An outbox reader: what a service has written to a table beside its own data becomes records, in order, none left out.
 *
 * Owns the position in the table, which moves when the rows before it are stored. After a crash the rows since then are sent again: whoever reads them tells them by their id. Here the table is a file with a line of JSON
 * for each row.
 */
import { existsSync } from "node:fs"
import { readFile, rename, writeFile } from "node:fs/promises"
import type { Client } from "ottla/client"

interface Row {
  readonly id: number
  readonly topic: string
  readonly key: string
  readonly payload: unknown
}

const rowsAtOnce = 500

/** Sends the rows that were not sent yet. Resolves with how many there were. */
export async function sendOutbox(client: Client, tablePath: string, positionPath: string): Promise<number> {
  const position = existsSync(positionPath) ? Number(await readFile(positionPath, "utf8")) : 0
  const lines = (await readFile(tablePath, "utf8")).split("\n").filter((line) => line !== "")
  const rows = lines.map((line) => JSON.parse(line) as Row).filter(({ id }) => id > position)
  await using producer = client.producer()
  for (let first = 0; first < rows.length; first += rowsAtOnce) {
    const some = rows.slice(first, first + rowsAtOnce)
    await producer.sendAll(
      some.map(({ id, topic, key, payload }) => ({
        topic,
        key,
        value: JSON.stringify(payload),
        headers: { "outbox-id": String(id) },
      })),
    )
    await writeFile(`${positionPath}.new`, String(some.at(-1)!.id))
    await rename(`${positionPath}.new`, positionPath)
  }
  return rows.length
}
