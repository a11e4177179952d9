/**
 * Load on a broker from other processes.
 *
 * Owns the two generators and their settings, the same for every system: librdkafka's own `rdkafka_performance`, and where there is no
 * toolchain to build it one in TypeScript (`load-worker.ts`) that sends ready-made batches. A load that loses a record is an error.
 */
import { fileURLToPath } from "node:url"
import { ProcessError, type Processes } from "./processes.js"
import { host } from "./systems.js"

export interface Load {
  readonly port: number
  readonly topic: string
  readonly partitions: number
  /** Records of the whole load. */
  readonly records: number
  readonly recordBytes: number
  /** Default: 1. -1: all in-sync replicas. */
  readonly acks?: 1 | -1
}

export interface LoadResult {
  /** Records done a second. */
  readonly rate: number
  readonly seconds: number
}

export interface Generator {
  readonly name: string
  /** How it was set, for the report. */
  readonly settings: string
  produce(load: Load): Promise<LoadResult>
  consume(load: Load): Promise<LoadResult>
}

/** Found where Apache Kafka reaches what is known of it on such a machine; larger batches or more of them in flight gain neither system. */
const producerSettings = [
  "linger.ms=5",
  "batch.size=1000000",
  "batch.num.messages=10000",
  "queue.buffering.max.messages=500000",
  "queue.buffering.max.kbytes=1000000",
]
const consumerSettings = ["queued.max.messages.kbytes=200000", "check.crcs=false", "fetch.error.backoff.ms=10"]

export function rdkafkaPerformance(processes: Processes, path: string): Generator {
  const options = (settings: readonly string[]) => settings.flatMap((setting) => ["-X", setting])
  const common = ({ port, topic, records }: Load) => ["-t", topic, "-b", `${host}:${port}`, "-c", String(records), "-q"]
  const result = (output: string, records: number, pattern: RegExp): LoadResult => {
    const match = pattern.exec(output)
    if (match === null || Number(match[1]) !== records)
      throw new ProcessError(`rdkafka_performance: ${output.slice(-2000)}`)
    const seconds = Number(match[2]) / 1000
    return { rate: records / seconds, seconds }
  }
  return {
    name: "rdkafka_performance (librdkafka 2.12.0)",
    settings: `producer -a 1, with three brokers -a -1, ${producerSettings.join(" ")}; consumer -C -o beginning ${consumerSettings.join(" ")}`,
    produce: async (load) => {
      const args = [
        "-P",
        ...common(load),
        "-s",
        String(load.recordBytes),
        "-a",
        String(load.acks ?? 1),
        ...options(producerSettings),
      ]
      // It fails when it counted one record less while all were delivered: its threads share that counter without a lock.
      const isDone = (output: string) =>
        output.includes(`, ${load.records} delivered (`) && output.includes(", 0 failed)")
      const output = await processes.run(path, args, { isDone })
      return result(output, load.records, /, (\d+) delivered \(offset \d+, 0 failed\) in (\d+)ms/)
    },
    consume: async (load) => {
      const partitions = Array.from({ length: load.partitions }, (_, index) => ["-p", String(index)]).flat()
      const args = ["-C", ...common(load), ...partitions, "-o", "beginning", ...options(consumerSettings)]
      const output = await processes.run(path, args)
      return result(output, load.records, /% (\d+) messages \(\d+ bytes\) consumed in (\d+)ms/)
    },
  }
}

export interface WorkerTask {
  readonly task: "produce" | "drain"
  readonly port: number
  readonly topic: string
  readonly partitions: readonly number[]
  readonly records: number
  readonly recordBytes: number
  readonly acks?: 1 | -1
  /** Drain: read only the last so many bytes of every partition, again and again until the records are reached. */
  readonly tailBytes?: number
}

const workerPath = fileURLToPath(new URL("./load-worker.js", import.meta.url))

async function runWorker(processes: Processes, task: WorkerTask): Promise<LoadResult> {
  const output = await processes.run(process.execPath, [workerPath, JSON.stringify(task)])
  return JSON.parse(output) as LoadResult
}

export function typescriptGenerator(processes: Processes): Generator {
  const partitions = (load: Load) => Array.from({ length: load.partitions }, (_, index) => index)
  return {
    name: "bench/load-worker.ts",
    settings:
      "one connection with 5 requests of 256 KiB in flight; it sends ready-made batches, so it costs less than a real client",
    produce: (load) => runWorker(processes, { ...load, task: "produce", partitions: partitions(load) }),
    consume: (load) => drain(processes, load),
  }
}

/** Reads without looking at records: what the broker can send, not what a client can digest. */
export function drain(processes: Processes, load: Load, tailBytes?: number): Promise<LoadResult> {
  const partitions = Array.from({ length: load.partitions }, (_, index) => index)
  return runWorker(processes, { ...load, task: "drain", partitions, ...(tailBytes === undefined ? {} : { tailBytes }) })
}
