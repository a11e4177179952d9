/**
 * Which clients load a cluster, and how they are started.
 *
 * Owns the commands of producers and readers that know nothing of Ottla.
 */
import { join } from "node:path"
import { nodeRdkafkaAddon } from "../clients/node-rdkafka.js"
import { npmPackages, onPath, repository, Skip } from "../work.js"
import { silenceNoticed } from "./clients/rdkafka-settings.js"
import type { ClientCommand } from "./client-process.js"

export interface LoadTarget {
  readonly bootstrap: string
  readonly topic: string
  readonly partitions: number
  /** A node may go on as a leader that it is not any more, without knowing. */
  readonly hasStaleLeaders: boolean
}

/** How long a producer waits between two records to one partition. */
const tickMs = 10
const kafkajsTickMs = 20

const programs = join(repository, "build/compat/cluster/clients")

/** Undefined where it is not to be had here; why is said. */
async function ifThere<T>(name: string, make: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await make()
  } catch (error) {
    if (!(error instanceof Skip)) throw error
    process.stderr.write(`compat: without ${name}: ${error.message}\n`)
    return undefined
  }
}

/**
 * Producers and readers, the producer first by which gaps are measured: librdkafka where it is there. Ottla's own client always is, so that there is always one of each.
 */
export async function loadClients(target: LoadTarget): Promise<ClientCommand[]> {
  const { bootstrap, topic, partitions } = target
  const node = (name: string, program: string, waitMs: number, cwd = repository): ClientCommand => ({
    ...{ name, cwd, command: process.execPath },
    args: [join(programs, program), name, bootstrap, topic, String(partitions), String(waitMs)],
  })
  const reader = (command: ClientCommand): ClientCommand => ({ ...command, isReader: true })
  const librdkafka = await ifThere("librdkafka", nodeRdkafkaAddon)
  const kafkajs = await ifThere("kafkajs", () => npmPackages("npm", ["kafkajs@2.2.4"]))
  // The kcat of distributions knows no leader epochs (KIP-320): told by a node that has missed a change, it asks that node for what came later, and gives up when it is not there.
  const kcat = target.hasStaleLeaders ? undefined : await ifThere("kcat", () => kcatReader(target))
  return [
    ...(librdkafka === undefined ? [] : [node("librdkafka", "rdkafka-producer.js", tickMs, librdkafka)]),
    node("ottla", "ottla-producer.js", tickMs),
    ...(kafkajs === undefined ? [] : [node("kafkajs", "kafkajs-producer.js", kafkajsTickMs, kafkajs)]),
    ...(librdkafka === undefined ? [] : [reader(node("librdkafka-reader", "rdkafka-reader.js", 0, librdkafka))]),
    reader(node("ottla-reader", "ottla-reader.js", 0)),
    ...(kcat === undefined ? [] : [kcat]),
  ]
}

interface KcatRecord {
  readonly partition: number
  readonly offset: number
  readonly payload: string
}

/** Reads everything from the beginning on, as it is committed. */
function kcatReader({ bootstrap, topic, partitions }: LoadTarget): ClientCommand {
  const name = "kcat"
  if (!onPath(name)) throw new Skip("it is not on PATH")
  const settings = {
    "socket.timeout.ms": silenceNoticed["socket.timeout.ms"],
    "topic.metadata.refresh.interval.ms": silenceNoticed["topic.metadata.refresh.interval.ms"],
    "reconnect.backoff.max.ms": silenceNoticed["reconnect.backoff.max.ms"],
    "fetch.wait.max.ms": 100,
    "auto.offset.reset": "error",
  }
  const positioned = new Set<number>()
  return {
    ...{ name, command: "kcat", isReader: true },
    args: [
      ...["-C", "-E", "-q", "-u", "-J", "-b", bootstrap, "-t", topic, "-o", "beginning"],
      ...Object.entries(settings).flatMap(([key, value]) => ["-X", `${key}=${value}`]),
    ],
    take(line, recorder) {
      const { partition, offset, payload } = JSON.parse(line) as KcatRecord
      if (partition >= partitions) throw new Error(`kcat read partition ${partition}`)
      if (!positioned.has(partition)) recorder.note(name, { kind: "at", partition, offset: 0 })
      positioned.add(partition)
      recorder.note(name, { kind: "read", partition, offset, payload })
    },
  }
}
