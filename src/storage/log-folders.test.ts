import assert from "node:assert/strict"
import { test } from "node:test"
import { DiskError } from "../env/env.js"
import { inLogWorld, type LogWorld, records, smallConfig, startMs } from "./testing/log-world.js"

const idOf = (index: number) => Buffer.alloc(16, index + 1).toString("base64url")

const makeMany = (t: LogWorld, count: number) =>
  Promise.all(
    Array.from({ length: count }, (_, index) =>
      t.manager.create("many", index, { topicId: idOf(index), config: smallConfig }),
    ),
  )

for (const syncFileSystem of [true, false]) {
  const how = syncFileSystem ? "all at once" : "one by one"
  test(`new logs synced ${how} are there after a power cut that keeps nothing else`, () =>
    inLogWorld(
      async (t) => {
        await makeMany(t, 20)
        await t.crash("power", { keep: 0, keepNames: 0 })
        for (let index = 0; index < 20; index++) assert.equal(t.manager.get("many", index)?.topicId, idOf(index))
      },
      { disk: { syncFileSystem } },
    ))
}

for (const syncFileSystem of [true, false])
  test(`a log whose making was killed keeps what is flushed later, syncFileSystem ${syncFileSystem}`, async () => {
    let kept = 0
    for (let operation = 1; ; operation++) {
      let isOver = false
      await inLogWorld(
        async (t) => {
          const first = t.disk.operationCount
          const killed = new Promise<"killed">((resolve) => {
            t.disk.intercept = ({ number }) => {
              if (number !== first + operation) return undefined
              resolve("killed")
              return { crash: "kill", when: "before" }
            }
          })
          const made = t.manager.create("u", 0, { topicId: idOf(1), config: smallConfig }).then(() => "made" as const)
          isOver = (await Promise.race([made, killed])) === "made"
          t.disk.intercept = undefined
          if (isOver) t.node.crash("kill")
          t.node.restart()
          await t.open()
          const log = t.manager.get("u", 0)
          // Whoever made it makes it again.
          if (log?.topicId !== idOf(1)) return
          assert.ok(log.append(records(1), { origin: "client", leaderEpoch: 0, nowMs: startMs }).ok)
          assert.ok(await log.flush())
          await t.crash("power", { keep: 0, keepNames: 0 })
          assert.equal(t.manager.get("u", 0)?.topicId, idOf(1), `killed at operation ${operation}`)
          assert.equal(t.manager.get("u", 0)?.logEndOffset, 1, `killed at operation ${operation}`)
          kept++
        },
        { disk: { syncFileSystem } },
      )
      if (isOver) break
    }
    assert.ok(kept > 2, `${kept} of them had begun`)
  })

test("logs that are made together share their syncs", () =>
  inLogWorld(async (t) => {
    const kinds = new Map<string, number>()
    t.disk.intercept = ({ kind }) => {
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
      return undefined
    }
    await makeMany(t, 100)
    const syncs = ["sync", "syncDirectory", "syncFileSystem"].reduce((sum, kind) => sum + (kinds.get(kind) ?? 0), 0)
    assert.ok(syncs <= 20, `${syncs} syncs`)
  }))

test("logs that are made together are spread over the directories", () =>
  inLogWorld(
    async (t) => {
      await makeMany(t, 60)
      for (const { logs } of t.manager.directories) assert.ok(logs.size >= 30, `${logs.size} logs`)
    },
    { manager: { directories: ["/data", "/more"] } },
  ))

test("what an earlier try left in the folder does not stand in the way", () =>
  inLogWorld(async (t) => {
    let failing = true
    t.disk.intercept = ({ kind, path }) =>
      failing && kind === "write" && path.includes("/u-0/") ? { error: "ENOSPC" } : undefined
    await assert.rejects(t.manager.create("u", 0, { topicId: idOf(0), config: smallConfig }), DiskError)
    failing = false
    await t.manager.create("u", 0, { topicId: idOf(1), config: smallConfig })
    await t.crash("power", { keep: 0, keepNames: 0 })
    assert.equal(t.manager.get("u", 0)?.topicId, idOf(1))
  }))

test("a failed sync of new logs fails their directory, for nobody knows what is on the medium", () =>
  inLogWorld(async (t) => {
    t.disk.intercept = ({ kind }) => (kind.startsWith("sync") ? { error: "EIO" } : undefined)
    await assert.rejects(t.manager.create("u", 0, { topicId: idOf(0), config: smallConfig }), DiskError)
    assert.match(t.manager.directories[0]!.failureReason ?? "", /EIO/)
  }))

test("a log nothing was written to has no files of its own, and costs no sync to close", () =>
  inLogWorld(async (t) => {
    await makeMany(t, 3)
    const paths = t.disk.paths().filter((path) => path.includes("/many-"))
    assert.deepEqual(
      paths.filter((path) => !path.endsWith("partition.metadata")),
      [],
    )
    const synced: string[] = []
    t.disk.intercept = ({ kind, path }) => {
      if (kind === "sync" && path.includes("/many-")) synced.push(path)
      return undefined
    }
    await t.manager.close()
    assert.deepEqual(synced, [])
    await t.open()
    assert.equal(t.manager.get("many", 2)?.logEndOffset, 0)
  }))

test("a start whose sync of many logs fails does without that directory", () =>
  inLogWorld(
    async (t) => {
      await makeMany(t, 60)
      await t.manager.close()
      t.disk.intercept = ({ kind, path }) =>
        kind === "syncFileSystem" && path.endsWith("data") ? { error: "EIO" } : undefined
      await t.open()
      const [failed, other] = t.manager.directories
      assert.match(failed!.failureReason ?? "", /EIO/)
      assert.equal(other!.failureReason, undefined)
    },
    { manager: { directories: ["/data", "/more"] } },
  ))
