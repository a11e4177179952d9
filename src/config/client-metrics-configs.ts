/** Every setting of a client metrics subscription that Kafka 4.3.1 has (KIP-714). */
import { type ConfigEntry, define } from "./config-entry.js"

export const clientMetricsConfigs: readonly ConfigEntry[] = [
  define("interval.ms", "int", "300000"),
  define("match", "list", "", { emptyAllowed: true, nullAllowed: false }),
  define("metrics", "list", "", { emptyAllowed: true, nullAllowed: false }),
]
