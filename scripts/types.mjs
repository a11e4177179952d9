// Writes the type declarations of what programs import to dist/types; part of packing, for it takes seconds.
import { spawnSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { prepare, root } from "./prepare.mjs"

prepare()
const tsc = join(root, "node_modules", "typescript", "bin", "tsc")
const { status } = spawnSync(process.execPath, [tsc, "-p", "tsconfig.types.json"], { cwd: root, stdio: "inherit" })
// dist is CommonJS for its first file's sake; these describe ES modules.
if (status === 0) writeFileSync(join(root, "dist", "types", "package.json"), '{ "type": "module" }\n')
process.exit(status ?? 1)
