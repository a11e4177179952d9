/**
 * The HTTP API on its sockets: from settings to a gateway that answers.
 *
 * Owns the order: the sockets first, so that a port that is taken is known before anything else is done and probes are answered during a start; then, once there is a cluster to talk to, the gateway behind them.
 */
import { type HttpListener, isLoopbackHost } from "../config/http-listeners.js"
import type { ServerConfig } from "../config/server-config.js"
import type { Env } from "../env/env.js"
import type { GatewayOptions } from "../gateway/gateway.js"
import type { LoadedGateway } from "./http-listener.js"
import { HttpServer } from "./http-server.js"
import { version } from "./version.js"

export interface HttpSettings {
  readonly listeners: readonly HttpListener[]
  /** They were asked for: one that cannot be is an error. */
  readonly areSet: boolean
  /** Unauthenticated listeners that other machines can reach may be served. */
  readonly insecure: boolean
  readonly bodyBytesMax: number
}

export const httpSettings = (config: ServerConfig, insecure: boolean): HttpSettings => ({
  // A node that is a controller only serves no clients.
  listeners: config.isBroker ? config.httpListeners : [],
  areSet: config.values.has("ottla.http.listeners"),
  insecure,
  bodyBytesMax: config.int("ottla.http.body.bytes.max"),
})

/** For whoever started it. */
export class HttpStartError extends Error {
  override name = "HttpStartError"
}

const urlOf = ({ host, port }: HttpListener): string => `http://${host.includes(":") ? `[${host}]` : host}:${port}`

export class HttpGateway {
  readonly #server = new HttpServer()
  #gateway: Promise<LoadedGateway> | undefined
  #urls: string[] = []

  private constructor(
    private readonly env: Env,
    private readonly settings: HttpSettings,
  ) {}

  /** Resolves when it listens, or has said why not. Errors: HttpStartError. */
  static async listen(env: Env, settings: HttpSettings): Promise<HttpGateway> {
    const gateway = new HttpGateway(env, settings)
    for (const listener of settings.listeners) await gateway.#listen(listener)
    return gateway
  }

  async #listen(listener: HttpListener): Promise<void> {
    const url = urlOf(listener)
    if (!isLoopbackHost(listener.host) && !this.settings.insecure)
      throw new HttpStartError(
        `ottla.http.listeners: ${url} can be reached from other machines, and nobody has to say who he is; use 127.0.0.1, or start with --insecure`,
      )
    try {
      this.#urls.push(urlOf(await this.#server.listen(listener)))
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      const why = code === "EADDRINUSE" ? "the port is taken" : `it cannot listen there (${code ?? String(error)})`
      if (this.settings.areSet) {
        this.#server.close()
        throw new HttpStartError(
          `ottla.http.listeners: ${url}: ${why}; choose another, or set it to nothing to go without the HTTP API`,
        )
      }
      this.env.log.log(
        "warn",
        `no HTTP API: ${why}; choose another with --set ottla.http.listeners=http://127.0.0.1:8083`,
        {
          url,
        },
      )
    }
  }

  /** Where it is served. */
  get urls(): readonly string[] {
    return this.#urls
  }

  /** There is a cluster to talk to. What it takes is loaded now, and requests wait for that. */
  serve(bootstrap: readonly string[], probes?: GatewayOptions["probes"]): void {
    if (this.#urls.length === 0) return
    const { env, settings } = this
    const loading = import("./http-listener.js").then(({ loadGateway }) => {
      const gateway = loadGateway(env, {
        bootstrap,
        version,
        isOnLoopback: settings.listeners.every(({ host }) => isLoopbackHost(host)),
        bodyBytesMax: settings.bodyBytesMax,
        ...(probes !== undefined && { probes }),
      })
      this.#server.handle(gateway.listener)
      return gateway
    })
    loading.catch((error: unknown) =>
      env.log.log("error", "the HTTP API could not be loaded", { error: String(error) }),
    )
    this.#gateway = loading
    this.#server.handle((incoming, outgoing) => {
      loading.then(({ listener }) => listener(incoming, outgoing)).catch(() => outgoing.destroy())
    })
  }

  /** What was taken is answered, consumers leave their groups, and the sockets are closed. */
  async close(): Promise<void> {
    this.#server.stopAccepting()
    await (await this.#gateway)?.close()
    this.#server.close()
  }
}
