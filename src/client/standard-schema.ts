/**
 * What validators of several libraries have in common (Standard Schema, version 1: standardschema.dev), so that any of them can say what a topic holds.
 *
 * Owns the shape, and what a failed validation looks like as an error. Depends on none of those libraries.
 */
export interface StandardSchema<Output = unknown> {
  readonly "~standard": {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined
  }
}

type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** Issues that are told; further ones are counted. */
const toldIssuesMax = 5

/** What the schema makes of a value. Rejects with an Error whose message names each field that is wrong, and why. */
export async function validate<Output>(schema: StandardSchema<Output>, value: unknown): Promise<Output> {
  const result = await schema["~standard"].validate(value)
  if (result.issues === undefined) return result.value
  const told = result.issues.slice(0, toldIssuesMax).map(({ message, path }) => {
    const field = (path ?? []).map((step) => String(typeof step === "object" ? step.key : step)).join(".")
    return field === "" ? message : `${field}: ${message}`
  })
  const more = result.issues.length - told.length
  throw new Error(told.join("; ") + (more > 0 ? ` (and ${more} more)` : ""))
}
