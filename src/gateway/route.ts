/**
 * A route as data: what it takes, what it answers, what it does.
 *
 * Owns the shape from which both the server and the OpenAPI document come, so that neither can say something that the other does not do; and how path, query and body are checked.
 */
import { Buffer } from "node:buffer"
import type { Context } from "hono"
import * as v from "valibot"
import { parseJson } from "./json.js"
import type { AnySchema } from "./json-schema.js"
import type { PlainAnswer, PlainHandler } from "./plain.js"
import { badField, Problem } from "./problem.js"

export type ObjectSchema = v.StrictObjectSchema<v.ObjectEntries, undefined>

export interface Answer {
  readonly description: string
  readonly schema?: AnySchema
  /** Default: application/json. */
  readonly contentTypes?: readonly string[]
}

export interface Call<P, Q, B> {
  readonly context: Context
  readonly params: P
  readonly query: Q
  readonly body: B
  /** Aborts when the caller is gone. Costs an object: ask for it where something waits. */
  readonly signal: () => AbortSignal
}

interface Declaration<P, Q, B> {
  readonly method: "GET" | "POST" | "DELETE"
  /** `/topics/{topic}`; also served under `/v1`. */
  readonly path: string
  readonly tag: string
  readonly summary: string
  readonly description?: string
  readonly params?: v.GenericSchema<unknown, P>
  readonly query?: v.GenericSchema<unknown, Q>
  readonly body?: v.GenericSchema<unknown, B>
  /** Whether a body is surely as `body` wants it, and what that would make of it; false says nothing. */
  readonly isSurely?: (value: unknown) => value is B
  /** What is done with a body that is all that matters of a request, and its answer. */
  readonly plain?: (topic: string, body: B) => Promise<PlainAnswer>
  /** A request without a body is one with an empty object. */
  readonly isBodyOptional?: boolean
  /** Headers that matter to it, each with what it does. */
  readonly headers?: Readonly<Record<string, string>>
  /** What it takes beside JSON, read by the handler itself. */
  readonly otherBodies?: Readonly<
    Record<string, { readonly description: string; handle(call: Call<P, Q, undefined>): Promise<Response> }>
  >
  readonly answers: Readonly<Record<number, Answer>>
  /** Statuses of problems, with when. */
  readonly problems?: Readonly<Record<number, string>>
  handle(call: Call<P, Q, B>, bytes: Buffer): Promise<Response> | Response
}

export interface Route {
  readonly method: "GET" | "POST" | "DELETE"
  readonly path: string
  readonly tag: string
  readonly summary: string
  readonly description?: string
  readonly params?: AnySchema
  readonly query?: AnySchema
  readonly body?: AnySchema
  readonly isBodyOptional?: boolean
  readonly headers?: Readonly<Record<string, string>>
  readonly otherBodies?: Readonly<Record<string, { readonly description: string }>>
  readonly answers: Readonly<Record<number, Answer>>
  readonly problems?: Readonly<Record<number, string>>
  readonly plain?: PlainHandler
  /** Does the whole of a request. Errors: Problem, or whatever went wrong. */
  run(context: Context, readBody: () => Promise<Buffer>): Promise<Response>
}

const noFields = {}

export function route<P = Record<string, never>, Q = Record<string, never>, B = undefined>(
  declaration: Declaration<P, Q, B>,
): Route {
  const { params, query, body, otherBodies, isBodyOptional = false } = declaration
  const { handle, isSurely, plain, ...rest } = declaration
  const bodyIn = (bytes: Buffer): B => {
    const value = parseJson(bytes)
    return isSurely?.(value) === true ? value : check(body!, value, "body")
  }
  return {
    ...(rest as unknown as Omit<Route, "run" | "plain">),
    ...(plain !== undefined && { plain: (topic: string, bytes: Buffer) => plain(topic, bodyIn(bytes)) }),
    async run(context, readBody) {
      const call = {
        context,
        params: params === undefined ? (noFields as P) : check(params, context.req.param()),
        query: query === undefined ? (noFields as Q) : check(query, queryOf(context)),
        signal: () => context.req.raw.signal,
      }
      if (body === undefined) return handle({ ...call, body: undefined as B }, Buffer.alloc(0))
      const contentType = mediaTypeOf(context.req.header("content-type"))
      const other = otherBodies?.[contentType]
      if (other !== undefined) return other.handle({ ...call, body: undefined })
      const bytes = await readBody()
      const isMissing = bytes.length === 0 && isBodyOptional
      if (!isMissing && !isJson(contentType)) throw unsupportedType(contentType, Object.keys(otherBodies ?? {}))
      const checked = isMissing ? check(body, {}, "body") : bodyIn(bytes)
      return handle({ ...call, body: checked }, bytes)
    },
  }
}

/** `name` says which part of the request has no fields of its own to name. */
export function check<T>(schema: v.GenericSchema<unknown, T>, value: unknown, name = "path"): T {
  const result = v.safeParse(schema, value, { abortEarly: true, abortPipeEarly: true })
  if (result.success) return result.output
  const [issue] = result.issues
  const field = v.getDotPath(issue) ?? name
  throw badField(field, detailOf(issue, field), remedyOf(issue))
}

function detailOf(issue: v.BaseIssue<unknown>, field: string): string {
  if (issue.kind === "schema" && issue.type === "strict_object" && issue.expected === "never")
    return `${field} is no field of it`
  if (issue.received === "undefined") return `${field} is missing`
  return `${field}: ${issue.received} cannot be${issue.expected === null ? "" : `; ${issue.expected} is expected`}`
}

function remedyOf(issue: v.BaseIssue<unknown>): string {
  if (issue.kind === "schema" && issue.expected === "never")
    return "leave it out; GET /openapi.json says which there are"
  const isOurs = !issue.message.startsWith("Invalid ")
  return isOurs ? issue.message : `give ${issue.expected ?? "what GET /openapi.json says"}`
}

const jsonType = "application/json"
const isJson = (type: string): boolean =>
  type === jsonType || (type.startsWith("application/") && type.endsWith("+json"))

export function mediaTypeOf(header: string | undefined): string {
  if (header === undefined || header === jsonType) return jsonType
  const end = header.indexOf(";")
  return (end < 0 ? header : header.slice(0, end)).trim().toLowerCase()
}

const unsupportedType = (type: string, others: readonly string[]): Problem =>
  new Problem({
    status: 415,
    slug: "unsupported-type",
    title: "The body is of a type that is not read here",
    field: "header Content-Type",
    detail: `${type} is not read here`,
    remedy: `send Content-Type: ${[jsonType, ...others].join(" or ")}`,
  })

function queryOf(context: Context): Record<string, string> {
  const all = context.req.queries()
  const found: Record<string, string> = {}
  for (const [name, values] of Object.entries(all)) {
    if (values.length > 1) throw badField(name, `${name} is given twice`, "give it once")
    found[name] = values[0]!
  }
  return found
}

/** Whether the caller would rather have this type than JSON. */
export const accepts = (context: Context, type: string): boolean =>
  context.req
    .header("accept")
    ?.split(",")
    .some((each) => mediaTypeOf(each) === type) === true

/** A whole number as path and query have it. */
export const integerText = (name: string, min: number, max: number) =>
  v.pipe(
    v.string(),
    v.regex(/^-?\d{1,16}$/, `${name}: give a whole number from ${min} to ${max}`),
    v.toNumber(),
    v.integer(),
    v.minValue(min, `${name}: give a whole number from ${min} to ${max}`),
    v.maxValue(max, `${name}: give a whole number from ${min} to ${max}`),
  )

const jsonHeaders = { "content-type": "application/json" }

export const jsonAnswer = (value: unknown, status = 200): Response =>
  new Response(JSON.stringify(value), { status, headers: jsonHeaders })

export const plainProblem = (problem: Problem): PlainAnswer => ({
  status: problem.status,
  headers: {
    "content-type": "application/problem+json",
    "cache-control": "no-store",
    ...(problem.retryAfterS !== undefined && { "retry-after": String(problem.retryAfterS) }),
  },
  body: JSON.stringify(problem.body),
})

export const responseOf = ({ status, headers, body }: PlainAnswer): Response => new Response(body, { status, headers })

export const problemAnswer = (problem: Problem): Response => responseOf(plainProblem(problem))
