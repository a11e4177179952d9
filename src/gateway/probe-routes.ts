/**
 * Whether it lives, whether it is ready, and what it counts.
 *
 * Owns the forms of these answers. Invariant: ready means that a request sent now can be served; what cannot be found out is not ready.
 */
import * as v from "valibot"
import { jsonAnswer, type Route, route } from "./route.js"
import type { Services } from "./services.js"

const checksSchema = v.strictObject({
  status: v.picklist(["ready", "not ready"]),
  checks: v.array(v.strictObject({ name: v.string(), ok: v.boolean(), detail: v.string() })),
})

export function probeRoutes({ probes }: Services): Route[] {
  return [
    route({
      method: "GET",
      path: "/healthz",
      tag: "Operate",
      summary: "Whether the process lives",
      answers: { 200: { description: "It does.", schema: v.strictObject({ status: v.literal("alive") }) } },
      handle: () => jsonAnswer({ status: "alive" }),
    }),
    route({
      method: "GET",
      path: "/readyz",
      tag: "Operate",
      summary: "Whether requests can be served",
      answers: {
        200: { description: "They can.", schema: checksSchema },
        503: { description: "They cannot: the checks say why.", schema: checksSchema },
      },
      async handle() {
        const found = await probes.readiness()
        const isReady = found.every(({ isOk }) => isOk)
        const checks = found.map(({ name, isOk, detail }) => ({ name, ok: isOk, detail }))
        return jsonAnswer({ status: isReady ? "ready" : "not ready", checks }, isReady ? 200 : 503)
      },
    }),
    route({
      method: "GET",
      path: "/metrics",
      tag: "Operate",
      summary: "Metrics as Prometheus reads them",
      answers: {
        200: { description: "Text in the exposition format 0.0.4.", schema: v.string(), contentTypes: ["text/plain"] },
      },
      async handle() {
        return new Response(await probes.metrics(), {
          headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
        })
      },
    }),
  ]
}
