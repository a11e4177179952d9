/**
 * What consumers of a classic group say to each other: subscriptions and assignments, opaque to the protocol of the group.
 *
 * Owns the fields; on the wire an int16 version precedes them. The invariant: versions only add fields at the end, so a newer one is read as the
 * newest that is known, and what is left over is ignored.
 */
import { array, bytes, int32, string } from "../field.js"
import { message } from "../message.js"

const topicPartitions = {
  topic: string({ mapKey: true }),
  partitions: array(int32()),
} as const

/** Of one member, in JoinGroup. Versions: 1 owned partitions (KIP-429), 2 their generation (KIP-792), 3 rack (KIP-881). */
export const consumerProtocolSubscription = message({
  name: "ConsumerProtocolSubscription",
  versions: "0-3",
  flexible: "none",
  fields: {
    topics: array(string()),
    userData: bytes({ nullableVersions: "0+", default: null }),
    ownedPartitions: array(topicPartitions, { versions: "1+", ignorable: true }),
    generationId: int32({ versions: "2+", default: -1, ignorable: true }),
    rackId: string({ versions: "3+", nullableVersions: "3+", default: null, ignorable: true }),
  },
})

/** For one member, in SyncGroup. */
export const consumerProtocolAssignment = message({
  name: "ConsumerProtocolAssignment",
  versions: "0-3",
  flexible: "none",
  fields: {
    assignedPartitions: array(topicPartitions),
    userData: bytes({ nullableVersions: "0+", default: null }),
  },
})
