/**
 * A machine with a broker for each core: threads of one process that share nothing.
 *
 * Owns the threads. One that ends is started anew, as an operator would a process, while the others go on; a start that is refused ends all, for it would be refused again.
 * Order at stop: the first broker last, because it may be the controller that the others hand their partitions to.
 */
import { Worker } from "node:worker_threads"
import type { Logger } from "../env/env.js"
import type { Sample } from "../observe/exposition.js"
import type { Check } from "../observe/health.js"
import type { Overrides } from "./machine-config.js"

export interface WorkerTask {
  readonly properties: string | undefined
  readonly overrides: Overrides
  readonly insecure: boolean
  readonly json: boolean
}

export interface ReadyBroker {
  readonly nodeId: number
  readonly endpoints: readonly { readonly host: string; readonly port: number }[]
  readonly directories: readonly string[]
}

export type FromWorker =
  | ({ readonly kind: "ready" } & ReadyBroker)
  /** It cannot start with these settings. */
  | { readonly kind: "refused"; readonly reason: string }
  /** It ran, and cannot go on. */
  | { readonly kind: "failed"; readonly reason: string }
  | { readonly kind: "stopped" }
  | ({ readonly kind: "observed"; readonly question: number } & Observation)

/** What is counted in a broker, and how it stands. */
export interface Observation {
  readonly samples: readonly Sample[]
  readonly checks: readonly Check[]
}

export type ToWorker = { readonly kind: "stop" } | { readonly kind: "observe"; readonly question: number }

/** How long a broker may take to say how it stands. */
const observationMsMax = 2_000
/** Before a thread is started anew; doubled each time that it ends again soon, up to the second. */
const restartDelayMs = 1000
const restartDelayMaxMs = 30_000
/** Who ran for so long is no hopeless case. */
const steadyMs = 60_000

export class Machine {
  readonly #brokers: BrokerThread[]

  constructor(tasks: readonly WorkerTask[], log: Logger) {
    this.#brokers = tasks.map((task) => new BrokerThread(task, log))
  }

  /** Resolves when all are ready. Rejects with the reason of the first that is refused. */
  start(): Promise<ReadyBroker[]> {
    return Promise.all(this.#brokers.map((broker) => broker.start()))
  }

  /** Of all brokers; one that does not answer is not ready. */
  async observe(): Promise<Observation> {
    const found = await Promise.all(this.#brokers.map((broker) => broker.observe()))
    return { samples: found.flatMap(({ samples }) => samples), checks: found.flatMap(({ checks }) => checks) }
  }

  /** False: one of them did not stop cleanly. */
  async stop(): Promise<boolean> {
    const [first, ...others] = this.#brokers
    const clean = await Promise.all(others.map((broker) => broker.stop()))
    return [...clean, await first!.stop()].every(Boolean)
  }
}

/** The bundle's files have another ending than those that tests run. */
const workerFile = `./server-worker${import.meta.url.endsWith(".mjs") ? ".mjs" : ".js"}`

class BrokerThread {
  #worker: Worker | undefined
  #stopping = false
  #ended: Promise<void> = Promise.resolve()
  #stoppedCleanly = false
  #delayMs = restartDelayMs
  #questions = 0
  readonly #observing = new Map<number, (observation: Observation) => void>()

  constructor(
    private readonly task: WorkerTask,
    private readonly log: Logger,
  ) {}

  start(): Promise<ReadyBroker> {
    return new Promise((resolve, reject) => {
      const worker = new Worker(new URL(workerFile, import.meta.url), { workerData: this.task })
      this.#worker = worker
      let isReady = false
      let readyAtMs = 0
      const ended = (reason: string) => {
        if (!isReady) reject(new Error(reason))
        else if (!this.#stopping) this.log.log("error", "a broker's thread has ended, and is started anew", { reason })
      }
      worker.on("message", (message: FromWorker) => {
        if (message.kind === "observed") return this.#observing.get(message.question)?.(message)
        if (message.kind === "ready") {
          isReady = true
          readyAtMs = performance.now()
          resolve(message)
        } else if (message.kind === "stopped") this.#stoppedCleanly = true
        else ended(message.reason)
      })
      worker.on("error", (error) => ended(error.stack ?? error.message))
      this.#ended = new Promise((done) => {
        worker.on("exit", (code) => {
          if (!isReady) reject(new Error(`the broker's thread ended with code ${code}`))
          else {
            if (performance.now() - readyAtMs >= steadyMs) this.#delayMs = restartDelayMs
            this.#againLater()
          }
          done()
        })
      })
    })
  }

  #againLater(): void {
    if (this.#stopping) return
    const delayMs = this.#delayMs
    this.#delayMs = Math.min(restartDelayMaxMs, 2 * delayMs)
    setTimeout(() => {
      if (this.#stopping) return
      this.start().then(
        ({ nodeId }) => this.log.log("info", "a broker's thread is back", { nodeId }),
        (error: unknown) => {
          this.log.log("error", "a broker's thread could not be started anew", { reason: (error as Error).message })
          this.#againLater()
        },
      )
    }, delayMs)
  }

  observe(): Promise<Observation> {
    const question = this.#questions++
    return new Promise<Observation>((resolve) => {
      const timer = setTimeout(
        () =>
          resolve({
            samples: [],
            checks: [{ name: "broker's thread", isOk: false, detail: `no answer within ${observationMsMax} ms` }],
          }),
        observationMsMax,
      )
      this.#observing.set(question, (observation) => {
        clearTimeout(timer)
        resolve(observation)
      })
      this.#tell({ kind: "observe", question })
    }).finally(() => this.#observing.delete(question))
  }

  #tell(message: ToWorker): void {
    this.#worker?.postMessage(message)
  }

  async stop(): Promise<boolean> {
    this.#stopping = true
    this.#tell({ kind: "stop" })
    await this.#ended
    return this.#stoppedCleanly
  }
}
