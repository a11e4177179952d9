/**
 * Every node in a network namespace of its own, all on one bridge.
 *
 * Owns namespaces, cables and the bridge, and takes them down. A link is cut by teaching the sender a hardware address that nobody has: packets leave and arrive nowhere.
 */
import { spawnSync } from "node:child_process"
import { atEnd, onPath, runOk } from "../work.js"
import type { ClusterNetwork, Listener } from "./network.js"

const brokerPort = 9092
const controllerPort = 9093
const hubHost = 254
/** Locally administered, and of nobody. */
const nobody = "02:00:00:00:00:00"

/** Undefined: they are; otherwise why not. */
export function namespacesArePossible(): string | undefined {
  if (process.platform !== "linux") return "not Linux"
  if (process.getuid?.() !== 0) return "not root"
  if (!onPath("ip")) return "ip is missing"
  const name = `ottla-${process.pid}-probe`
  const added = spawnSync("ip", ["netns", "add", name], { encoding: "utf8" })
  if (added.status !== 0) return added.stderr.trim()
  const cable = spawnSync("ip", ["-n", name, "link", "add", "probe", "type", "veth"], { encoding: "utf8" })
  spawnSync("ip", ["netns", "del", name])
  return cable.status === 0 ? undefined : cable.stderr.trim()
}

export class NamespaceNetwork implements ClusterNetwork {
  readonly kind = "network namespaces"
  readonly canDelay: boolean
  readonly #bridge = `ob${process.pid}`
  /** Of 10.0.0.0/8, so that several harnesses do not meet. */
  readonly #net = `10.${64 + ((process.pid >> 8) & 0x7f)}.${process.pid & 0xff}`
  readonly #close: () => void

  private constructor(private readonly nodes: number) {
    this.#close = atEnd(() => this.#takeDown())
    // Not every kernel has it built in.
    this.canDelay = spawnSync("tc", ["-n", this.#name(1), "qdisc", "add", "dev", "lo", "root", "netem"]).status === 0
  }

  static async open(nodes: number): Promise<NamespaceNetwork> {
    const network = new NamespaceNetwork(nodes)
    const bridge = network.#bridge
    await runOk("ip", ["link", "add", bridge, "type", "bridge"])
    await runOk("ip", ["addr", "add", `${network.#net}.${hubHost}/24`, "dev", bridge])
    await runOk("ip", ["link", "set", bridge, "up"])
    for (let node = 1; node <= nodes; node++) {
      const [name, cable] = [network.#name(node), `${bridge}n${node}`]
      await runOk("ip", ["netns", "add", name])
      await runOk("ip", ["link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name])
      await runOk("ip", ["link", "set", cable, "master", bridge, "up"])
      await runOk("ip", ["-n", name, "addr", "add", `${network.#host(node)}/24`, "dev", "eth0"])
      await runOk("ip", ["-n", name, "link", "set", "eth0", "up"])
      await runOk("ip", ["-n", name, "link", "set", "lo", "up"])
    }
    return network
  }

  #name(node: number): string {
    return `ottla-${process.pid}-${node}`
  }

  #host(node: number): string {
    return `${this.#net}.${node === 0 ? hubHost : node}`
  }

  #listener(node: number, port: number): Listener {
    const address = { host: this.#host(node), port }
    return { bind: address, advertised: address }
  }

  brokerListener(node: number): Listener {
    return this.#listener(node, brokerPort)
  }

  controllerListener(node: number): Listener {
    return this.#listener(node, controllerPort)
  }

  commandPrefix(node: number): readonly string[] {
    return ["ip", "netns", "exec", this.#name(node)]
  }

  #where(node: number): { readonly namespace: readonly string[]; readonly device: string } {
    return node === 0
      ? { namespace: [], device: this.#bridge }
      : { namespace: ["-n", this.#name(node)], device: "eth0" }
  }

  async cut(from: number, to: number): Promise<void> {
    const { namespace, device } = this.#where(from)
    const neighbour = ["neigh", "replace", this.#host(to), "lladdr", nobody, "nud", "permanent", "dev", device]
    await runOk("ip", [...namespace, ...neighbour])
  }

  async delay(): Promise<void> {
    throw new Error("delays need a proxy: --network proxies")
  }

  async heal(): Promise<void> {
    for (let from = 0; from <= this.nodes; from++) {
      const { namespace, device } = this.#where(from)
      // Also what was learned while it was cut, a failed look-up for instance.
      for (const kind of ["permanent", "all"]) {
        await runOk("ip", [...namespace, "neigh", "flush", "dev", device, ...(kind === "all" ? [] : ["nud", kind])])
      }
    }
  }

  async close(): Promise<void> {
    this.#close()
  }

  #takeDown(): void {
    for (let node = 1; node <= this.nodes; node++) spawnSync("ip", ["netns", "del", this.#name(node)])
    spawnSync("ip", ["link", "del", this.#bridge])
  }
}
