/**
 * `npm run compat -- cluster-tools`: what Apache Kafka's tools for clusters say of three nodes, and do to them.
 *
 * Owns one step for each tool. Each reads what the tool prints as its user would, and asks the cluster itself whether it happened.
 */
import { readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { type KafkaTool, kafkaTool, tryKafkaTool } from "../kafka.js"
import { positive } from "../options.js"
import { expect, expectEqual, temporaryDirectory } from "../work.js"
import { Cluster, nodeCount } from "./cluster.js"
import { openNetwork, parseNetworkChoice } from "./network.js"
import { ClusterView } from "./view.js"

interface Stage {
  readonly cluster: Cluster
  readonly view: ClusterView
  readonly controllers: string
  /** A topic of one partition that nobody else uses: three replicas, node 1 preferred. */
  topic(name: string, replicas?: string): Promise<string>
  tool(name: KafkaTool, ...args: readonly string[]): Promise<string>
  file(name: string, content: object): string
}

const waitMs = 20_000
const all = [1, 2, 3]

const steps: Readonly<Record<string, (stage: Stage) => Promise<void>>> = {
  async "kafka-metadata-quorum, status"({ tool, view, controllers, cluster }) {
    const byBrokers = await tool("kafka-metadata-quorum", "describe", "--status")
    const byControllers = await kafkaTool("kafka-metadata-quorum", [
      ...["--bootstrap-controller", controllers, "describe", "--status"],
    ])
    for (const status of [byBrokers, byControllers]) {
      expectEqual(Number(/LeaderId:\s+(\d+)/.exec(status)?.[1]), await view.controller(), "leader")
      expect(Number(/HighWatermark:\s+(\d+)/.exec(status)?.[1]) > 10, status)
      expect(Number(/LeaderEpoch:\s+(\d+)/.exec(status)?.[1]) > 0, status)
      const voters = JSON.parse(/CurrentVoters:\s+(\[.*\])/.exec(status)![1]!) as { id: number; endpoints: string[] }[]
      expectEqual(voters.map(({ id }) => id).sort(), all, "voters")
      const endpoints = voters.flatMap((voter) => voter.endpoints).sort()
      const expected = cluster.nodes.map(({ id }) => {
        const { host, port } = cluster.options.network.controllerListener(id).advertised
        return `CONTROLLER://${host}:${port}`
      })
      expectEqual(endpoints, expected.sort(), "endpoints of voters")
    }
  },

  async "kafka-metadata-quorum, replication"({ tool, view }) {
    const table = await tool("kafka-metadata-quorum", "describe", "--replication")
    const rows = table.trim().split("\n").slice(1)
    const roles = rows.map((row) => row.trim().split(/\s+/)).map((row) => [Number(row[0]), row.at(-1)])
    const leader = await view.controller()
    expectEqual(
      roles.sort(),
      all.map((id) => [id, id === leader ? "Leader" : "Follower"]),
      "replicas",
    )
  },

  async "kafka-metadata-shell"({ cluster, topic }) {
    const name = await topic("shell")
    const directory = join(cluster.node(1).directory, "__cluster_metadata-0")
    const log = readdirSync(directory).filter((file) => file.endsWith(".log"))
    expectEqual(log.length, 1, "segments of the metadata log")
    // It takes the lock of the directory.
    await cluster.node(1).stop()
    const shell = (command: string) =>
      kafkaTool("kafka-metadata-shell", ["--snapshot", join(directory, log[0]!), ...command.split(" ")])
    expect((await shell("ls /image/topics/byName")).split(/\s+/).includes(name), "the topic is listed")
    expectEqual((await shell("ls /image/cluster/brokers")).trim().split(/\s+/).sort(), all.map(String), "brokers")
    await cluster.node(1).start()
  },

  async "kafka-features"({ tool }) {
    const described = await tool("kafka-features", "describe")
    expect(
      /Feature: metadata\.version\s+SupportedMinVersion: \S+\s+SupportedMaxVersion: \S+/.test(described),
      described,
    )
    expect(/Feature: kraft\.version/.test(described), described)
  },

  async "kafka-reassign-partitions, generate"({ tool, topic, file }) {
    const topics = file("topics", { version: 1, topics: [{ topic: await topic("generate") }] })
    const generated = await tool(
      ...([
        "kafka-reassign-partitions",
        "--generate",
        "--broker-list",
        "3,2,1",
        "--topics-to-move-json-file",
        topics,
      ] as const),
    )
    expect(/Proposed partition reassignment configuration\s+\{"version":1/.test(generated), generated)
  },

  async "kafka-reassign-partitions, execute with a throttle, verify"({ tool, view, topic, file }) {
    const name = await topic("reassign")
    await produceTo(name, tool, 20_000)
    const plan = file("plan", planOf(name, [3, 2]))
    const files = ["--reassignment-json-file", plan]
    const executed = await tool("kafka-reassign-partitions", "--execute", ...files, "--throttle", "50000000")
    expect(/Successfully started partition reassignment/.test(executed), executed)
    expect(/throttle limit was set to 50000000/.test(executed), executed)
    await view.until(
      name,
      "replicas 3 and 2",
      ({ replicas, isr }) => `${replicas}` === "3,2" && isr.length === 2,
      waitMs,
    )
    const verified = await tool("kafka-reassign-partitions", "--verify", ...files)
    expect(/is completed/.test(verified) && /Clearing (broker|topic)-level throttles/.test(verified), verified)
    const configs = await tool("kafka-configs", "--describe", "--entity-type", "brokers", "--entity-name", "1")
    expect(!/throttled\.rate/.test(configs), `a throttle is left: ${configs}`)
  },

  async "kafka-reassign-partitions, list and cancel"({ tool, view, topic, file }) {
    const name = await topic("cancel")
    await tool(
      "kafka-reassign-partitions",
      "--execute",
      "--reassignment-json-file",
      file("shrink", planOf(name, [1, 2])),
    )
    await view.until(name, "two replicas", ({ replicas }) => `${replicas}` === "1,2", waitMs)
    await produceTo(name, tool, 20_000)
    // One byte a second: it will not be done before it is cancelled.
    const files = ["--reassignment-json-file", file("slow", planOf(name, [1, 3]))]
    await tool("kafka-reassign-partitions", "--execute", ...files, "--throttle", "1")
    const listed = await tool("kafka-reassign-partitions", "--list")
    expect(listed.includes(`${name}-0: replicas: 1,3,2. adding: 3. removing: 2.`), listed)
    const cancelled = await tool("kafka-reassign-partitions", "--cancel", ...files)
    expect(/Successfully cancelled partition reassignment for: cancel-0/.test(cancelled), cancelled)
    await view.until(name, "as it was", ({ replicas }) => `${replicas}` === "1,2", waitMs)
    expect(
      /No partition reassignments found/.test(await tool("kafka-reassign-partitions", "--list")),
      "nothing is left",
    )
  },

  async "kafka-leader-election, preferred"({ cluster, tool, view, topic }) {
    const name = await topic("preferred")
    await cluster.node(1).kill()
    await view.until(name, "another leader", ({ leader }) => leader > 1, waitMs)
    await cluster.node(1).start()
    await view.inSync(name)
    const elect = () =>
      tool("kafka-leader-election", "--election-type", "preferred", "--topic", name, "--partition", "0")
    const elected = await elect()
    expect(/Successfully completed leader election \(PREFERRED\)/.test(elected), elected)
    await view.until(name, "the preferred leader", ({ leader }) => leader === 1, waitMs)
    expect(/Valid replica already elected/.test(await elect()), "elected twice")
  },

  /** The last in-sync replica is gone, and what the other one has is too little: it leads when that is asked for, and not before. */
  async "kafka-leader-election, unclean"({ cluster, tool, view, topic }) {
    const name = await topic("unclean", "1:2")
    await tool("kafka-configs", ...topicConfig(name), "--add-config", "min.insync.replicas=1")
    await cluster.node(2).kill()
    await view.until(name, "node 2 out of sync", ({ isr }) => `${isr}` === "1", waitMs)
    await produceTo(name, tool, 1_000)
    await cluster.node(1).kill()
    await cluster.node(2).start()
    await view.until(name, "no leader", ({ leader }) => leader < 0, waitMs)
    const elect = (how: string) =>
      tryKafkaTool("kafka-leader-election", [
        ...["--bootstrap-server", cluster.bootstrap, "--election-type", how, "--topic", name, "--partition", "0"],
      ])
    const preferred = await elect("preferred")
    expect(preferred.code !== 0 && /PreferredLeaderNotAvailable/.test(preferred.stderr), preferred.stderr)
    const unclean = await elect("unclean")
    expect(/Successfully completed leader election \(UNCLEAN\)/.test(unclean.stdout), unclean.stdout + unclean.stderr)
    await view.until(name, "whoever is there leads", ({ leader }) => leader === 2, waitMs)
    await cluster.node(1).start()
    await view.inSync(name)
  },

  async "kafka-configs of brokers"({ tool, cluster }) {
    const of = (id: number) => ["--entity-type", "brokers", "--entity-name", String(id)]
    await tool("kafka-configs", ...of(2), "--alter", "--add-config", "log.cleaner.threads=2")
    for (const id of all) {
      const described = await tool("kafka-configs", ...of(id), "--describe")
      expectEqual(described.includes("log.cleaner.threads=2"), id === 2, `broker ${id} has it`)
    }
    await cluster.node(2).stop()
    await cluster.node(2).start()
    expect((await tool("kafka-configs", ...of(2), "--describe")).includes("log.cleaner.threads=2"), "after a restart")
    await tool("kafka-configs", ...of(2), "--alter", "--delete-config", "log.cleaner.threads")
    expect(!(await tool("kafka-configs", ...of(2), "--describe")).includes("log.cleaner.threads=2"), "deleted")
    const everything = await tool("kafka-configs", ...of(3), "--describe", "--all")
    expect(/node\.id=3 /.test(everything), everything.slice(0, 500))
  },

  async "kafka-log-dirs"({ tool, topic, cluster }) {
    const name = await topic("log-dirs")
    const described = async (...more: readonly string[]) => {
      const answer = await tool("kafka-log-dirs", "--describe", "--topic-list", name, ...more)
      return JSON.parse(answer.split("\n").find((line) => line.startsWith("{"))!) as {
        brokers: { broker: number; logDirs: { logDir: string; partitions: { partition: string }[] }[] }[]
      }
    }
    const { brokers } = await described()
    expectEqual(brokers.map(({ broker }) => broker).sort(), all, "brokers")
    for (const { broker, logDirs } of brokers) {
      expectEqual(
        logDirs.map(({ logDir }) => logDir),
        [cluster.node(broker).directory],
        "directories",
      )
      expectEqual(
        logDirs[0]!.partitions.map(({ partition }) => partition),
        [`${name}-0`],
        "partitions",
      )
    }
    expectEqual(
      (await described("--broker-list", "2")).brokers.map(({ broker }) => broker),
      [2],
      "one broker",
    )
  },

  async "kafka-topics of a cluster"({ tool, topic, cluster, view }) {
    const name = await topic("under-replicated")
    await cluster.node(3).kill()
    await view.until(name, "node 3 out of sync", ({ isr }) => !isr.includes(3), waitMs)
    const under = await tool("kafka-topics", "--describe", "--under-replicated-partitions")
    expect(under.includes(`Topic: ${name}`), under)
    await cluster.node(3).start()
    await view.inSync(name)
    expect(!(await tool("kafka-topics", "--describe", "--under-replicated-partitions")).includes(name), "in sync again")
    expectEqual(
      (await tool("kafka-topics", "--describe", "--topic", name)).match(/Replicas: 1,2,3/g)?.length,
      1,
      "replicas",
    )
  },
}

const topicConfig = (name: string) => ["--alter", "--entity-type", "topics", "--entity-name", name]

const planOf = (topic: string, replicas: readonly number[]) => ({
  version: 1,
  partitions: [{ topic, partition: 0, replicas, log_dirs: replicas.map(() => "any") }],
})

async function produceTo(topic: string, tool: Stage["tool"], records: number): Promise<void> {
  await tool("kafka-verifiable-producer", "--topic", topic, "--max-messages", String(records), "--acks", "-1")
}

export async function clusterTools(options: Readonly<Record<string, string>>): Promise<boolean> {
  const network = await openNetwork(
    parseNetworkChoice(options.network),
    nodeCount,
    positive(options, "base-port", 32_600),
  )
  const home = temporaryDirectory("cluster-tools")
  const directories = Array.from({ length: nodeCount }, (_, index) => join(home, `node-${index + 1}`))
  const cluster = new Cluster({ network, directories })
  await cluster.start()
  const view = new ClusterView(cluster.bootstrap)
  const controllers = cluster.nodes
    .map(({ id }) => network.controllerListener(id).advertised)
    .map(({ host, port }) => `${host}:${port}`)
  const stage: Stage = {
    ...{ cluster, view, controllers: controllers.join(",") },
    tool: (name, ...args) => kafkaTool(name, ["--bootstrap-server", cluster.bootstrap, ...args]),
    async topic(name, replicas = "1:2:3") {
      await stage.tool("kafka-topics", "--create", "--topic", name, "--replica-assignment", replicas)
      await view.inSync(name)
      return name
    },
    file(name, content) {
      const path = join(home, `${name}.json`)
      writeFileSync(path, JSON.stringify(content))
      return path
    },
  }
  process.stdout.write(`cluster-tools: three nodes, ${network.kind}\n`)
  let failures = 0
  const wanted = Object.entries(steps).filter(([name]) => name.includes(options.only ?? ""))
  for (const [name, step] of wanted) {
    const startedMs = Date.now()
    let verdict = "PASS"
    try {
      await step(stage)
      cluster.expectAlive()
    } catch (error) {
      failures += 1
      verdict = `FAIL ${(error as Error).message.replaceAll("\n", "\n      ")}\n    `
      for (const node of cluster.nodes) if (!node.isAlive) await node.start()
    }
    process.stdout.write(`${verdict} ${name} ${((Date.now() - startedMs) / 1000).toFixed(1)} s\n`)
  }
  await cluster.stop()
  await network.close()
  process.stdout.write(`cluster-tools: ${wanted.length - failures} passed, ${failures} failed\n`)
  return failures === 0
}
