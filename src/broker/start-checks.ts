/**
 * What keeps a node from starting, said so that it can be mended.
 *
 * Owns the checks of settings that need the whole picture, and the translation of what went wrong into a sentence.
 */
import { InvariantError } from "../base/assert.js"
import { MalformedError } from "../base/reader.js"
import type { ServerConfig } from "../config/server-config.js"
import { DiskError, NetworkError } from "../env/env.js"
import { PeerError } from "../net/peer.js"
import { MetadataLogError } from "../raft/metadata-log.js"
import { DirectoryError } from "../storage/directory-identity.js"
import { RegistrationRefused } from "./broker-lifecycle.js"
import { FormationRefused } from "./formation/cluster-formation.js"

/** The node cannot start, and the message says what to do about it. */
export class StartError extends Error {
  override name = "StartError"
}

const isLoopback = (host: string): boolean => host === "localhost" || host === "::1" || /^127\./.test(host)

/** Listeners that others can reach and that ask nobody who they are; controllers' listeners take requests that may change everything. Errors: StartError. */
export function checkListeners(config: ServerConfig, { insecure }: { readonly insecure: boolean }): void {
  for (const { name, host, protocol } of config.listeners.listeners) {
    if (protocol !== "PLAINTEXT") {
      throw new StartError(`listeners: ${name} uses ${protocol}, and this version of Ottla speaks PLAINTEXT only`)
    }
    if (!isLoopback(host) && !insecure) {
      throw new StartError(
        `listeners: ${name}://${host} can be reached by other machines, and PLAINTEXT asks nobody who they are. Listen on 127.0.0.1, or insist with --insecure`,
      )
    }
  }
}

/** What was thrown as a StartError where whoever started the node can do something about it. */
export function startError(error: unknown): unknown {
  if (error instanceof StartError) return error
  if (error instanceof DiskError && error.code === "EWOULDBLOCK") {
    return new StartError(
      `${error.path} is held by another process: is a broker running on this directory? Stop it, or set log.dirs`,
    )
  }
  if (error instanceof DirectoryError || error instanceof MetadataLogError || error instanceof DiskError)
    return new StartError(error.message)
  if (error instanceof RegistrationRefused || error instanceof FormationRefused) return new StartError(error.message)
  if (error instanceof PeerError)
    return new StartError(
      `no controller could be reached: ${error.message}. Are the nodes of controller.quorum.voters running?`,
    )
  if (error instanceof MalformedError)
    return new StartError(`the metadata log holds what this version cannot read: ${error.message}`)
  if (error instanceof NetworkError) return new StartError(`listeners: ${error.message}`)
  if (error instanceof InvariantError) return new StartError(error.message)
  return error
}
