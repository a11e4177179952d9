/** What every `Disk` promises. The real and the simulated one run the same suite. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { type Disk, DiskError } from "./env.js"

/** Runs the body with a disk and an empty folder on it. */
export type WithDisk = (body: (disk: Disk, root: string) => Promise<void>) => Promise<void>

const code = (expected: string) => (error: unknown) => {
  assert.ok(error instanceof DiskError, String(error))
  assert.equal(error.code, expected)
  return true
}

export function diskConformance(name: string, withDisk: WithDisk): void {
  const rule = (text: string, body: (disk: Disk, root: string) => Promise<void>) =>
    test(`${name}: ${text}`, () => withDisk(body))

  rule("open makes a file only when asked to, and refuses one that is there when exclusive", async (disk, root) => {
    const path = `${root}/f`
    await assert.rejects(disk.open(path), code("ENOENT"))
    await (await disk.open(path, { create: true })).close()
    await (await disk.open(path, { create: true })).close()
    await (await disk.open(path)).close()
    await assert.rejects(disk.open(path, { create: true, exclusive: true }), code("EEXIST"))
    await assert.rejects(disk.open(`${root}/no/f`, { create: true }), code("ENOENT"))
  })

  rule("a folder is not a file", async (disk, root) => {
    await disk.makeDirectory(`${root}/d`)
    await assert.rejects(disk.open(`${root}/d`), code("EISDIR"))
    await assert.rejects(disk.open(`${root}/d`, { readOnly: true }), code("EISDIR"))
    await assert.rejects(disk.readFile(`${root}/d`, 10), code("EISDIR"))
    await assert.rejects(disk.unlink(`${root}/d`), code("EISDIR"))
    await (await disk.open(`${root}/f`, { create: true })).close()
    await assert.rejects(disk.list(`${root}/f`), code("ENOTDIR"))
    await assert.rejects(disk.removeDirectory(`${root}/f`), code("ENOTDIR"))
  })

  rule("a write puts all buffers one after the other at the position", async (disk, root) => {
    const file = await disk.open(`${root}/f`, { create: true })
    await file.write([Buffer.from("ab"), Buffer.alloc(0), Buffer.from("cde")], 3)
    await file.write([Buffer.from("X")], 4)
    await file.write([], 0)
    assert.equal(await file.size(), 8)
    assert.equal((await disk.readFile(`${root}/f`, 8)).toString("latin1"), "\0\0\0aXcde")
    await file.close()
  })

  rule("a write takes more buffers than one system call", async (disk, root) => {
    const file = await disk.open(`${root}/f`, { create: true })
    const buffers = Array.from({ length: 5000 }, (_, i) => Buffer.from([i, i >> 8]))
    await file.write(buffers, 1)
    assert.deepEqual((await disk.readFile(`${root}/f`, 20_000)).subarray(1), Buffer.concat(buffers))
    await file.close()
  })

  rule("a read returns less than asked for only at the end of the file", async (disk, root) => {
    const file = await disk.open(`${root}/f`, { create: true })
    await file.write([Buffer.from("0123456789")], 0)
    const target = Buffer.alloc(8, 0x2e)
    assert.equal(await file.read(target, 2, 3, 4), 3)
    assert.equal(target.toString(), "..456...")
    assert.equal(await file.read(target, 0, 8, 7), 3)
    assert.equal(await file.read(target, 0, 8, 10), 0)
    assert.equal(await file.read(target, 0, 8, 1000), 0)
    assert.equal(await file.read(target, 0, 0, 0), 0)
    await file.close()
  })

  rule("truncate shortens, and lengthens with zeros", async (disk, root) => {
    const file = await disk.open(`${root}/f`, { create: true })
    await file.write([Buffer.from("abcdef")], 0)
    await file.truncate(3)
    await file.truncate(5)
    assert.equal((await disk.readFile(`${root}/f`, 10)).toString("latin1"), "abc\0\0")
    await file.close()
  })

  rule("sync, syncDirectory and syncFileSystem succeed on what is there", async (disk, root) => {
    const file = await disk.open(`${root}/f`, { create: true })
    await file.write([Buffer.from("x")], 0)
    await file.sync()
    await disk.syncDirectory(root)
    await disk.syncFileSystem?.(root)
    await assert.rejects(disk.syncDirectory(`${root}/no`), code("ENOENT"))
    await file.close()
  })

  rule("a closed file refuses everything; a read-only one refuses writes", async (disk, root) => {
    const file = await disk.open(`${root}/f`, { create: true })
    await file.write([Buffer.from("x")], 0)
    await file.close()
    await assert.rejects(file.read(Buffer.alloc(1), 0, 1, 0), code("EBADF"))
    await assert.rejects(file.write([Buffer.from("y")], 0), code("EBADF"))
    await assert.rejects(file.sync(), code("EBADF"))
    await assert.rejects(file.close(), code("EBADF"))
    const reader = await disk.open(`${root}/f`, { readOnly: true })
    await assert.rejects(reader.write([Buffer.from("y")], 0), code("EBADF"))
    assert.equal(await reader.read(Buffer.alloc(1), 0, 1, 0), 1)
    await reader.close()
  })

  rule("a close waits for what is in flight", async (disk, root) => {
    const file = await disk.open(`${root}/f`, { create: true })
    const writing = file.write([Buffer.alloc(100_000, 1)], 0)
    const [, written] = await Promise.all([writing.then(() => file.close()), writing.then(() => "written")])
    assert.equal(written, "written")
    assert.equal((await disk.stat(`${root}/f`))?.size, 100_000)
  })

  rule("readFile is bounded", async (disk, root) => {
    const file = await disk.open(`${root}/f`, { create: true })
    await file.write([Buffer.from("12345")], 0)
    await file.close()
    assert.equal((await disk.readFile(`${root}/f`, 5)).toString(), "12345")
    await assert.rejects(disk.readFile(`${root}/f`, 4), code("EFBIG"))
    await assert.rejects(disk.readFile(`${root}/no`, 4), code("ENOENT"))
  })

  rule("list is sorted by name; stat tells files from folders from nothing", async (disk, root) => {
    for (const name of ["b", "a", "c.log", "B"]) await (await disk.open(`${root}/${name}`, { create: true })).close()
    await disk.makeDirectory(`${root}/d/e/f`)
    await disk.makeDirectory(`${root}/d/e`)
    assert.deepEqual(await disk.list(root), ["B", "a", "b", "c.log", "d"])
    assert.equal((await disk.stat(`${root}/d/e`))?.isDirectory, true)
    assert.equal((await disk.stat(`${root}/a`))?.isDirectory, false)
    assert.ok(((await disk.stat(`${root}/a`))?.modifiedMs ?? 0) > 1e12)
    assert.equal(await disk.stat(`${root}/no`), undefined)
    assert.equal(await disk.stat(`${root}/no/no`), undefined)
    await assert.rejects(disk.list(`${root}/no`), code("ENOENT"))
  })

  rule(
    "rename replaces a file, moves a folder, and does not replace a folder that holds something",
    async (disk, root) => {
      const file = await disk.open(`${root}/from`, { create: true })
      await file.write([Buffer.from("new")], 0)
      await (await disk.open(`${root}/to`, { create: true })).close()
      await disk.rename(`${root}/from`, `${root}/to`)
      assert.deepEqual(await disk.list(root), ["to"])
      assert.equal((await disk.readFile(`${root}/to`, 9)).toString(), "new")
      // The open handle follows the file.
      await file.write([Buffer.from("N")], 0)
      assert.equal((await disk.readFile(`${root}/to`, 9)).toString(), "New")
      await file.close()
      await disk.makeDirectory(`${root}/d/e`)
      await disk.rename(`${root}/d`, `${root}/moved`)
      assert.deepEqual(await disk.list(`${root}/moved`), ["e"])
      await disk.makeDirectory(`${root}/other`)
      await assert.rejects(disk.rename(`${root}/other`, `${root}/moved`), code("ENOTEMPTY"))
      await assert.rejects(disk.rename(`${root}/no`, `${root}/x`), code("ENOENT"))
    },
  )

  rule("an unlinked file can be read by who has it open", async (disk, root) => {
    const file = await disk.open(`${root}/f`, { create: true })
    await file.write([Buffer.from("kept")], 0)
    await disk.unlink(`${root}/f`)
    await assert.rejects(disk.unlink(`${root}/f`), code("ENOENT"))
    const target = Buffer.alloc(4)
    assert.equal(await file.read(target, 0, 4, 0), 4)
    assert.equal(target.toString(), "kept")
    await file.close()
  })

  rule("removeDirectory takes everything in it", async (disk, root) => {
    await disk.makeDirectory(`${root}/d/e`)
    await (await disk.open(`${root}/d/e/f`, { create: true })).close()
    await disk.removeDirectory(`${root}/d`)
    assert.deepEqual(await disk.list(root), [])
    await assert.rejects(disk.removeDirectory(`${root}/d`), code("ENOENT"))
  })

  rule("one lock per file at a time, and again after its release", async (disk, root) => {
    const lock = await disk.lock(`${root}/.lock`)
    await assert.rejects(disk.lock(`${root}/.lock`), code("EWOULDBLOCK"))
    const other = await disk.lock(`${root}/.other`)
    await lock.release()
    await (await disk.lock(`${root}/.lock`)).release()
    await other.release()
    assert.deepEqual(await disk.list(root), [".lock", ".other"])
  })

  rule("freeBytes is below the total", async (disk, root) => {
    const { free, total } = await disk.freeBytes(root)
    assert.ok(free > 0 && total >= free)
  })
}
