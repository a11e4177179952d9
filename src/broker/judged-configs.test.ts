import assert from "node:assert/strict"
import { test } from "node:test"
import { Errors } from "../protocol/errors.js"
import { alterConfigs } from "../protocol/messages/alter-configs.js"
import { incrementalAlterConfigs } from "../protocol/messages/incremental-alter-configs.js"
import { inClusterWorld } from "./testing/cluster-world.js"

const broker = 4
const set = (resourceName: string) => ({
  resourceType: broker,
  resourceName,
  configs: [{ name: "log.retention.ms", configOperation: 0, value: "1000000" }],
})

test("the settings of a broker are altered through that broker; what else was asked for is decided all the same", async () => {
  await inClusterWorld([1, 2, 3], async (t) => {
    await t.startAll({ "controller.quorum.bootstrap.servers": t.servers([1, 2, 3]) })
    for (const id of [1, 2, 3]) {
      for (const version of [0, 1]) {
        const { responses } = await t.ask(
          id,
          incrementalAlterConfigs,
          { resources: [set("1"), set("2"), set(""), set("x")], validateOnly: false },
          { version },
        )
        const expected = [1, 2].map((each) => (each === id ? Errors.NONE : Errors.INVALID_REQUEST))
        assert.deepEqual(
          responses.map(({ errorCode }) => errorCode),
          [...expected, Errors.NONE, Errors.INVALID_REQUEST],
        )
        assert.deepEqual(
          responses.map(({ resourceName }) => resourceName),
          ["1", "2", "", "x"],
        )
      }
      const { responses } = await t.ask(id, alterConfigs, {
        resources: [set(id === 1 ? "2" : "1")],
        validateOnly: true,
      })
      assert.equal(responses[0]!.errorCode, Errors.INVALID_REQUEST)
      assert.match(responses[0]!.errorMessage!, new RegExp(`expected ${id}, but received`))
    }
  })
})
