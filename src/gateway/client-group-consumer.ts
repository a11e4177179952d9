/**
 * Consumers of groups as the client makes them.
 *
 * Owns one client for each, so that a poll that waits holds up nobody else, and its end.
 */
import { ClientCore } from "../client/core.js"
import type { Env } from "../env/env.js"
import type { OpenGroupConsumer } from "./group-sessions.js"

/** Errors, of the function: ConfigError. */
export const openGroupConsumer =
  (env: Env, bootstrap: readonly string[]): OpenGroupConsumer =>
  (config) => {
    const client = new ClientCore(env, { bootstrap, clientId: "ottla-gateway", allowAutoTopicCreation: false })
    const consumer = client.consumer(config)
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
