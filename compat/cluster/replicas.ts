/**
 * The files of the nodes, beside one another: replicas hold the same bytes up to the high watermark.
 *
 * Owns the comparison of data directories of nodes that are stopped. Where one replica's log starts later, what all have is compared.
 */
import { readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { batchBaseOffset, batchLastOffset } from "../../src/protocol/batch-header.js"
import { batchesIn } from "../../src/protocol/record-batch.js"
import { decodeOffsetCheckpoint } from "../../src/storage/checkpoint-files.js"

export interface Comparison {
  readonly partitions: number
  readonly bytes: number
  readonly differences: readonly string[]
}

const metadataPartition = "__cluster_metadata-0"

/** By base offset, the batches of a replica. */
type Batches = ReadonlyMap<number, Buffer>

function batchesOf(directory: string): Batches {
  const batches = new Map<number, Buffer>()
  const logs = readdirSync(directory).filter((name) => name.endsWith(".log"))
  for (const name of logs.sort()) {
    const bytes = readFileSync(join(directory, name))
    for (const { start, end } of batchesIn(bytes))
      batches.set(batchBaseOffset(bytes, start), bytes.subarray(start, end))
  }
  return batches
}

function highWatermarkOf(directory: string, partition: string): number {
  const checkpoint = decodeOffsetCheckpoint(readFileSync(join(directory, "replication-offset-checkpoint")))
  if (checkpoint === undefined) throw new Error(`${directory} has no valid replication-offset-checkpoint`)
  return checkpoint.get(partition)?.offset ?? 0
}

const partitionsIn = (directory: string): string[] =>
  readdirSync(directory).filter((name) => /-\d+$/.test(name) && statSync(join(directory, name)).isDirectory())

/** `directories`: one for each node, all of them stopped cleanly. `needed`: partitions that all of them must have. */
export function compareReplicas(directories: readonly string[], needed: readonly string[]): Comparison {
  const differences: string[] = []
  const places = new Map<string, string[]>()
  for (const directory of directories)
    for (const name of partitionsIn(directory)) places.set(name, [...(places.get(name) ?? []), directory])
  for (const name of needed)
    if (places.get(name)?.length !== directories.length)
      differences.push(`${name} is in ${places.get(name)?.join(" ") ?? "no directory"}`)
  let bytes = 0
  for (const [name, homes] of places) {
    const replicas = homes.map((home) => batchesOf(join(home, name)))
    const highWatermark = Math.max(...homes.map((home) => highWatermarkOf(home, name)))
    // Whoever stopped first has not heard of what the others did when they stopped.
    const until = name === metadataPartition ? Math.min(highWatermark, ...replicas.map(endOf)) : highWatermark
    const from = Math.max(...replicas.map((batches) => Math.min(...batches.keys(), until)))
    for (const [index, replica] of replicas.entries()) {
      if (endOf(replica) < until)
        differences.push(`${name}: ${homes[index]} ends at ${endOf(replica)}, the high watermark is ${until}`)
    }
    bytes += compare(name, homes, replicas, from, until, differences)
  }
  return { partitions: places.size, bytes, differences }
}

function endOf(batches: Batches): number {
  let end = 0
  for (const batch of batches.values()) end = Math.max(end, batchLastOffset(batch) + 1)
  return end
}

function compare(
  name: string,
  homes: readonly string[],
  replicas: readonly Batches[],
  from: number,
  until: number,
  differences: string[],
): number {
  let bytes = 0
  const offsets = new Set(replicas.flatMap((batches) => [...batches.keys()]))
  for (const offset of [...offsets].sort((a, b) => a - b)) {
    if (offset < from || offset >= until) continue
    const found = replicas.map((batches) => batches.get(offset))
    const first = found[0]
    bytes += first?.length ?? 0
    for (const [index, one] of found.entries()) {
      if (first !== undefined && one !== undefined && first.equals(one)) continue
      const what = one === undefined || first === undefined ? "is not in both" : "is not the same"
      differences.push(`${name}: the batch at ${offset} ${what} in ${homes[0]} and ${homes[index]}`)
      // What follows differs as well.
      return bytes
    }
  }
  return bytes
}
