/**
 * Dead letters: what cannot be processed is put aside with the reason, and sent again when that is mended.
 *
 * Owns the order of things: a record is stored among the dead letters before its offset is committed, and back in its topic before it is deleted from them. A crash in between leaves it in both, and never in neither.
 */
import type { Client, ConsumerRecord } from "ottla/client"
import { endsOf, readToEnd } from "./read-to-end.js"

export const deadLettersOf = (topic: string): string => `${topic}.dead-letters`

/** Processes a topic as a member of a group, until `signal` aborts; what `work` throws at goes to the topic's dead letters. */
export async function processOrPutAside(
  client: Client,
  { topic, groupId, signal }: { readonly topic: string; readonly groupId: string; readonly signal: AbortSignal },
  work: (record: ConsumerRecord) => Promise<void>,
): Promise<void> {
  await using producer = client.producer()
  await using consumer = client.consumer({ groupId, topics: [topic], from: "earliest" })
  await consumer.run(
    async (record) => {
      try {
        await work(record)
      } catch (error) {
        await producer.send({
          topic: deadLettersOf(topic),
          key: record.key,
          value: record.value,
          headers: {
            reason: error instanceof Error ? error.message : String(error),
            source: `${record.topic}-${record.partition}@${record.offset}`,
          },
        })
      }
    },
    { concurrency: 4, order: "key", signal },
  )
}

/** Sends the dead letters that are there now back to their topic, and deletes them. Resolves with how many there were. */
export async function redrive(client: Client, topic: string): Promise<number> {
  const deadLetters = deadLettersOf(topic)
  const ends = await endsOf(client, deadLetters)
  await using producer = client.producer()
  let count = 0
  for await (const { key, value } of readToEnd(client, deadLetters, "earliest", ends)) {
    await producer.send({ topic, key, value })
    count += 1
  }
  await using admin = client.admin()
  const deleted = await admin.deleteRecords(
    [...ends].map(([partition, before]) => ({ topic: deadLetters, partition, before })),
  )
  for (const { error } of deleted) if (error !== undefined) throw error
  return count
}
