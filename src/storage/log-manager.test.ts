import assert from "node:assert/strict"
import { test } from "node:test"
import { DiskError } from "../env/env.js"
import type { Log } from "./log.js"
import { folderName, parseFolderName } from "./log-directory.js"
import { LogManager } from "./log-manager.js"
import { inLogWorld, records, smallConfig, startMs, topicId } from "./testing/log-world.js"

const twoDirectories = { manager: { directories: ["/data", "/more"] } }
test("a deleted log is gone under its name at once and its bytes later; a new one of that name starts empty (M3)", () =>
  inLogWorld(async (t) => {
    for (let i = 0; i < 20; i++) t.append()
    await t.log.flush()
    await t.manager.checkpoint()
    await t.manager.delete(t.log)
    assert.equal(t.manager.get("t", 0), undefined)
    assert.ok(t.disk.paths().some((path) => /\/data\/t-0\.[0-9a-f]{32}-delete\//.test(path)))
    await t.world.sleep(1000)
    assert.ok(!t.disk.paths().some((path) => path.includes("-delete")))
    const again = await t.manager.create("t", 0, { topicId: "AAAAAAAAAAAAAAAAAAAAAg", config: smallConfig })
    assert.equal(again.logEndOffset, 0)
    await t.crash("power", { keep: 0, keepNames: 0 })
    assert.equal(t.log.offlineReason, undefined)
    assert.equal(t.log.topicId, "AAAAAAAAAAAAAAAAAAAAAg")
    assert.equal(t.log.logEndOffset, 0)
  }))

test("a log that is deleted, or set aside, while it is synced takes no directory with it", async () => {
  for (let us = 0; us < 3000; us += 150)
    for (const isSetAside of [false, true])
      await inLogWorld(async (t) => {
        t.disk.options.syncLatencyNs = { least: 500_000, spread: 2_000_000 }
        t.append()
        await t.world.sleep(us / 1000)
        await (isSetAside ? t.manager.setAside(t.log) : t.manager.delete(t.log))
        await t.world.sleep(100)
        assert.equal(t.manager.directories[0]!.failureReason, undefined)
      })
})

test("a log deleted right before a crash stays deleted", () =>
  inLogWorld(async (t) => {
    t.append()
    await t.log.flush()
    await t.manager.delete(t.log)
    await t.crash("power", { keep: 0, keepNames: 0 })
    assert.equal(t.log.logEndOffset, 0)
  }))

test("a directory is held by one process", () =>
  inLogWorld(async (t) => {
    await assert.rejects(
      LogManager.open(t.node.env, { directories: ["/data"], nodeId: 0, configOf: () => smallConfig }),
      { code: "EWOULDBLOCK" },
    )
  }))

test("a directory of another node is refused", () =>
  inLogWorld(async (t) => {
    await t.manager.close()
    await assert.rejects(
      LogManager.open(t.node.env, { directories: ["/data"], nodeId: 7, configOf: () => smallConfig }),
      /belongs to node 0/,
    )
  }))

test("a failed directory leaves the other one serving", () =>
  inLogWorld(async (t) => {
    const failures: string[] = []
    t.manager.directories[0]!.onFailed = (directory) => failures.push(directory.path)
    const other = await t.manager.create("u", 0, {
      topicId,
      config: smallConfig,
      directoryId: t.manager.directories[1]!.directoryId,
    })
    t.disk.failRange(`${t.path}/00000000000000000000.log`, "write")
    t.append()
    await t.log.written()
    assert.deepEqual(failures, ["/data"])
    assert.ok(t.log.offlineReason !== undefined)
    assert.ok(other.append(records(1), { origin: "client", leaderEpoch: 0, nowMs: startMs }).ok)
    assert.equal(await other.flush(), true)
  }, twoDirectories))

test("a directory that fails while its logs are opened takes none of them into use, and is closed", async () => {
  for (let batches = 1; batches < 40; batches++) {
    await inLogWorld(async (t) => {
      for (const topic of ["u", "v"]) {
        const { directoryId } = t.manager.directories[0]!
        const log = await t.manager.create(topic, 0, { topicId, config: smallConfig, directoryId })
        for (let i = 0; i < batches; i++) log.append(records(1), { origin: "client", leaderEpoch: 0, nowMs: startMs })
        await log.flush()
      }
      t.append()
      await t.log.flush()
      t.disk.failNextSync(`${t.path}/00000000000000000000.log`)
      await t.crash("kill")
      const [directory] = t.manager.directories
      assert.notEqual(directory!.failureReason, undefined)
      for (const log of directory!.logs) assert.notEqual(log.offlineReason, undefined, log.name)
      await t.manager.close()
    }, twoDirectories)
  }
})

test("a future log takes the place of the current one, and is found there after a restart", () =>
  inLogWorld(async (t) => {
    for (let i = 0; i < 10; i++) t.append(2)
    await t.log.flush()
    const bytes = await t.readAll()
    const target = t.manager.directories[1]!
    const future = await t.manager.create(
      "t",
      0,
      { topicId, config: smallConfig, directoryId: target.directoryId },
      "future",
    )
    assert.ok(future.append(Buffer.from(bytes), { origin: "replication", leaderEpoch: -1, nowMs: startMs }).ok)
    assert.equal(await t.manager.replaceWithFuture("t", 0), future)
    assert.equal(future.path, "/more/t-0")
    await t.world.sleep(1000)
    await t.manager.close()
    await t.open()
    assert.equal(t.log.path, "/more/t-0")
    assert.deepEqual(await t.readAll(), bytes)
  }, twoDirectories))

test("what is deleted while a future log takes its place stays deleted", () =>
  inLogWorld(async (t) => {
    for (let i = 0; i < 10; i++) t.append(2)
    await t.log.flush()
    const bytes = await t.readAll()
    const target = t.manager.directories[1]!
    const options = { topicId, config: smallConfig, directoryId: target.directoryId }
    const future = await t.manager.create("t", 0, options, "future")
    assert.ok(future.append(Buffer.from(bytes), { origin: "replication", leaderEpoch: -1, nowMs: startMs }).ok)
    const { log } = t
    log.updateHighWatermark(20)
    const replaced = t.manager.replaceWithFuture("t", 0)
    assert.ok(log.maybeIncrementLogStartOffset(4))
    await replaced
    assert.equal(future.logStartOffset, 4)
    await t.crash("power")
    assert.equal(t.log.logStartOffset, 4)
  }, twoDirectories))

test("a move between directories cut short by a crash leaves one log, whole, at any point", async () => {
  for (let operation = 0; operation < 30; operation++)
    await inLogWorld(
      async (t) => {
        for (let i = 0; i < 5; i++) t.append(2)
        await t.log.flush()
        const bytes = await t.readAll()
        const target = t.manager.directories[1]!
        const future = await t.manager.create(
          "t",
          0,
          { topicId, config: smallConfig, directoryId: target.directoryId },
          "future",
        )
        assert.ok(future.append(Buffer.from(bytes), { origin: "replication", leaderEpoch: -1, nowMs: startMs }).ok)
        await future.flush()
        const last = t.disk.operationCount + operation
        const crashed = new Promise<void>((resolve) => {
          t.disk.intercept = ({ number }) => {
            if (number !== last) return undefined
            resolve()
            return { crash: "power", when: operation % 2 ? "before" : "after" }
          }
        })
        await Promise.race([crashed, t.manager.replaceWithFuture("t", 0)])
        t.disk.intercept = undefined
        await t.crash("power", { keep: 0 })
        assert.deepEqual(await t.readAll(), bytes)
      },
      { ...twoDirectories, seed: operation },
    )
})

test("recurring work deletes, checkpoints and ends with close", () =>
  inLogWorld(
    async (t) => {
      for (let i = 0; i < 40; i++) t.append(1, { timestamp: t.node.env.clock.wallMs() + i })
      await t.log.flush()
      t.log.updateHighWatermark(40)
      await t.world.sleep(400_000)
      assert.equal(t.log.logStartOffset, 40)
      assert.match(t.disk.peek("/data/recovery-point-offset-checkpoint")!.toString(), /^t 0 40$/m)
      assert.match(t.disk.peek("/data/replication-offset-checkpoint")!.toString(), /^t 0 40$/m)
      await t.manager.close()
      const operations = t.disk.operationCount
      await t.world.sleep(1_000_000)
      assert.equal(t.disk.operationCount, operations)
    },
    { config: { retentionMs: 1000 } },
  ))

test("a clean stop says so, and the file is gone while the directory is in use", () =>
  inLogWorld(async (t) => {
    assert.equal(t.disk.peek("/data/.kafka_cleanshutdown"), undefined)
    await t.manager.close(17)
    assert.equal(t.disk.peek("/data/.kafka_cleanshutdown")?.toString(), '{"version":0,"brokerEpoch":17}')
    await t.open()
    assert.equal(t.manager.directories[0]!.cleanShutdownEpoch, 17)
    assert.equal(t.disk.peek("/data/.kafka_cleanshutdown"), undefined)
  }))

test("folder names are Kafka's, cut to 255 bytes", () => {
  const id = Buffer.alloc(16, 0xab)
  assert.equal(folderName("t", 3, "delete", id), `t-3.${"ab".repeat(16)}-delete`)
  assert.equal(folderName("x".repeat(249), 12, "delete", id).length, 255)
  assert.deepEqual(parseFolderName("a-b.c-10"), { topic: "a-b.c", partition: 10, kind: "log" })
  assert.deepEqual(parseFolderName(`t-3.${"ab".repeat(16)}-future`), { topic: "t", partition: 3, kind: "future" })
  assert.equal(parseFolderName(folderName("x".repeat(249), 12, "delete", id))?.kind, "delete")
  assert.equal(parseFolderName("lost+found"), undefined)
})

test("high watermarks are written one checkpoint after the other, however many ask at once", () =>
  inLogWorld(async (t) => {
    t.append()
    await t.log.flush()
    t.log.updateHighWatermark(1)
    const [directory] = t.manager.directories
    await Promise.all([
      directory!.checkpointHighWatermarks(),
      directory!.checkpointHighWatermarks(),
      directory!.checkpointHighWatermarks(),
    ])
    await t.crash("power")
    assert.equal(t.log.highWatermark, 1)
  }))

test("a log that lay in a directory that was away is not taken for that of the topic made anew under its name", async () => {
  const oldId = Buffer.alloc(16, 1).toString("base64url")
  const newId = Buffer.alloc(16, 2).toString("base64url")
  for (const directories of [
    ["/data", "/more"],
    ["/more", "/data"],
  ])
    await inLogWorld(
      async (t) => {
        const add = (log: Log, count: number) => {
          assert.ok(log.append(records(count), { origin: "client", leaderEpoch: 0, nowMs: startMs }).ok)
          return log.flush()
        }
        const directoryOf = (path: string) => t.manager.directories.find((each) => each.path === path)!
        const { directoryId } = directoryOf("/more")
        const old = await t.manager.create("u", 0, { topicId: oldId, config: t.config, directoryId })
        await add(old, 9)
        directoryOf("/more").fail(new DiskError("EIO", "sync", "/more"))
        await t.manager.delete(old)
        assert.ok(await add(await t.manager.create("u", 0, { topicId: newId, config: t.config }), 1))
        await t.crash("kill")
        const log = await t.manager.claim("u", 0, newId)
        assert.deepEqual([log?.topicId, log?.logEndOffset, log?.path], [newId, 1, "/data/u-0"])
        assert.equal(t.manager.get("u", 0), log)
        assert.deepEqual(t.manager.copies("u", 0), [log])
        await t.restart()
        assert.deepEqual(
          t.manager.copies("u", 0).map(({ topicId }) => topicId),
          [newId],
        )
      },
      { manager: { directories } },
    )
})
