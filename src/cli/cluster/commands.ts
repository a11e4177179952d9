/**
 * `ottla cluster`: its verbs, their flags, and what `--help` says.
 *
 * Owns the words. What each verb does is loaded when it is called.
 */
import { buildCommand, buildRouteMap } from "@stricli/core"
import type { MoveFlags, ReassignFlags } from "./change.js"
import type { ClusterFlags } from "./session.js"

const bootstrapServer = {
  kind: "parsed",
  parse: String,
  brief: "Brokers to begin with, as host:port, several with commas",
  default: "127.0.0.1:9092",
  placeholder: "host:port",
} as const
const json = { kind: "boolean", brief: "Print JSON, for machines", default: false } as const
const common = { bootstrapServer, json } as const
const dryRun = { kind: "boolean", brief: "Tell what would be done, and do nothing", default: false } as const

const whole = (name: string, min: number, max: number) => (text: string) => {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < min || value > max)
    throw new SyntaxError(`--${name} ${text}: give a whole number from ${min} to ${max}`)
  return value
}

const ids = (text: string): number[] => text.split(",").map((id) => nodeId(id.trim()))

function nodeId(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new SyntaxError(`${text} is no node id, which is a whole number such as 3`)
  return Number(text)
}

const moving = {
  ...common,
  dryRun,
  concurrency: {
    kind: "parsed",
    parse: whole("concurrency", 1, 10_000),
    brief: "Partitions on their way at once",
    default: "50",
    placeholder: "count",
  },
  timeout: {
    kind: "parsed",
    parse: whole("timeout", 1, 1_000_000),
    brief: "Seconds without progress after which the command gives up; what is on its way goes on",
    default: "600",
    placeholder: "seconds",
  },
} as const

const nodeParameter = (brief: string) =>
  ({ kind: "tuple", parameters: [{ parse: nodeId, brief, placeholder: "id" }] }) as const

const health = buildCommand({
  docs: {
    brief: "Tell what is wrong with the cluster",
    fullDescription:
      "Looks for partitions without a leader, below min.insync.replicas or with replicas out of sync, for fenced brokers, and for a metadata quorum without a leader or with voters that lag. Exit code 0: nothing is wrong, 1: something is.\nExample: ottla cluster health --bootstrap-server 10.0.0.1:9092 --json",
  },
  parameters: { flags: common },
  loader: async () => {
    const [{ runCommand }, look] = await Promise.all([import("./session.js"), import("./look.js")])
    return (flags: ClusterFlags) => runCommand(flags, look.health)
  },
})

const brokers = buildCommand({
  docs: {
    brief: "List the brokers, what they hold and what they lead",
    fullDescription: "Example: ottla cluster brokers",
  },
  parameters: { flags: common },
  loader: async () => {
    const [{ runCommand }, look] = await Promise.all([import("./session.js"), import("./look.js")])
    return (flags: ClusterFlags) => runCommand(flags, look.brokers)
  },
})

const quorum = buildCommand({
  docs: {
    brief: "List the controllers: who leads, who votes, who follows, and how far behind",
    fullDescription: "Example: ottla cluster quorum",
  },
  parameters: { flags: common },
  loader: async () => {
    const [{ runCommand }, look] = await Promise.all([import("./session.js"), import("./look.js")])
    return (flags: ClusterFlags) => runCommand(flags, look.quorum)
  },
})

const balance = buildCommand({
  docs: {
    brief: "Spread replicas and leaderships evenly over the brokers",
    fullDescription:
      "Moves as few replicas as will do, never two of a partition to one machine, and gives each partition to its preferred leader. A new broker gets its share this way.\nExamples:\n  ottla cluster balance --dry-run\n  ottla cluster balance --leaders-only",
  },
  parameters: {
    flags: {
      ...moving,
      leadersOnly: { kind: "boolean", brief: "Move no replicas, only leaderships", default: false },
    },
  },
  loader: async () => {
    const [{ runCommand }, change] = await Promise.all([import("./session.js"), import("./change.js")])
    return (flags: ClusterFlags & MoveFlags & { readonly leadersOnly: boolean }) =>
      runCommand(flags, (session) => change.balance(session, flags))
  },
})

const drain = buildCommand({
  docs: {
    brief: "Move everything off a broker",
    fullDescription:
      "Moves all replicas of a broker to the others and waits until they are there. May be stopped and run again.\nExample: ottla cluster drain 3 --dry-run",
  },
  parameters: { flags: moving, positional: nodeParameter("The broker to empty") },
  loader: async () => {
    const [{ runCommand }, change] = await Promise.all([import("./session.js"), import("./change.js")])
    return (flags: ClusterFlags & MoveFlags, id: number) =>
      runCommand(flags, (session) => change.drain(session, flags, id))
  },
})

const reassign = buildCommand({
  docs: {
    brief: "Give partitions other replicas, by a plan or a topic at a time; list or cancel what is on its way",
    fullDescription:
      "Examples:\n  ottla cluster reassign --plan moves.json       (the form of kafka-reassign-partitions.sh)\n  ottla cluster reassign --topic orders --to 1,2,3 --replication-factor 3\n  ottla cluster reassign --list\n  ottla cluster reassign --cancel --topic orders",
  },
  parameters: {
    flags: {
      ...moving,
      plan: { kind: "parsed", parse: String, brief: "A file in Kafka's form", optional: true, placeholder: "file" },
      topic: { kind: "parsed", parse: String, brief: "A topic", optional: true, placeholder: "name" },
      to: {
        kind: "parsed",
        parse: ids,
        brief: "Brokers to spread the topic's replicas over",
        optional: true,
        placeholder: "1,2,3",
      },
      replicationFactor: {
        kind: "parsed",
        parse: whole("replication-factor", 1, 1000),
        brief: "With --to: as many replicas; as many as now if not given",
        optional: true,
        placeholder: "count",
      },
      list: { kind: "boolean", brief: "Tell what is on its way", default: false },
      cancel: { kind: "boolean", brief: "Take back what is on its way", default: false },
    },
  },
  loader: async () => {
    const [{ runCommand }, change] = await Promise.all([import("./session.js"), import("./change.js")])
    return (flags: ClusterFlags & ReassignFlags) => runCommand(flags, (session) => change.reassign(session, flags))
  },
})

const removeBroker = buildCommand({
  docs: {
    brief: "Forget a broker that is stopped and holds nothing",
    fullDescription:
      "A broker joins by starting; `ottla cluster balance` then gives it its share. To let one go: drain it, stop it, remove it.\nExample: ottla cluster drain 3 && systemctl stop ottla@3 && ottla cluster remove-broker 3",
  },
  parameters: { flags: { ...common, dryRun }, positional: nodeParameter("The broker to forget") },
  loader: async () => {
    const [{ runCommand }, change] = await Promise.all([import("./session.js"), import("./change.js")])
    return (flags: ClusterFlags & { readonly dryRun: boolean }, id: number) =>
      runCommand(flags, (session) => change.removeBroker(session, flags, id))
  },
})

const addController = buildCommand({
  docs: {
    brief: "Let a controller that follows the metadata quorum vote in it",
    fullDescription:
      "Start the node first, with process.roles=controller and controller.quorum.bootstrap.servers; `ottla cluster quorum` shows it as an observer. With controller.quorum.auto.join.enable=true it does this by itself.\nExample: ottla cluster add-controller 4 --at CONTROLLER://10.0.0.4:9093",
  },
  parameters: {
    flags: {
      ...common,
      dryRun,
      at: {
        kind: "parsed",
        parse: String,
        brief: "Where its controller listener is",
        placeholder: "name://host:port",
      },
    },
    positional: nodeParameter("The node"),
  },
  loader: async () => {
    const [{ runCommand }, change] = await Promise.all([import("./session.js"), import("./change.js")])
    return (flags: ClusterFlags & { readonly at: string; readonly dryRun: boolean }, id: number) =>
      runCommand(flags, (session) => change.addController(session, flags, id))
  },
})

const removeController = buildCommand({
  docs: {
    brief: "Take a voter out of the metadata quorum, whether it lives or is lost",
    fullDescription:
      "A voter whose disk is lost is removed by the id of that disk and, once its node runs with an empty one, added again. A node that is named in controller.quorum.voters, or has controller.quorum.auto.join.enable, does both by itself: stop it before it is to vote no more.\nExample: ottla cluster remove-controller 3",
  },
  parameters: {
    flags: {
      ...common,
      dryRun,
      directory: {
        kind: "parsed",
        parse: String,
        brief: "The id of its metadata directory, where it is not the one that the voters name",
        optional: true,
        placeholder: "uuid",
      },
    },
    positional: nodeParameter("The node"),
  },
  loader: async () => {
    const [{ runCommand }, change] = await Promise.all([import("./session.js"), import("./change.js")])
    return (flags: ClusterFlags & { readonly directory?: string; readonly dryRun: boolean }, id: number) =>
      runCommand(flags, (session) => change.removeController(session, flags, id))
  },
})

interface RestartFlags extends ClusterFlags {
  readonly restart: string
  readonly only?: readonly number[]
  readonly timeout: number
  readonly dryRun: boolean
  readonly acceptUnavailability: boolean
}

const rollingRestart = buildCommand({
  docs: {
    brief: "Restart one node after another, each only while the cluster can do without it",
    fullDescription:
      "Before and after each step everything must be healthy: every replica in sync, every broker serving, the metadata quorum complete. {id} and {host} in the command stand for the node. The command must stop the node cleanly (SIGTERM) and start it again; brokers of one machine are restarted together.\nExamples:\n  ottla cluster rolling-restart --restart 'ssh {host} systemctl restart ottla@{id}'\n  ottla cluster rolling-restart --restart 'systemctl restart ottla@{id}' --only 2,3 --dry-run",
  },
  parameters: {
    flags: {
      ...common,
      dryRun,
      restart: { kind: "parsed", parse: String, brief: "What restarts a node", placeholder: "command" },
      only: { kind: "parsed", parse: ids, brief: "Only these nodes", optional: true, placeholder: "1,2" },
      timeout: {
        kind: "parsed",
        parse: whole("timeout", 1, 100_000),
        brief: "Seconds that a node may take to stop, and to come back in sync",
        default: "300",
        placeholder: "seconds",
      },
      acceptUnavailability: {
        kind: "boolean",
        brief: "Restart also what cannot be missed, such as the only replica of a partition",
        default: false,
      },
    },
  },
  loader: async () => {
    const [{ runCommand }, { restartNodes }] = await Promise.all([
      import("./session.js"),
      import("./restart-command.js"),
    ])
    return (flags: RestartFlags) => runCommand(flags, (session) => restartNodes(session, flags))
  },
})

export const clusterRoutes = buildRouteMap({
  routes: {
    health,
    brokers,
    quorum,
    balance,
    drain,
    reassign,
    removeBroker,
    addController,
    removeController,
    rollingRestart,
  },
  docs: {
    brief: "Look at a cluster and change it",
    fullDescription:
      "Works over Kafka's protocol, with Ottla and with Apache Kafka 4. Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 refused, failed or unhealthy, 2 a wrong argument, 3 what was named is not there.",
  },
})
