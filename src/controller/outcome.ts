/**
 * What a decision says of one item of a request: what came of it, or why nothing did.
 */
import type { ErrorCode } from "../protocol/errors.js"

export interface Failure {
  readonly errorCode: ErrorCode
  readonly errorMessage: string | null
}

export type Outcome<T> = { readonly ok: T } | { readonly failure: Failure }

export const failure = (errorCode: ErrorCode, errorMessage: string | null = null): { failure: Failure } => ({
  failure: { errorCode, errorMessage },
})
