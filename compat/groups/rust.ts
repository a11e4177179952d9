/**
 * The story told by rust-rdkafka.
 *
 * Owns how its program is built; librdkafka is compiled along, which takes a minute or two the first time.
 */
import { cpSync } from "node:fs"
import { join } from "node:path"
import { onPath, run, runOk, Skip, tail, workDirectory } from "../work.js"
import { membersDirectory } from "./javascript.js"
import type { GroupClient } from "./story.js"

export const rust: GroupClient = {
  name: "rust-rdkafka",
  about: "rust-rdkafka 0.39.0",
  protocols: ["classic", "classic cooperative", "consumer"],
  async prepare() {
    for (const tool of ["cargo", "gcc", "make"]) if (!onPath(tool)) throw new Skip(`${tool} is missing`)
    const home = join(workDirectory, "rust-member")
    cpSync(join(membersDirectory, "rust"), home, { recursive: true })
    const fetched = await run("cargo", ["fetch", "--quiet"], { cwd: home, timeoutMs: 300_000 })
    if (fetched.code !== 0) throw new Skip(`cargo could not fetch rdkafka: ${tail(fetched.stderr, 1)}`)
    await runOk("cargo", ["build", "--quiet", "--release"], { cwd: home, timeoutMs: 900_000 })
    return (args) => ({ command: join(home, "target/release/member"), args })
  },
}
