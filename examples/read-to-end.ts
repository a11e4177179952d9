/**
 * Reads a topic as far as it goes now, without a group and without touching anybody's offsets.
 *
 * Owns where the end is: what is appended after the first look is left out.
 */
import type { Client, ConsumerConfig, ConsumerRecord } from "ottla/client"

/** Where the next record of each partition will be. */
export async function endsOf(client: Client, topic: string): Promise<Map<number, bigint>> {
  await using admin = client.admin()
  const [described] = await admin.describeTopics([topic])
  if (described === undefined || described.error !== undefined) throw described?.error
  const queries = described.partitions.map(({ partition }) => ({ topic, partition }))
  const ends = new Map<number, bigint>()
  for (const found of await admin.listOffsets(queries)) {
    if (found.error !== undefined) throw found.error
    ends.set(found.partition, found.offset)
  }
  return ends
}

/** Hands out what is before `ends`, each partition in its order. */
export async function* readToEnd(
  client: Client,
  topic: string,
  from: NonNullable<ConsumerConfig["from"]>,
  ends: ReadonlyMap<number, bigint>,
): AsyncGenerator<ConsumerRecord> {
  const open = new Map(ends)
  await using consumer = client.consumer({ topics: [topic], from })
  while (open.size > 0) {
    for (const record of await consumer.poll({ timeoutMs: 500 }))
      if (record.offset < (open.get(record.partition) ?? 0n)) yield record
    for (const [partition, end] of open)
      if ((consumer.position(topic, partition) ?? -1n) >= end) open.delete(partition)
  }
}
