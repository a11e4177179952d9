import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import type { ConfigEntry } from "./config-entry.js"
import { type ConfigScope, configEntry, configTables } from "./config-tables.js"
import { parseConfig } from "./parse.js"
import { supportedConfigs } from "./supported-configs.js"

/** Kafka 4.3.1's settings, taken from its ConfigDef objects. */
const kafka = JSON.parse(readFileSync(join(process.cwd(), "src/config/testdata/configs.json"), "utf8")) as (Record<
  string,
  unknown
> & { scope: ConfigScope; name: string; required?: boolean; default?: string | null })[]

for (const scope of ["broker", "topic", "group", "client-metrics"] as const) {
  test(`the ${scope} settings are Kafka's, name by name, and what is new is prefixed`, () => {
    const theirs = kafka
      .filter((entry) => entry.scope === scope)
      .map(({ scope: _, required, ...entry }) => ({ ...entry, default: required ? undefined : entry.default }))
    const ours = configTables[scope].filter(({ name }) => !name.startsWith("ottla."))
    assert.deepEqual(ours, theirs)
    assert.equal(new Set(configTables[scope].map(({ name }) => name)).size, configTables[scope].length)
  })

  test(`every default of a ${scope} setting is valid by its own entry`, () => {
    // An unset quorum is how Kafka says "the other of the two is set".
    const emptyMeansUnset = new Set(["controller.quorum.bootstrap.servers", "controller.quorum.voters"])
    for (const entry of configTables[scope]) {
      if (entry.default === undefined || emptyMeansUnset.has(entry.name)) continue
      const parsed = parseConfig(entry, entry.default)
      assert.ok(parsed.ok, `${entry.name}: ${JSON.stringify(parsed)}`)
    }
  })
}

test("names that point to other settings point to settings", () => {
  const references = (entry: ConfigEntry) => [
    ...(entry.serverDefault === undefined ? [] : [entry.serverDefault]),
    ...(entry.synonyms ?? []).map((synonym) => synonym.split(" * ")[0]!),
  ]
  const names = [...configTables.broker, ...configTables.topic, ...configTables.group].flatMap(references)
  assert.deepEqual(
    [...names, ...supportedConfigs].filter((name) => configEntry("broker", name) === undefined),
    [],
  )
})
