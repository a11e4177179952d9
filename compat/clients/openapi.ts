/**
 * The OpenAPI document of the HTTP API: a validator that knows nothing of Ottla accepts it, and requests made from its schemas get documented answers only.
 *
 * Owns which requests: for each operation a number that its schemas allow, and as many with something cut off, by a seed.
 */
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { BrokerProcess } from "../broker-process.js"
import type { Check } from "../check.js"
import { SeededRandom } from "../random.js"
import { expect, freePort, npmPackages, temporaryDirectory } from "../work.js"

interface Schema {
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly Schema[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: Schema | boolean
  readonly items?: Schema
  readonly minItems?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly contentEncoding?: "base64"
}

interface Parameter {
  readonly name: string
  readonly in: "path" | "query" | "header"
  readonly required?: boolean
  readonly schema: Schema
}

interface Operation {
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> }
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>
}

interface Document {
  readonly openapi: string
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

const requestsPerOperation = 16
const seed = 20_260_101
const answerTimeoutMs = 3_000

export const openapi: Check = {
  name: "openapi",
  about: "@seriousme/openapi-schema-validator 2.11.0",
  needsBroker: false,
  async run({ against }) {
    if (against === "kafka") return "Apache Kafka has no HTTP API"
    const directory = await npmPackages("openapi", ["@seriousme/openapi-schema-validator@2.11.0"])
    const { Validator } = (await import(
      pathToFileURL(join(directory, "node_modules/@seriousme/openapi-schema-validator/index.js")).href
    )) as { Validator: new () => { validate(document: unknown): Promise<{ valid: boolean; errors?: unknown }> } }
    const httpPort = await freePort()
    const dataDirectory = temporaryDirectory("openapi")
    const settings = { "ottla.http.listeners": `http://127.0.0.1:${httpPort}` }
    const broker = await BrokerProcess.start({ port: await freePort(), dataDirectory, settings })
    try {
      const base = `http://127.0.0.1:${httpPort}`
      const document = (await (await fetch(`${base}/openapi.json`)).json()) as Document
      const { valid, errors } = await new Validator().validate(structuredClone(document))
      expect(valid, `the validator refuses the document: ${JSON.stringify(errors)}`)
      const random = new SeededRandom(seed)
      let answers = 0
      for (const [path, operations] of Object.entries(document.paths))
        for (const [method, operation] of Object.entries(operations))
          for (let index = 0; index < requestsPerOperation; index++) {
            await ask(base, method.toUpperCase(), path, operation, random, index % 2 === 1)
            answers++
          }
      expect(broker.isAlive, "the broker died")
      return `OpenAPI ${document.openapi}, ${Object.keys(document.paths).length} paths, ${answers} requests`
    } finally {
      await broker.kill()
    }
  },
}

async function ask(
  base: string,
  method: string,
  path: string,
  { parameters = [], requestBody, responses }: Operation,
  random: SeededRandom,
  isDamaged: boolean,
): Promise<void> {
  const headers: Record<string, string> = {}
  const query = new URLSearchParams()
  let target = path
  for (const parameter of parameters) {
    const value = String(parameter.name === "timeout_ms" ? 10 : madeFrom(parameter.schema, random))
    if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, encodeURIComponent(value || "x"))
    else if (parameter.required !== true && random.int(2) === 0) continue
    else if (parameter.in === "query") query.set(parameter.name, isDamaged && random.int(2) === 0 ? `${value}?` : value)
    else headers[parameter.name] = value.replaceAll(/[^\x21-\x7e]/g, "x")
  }
  let body: string | undefined
  const content = requestBody?.content["application/json"]
  if (content !== undefined) {
    headers["content-type"] = "application/json"
    body = JSON.stringify(madeFrom(content.schema, random))
    if (isDamaged) body = body.slice(0, random.int(body.length))
  }
  const url = `${base}${target}?${query}`
  const what = `${method} ${url} ${body ?? ""}`.slice(0, 400)
  const stop = AbortSignal.timeout(answerTimeoutMs)
  const response = await fetch(url, { method, headers, signal: stop, ...(body !== undefined && { body }) })
  const type = response.headers.get("content-type")?.split(";")[0] ?? ""
  const documented = responses[String(response.status)]
  if (type === "text/event-stream") await response.body?.cancel()
  else {
    const text = await response.text()
    expect(documented !== undefined, `${what}: ${response.status} is not documented: ${text.slice(0, 300)}`)
    if (response.status >= 400)
      expect(
        type === "application/problem+json",
        `${what}: ${response.status} is told as ${type}: ${text.slice(0, 300)}`,
      )
  }
  expect(documented !== undefined, `${what}: ${response.status} is not documented`)
  expect(
    type === "" || documented.content === undefined || type in documented.content,
    `${what}: ${response.status} has the content type ${type}, documented are ${Object.keys(documented.content ?? {}).join(", ")}`,
  )
}

const texts = ["", "x", "t", "earliest", "0", "a b", "ключ", "x".repeat(300)]

/** A value that the schema allows; patterns are not looked at. */
function madeFrom(schema: Schema, random: SeededRandom): unknown {
  const one = <T>(of: readonly T[]): T => of[random.int(of.length)]!
  if (schema.enum !== undefined) return one(schema.enum)
  if (schema.anyOf !== undefined) return madeFrom(one(schema.anyOf), random)
  switch (typeof schema.type === "object" ? one(schema.type) : schema.type) {
    case "string":
      return schema.contentEncoding === "base64" ? Buffer.from(one(texts)).toString("base64") : one(texts)
    case "integer":
    case "number": {
      const min = schema.minimum ?? 0
      return one([min, min + random.int(5), Math.min(schema.maximum ?? Number.MAX_SAFE_INTEGER, min + random.int(1e9))])
    }
    case "boolean":
      return random.int(2) === 0
    case "null":
      return null
    case "array":
      return Array.from({ length: (schema.minItems ?? 0) + random.int(3) }, () => madeFrom(schema.items ?? {}, random))
    case "object": {
      const { properties = {}, required = [], additionalProperties } = schema
      const named = Object.entries(properties).filter(([name]) => required.includes(name) || random.int(3) === 0)
      const more = typeof additionalProperties === "object" ? [[one(texts), additionalProperties] as const] : []
      return Object.fromEntries([...named, ...more].map(([name, its]) => [name, madeFrom(its, random)]))
    }
    default:
      return one([null, 1, "x", true, [1], { a: 1 }])
  }
}
