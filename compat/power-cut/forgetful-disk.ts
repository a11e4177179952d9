/**
 * An ext4 file system on a disk that loses what was not flushed when its power is cut.
 *
 * Owns the FUSE process, the loop device and the mounts; takes them down whatever happens. Skips where root, /dev/fuse, a compiler or
 * libfuse3's headers are missing. Invariant: after `cut`, only what had been synced is certain to be on the image.
 */
import { type ChildProcess, spawnSync } from "node:child_process"
import { existsSync, mkdirSync } from "node:fs"
import { join } from "node:path"
import { atEnd, onPath, repository, runOk, Skip, start, temporaryDirectory, workDirectory } from "../work.js"

const imageMiB = 2048

async function compile(): Promise<string> {
  if (process.platform !== "linux") throw new Skip("power-cut needs Linux")
  if (process.getuid?.() !== 0) throw new Skip("power-cut needs root, for mounts and loop devices")
  if (!existsSync("/dev/fuse")) throw new Skip("/dev/fuse is missing")
  for (const tool of ["gcc", "pkg-config", "losetup", "mkfs.ext4", "fusermount3"]) {
    if (!onPath(tool)) throw new Skip(`${tool} is missing`)
  }
  if (spawnSync("pkg-config", ["--exists", "fuse3"]).status !== 0) throw new Skip("libfuse3-dev is missing")
  mkdirSync(workDirectory, { recursive: true })
  const program = join(workDirectory, "blockdev")
  const source = join(repository, "compat/power-cut/blockdev.c")
  await runOk("sh", [
    "-c",
    `gcc -O2 -Wall -Wextra -o "$1" "$2" $(pkg-config --cflags --libs fuse3)`,
    "sh",
    program,
    source,
  ])
  return program
}

export class ForgetfulDisk {
  /** Where the file system is mounted. */
  readonly directory: string
  readonly #home: string
  readonly #fuseDirectory: string
  #device: ChildProcess | undefined
  #loop: string | undefined
  #isMounted = false

  private constructor(private readonly program: string) {
    this.#home = temporaryDirectory("power-cut")
    this.directory = join(this.#home, "data")
    this.#fuseDirectory = join(this.#home, "fuse")
    mkdirSync(this.directory)
    mkdirSync(this.#fuseDirectory)
    atEnd(() => this.#takeDown())
  }

  /** A fresh file system, mounted. Errors: `Skip`. */
  static async create(seed: number): Promise<ForgetfulDisk> {
    const disk = new ForgetfulDisk(await compile())
    await disk.#attach(seed)
    await runOk("mkfs.ext4", ["-q", disk.#loop!])
    await disk.#mount()
    return disk
  }

  async #attach(seed: number): Promise<void> {
    const disk = join(this.#fuseDirectory, "disk")
    const args = [join(this.#home, "image"), this.#fuseDirectory, String(imageMiB), String(seed)]
    this.#device = start(this.program, args, { stdio: ["ignore", "inherit", "inherit"] })
    for (let attempt = 0; !existsSync(disk); attempt++) {
      if (attempt > 200 || this.#device.exitCode !== null) throw new Skip("the FUSE disk does not come up here")
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    const result = spawnSync("losetup", ["-f", "--show", disk], { encoding: "utf8" })
    if (result.status !== 0) throw new Skip(`no loop device: ${result.stderr.trim()}`)
    this.#loop = result.stdout.trim()
  }

  /** `commit=600`: nothing reaches the disk because time has passed. */
  async #mount(): Promise<void> {
    await runOk("mount", ["-o", "commit=600", this.#loop!, this.directory])
    this.#isMounted = true
  }

  /** The power fails. Everything that still uses the file system gets errors from now on. */
  async cut(): Promise<void> {
    const device = this.#device!
    const ended = new Promise<void>((resolve) => device.once("exit", () => resolve()))
    device.kill("SIGUSR1")
    await ended
  }

  /** The power is back: the same image, its journal replayed. Whoever used the file system before must be gone. */
  async restart(seed: number): Promise<void> {
    this.#takeDown()
    await this.#attach(seed)
    await this.#mount()
  }

  #takeDown(): void {
    if (this.#isMounted) spawnSync("umount", ["-l", this.directory], { stdio: "ignore" })
    this.#isMounted = false
    if (this.#loop !== undefined) spawnSync("losetup", ["-d", this.#loop], { stdio: "ignore" })
    this.#loop = undefined
    this.#device?.kill("SIGKILL")
    if (this.#device !== undefined) spawnSync("fusermount3", ["-uz", this.#fuseDirectory], { stdio: "ignore" })
    this.#device = undefined
  }
}
