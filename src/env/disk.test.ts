import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { simulate } from "../sim/world.js"
import { diskConformance, type WithDisk } from "./disk.conformance.js"
import { DiskError } from "./env.js"
import { NodeDisk } from "./node/disk.js"
import { loadNative, syncfsReportsErrors } from "./node/native.js"

const native = loadNative()

const onDisk =
  (disk: NodeDisk): WithDisk =>
  async (body) => {
    const root = mkdtempSync(join(tmpdir(), "ottla-disk-"))
    try {
      await body(disk, root)
    } finally {
      rmSync(root, { recursive: true, force: true })
    }
  }

diskConformance("real disk", onDisk(new NodeDisk(native)))
diskConformance("real disk without native calls", onDisk(new NodeDisk(undefined)))
diskConformance("simulated disk", async (body) => {
  for (let seed = 0; seed < 5; seed++) {
    await simulate(seed, async (world) => {
      const { disk } = world.addNode("a").env
      await disk.makeDirectory("/root")
      await body(disk, "/root")
    })
  }
})

test("a lock is gone when its holder is killed, with and without native calls", async () => {
  for (const mode of ["native", "plain"]) {
    const root = mkdtempSync(join(tmpdir(), "ottla-lock-"))
    const script = join(root, "hold.mjs")
    const at = (name: string) => JSON.stringify(new URL(`./node/${name}.js`, import.meta.url).href)
    writeFileSync(
      script,
      `import { NodeDisk } from ${at("disk")}
       import { loadNative } from ${at("native")}
       await new NodeDisk(${mode === "native" ? "loadNative()" : "undefined"}).lock(${JSON.stringify(join(root, ".lock"))})
       process.stdout.write("held")
       setInterval(() => {}, 1000)`,
    )
    const holder = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] })
    try {
      await new Promise((resolve) => holder.stdout.once("data", resolve))
      const disk = new NodeDisk(mode === "native" ? native : undefined)
      await assert.rejects(disk.lock(join(root, ".lock")), (error) => {
        assert.ok(error instanceof DiskError && error.code === "EWOULDBLOCK")
        assert.ok(error.message.includes(String(holder.pid)), error.message)
        return true
      })
      holder.kill("SIGKILL")
      await new Promise((resolve) => holder.once("exit", resolve))
      await (await disk.lock(join(root, ".lock"))).release()
    } finally {
      holder.kill("SIGKILL")
      rmSync(root, { recursive: true, force: true })
    }
  }
})

test("syncfs is trusted from the kernel on that reports write-back errors by it", () => {
  assert.deepEqual(["4.19.0", "5.7.19", "5.8.0-rc1", "5.15.0-91-generic", "6.1.0"].map(syncfsReportsErrors), [
    false,
    false,
    true,
    true,
    true,
  ])
})
