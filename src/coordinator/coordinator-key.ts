/**
 * Which partition of an internal topic coordinates a key.
 *
 * Owns Kafka's hash for it, which clients never see but data directories depend on. Source: Kafka's Utils.abs(key.hashCode()) % partitions.
 */

/** `String.hashCode` of Java: over UTF-16 units, in 32 bits. */
export function javaStringHash(text: string): number {
  let hash = 0
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0
  return hash
}

/** The partition, of `partitions`, whose leader coordinates the group or transactional id. */
export function coordinatorPartition(key: string, partitions: number): number {
  const hash = javaStringHash(key)
  // The smallest integer has no absolute value of its own.
  return (hash === -(2 ** 31) ? 0 : Math.abs(hash)) % partitions
}
