import assert from "node:assert/strict"
import { createHash } from "node:crypto"
import { test } from "node:test"
import { type GatewayWorld, inGatewayWorld } from "./testing/gateway-world.js"

interface Document {
  readonly openapi: string
  readonly paths: Record<
    string,
    Record<
      string,
      {
        operationId: string
        responses: Record<string, object>
        requestBody?: { content: Record<string, { schema: Schema }> }
        parameters: { name: string; in: string; schema: Schema }[]
      }
    >
  >
}
interface Schema {
  readonly type?: string
  readonly properties?: Record<string, Schema>
  readonly required?: string[]
  readonly additionalProperties?: boolean | Schema
}

const documentOf = async (g: GatewayWorld) => (await g.get("/openapi.json")).json as unknown as Document

test("the document names every route that is served, and no other", () =>
  inGatewayWorld(async (g) => {
    const { openapi, paths } = await documentOf(g)
    assert.equal(openapi, "3.1.0")
    const told = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    assert.deepEqual(told.sort(), g.gateway.routes.map(({ method, path }) => `${method} ${path}`).sort())
    const ids = Object.values(paths).flatMap((methods) => Object.values(methods).map(({ operationId }) => operationId))
    assert.equal(new Set(ids).size, ids.length)
    for (const each of g.gateway.routes)
      for (const prefix of ["", "/v1"]) {
        const path = prefix + each.path.replace("{partition}", "0").replace(/\{\w+\}/g, "x")
        const response = await g.request(each.method, path, each.method === "POST" ? "" : undefined)
        await response.body?.cancel()
        const isServed =
          response.status !== 405 && !(response.status === 404 && (await g.get(path)).text.includes("no-such-path"))
        assert.ok(isServed, `${each.method} ${path}`)
      }
  }))

test("what the document says of a body is what is checked: a field that it does not name is refused, one that it requires is missed", () =>
  inGatewayWorld(async (g) => {
    await g.t.createTopic("x")
    await g.post("/consumers/x/subscribe", { topics: ["x"] })
    const { paths } = await documentOf(g)
    let bodies = 0
    for (const [path, methods] of Object.entries(paths)) {
      const { requestBody } = methods.post ?? {}
      if (requestBody === undefined) continue
      bodies++
      const schema = requestBody.content["application/json"]!.schema
      assert.equal(schema.additionalProperties, false)
      const place = path.replace(/\{\w+\}/g, "x")
      await g.refused(g.post(place, { nobody_knows: 1, ...sampleOf(schema) }), 400, "nobody_knows")
      for (const name of schema.required ?? []) {
        const { [name]: _missing, ...rest } = sampleOf(schema)
        await g.refused(g.post(place, rest), 400, name)
      }
    }
    assert.ok(bodies >= 5)
  }))

function sampleOf(schema: Schema): Record<string, unknown> {
  const samples: Record<string, unknown> = { topic: "x", partition: 0, topics: ["x"], messages: [{}], offset: 0 }
  return Object.fromEntries((schema.required ?? []).map((name) => [name, samples[name]]))
}

test("the page of the API needs nothing from elsewhere, and its policy lets nothing in", () =>
  inGatewayWorld(async (g) => {
    const { headers, text } = await g.get("/docs")
    const policy = headers.get("content-security-policy")!
    assert.match(policy, /default-src 'none'/)
    assert.doesNotMatch(text, /<script|https?:\/\/|src=/)
    const style = /<style>([\s\S]*?)<\/style>/.exec(text)![1]!
    assert.ok(policy.includes(`'sha256-${createHash("sha256").update(style).digest("base64")}'`))
    for (const { path } of g.gateway.routes) assert.ok(text.includes(path), path)
  }))

test("what is not there, and what a path does not do, is a problem that says so", () =>
  inGatewayWorld(async (g) => {
    await g.refused(g.get("/nowhere"), 404, "path")
    await g.refused(g.get("/v2/topics"), 404, "path")
    const wrong = await g.refused(g.ask("DELETE", "/topics/t/messages"), 405, "method")
    assert.match(wrong.json.remedy as string, /POST/)
    for (const path of ["/topics/a%2Fb", "/topics//t", "/topics/a%00"]) await g.refused(g.get(path), 400, "path")
  }))

test("pages of other origins, and names that are not this machine's, are refused", () =>
  inGatewayWorld(async (g) => {
    const cases: [Record<string, string>, string][] = [
      [{ host: "evil.example" }, "header Host"],
      [{ host: "evil.example:8082" }, "header Host"],
      [{ origin: "http://evil.example" }, "header Origin"],
      [{ origin: "null" }, "header Origin"],
      [{ "sec-fetch-site": "cross-site" }, "header Sec-Fetch-Site"],
    ]
    for (const [headers, field] of cases) await g.refused(g.get("/topics", { headers }), 403, field)
    for (const headers of [{ host: "127.0.0.1:8082" }, { host: "[::1]:8082" }, { origin: "http://localhost" }])
      assert.equal((await g.get("/topics", { headers: headers as Record<string, string> })).status, 200)
  }))

test("it is ready while a broker answers, and says why when none does", () =>
  inGatewayWorld(async (g) => {
    assert.equal((await g.get("/healthz")).status, 200)
    assert.equal((await g.get("/readyz")).status, 200)
    g.t.node.crash("kill")
    const lost = await g.get("/readyz")
    assert.equal(lost.status, 503)
    assert.equal(lost.json.status, "not ready")
    assert.equal((await g.get("/healthz")).status, 200)
  }))

test("a gateway that stops takes nothing new, and what it took is stored", () =>
  inGatewayWorld(async (g) => {
    await g.t.createTopic()
    const taken = g.post("/topics/t/messages", { valueText: "a" })
    await g.t.passTime(0)
    const [answer] = await Promise.all([taken, g.gateway.close()])
    assert.equal(answer.status, 200)
    assert.equal((await g.post("/topics/t/messages", { valueText: "b" })).status, 503)
    assert.deepEqual(await g.t.readAll(), ["a"])
  }))
