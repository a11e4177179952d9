/**
 * Where Ottla's answers are not Apache Kafka's, and why that is meant.
 *
 * Owns the list. A difference that nothing here matches fails the check.
 */
export interface KnownDifference {
  readonly reason: string
  readonly matches: (difference: { readonly label: string; readonly ottla: string; readonly kafka: string }) => boolean
}

export const differences: readonly KnownDifference[] = []
