/**
 * The HTTP API: an ordinary Kafka client behind requests and answers.
 *
 * Owns the composition, what happens around every handler (bounds, checks, errors), and the end of it all. Takes its world and its sockets from outside: `fetch` answers one request. It runs beside a broker, or alone in front of any cluster.
 */
import type { Buffer } from "node:buffer"
import { createHash } from "node:crypto"
import { type Context, Hono } from "hono"
import { ClientCore } from "../client/core.js"
import { parseBootstrap } from "../client/options.js"
import type { Env } from "../env/env.js"
import { exposition, type Sample, Samples } from "../observe/exposition.js"
import type { Check } from "../observe/health.js"
import { adminRoutes } from "./admin-routes.js"
import { docsPage, docsPolicy, docsStyle } from "./docs-page.js"
import { groupRoutes } from "./group-routes.js"
import { GroupSessions, type OpenGroupConsumer } from "./group-sessions.js"
import { RouteCounts } from "./http-counts.js"
import { Idempotency } from "./idempotency.js"
import { bodyBytesMaxDefault, cutBody, Occupancy, readWhole } from "./limits.js"
import { Lookup } from "./lookup.js"
import { openApiDocument } from "./openapi.js"
import { checkOrigin } from "./origin.js"
import { type PlainAnswer, type PlainRequest, PlainRoutes } from "./plain.js"
import { defect, Problem, problemOf } from "./problem.js"
import { probeRoutes } from "./probe-routes.js"
import { produceRoutes } from "./produce-routes.js"
import { readRoutes } from "./read-routes.js"
import { plainProblem, problemAnswer, responseOf, type Route } from "./route.js"
import type { Probes, Services } from "./services.js"

export interface GatewayOptions {
  readonly bootstrap: string | readonly string[]
  readonly version: string
  /** The listener is reachable from this machine only. */
  readonly isOnLoopback: boolean
  readonly bodyBytesMax?: number
  /** Event streams that are open at once. */
  readonly streamsMax?: number
  /** What is known beside what the gateway can find out by itself. */
  readonly probes?: ProbeSource
  /** Makes a consumer that is a member of a group. */
  readonly openGroupConsumer: OpenGroupConsumer
}

export interface ProbeSource {
  samples?(): readonly Sample[] | Promise<readonly Sample[]>
  readiness?(): readonly Check[] | Promise<readonly Check[]>
}

/** How long a record may take; what is not stored by then is answered with 504. */
export const deliveryTimeoutMs = 30_000
const requestTimeoutMs = 15_000
/** How long requests that are under way may take when the gateway stops. */
const stopWaitMsMax = 5_000
/** Requests that come together go together. */
const lingerMs = 1
const batchBytes = 256 << 10
/** Of each event stream; all of them together are what this process may hold of records that nobody has read. */
const readAheadBytes = 256 << 10

export class Gateway {
  readonly routes: readonly Route[]
  readonly #app = new Hono()
  readonly #client: ClientCore
  readonly #services: Services
  readonly #counts = new Map<Route, RouteCounts>()
  readonly #plainRoutes: PlainRoutes
  #isClosed = false

  constructor(
    private readonly env: Env,
    private readonly options: GatewayOptions,
  ) {
    const { bootstrap } = options
    this.#client = this.#newClient()
    const lookup = new Lookup(env, parseBootstrap(bootstrap), requestTimeoutMs)
    const services: Services = {
      env,
      lookup,
      producer: this.#client.producer({ lingerMs, batchBytes, deliveryTimeoutMs, maxBlockMs: requestTimeoutMs }),
      occupancy: new Occupancy(options.streamsMax),
      idempotency: new Idempotency(env.clock),
      groups: new GroupSessions(env, options.openGroupConsumer),
      probes: this.#probes(lookup),
      bodyBytesMax: options.bodyBytesMax ?? bodyBytesMaxDefault,
      reader: (topic, partitions, from) => {
        const client = this.#newClient()
        const consumer = client.consumer({
          partitions: partitions.map((partition) => ({ topic, partition })),
          from,
          maxBytes: readAheadBytes,
          maxPartitionBytes: readAheadBytes,
          bufferBytes: readAheadBytes,
        })
        return { consumer, close: () => client.close() }
      },
    }
    this.#services = services
    this.routes = [
      ...produceRoutes(services),
      ...readRoutes(services),
      ...groupRoutes(services),
      ...adminRoutes(services),
      ...probeRoutes(services),
    ]
    this.#plainRoutes = new PlainRoutes(this.routes, options.isOnLoopback, services.bodyBytesMax)
    this.#serve()
  }

  #newClient(): ClientCore {
    return new ClientCore(this.env, {
      bootstrap: this.options.bootstrap,
      clientId: "ottla-gateway",
      requestTimeoutMs,
      metadataMaxAgeMs: 60_000,
      allowAutoTopicCreation: false,
    })
  }

  /** Answers one request. Never rejects. */
  async fetch(request: Request): Promise<Response> {
    try {
      checkOrigin(request, this.options.isOnLoopback)
      return await this.#app.fetch(request)
    } catch (error) {
      return problemAnswer(this.#problemOf(error))
    }
  }

  /**
   * Answers one request as `fetch` would, at a fraction of the cost, if it says nothing unusual. Undefined: `fetch` has to answer it. `readBody` is called once at most and resolves with as many bytes as the request
   * declares, or rejects: the connection ended. Never rejects.
   */
  answerPlain(request: PlainRequest, readBody: () => Promise<Buffer>): Promise<PlainAnswer> | undefined {
    const call = this.#plainRoutes.find(request)
    if (call === undefined) return undefined
    const { route, topic, bodyBytes } = call
    return this.#counted(
      this.#counts.get(route)!,
      async (taken) => {
        taken(bodyBytes)
        const body = await readBody().catch(() => {
          throw cutBody()
        })
        return route.plain!(topic, body)
      },
      itself,
    )
  }

  #serve(): void {
    for (const each of this.routes) {
      const path = each.path.replace(/\{(\w+)\}/g, ":$1")
      const counts = new RouteCounts(`${each.method} ${each.path}`)
      this.#counts.set(each, counts)
      const { bodyBytesMax } = this.#services
      this.#app.on(each.method, [path, `/v1${path}`], (context) =>
        this.#counted(
          counts,
          (taken) => each.run(context, () => readWhole(context.req.raw, bodyBytesMax, taken)),
          responseOf,
        ),
      )
    }
    const document = openApiDocument(this.routes, this.options.version)
    const documentText = JSON.stringify(document, null, 2)
    const page = docsPage(document)
    const styleHash = createHash("sha256").update(docsStyle).digest("base64")
    const pageHeaders = {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": docsPolicy.replace("STYLE", styleHash),
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
    }
    this.#app.on(
      "GET",
      ["/openapi.json", "/v1/openapi.json"],
      () => new Response(documentText, { headers: { "content-type": "application/json" } }),
    )
    this.#app.on("GET", ["/docs", "/v1/docs"], () => new Response(page, { headers: pageHeaders }))
    this.#app.notFound((context) => problemAnswer(this.#whyNotFound(context)))
    this.#app.onError((error) => problemAnswer(this.#problemOf(error)))
  }

  /** Does a request within the bounds. What goes wrong is its answer. `work` tells of every byte of a body before it holds it. */
  async #counted<A extends { readonly status: number }>(
    counts: RouteCounts,
    work: Work<A>,
    answerOf: (problem: PlainAnswer) => A,
  ): Promise<A> {
    const { occupancy } = this.#services
    const beganMs = this.env.clock.monotonicMs()
    let bytesTaken = 0
    let isIn = false
    let answer: A
    try {
      if (this.#isClosed) throw stopping()
      occupancy.enter()
      isIn = true
      answer = await work((bytes) => {
        occupancy.takeBytes(bytes)
        bytesTaken += bytes
      })
    } catch (error) {
      answer = answerOf(plainProblem(this.#problemOf(error)))
    } finally {
      if (isIn) occupancy.leave()
      if (bytesTaken > 0) occupancy.giveBytes(bytesTaken)
    }
    counts.answered(answer.status, this.env.clock.monotonicMs() - beganMs)
    return answer
  }

  #problemOf(error: unknown): Problem {
    const problem = problemOf(error)
    if (problem !== undefined) return problem
    this.env.log.log("error", "an HTTP request failed", {
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    })
    return defect()
  }

  #whyNotFound({ req }: Context): Problem {
    const path = req.path.replace(/^\/v1(?=\/)/, "")
    const allowed = this.routes.filter((each) => matches(each.path, path)).map(({ method }) => method)
    if (allowed.length > 0)
      return new Problem({
        status: 405,
        slug: "wrong-method",
        title: "The path does not know this method",
        field: "method",
        detail: `${req.method} is nothing that ${path} does`,
        remedy: `use ${allowed.join(" or ")}`,
      })
    return new Problem({
      status: 404,
      slug: "no-such-path",
      title: "There is nothing here",
      field: "path",
      detail: `${path} is no path of this API`,
      remedy: "GET /docs says which there are",
    })
  }

  #probes(lookup: Lookup): Probes {
    const { probes } = this.options
    return {
      metrics: async () => exposition([...((await probes?.samples?.()) ?? []), ...this.#samples()]),
      readiness: async () => [...((await probes?.readiness?.()) ?? []), await reachable(this.env, lookup)],
    }
  }

  #samples(): readonly Sample[] {
    const { occupancy, groups } = this.#services
    const samples = new Samples()
    for (const counts of this.#counts.values()) counts.collect(samples)
    samples.add("ottla_http_requests_in_flight", occupancy.requests)
    samples.add("ottla_http_body_bytes", occupancy.bodyBytes)
    samples.add("ottla_http_streams", occupancy.streams)
    samples.add("ottla_http_group_consumers", groups.count)
    return samples.finish()
  }

  /** Consumers leave their groups, what was accepted is stored; then the connections end. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#services.groups.close()
    await this.#services.occupancy.empty(this.env.timers, stopWaitMsMax)
    await this.#client.close()
    this.#services.lookup.close()
  }
}

/** Tells of bytes before they are held. Errors: Problem 429. */
type Taken = (bytes: number) => void
type Work<A> = (taken: Taken) => Promise<A>
const itself = (answer: PlainAnswer): PlainAnswer => answer

const stopping = (): Problem =>
  new Problem({
    status: 503,
    slug: "stopping",
    title: "The gateway stops",
    detail: "no new requests are taken",
    kafka: "BROKER_NOT_AVAILABLE",
    retriable: true,
  })

const matches = (pattern: string, path: string): boolean =>
  new RegExp(`^${pattern.replace(/[.]/g, "\\.").replace(/\{\w+\}/g, "[^/]+")}$`).test(path)

/** How long a broker may take to say that it is there. */
const reachableMsMax = 2_000

async function reachable(env: Env, lookup: Lookup): Promise<Check> {
  const name = "broker reachable"
  let timer: { cancel(): void } | undefined
  const late = new Promise<Check>((resolve) => {
    timer = env.timers.after(reachableMsMax, () =>
      resolve({ name, isOk: false, detail: `no broker has answered within ${reachableMsMax} ms` }),
    )
  })
  const asked = lookup.brokers().then(
    (count) => ({ name, isOk: count > 0, detail: `${count} brokers` }),
    (error: unknown) => ({ name, isOk: false, detail: error instanceof Error ? error.message : String(error) }),
  )
  const found = await Promise.race([asked, late])
  timer?.cancel()
  return found
}
