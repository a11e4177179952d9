import assert from "node:assert/strict"
import { test } from "node:test"
import { inAdminWorld, inThreeNodes, refusal } from "./testing/admin-world.js"

test("a setting is described with its value, its type and where it comes from", () =>
  inAdminWorld(
    async (_t, admin) => {
      const keys = ["segment.bytes", "retention.ms", "cleanup.policy"]
      await admin.incrementalAlterConfigs([
        { type: "topic", name: "t", changes: [{ name: "retention.ms", value: "5000" }] },
      ])
      const [t, missing] = await admin.describeConfigs(
        [
          { type: "topic", name: "t", keys },
          { type: "topic", name: "missing" },
        ],
        { includeSynonyms: true },
      )
      assert.ok(t!.error === undefined)
      const of = (name: string) => t!.configs.find((each) => each.name === name)!
      assert.deepEqual(
        keys.map((name) => [of(name).value, of(name).source, of(name).type]),
        [
          ["1048576", "static-broker", "int"],
          ["5000", "topic", "long"],
          ["delete", "default", "list"],
        ],
      )
      assert.deepEqual(
        of("segment.bytes").synonyms.map(({ name, source }) => [name, source]),
        [
          ["log.segment.bytes", "static-broker"],
          ["log.segment.bytes", "default"],
        ],
      )
      assert.match(refusal(missing), /^UNKNOWN_TOPIC_OR_PARTITION: topic missing/)
    },
    { settings: { "log.segment.bytes": "1048576" } },
  ))

test("settings are set, added to, and given back; a value that cannot be changes nothing", () =>
  inAdminWorld(async (_t, admin) => {
    const policy = async () => {
      const [t] = await admin.describeConfigs([{ type: "topic", name: "t", keys: ["cleanup.policy", "retention.ms"] }])
      assert.ok(t!.error === undefined)
      return t!.configs.map(({ value }) => value)
    }
    const alter = async (...changes: Parameters<typeof admin.incrementalAlterConfigs>[0][number]["changes"]) =>
      (await admin.incrementalAlterConfigs([{ type: "topic", name: "t", changes }]))[0]
    const before = await policy()
    await alter({ name: "cleanup.policy", operation: "append", value: "compact" })
    assert.deepEqual(await policy(), ["delete,compact", before[1]])
    const refused = await alter(
      { name: "retention.ms", value: "1" },
      { name: "cleanup.policy", operation: "set", value: "sweep" },
    )
    assert.match(refusal(refused), /^INVALID_CONFIG: topic t: .*cleanup\.policy/)
    assert.deepEqual(await policy(), ["delete,compact", before[1]])
    await alter({ name: "cleanup.policy", operation: "delete" })
    assert.deepEqual(await policy(), before)
  }))

test("a broker's own settings are asked of that broker; one that is not there is told with those that are", () =>
  inThreeNodes(async (_t, admin) => {
    const keys = ["node.id"]
    const found = await admin.describeConfigs([
      ...["3", "1", "2"].map((name) => ({ type: "broker", name, keys }) as const),
      { type: "broker", name: "", keys: ["log.retention.ms"] },
      { type: "broker", name: "9", keys },
    ])
    assert.deepEqual(
      found.slice(0, 4).map((each) => each.error ?? each.configs.map(({ value }) => value)),
      [["3"], ["1"], ["2"], []],
    )
    assert.match(refusal(found[4]), /^BROKER_NOT_AVAILABLE: broker 9: it is not running; these are: 1, 2, 3$/)
  }))

test("what can have settings is listed by type", () =>
  inAdminWorld(async (_t, admin) => {
    assert.deepEqual(await admin.listConfigResources(["topic"]), [{ type: "topic", name: "t" }])
    assert.ok((await admin.listConfigResources()).some(({ type, name }) => type === "broker" && name === "1"))
  }))
