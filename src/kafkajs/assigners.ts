/**
 * kafkajs's partition assigners, by the names of the client's.
 *
 * Owns which there are. kafkajs lets programs write their own; those cannot be used here, and are refused when the consumer begins.
 */
import { KafkaJSNotImplemented } from "./errors.js"

export interface Assigner {
  readonly assignorName: "roundrobin" | "range" | "sticky" | "cooperative-sticky"
}

/** `roundRobin` is kafkajs's only one; the others are those of Kafka's Java client. */
export const PartitionAssigners = {
  roundRobin: { assignorName: "roundrobin" },
  range: { assignorName: "range" },
  sticky: { assignorName: "sticky" },
  cooperativeSticky: { assignorName: "cooperative-sticky" },
} as const satisfies Record<string, Assigner>

/** Errors: KafkaJSNotImplemented for what is none of them. */
export function assignorNames(
  assigners: readonly Assigner[] = [PartitionAssigners.roundRobin],
): Assigner["assignorName"][] {
  return assigners.map((assigner) => {
    const known = Object.values(PartitionAssigners).find((each) => each.assignorName === assigner.assignorName)
    if (known !== undefined) return known.assignorName
    throw new KafkaJSNotImplemented(
      `partitionAssigners: choose from PartitionAssigners.${Object.keys(PartitionAssigners).join(", ")}`,
    )
  })
}
