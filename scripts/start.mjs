// `npm start [-- options]`: makes the command if it is missing, then becomes `ottla server start`.
import { join } from "node:path"
import { prepare, root } from "./prepare.mjs"

prepare()
process.argv = [process.argv[0], join(root, "dist/ottla.js"), "server", "start", ...process.argv.slice(2)]
await import(join(root, "dist/ottla.js"))
