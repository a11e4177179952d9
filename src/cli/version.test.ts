import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import { version } from "./version.js"

test("the command's version is the package's", () => {
  assert.equal(version, (JSON.parse(readFileSync("package.json", "utf8")) as { version: string }).version)
})
