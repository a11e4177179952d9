import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { test } from "node:test"
import { fileURLToPath } from "node:url"
import { inOrder } from "./simulate-jobs.js"

/** Tasks that end when they are told to. */
class Tasks {
  readonly delivered: number[] = []
  readonly begun: number[] = []
  readonly #ends = new Map<number, (result: number) => void>()
  readonly all: Promise<void>

  constructor(count: number, workers: number, last = Number.POSITIVE_INFINITY) {
    let task = 0
    const worker = (each: number) => {
      this.begun.push(each)
      return new Promise<number>((resolve) => this.#ends.set(each, resolve))
    }
    this.all = inOrder(
      () => (task < count ? task++ : undefined),
      Array.from({ length: workers }, () => worker),
      (result) => {
        this.delivered.push(result)
        return result < last
      },
    )
  }

  async end(...tasks: number[]): Promise<void> {
    for (const task of tasks) {
      this.#ends.get(task)!(task)
      for (let turn = 0; turn < 10; turn++) await undefined
    }
  }
}

test("results come in the order of their tasks, whoever is ready first", async () => {
  const tasks = new Tasks(5, 2)
  await tasks.end(1, 2)
  assert.deepEqual([tasks.begun, tasks.delivered], [[0, 1, 2, 3], []])
  await tasks.end(0)
  assert.deepEqual(tasks.delivered, [0, 1, 2])
  await tasks.end(4, 3)
  await tasks.all
  assert.deepEqual(tasks.delivered, [0, 1, 2, 3, 4])
})

test("nothing behind the last wanted result is delivered, and nothing more is begun", async () => {
  const tasks = new Tasks(9, 3, 1)
  await tasks.end(2, 1, 0, 3, 4)
  await tasks.all
  assert.deepEqual(
    [tasks.begun, tasks.delivered],
    [
      [0, 1, 2, 3, 4],
      [0, 1],
    ],
  )
})

test("what a worker throws ends the run", async () => {
  let left = 3
  const failing = inOrder(
    () => (left > 0 ? left-- : undefined),
    [async () => Promise.reject(new Error("no more memory"))],
    () => true,
  )
  await assert.rejects(failing, /no more memory/)
  assert.equal(left, 2)
})

test("two processes say what one says, but for times", () => {
  const program = fileURLToPath(new URL("./simulate.js", import.meta.url))
  const said = (jobs: number) => {
    const args = [program, "--workload", "log", "--seeds", "1-6", "--jobs", String(jobs)]
    const { stdout, status } = spawnSync(process.execPath, args, { encoding: "utf8" })
    assert.equal(status, 0, stdout)
    return stdout.replaceAll(/ in [^;]*;|\([^)]*\)/g, "")
  }
  const one = said(1)
  assert.match(one, /^6 seeds, 0 failed;/)
  assert.equal(said(2), one)
})
