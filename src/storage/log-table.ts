/**
 * Which logs a broker has, and in which directory each lies.
 *
 * Owns the names: of one name there is at most one log that is served, one future log that is to take its place, and namesakes. Touches no file.
 */
import { invariant } from "../base/assert.js"
import { topicPartitionName } from "../base/ids.js"
import type { Log } from "./log.js"
import type { LogDirectory } from "./log-directory.js"

/** A namesake belongs to another topic than the log of its name: it comes from a directory that was away when that was made. Which of the two counts, the metadata knows. */
export type LogKind = "log" | "future" | "namesake"

export class LogTable {
  readonly #logs = new Map<string, Log>()
  readonly #futures = new Map<string, Log>()
  readonly #namesakes = new Set<Log>()
  readonly #home = new Map<Log, LogDirectory>()

  /** By the name of its partition. */
  get(name: string, kind: "log" | "future"): Log | undefined {
    return (kind === "log" ? this.#logs : this.#futures).get(name)
  }

  logs(): IterableIterator<Log> {
    return this.#logs.values()
  }

  futures(): IterableIterator<Log> {
    return this.#futures.values()
  }

  namesakes(): Log[] {
    return [...this.#namesakes]
  }

  isNamesake(log: Log): boolean {
    return this.#namesakes.has(log)
  }

  /** Everything of this name, of whatever topic. */
  copies(topic: string, partition: number): Log[] {
    const key = topicPartitionName(topic, partition)
    const served = [this.#logs.get(key), this.#futures.get(key)]
    return [...served.filter((log) => log !== undefined), ...this.namesakes().filter(({ name }) => name === key)]
  }

  directoryOf(log: Log): LogDirectory {
    const directory = this.#home.get(log)
    invariant(directory, "a log this manager did not open")
    return directory
  }

  add(directory: LogDirectory, log: Log, kind: LogKind): void {
    directory.logs.add(log)
    this.#home.set(log, directory)
    this.#enter(log, kind)
    // It failed while this was on its way, and told only those it knew.
    if (directory.failureReason !== undefined) log.goOffline(directory.failureReason)
  }

  /** The log counts as this from now on. */
  become(log: Log, kind: LogKind): void {
    this.leaveName(log)
    this.#enter(log, kind)
  }

  #enter(log: Log, kind: LogKind): void {
    if (kind === "namesake") {
      this.#namesakes.add(log)
      return
    }
    const logs = kind === "log" ? this.#logs : this.#futures
    invariant(!logs.has(log.name), `${log.name} is there twice: the caller did not look`)
    logs.set(log.name, log)
  }

  /** It is found under its name no more; its directory still has it. */
  leaveName(log: Log): void {
    for (const logs of [this.#logs, this.#futures]) if (logs.get(log.name) === log) logs.delete(log.name)
    this.#namesakes.delete(log)
  }

  /** It is nowhere any more. */
  remove(log: Log): void {
    this.leaveName(log)
    this.#home.get(log)?.logs.delete(log)
    this.#home.delete(log)
  }
}
