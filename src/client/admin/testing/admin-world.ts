/**
 * An admin and brokers in the simulated world, for tests that read as stories.
 *
 * Owns the harness: one broker, or three nodes with a client beside them. Time is virtual.
 */
import assert from "node:assert/strict"
import { type BrokerWorld, type BrokerWorldOptions, inBrokerWorld } from "../../../broker/testing/broker-world.js"
import { type ClusterWorld, inClusterWorld } from "../../../broker/testing/cluster-world.js"
import { ClientCore } from "../../core.js"
import type { ClientError } from "../../errors.js"
import type { Admin } from "../admin.js"

/** A broker with a topic "t" of two partitions, and an admin on another machine. */
export const inAdminWorld = (
  story: (t: BrokerWorld, admin: Admin, client: ClientCore) => Promise<void>,
  options: BrokerWorldOptions = {},
): Promise<void> =>
  inBrokerWorld(
    async (t) => {
      await t.createTopic("t", 2)
      const client = new ClientCore(t.clients.env, { bootstrap: `${t.node.address}:9092` })
      await story(t, client.admin(), client)
      await client.close()
      assert.deepEqual(t.fatal, [])
    },
    {
      ...options,
      settings: { "offsets.topic.num.partitions": "3", "group.initial.rebalance.delay.ms": "0", ...options.settings },
    },
  )

/** Three nodes, each broker and controller, and an admin that was told of the first. */
export const inThreeNodes = (
  story: (t: ClusterWorld, admin: Admin, client: ClientCore) => Promise<void>,
): Promise<void> =>
  inClusterWorld([1, 2, 3], async (t) => {
    await t.startAll({
      "controller.quorum.voters": t.voters([1, 2, 3]),
      "default.replication.factor": "3",
      "offsets.topic.replication.factor": "3",
      "offsets.topic.num.partitions": "3",
    })
    const client = new ClientCore(t.clients.env, { bootstrap: `${t.addressOf(1)}:9092` })
    await story(t, client.admin(), client)
    await client.close()
  })

/** The message of a result's error; what was refused must say why. */
export function refusal(result: { readonly error?: ClientError | undefined } | undefined): string {
  assert.ok(result?.error !== undefined, "it was not refused")
  return `${result.error.code}: ${result.error.message}`
}

export const errorOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => "done",
    ({ code, message }: ClientError) => `${code}: ${message}`,
  )
