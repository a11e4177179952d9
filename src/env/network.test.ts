import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { simulate } from "../sim/world.js"
import { networkConformance, type WithNetwork } from "./network.conformance.js"
import { createNodeEnv, type NodeEnvOptions } from "./node/index.js"

const onMachine =
  (options: NodeEnvOptions): WithNetwork =>
  async (body) => {
    const root = mkdtempSync(join(tmpdir(), "ottla-network-"))
    const { network, disk, timers } = createNodeEnv(options)
    // Our timers let the process end; the open connections do not.
    const wait = (ms: number) => new Promise<void>((resolve) => void timers.after(ms, resolve))
    try {
      await body({ network, disk, root, wait })
    } finally {
      rmSync(root, { recursive: true, force: true })
    }
  }

networkConformance("real network", onMachine({}))
networkConformance("real network by sendfile", onMachine({ sendfileOnLoopback: true }))
networkConformance("real network without native calls", onMachine({ native: false }))
networkConformance("simulated network", async (body) => {
  for (let seed = 0; seed < 3; seed++) {
    await simulate(seed, async (world) => {
      const { network, disk } = world.addNode("a").env
      await disk.makeDirectory("/root")
      await body({ network, disk, root: "/root", wait: (ms) => world.sleep(ms) })
    })
  }
})
