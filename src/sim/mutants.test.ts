import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import { mutated } from "../cli/simulate-mutants.js"
import { mutants } from "./mutants.js"

test("every mutant still fits its place in the built program", () => {
  for (const mutant of mutants) {
    for (const file of new Set(mutant.edits.map((edit) => edit.file))) {
      const text = readFileSync(new URL(`../${file}`, import.meta.url), "utf8")
      assert.notEqual(mutated(mutant, file, text), text, mutant.name)
    }
  }
})

test("mutants have names of their own", () => {
  assert.equal(new Set(mutants.map(({ name }) => name)).size, mutants.length)
})
