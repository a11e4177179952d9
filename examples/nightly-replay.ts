/**
 * A nightly replay: yesterday's records once more, to build something anew, without touching anybody's offsets.
 *
 * Owns the span: it begins with the first record of it, and ends with the last that was there when it began.
 */
import type { Client, ConsumerRecord } from "ottla/client"
import { endsOf, readToEnd } from "./read-to-end.js"

/** Hands out the records with a timestamp from `fromMs` on and before `toMs` (milliseconds since 1970), each partition in its order. Resolves with their number. */
export async function replay(
  client: Client,
  topic: string,
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
  take: (record: ConsumerRecord) => void,
): Promise<number> {
  let count = 0
  for await (const record of readToEnd(client, topic, { timestamp: fromMs }, await endsOf(client, topic))) {
    if (record.timestamp < fromMs || record.timestamp >= toMs) continue
    take(record)
    count += 1
  }
  return count
}
