import assert from "node:assert/strict"
import { test } from "node:test"
import type { Env } from "../env/env.js"
import { World } from "../sim/world.js"
import { lockDirectory, promisedDirectoryId, readIdentity } from "./directory-identity.js"

const identity = { nodeId: 1, clusterId: undefined, newClusterId: undefined }

async function open(env: Env): Promise<string> {
  const lock = await lockDirectory(env, "/data")
  const { clusterId, directoryId } = await readIdentity(env, "/data", identity)
  await lock.release()
  return `${clusterId} ${directoryId}`
}

/** Kills the first process after `killMs`, lets the next one look, and cuts the power right after. */
async function lives<T>(killMs: number, look: (env: Env) => Promise<T>): Promise<[T, T]> {
  const world = new World(`identity ${killMs}`)
  return world.run(async () => {
    const node = world.addNode("node")
    void look(node.env)
    await world.sleep(killMs)
    node.crash("kill")
    const before = await look(node.restart())
    node.crash("power", { keepNames: 0 })
    return [before, await look(node.restart())] as [T, T]
  })
}

test("whatever a process has read of a directory's identity is there after a power cut, also where an earlier one was killed while it wrote it", async () => {
  for (let killMs = 0; killMs < 20; killMs += 0.05) {
    const [before, after] = await lives(killMs, open)
    assert.equal(after, before, `killed after ${killMs} ms`)
  }
})

test("an id that was promised to others is kept, also in the directory that comes of it", async () => {
  const promise = async (env: Env) => {
    const lock = await lockDirectory(env, "/data")
    const promised = await promisedDirectoryId(env, "/data")
    await lock.release()
    return promised
  }
  for (let killMs = 0; killMs < 20; killMs += 0.05) {
    const [before, after] = await lives(killMs, promise)
    assert.equal(after, before, `killed after ${killMs} ms`)
  }
  const world = new World("promise")
  await world.run(async () => {
    const { env } = world.addNode("node")
    const promised = await promise(env)
    assert.ok((await open(env)).endsWith(` ${promised}`))
  })
})
