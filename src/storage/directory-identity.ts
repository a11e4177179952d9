/**
 * To whom a log directory belongs: the cluster, the node, and the id that makes the disk this one and no other.
 *
 * Owns `meta.properties`, the lock of the folder, and the id that was promised to others before the folder belonged to a cluster. A folder is a node's once and for all.
 */
import type { Uuid } from "../base/ids.js"
import { DiskError, type Env } from "../env/env.js"
import {
  decodeMetaProperties,
  encodeMetaProperties,
  lockFile,
  type MetaProperties,
  metaPropertiesFile,
  readDurableFile,
  replaceFile,
} from "./checkpoint-files.js"

/** The directory cannot be used; the message says what to do. */
export class DirectoryError extends Error {
  override name = "DirectoryError"
}

export type DirectoryLock = Awaited<ReturnType<Env["disk"]["lock"]>>

/** Makes the folder where it is missing, and holds it for this process. Rejects with DiskError (EWOULDBLOCK: another process holds it). */
export async function lockDirectory(env: Env, path: string): Promise<DirectoryLock> {
  await makeDurableDirectory(env, path)
  return env.disk.lock(`${path}/${lockFile}`)
}

/** Whether it belongs to a cluster. */
export const isFormatted = async (env: Env, path: string): Promise<boolean> =>
  (await env.disk.stat(`${path}/${metaPropertiesFile}`)) !== undefined

const promiseFile = "directory-id.promised"
const uuidText = /^[A-Za-z0-9_-]{22}$/

/** The id that this folder will have, whenever it comes to belong to a cluster; it may be told to others. When it resolves, the promise is on the medium. The folder is locked. */
export async function promisedDirectoryId(env: Env, path: string): Promise<Uuid> {
  const promised = await readPromise(env, path)
  if (promised !== undefined) return promised
  const directoryId = env.random.uuid()
  await replaceFile(env.disk, path, promiseFile, Buffer.from(directoryId))
  return directoryId
}

async function readPromise(env: Env, path: string): Promise<Uuid | undefined> {
  const text = (await readDurableFile(env.disk, path, promiseFile))?.toString("utf8")
  return text !== undefined && uuidText.test(text) ? text : undefined
}

/** A folder and its missing parents, all of them there after a power cut. */
async function makeDurableDirectory(env: Env, path: string): Promise<void> {
  await env.disk.makeDirectory(path)
  // Without properties the folder was never used, whether it is new or an earlier start was killed here: nobody knows which of its names are durable.
  if ((await env.disk.stat(`${path}/${metaPropertiesFile}`)) !== undefined) return
  for (let at = path; at !== "" && at !== "/" && at !== "."; ) {
    const slash = at.lastIndexOf("/")
    at = slash < 0 ? "." : slash === 0 ? "/" : at.slice(0, slash)
    try {
      await env.disk.syncDirectory(at)
    } catch (error) {
      // A folder we may not read was not made by us.
      if (!(error instanceof DiskError) || (error.code !== "EACCES" && error.code !== "EPERM")) throw error
    }
  }
}

/** What it says of itself, made where it is new. Rejects with DirectoryError. */
export async function readIdentity(env: Env, path: string, identity: DirectoryIdentity): Promise<MetaProperties> {
  const bytes = await readDurableFile(env.disk, path, metaPropertiesFile)
  if (bytes !== undefined) {
    const properties = decodeMetaProperties(bytes)
    if (properties === undefined)
      throw new DirectoryError(`${path}/${metaPropertiesFile} is damaged or of an unknown version`)
    if (properties.nodeId !== identity.nodeId)
      throw new DirectoryError(
        `${path} belongs to node ${properties.nodeId}, this is node ${identity.nodeId}: set node.id or log.dirs`,
      )
    if (identity.clusterId !== undefined && properties.clusterId !== identity.clusterId)
      throw new DirectoryError(`${path} belongs to cluster ${properties.clusterId}, this is ${identity.clusterId}`)
    return properties
  }
  const properties = {
    clusterId: identity.clusterId ?? identity.newClusterId ?? env.random.uuid(),
    nodeId: identity.nodeId,
    directoryId: (await readPromise(env, path)) ?? env.random.uuid(),
  }
  await replaceFile(env.disk, path, metaPropertiesFile, encodeMetaProperties(properties))
  return properties
}

/** To whom a directory must belong. */
export interface DirectoryIdentity {
  readonly nodeId: number
  /** That of the directories opened before. */
  readonly clusterId: Uuid | undefined
  /** For a new directory where no other says. Undefined: one of its own. */
  readonly newClusterId: Uuid | undefined
}
