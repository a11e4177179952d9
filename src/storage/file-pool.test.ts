import assert from "node:assert/strict"
import { test } from "node:test"
import type { File } from "../env/env.js"
import { FilePool } from "./file-pool.js"

class Opened {
  readonly open: string[] = []
  opens = 0
  opener(name: string): () => Promise<File> {
    return async () => {
      this.opens++
      this.open.push(name)
      return { path: name, close: async () => void this.open.splice(this.open.indexOf(name), 1) } as unknown as File
    }
  }
}

test("a file is opened once for all who ask, and closed when there is no room and nobody holds it", async () => {
  const opened = new Opened()
  const pool = new FilePool(2)
  const [a, b, c] = [{}, {}, {}]
  const [first, second] = await Promise.all([pool.acquire(a, opened.opener("a")), pool.acquire(a, opened.opener("a"))])
  assert.equal(first, second)
  assert.equal(opened.opens, 1)
  const other = await pool.acquire(b, opened.opener("b"))
  const third = await pool.acquire(c, opened.opener("c"))
  assert.equal(pool.openFiles, 3)
  other.release()
  assert.deepEqual(opened.open, ["a", "c"])
  first.release()
  second.release()
  third.release()
  assert.deepEqual(opened.open, ["a", "c"])
  assert.equal(pool.acquireOpen(b), undefined)
})

test("a retired file stays open for its holders only", async () => {
  const opened = new Opened()
  const pool = new FilePool(2)
  const key = {}
  const held = await pool.acquire(key, opened.opener("old"))
  pool.retire(key)
  assert.equal(pool.acquireOpen(key), undefined)
  assert.deepEqual(opened.open, ["old"])
  held.release()
  assert.deepEqual(opened.open, [])
})

test("a failed open is told to all who wait, and tried again by the next", async () => {
  const opened = new Opened()
  const pool = new FilePool(2)
  const key = {}
  const failing = async (): Promise<File> => {
    throw new Error("EMFILE")
  }
  const results = await Promise.allSettled([pool.acquire(key, failing), pool.acquire(key, failing)])
  assert.deepEqual(
    results.map(({ status }) => status),
    ["rejected", "rejected"],
  )
  assert.ok(await pool.acquire(key, opened.opener("a")))
})
