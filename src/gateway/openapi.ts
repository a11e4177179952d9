/**
 * The OpenAPI 3.1 document, out of the routes that are served.
 *
 * Owns the translation only: names, types and bounds are those the validators check.
 */
import { entriesOf, isOptional, type JsonSchema, jsonSchemaOf } from "./json-schema.js"
import { problemSchema } from "./produce-routes.js"
import type { Answer, Route } from "./route.js"

const problemType = "application/problem+json"

export function openApiDocument(routes: readonly Route[], version: string): JsonSchema {
  const paths: Record<string, Record<string, JsonSchema>> = {}
  for (const each of routes) (paths[each.path] ??= {})[each.method.toLowerCase()] = operation(each)
  return {
    openapi: "3.1.0",
    info: {
      title: "Ottla HTTP API",
      version,
      description:
        "Produce to and consume from Kafka topics by HTTP. Every path is also served under /v1. Offsets and timestamps (milliseconds since 1970) are JSON numbers below 2^53. What goes wrong is application/problem+json (RFC 9457) with `field` (where in the request), `remedy` (what to do) and `kafka_error`.",
    },
    servers: [{ url: "/v1" }, { url: "/" }],
    paths,
    components: { schemas: { Problem: jsonSchemaOf(problemSchema) } },
  }
}

function operation(each: Route): JsonSchema {
  return {
    operationId: operationId(each),
    tags: [each.tag],
    summary: each.summary,
    ...(each.description !== undefined && { description: each.description }),
    parameters: [
      ...parametersIn("path", each),
      ...parametersIn("query", each),
      ...Object.entries(each.headers ?? {}).map(([name, description]) => ({
        name,
        in: "header",
        required: false,
        description,
        schema: { type: "string" },
      })),
    ],
    ...(each.body !== undefined && {
      requestBody: {
        required: each.isBodyOptional !== true,
        content: {
          "application/json": { schema: jsonSchemaOf(each.body) },
          ...Object.fromEntries(
            Object.entries(each.otherBodies ?? {}).map(([type, { description }]) => [
              type,
              { schema: { type: "string", description } },
            ]),
          ),
        },
      },
    }),
    responses: {
      ...Object.fromEntries(Object.entries(each.answers).map(([status, answer]) => [status, response(answer)])),
      ...Object.fromEntries(
        Object.entries({ ...commonProblems(each), ...each.problems }).map(([status, description]) => [
          status,
          { description, content: { [problemType]: { schema: { $ref: "#/components/schemas/Problem" } } } },
        ]),
      ),
    },
  }
}

/** What is said of a request of such a shape before its handler is asked. */
function commonProblems({ params, query, body }: Route): Record<number, string> {
  return {
    ...((params !== undefined || query !== undefined || body !== undefined) && {
      400: "the path, a parameter or the body is wrong: `field` says which",
    }),
    ...(body !== undefined && { 413: "the body is too large", 415: "the content type is none of those listed" }),
    429: "too many requests at once; Retry-After says when to try again",
  }
}

function response({ description, schema, contentTypes = ["application/json"] }: Answer): JsonSchema {
  if (schema === undefined) return { description }
  const content = Object.fromEntries(contentTypes.map((type) => [type, { schema: jsonSchemaOf(schema) }]))
  return { description, content }
}

function parametersIn(place: "path" | "query", each: Route): JsonSchema[] {
  const schema = place === "path" ? each.params : each.query
  if (schema === undefined) return []
  return Object.entries(entriesOf(schema)).map(([name, entry]) => {
    const { description, ...rest } = jsonSchemaOf(entry)
    return {
      name,
      in: place,
      required: place === "path" || !isOptionalEntry(entry),
      ...(description !== undefined && { description }),
      schema: rest,
    }
  })
}

const isOptionalEntry = (entry: Parameters<typeof isOptional>[0]): boolean => {
  const first = (entry as unknown as { pipe?: readonly (typeof entry)[] }).pipe?.[0]
  return isOptional(first ?? entry)
}

/** `post_topics_topic_messages` */
export const operationId = ({ method, path }: Pick<Route, "method" | "path">): string =>
  `${method.toLowerCase()}${path.replace(/[{}]/g, "").replace(/[^A-Za-z0-9]+/g, "_")}`
