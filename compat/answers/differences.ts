/**
 * Where Ottla's answers are not Apache Kafka's, and why that is meant.
 *
 * Owns the list. A difference that nothing here matches fails the check.
 */
export interface KnownDifference {
  readonly reason: string
  readonly matches: (difference: { readonly label: string; readonly ottla: string; readonly kafka: string }) => boolean
}

export const differences: readonly KnownDifference[] = [
  {
    // Kafka keeps it in memory until its partition is loaded again, so that its answers depend on when that was.
    reason: "a group that is nothing but its offsets is gone with the last of them",
    matches: ({ label, ottla, kafka }) =>
      label.includes("a group of offsets alone: ") &&
      ((label.includes("OffsetDelete") && ottla.includes('"errorCode":69') && kafka.includes('"errorCode":0')) ||
        (label.includes("DeleteGroups v0") && ottla.includes('"errorCode":69') && kafka.includes('"errorCode":0'))),
  },
  {
    // Kafka resolves beside its heartbeats, and the member learns of it with one of the next.
    reason: "an expression is resolved within the heartbeat that brings it",
    matches: ({ label, ottla, kafka }) =>
      label.includes("expressions: ConsumerGroupHeartbeat") &&
      ottla.replace('"memberEpoch":2', '"memberEpoch":1') === kafka,
  },
  {
    // Kafka fails with an exception that says nothing to the client (UNKNOWN_SERVER_ERROR).
    reason: "a subscription that does not parse is a protocol the group cannot follow",
    matches: ({ label, ottla, kafka }) =>
      /JoinGroup v\d: that (makes no sense|says nothing)/.test(label) &&
      ottla.includes('"errorCode":23') &&
      kafka.includes('"errorCode":-1,'),
  },
]
