/**
 * The voters of a new quorum, before its log has a record.
 *
 * Owns what a format leaves for them: a snapshot that ends before offset 0 and says who votes, from which the first leader takes them into the log. As Kafka's `kafka-storage format
 * --initial-controllers`.
 */
import type { Env } from "../env/env.js"
import { metadataTopic } from "./raft-log.js"
import { encodeSnapshot, writeSnapshot } from "./snapshot-file.js"
import { kraftVersionControlRecord, votersControlRecord } from "./voter-history.js"
import { supportedKRaftVersions, type Voter, VoterSet } from "./voter-set.js"

/** When it resolves, they are on the medium. `directory` is where the metadata log is to be. Rejects with DiskError. */
export async function writeFirstVoters(
  env: Env,
  directory: string,
  voters: readonly Pick<Voter, "id" | "directoryId" | "endpoints">[],
): Promise<void> {
  const set = new VoterSet(voters.map((voter) => ({ ...voter, ...supportedKRaftVersions })))
  const controls = [kraftVersionControlRecord(1), votersControlRecord(set)]
  const path = `${directory}/${metadataTopic}-0`
  await env.disk.makeDirectory(path)
  const id = { endOffset: 0, epoch: 0 }
  await writeSnapshot(env.disk, path, id, encodeSnapshot([], id, env.clock.wallMs(), controls))
  await env.disk.syncDirectory(directory)
}
