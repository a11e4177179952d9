/**
 * A group of one, for tests: reads all partitions of its topics, and commits to the real coordinator as a client that assigns partitions to itself does.
 *
 * Owns no rules of groups: what is tested with it is what the gateway makes of a consumer.
 */
import assert from "node:assert/strict"
import { ClientCore } from "../../client/core.js"
import { parseBootstrap } from "../../client/options.js"
import type { Env } from "../../env/env.js"
import { offsetCommit } from "../../protocol/messages/offset-commit.js"
import type { OpenGroupConsumer } from "../group-sessions.js"
import { Lookup } from "../lookup.js"

export const openPlainGroupConsumer =
  (env: Env, bootstrap: string): OpenGroupConsumer =>
  ({ groupId, topics, from }) => {
    const lookup = new Lookup(env, parseBootstrap(bootstrap), 15_000)
    const client = new ClientCore(env, { bootstrap })
    const consumer = client.consumer({ topics, from })
    const assigned = () =>
      topics.flatMap((topic) => (lookup.known(topic)?.partitions ?? []).map((_, partition) => ({ topic, partition })))
    assigned()
    return {
      get assignment() {
        return assigned()
      },
      poll: (options) => consumer.poll(options),
      seek: (topic, partition, to) => consumer.seek(topic, partition, to),
      async commit(offsets) {
        const answer = await lookup.askCoordinator(
          groupId,
          offsetCommit,
          {
            groupId,
            generationIdOrMemberEpoch: -1,
            memberId: "",
            topics: offsets.map(({ topic, partition, offset }) => ({
              name: topic,
              topicId: lookup.known(topic)!.topicId,
              partitions: [{ partitionIndex: partition, committedOffset: Number(offset), committedMetadata: "" }],
            })),
          },
          ({ topics: [first] }) => first!.partitions[0]!.errorCode,
        )
        for (const topic of answer.topics)
          for (const partition of topic.partitions) assert.equal(partition.errorCode, 0)
      },
      async close() {
        await client.close()
        lookup.close()
      },
    }
  }
