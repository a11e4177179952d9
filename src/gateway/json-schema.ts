/**
 * JSON Schema out of validators.
 *
 * Owns the translation of those parts of valibot that this folder uses into JSON Schema 2020-12, which OpenAPI 3.1 speaks. A part it does not know is an error: a document that says less than the validator checks would be wrong.
 */
import type * as v from "valibot"

export type JsonSchema = { readonly [name: string]: unknown }
export type AnySchema = v.GenericSchema<never, unknown> | v.GenericSchema<unknown, unknown>

interface Part {
  readonly kind: string
  readonly type: string
  readonly requirement?: unknown
  readonly description?: string
  readonly metadata?: Record<string, unknown>
  readonly entries?: Record<string, Part>
  readonly wrapped?: Part
  readonly item?: Part
  readonly value?: Part
  readonly options?: readonly unknown[]
  readonly literal?: unknown
  readonly default?: unknown
  readonly pipe?: readonly Part[]
}

export const jsonSchemaOf = (schema: AnySchema): JsonSchema => translate(schema as unknown as Part)

/** Whether the field may be left out. */
export const isOptional = (schema: AnySchema): boolean => (schema as unknown as Part).type === "optional"

export const entriesOf = (schema: AnySchema): Record<string, AnySchema> => {
  const part = schema as unknown as Part
  return (part.entries ?? part.pipe?.[0]?.entries ?? {}) as unknown as Record<string, AnySchema>
}

function translate(part: Part): JsonSchema {
  if (part.pipe === undefined) return base(part)
  const [first, ...rest] = part.pipe
  let found: JsonSchema = base(first!)
  for (const each of rest) found = each.kind === "schema" ? base(each) : { ...found, ...action(each, found) }
  return found
}

function base(part: Part): JsonSchema {
  switch (part.type) {
    case "string":
    case "number":
    case "boolean":
    case "null":
      return { type: part.type }
    case "unknown":
      return {}
    case "literal":
      return { const: part.literal }
    case "picklist":
      return { enum: part.options }
    case "optional":
      return part.default === undefined
        ? translate(part.wrapped!)
        : { ...translate(part.wrapped!), default: part.default }
    case "nullable":
      return orNull(translate(part.wrapped!))
    case "array":
      return { type: "array", items: translate(part.item!) }
    case "record":
      return { type: "object", additionalProperties: translate(part.value!) }
    case "union":
      return { anyOf: (part.options as readonly Part[]).map(translate) }
    case "strict_object":
      return objectOf(part.entries!)
    default:
      throw new TypeError(`${part.type} has no JSON Schema here`)
  }
}

function objectOf(entries: Record<string, Part>): JsonSchema {
  const required = Object.keys(entries).filter((name) => entries[name]!.type !== "optional")
  return {
    type: "object",
    properties: Object.fromEntries(Object.entries(entries).map(([name, part]) => [name, translate(part)])),
    ...(required.length > 0 && { required }),
    additionalProperties: false,
  }
}

const orNull = (schema: JsonSchema): JsonSchema =>
  typeof schema.type === "string" ? { ...schema, type: [schema.type, "null"] } : { anyOf: [schema, { type: "null" }] }

function action(part: Part, found: JsonSchema): JsonSchema {
  const isArray = found.type === "array"
  switch (part.type) {
    case "description":
      return { description: part.description }
    case "metadata":
      return part.metadata!
    case "integer":
      return { type: "integer" }
    case "min_value":
      return { minimum: part.requirement }
    case "max_value":
      return { maximum: part.requirement }
    case "min_length":
      return isArray ? { minItems: part.requirement } : { minLength: part.requirement }
    case "max_length":
      return isArray ? { maxItems: part.requirement } : { maxLength: part.requirement }
    case "regex":
      return { pattern: (part.requirement as RegExp).source }
    // Says in the schema's own words nothing; what it means stands in the metadata beside it.
    case "check":
      return {}
    case "to_number":
      return { type: "number", pattern: undefined }
    default:
      throw new TypeError(`${part.type} has no JSON Schema here`)
  }
}
