/**
 * The lock of a data directory: one process at a time, gone with its holder however it dies.
 *
 * Owns both ways to get one. On Linux an open file description lock on the file itself, which also conflicts with the fcntl lock that a JVM takes
 * on the same file, and with a second broker in this process. Elsewhere, or without the foreign-function package, a local socket with a name made
 * of the path: the kernel knows whether anyone listens. The file stays behind; it means nothing by itself, as with Kafka.
 */
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as net from "node:net"
import { tmpdir } from "node:os"
import { join, resolve as absolute } from "node:path"
import { DiskError } from "../env.js"
import { call } from "./file.js"
import type { Native } from "./native.js"

interface Lock {
  release(): Promise<void>
}

const holderCharactersMax = 20

export async function lockDirectory(path: string, native: Native | undefined): Promise<Lock> {
  const fd = await call<number>("lock", path, (done) =>
    fs.open(path, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o644, done),
  )
  const close = () => call<void>("close", path, (done) => fs.close(fd, (error) => done(error, undefined)))
  try {
    const socket = native === undefined ? await listenByName(path) : undefined
    const ours = native === undefined ? socket !== undefined : native.lockFile(fd)
    if (!ours) {
      const holder = await call<{ count: number; text: Buffer }>("lock", path, (done) => {
        const text = Buffer.alloc(holderCharactersMax)
        fs.read(fd, text, 0, text.length, 0, (error, count) => done(error, { count, text }))
      })
      const pid = holder.text.toString("latin1", 0, holder.count).trim()
      const by = /^\d+$/.test(pid) ? ` (held by process ${pid})` : ""
      throw new DiskError("EWOULDBLOCK", `lock${by}`, path)
    }
    const text = `${process.pid}\n`
    await call<void>("lock", path, (done) => fs.ftruncate(fd, 0, (error) => done(error, undefined)))
    await call<number>("lock", path, (done) => fs.write(fd, text, 0, "latin1", done))
    return {
      release: async () => {
        if (socket !== undefined) await new Promise<void>((closed) => socket.close(() => closed()))
        await close()
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** A listening socket whose name stands for the file, or undefined if another process listens there. */
async function listenByName(path: string): Promise<net.Server | undefined> {
  const digest = createHash("sha256").update(absolute(path)).digest("hex").slice(0, 32)
  const { platform } = process
  const name =
    platform === "linux"
      ? `\0ottla-lock-${digest}`
      : platform === "win32"
        ? `\\\\.\\pipe\\ottla-lock-${digest}`
        : join(tmpdir(), `ottla-${digest}.lock`)
  for (let attempt = 0; attempt < 2; attempt++) {
    const server = net.createServer((socket) => void socket.destroy())
    const code = await new Promise<string | undefined>((settled) => {
      server.once("error", (error: NodeJS.ErrnoException) => settled(error.code ?? "EIO"))
      server.listen(name, () => settled(undefined))
    })
    if (code === undefined) {
      server.unref()
      return server
    }
    if (code !== "EADDRINUSE") throw new DiskError(code, "lock", path)
    // A socket in the file system outlives a killed process: nobody answers there then.
    if (name.startsWith("\0") || platform === "win32" || (await answers(name))) return undefined
    fs.rmSync(name, { force: true })
  }
  return undefined
}

function answers(name: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(name)
    socket.once("connect", () => {
      socket.destroy()
      resolve(true)
    })
    socket.once("error", () => resolve(false))
  })
}
