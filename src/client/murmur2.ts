/** The hash by which Kafka's Java client spreads keys over partitions: MurmurHash 2 of 32 bits, seed 0x9747b28c. Source: Kafka's Utils.murmur2. */

const seed = 0x9747b28c
const m = 0x5bd1e995
const r = 24

/** A signed 32-bit number, as in Java. */
export function murmur2(bytes: Uint8Array): number {
  const length = bytes.length
  let h = seed ^ length
  const whole = length & ~3
  for (let at = 0; at < whole; at += 4) {
    let k = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    k = Math.imul(k, m)
    k ^= k >>> r
    h = Math.imul(h, m) ^ Math.imul(k, m)
  }
  const rest = length - whole
  if (rest >= 3) h ^= bytes[whole + 2]! << 16
  if (rest >= 2) h ^= bytes[whole + 1]! << 8
  if (rest >= 1) h = Math.imul(h ^ bytes[whole]!, m)
  h ^= h >>> 13
  h = Math.imul(h, m)
  return h ^ (h >>> 15)
}

/** Java's `toPositive(murmur2(key)) % partitions`. */
export const partitionOfKey = (key: Uint8Array, partitions: number): number => (murmur2(key) & 0x7fffffff) % partitions
