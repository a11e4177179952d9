/**
 * One thing that must be so for requests to be served.
 *
 * Owns the shape, which those who know tell and those who ask show.
 */
export interface Check {
  readonly name: string
  readonly isOk: boolean
  /** What is wrong, or how it stands. */
  readonly detail: string
}
