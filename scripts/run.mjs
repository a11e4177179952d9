// Runs one built program, or with --bin one of the development tools, after making what is missing.
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { prepare, root } from "./prepare.mjs"

prepare()
const [program, ...rest] = process.argv.slice(2)
const command =
  program === "--bin"
    ? [join(root, "node_modules", ".bin", rest[0]), rest.slice(1)]
    : [process.execPath, ["--enable-source-maps", join(root, "build", program), ...rest]]
const result = spawnSync(command[0], command[1], { cwd: root, stdio: "inherit" })
process.exit(result.status ?? 1)
