/** A broken promise of our own code: never caught and carried on from, it stops the node. */
export class InvariantError extends Error {
  override name = "InvariantError"
}

/** Checks an invariant, in production too. The message says what it would mean if this ran. */
export function invariant(condition: unknown, meaning: string): asserts condition {
  if (!condition) throw new InvariantError(meaning)
}
