/**
 * Consumers of groups as the client makes them.
 *
 * Owns one client for each, so that a poll that waits holds up nobody else, and its end.
 */
import { ClientCore } from "../client/core.js"
import type { Env } from "../env/env.js"
import type { GroupConsumer, OpenGroupConsumer } from "./group-sessions.js"
import { Problem } from "./problem.js"

const isGroupConsumer = (consumer: object): consumer is GroupConsumer =>
  "commit" in consumer && "assignment" in consumer

/** Errors, of the function: Problem 501 where the client has no groups. */
export const openGroupConsumer =
  (env: Env, bootstrap: readonly string[]): OpenGroupConsumer =>
  (config) => {
    const client = new ClientCore(env, { bootstrap, clientId: "ottla-gateway", allowAutoTopicCreation: false })
    const consumer: object = client.consumer(config)
    if (!isGroupConsumer(consumer)) {
      void client.close()
      throw new Problem({
        status: 501,
        slug: "no-groups",
        title: "There are no groups here",
        detail: "the client of this gateway cannot be a member of a group",
        remedy:
          "read without a group: GET /topics/{topic}/partitions/{partition}/records or GET /topics/{topic}/stream",
        kafka: "UNSUPPORTED_VERSION",
      })
    }
    return {
      get assignment() {
        return consumer.assignment
      },
      poll: (options) => consumer.poll(options),
      commit: (offsets) => consumer.commit(offsets),
      seek: (topic, partition, to) => consumer.seek(topic, partition, to),
      close: () => client.close(),
    }
  }
