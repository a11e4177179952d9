/**
 * Feature levels: what this broker could do, and what a new cluster starts with.
 *
 * Owns the ranges and the levels of a new cluster, both those of Apache Kafka 4.3, so that either can start on the other's data. A level alone offers nothing: clients also
 * look for the API itself in ApiVersions.
 */
import { metadataVersion } from "../metadata/records.js"

export const supportedFeatures = [
  { name: "group.version", minSupportedVersion: 0, maxSupportedVersion: 1 },
  { name: "transaction.version", minSupportedVersion: 0, maxSupportedVersion: 2 },
  { name: "kraft.version", minSupportedVersion: 0, maxSupportedVersion: 1 },
  { name: "eligible.leader.replicas.version", minSupportedVersion: 0, maxSupportedVersion: 1 },
  { name: "metadata.version", minSupportedVersion: 7, maxSupportedVersion: metadataVersion },
  { name: "share.version", minSupportedVersion: 0, maxSupportedVersion: 1 },
  { name: "streams.version", minSupportedVersion: 0, maxSupportedVersion: 1 },
] as const

/** The level of `metadata.version` that level 1 of a feature needs: of release 4.0, and its first revision. The others need none. */
const needed: ReadonlyMap<string, number> = new Map([
  ["group.version", 22],
  ["eligible.leader.replicas.version", 23],
])

export const metadataVersionNeeded = (feature: string, level: number): number | undefined =>
  level === 0 ? undefined : needed.get(feature)

/**
 * Levels that a cluster of an earlier start lacks. Without `group.version` its groups could not use the consumer protocol, and nothing tells clients why.
 */
export function missingFeatures(levels: ReadonlyMap<string, number>): { name: string; featureLevel: number }[] {
  const isMissing =
    !levels.has("group.version") && (levels.get("metadata.version") ?? 0) >= needed.get("group.version")!
  return isMissing ? [{ name: "group.version", featureLevel: 1 }] : []
}

/** What the first records of a new cluster set. */
export const bootstrapFeatures: readonly { name: string; featureLevel: number }[] = [
  { name: "metadata.version", featureLevel: metadataVersion },
  { name: "eligible.leader.replicas.version", featureLevel: 1 },
  { name: "group.version", featureLevel: 1 },
  { name: "share.version", featureLevel: 1 },
  { name: "streams.version", featureLevel: 1 },
  { name: "transaction.version", featureLevel: 2 },
]
